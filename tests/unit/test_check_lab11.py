"""The exercises of lab 11: what to commit, one answer each, what is broken, a stream."""

import json
from collections import Counter

import numpy as np
import pytest

from labkit.check import check
from labkit.stream.reading import Record


@pytest.fixture(autouse=True)
def progress_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("LABKIT_PROGRESS", str(tmp_path / "progress.json"))


def failed_lines(result):
    return [line.text for line in result.lines if not line.passed]


# What to note


def notes(places, *, add=1, start=0, latest=False):
    found = {}
    for partition, offset in places:
        before = start if latest else found.get(partition, start)
        found[partition] = max(before, offset + add)
    return found


def notes_in_numpy(places):
    table = np.array(places).reshape(-1, 2)
    return {p: table[table[:, 0] == p, 1].max() + 1 for p in np.unique(table[:, 0])}


@pytest.mark.parametrize("answer", [notes, notes_in_numpy])
def test_11_commit_passes(answer):
    assert check("11-commit", answer).passed is True


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda places: notes(places, add=0), "would be read again; add 1"),
        (lambda places: notes(places, latest=True), "right only in order"),
        (lambda places: notes(places[:1]), "your notes are for the partitions [0]"),
        (lambda places: notes(places, add=2), "the notes are {0: 7, 2: 1}, and yours"),
        (lambda places: dict(Counter(p for p, _ in places)), "the notes are {0: 7, 2: 1}"),
        (lambda places: max(places), "a dictionary is asked for"),
        (lambda places: places[0].offset, "AttributeError"),
        ({0: 7}, "hand over the function itself"),
    ],
)
def test_11_commit_knows_the_usual_mistakes(answer, hint):
    assert hint in failed_lines(check("11-commit", answer))[0]


@pytest.mark.parametrize("exercise", ["11-commit", "11-once", "11-reasons"])
def test_unattempted_is_no_error(exercise):
    def answer(given): ...

    assert check(exercise, answer).passed is None
    assert check(exercise, ...).passed is None


# One answer for each photo


def first(answers):
    found = {}
    for one in answers:
        found.setdefault(one["id"], one["class"])
    return found


def test_11_once_passes():
    assert check("11-once", first).passed is True
    backwards = check("11-once", lambda given: {a["id"]: a["class"] for a in reversed(given)})
    assert backwards.passed is True


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda given: {a["id"]: a["class"] for a in given}, "a later answer has taken the place"),
        (lambda given: dict.fromkeys(first(given), "cats"), "the first answers are"),
        (lambda given: {a["class"]: a["id"] for a in given}, "yours are cats, dogs"),
        (lambda given: {a["id"] for a in given}, "of the type set"),
        (lambda given: {}, "yours are none"),
    ],
)
def test_11_once_knows_the_usual_mistakes(answer, hint):
    assert hint in failed_lines(check("11-once", answer))[0]


# The reasons of dead letters


def reasons(records, header="dead-letter-reason"):
    return Counter(record.headers[header] for record in records)


@pytest.mark.parametrize("answer", [reasons, lambda records: dict(reasons(records))])
def test_11_reasons_passes(answer):
    assert check("11-reasons", answer).passed is True


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda records: reasons(records, "dead-letter-detail"), "you count the details"),
        (lambda records: reasons(records, "reason"), "KeyError: 'reason'"),
        (lambda records: dict.fromkeys(reasons(records), 1), "the numbers are"),
        (lambda records: reasons(records, "id"), "the reasons are picture, hash, reference"),
        (len, "a dictionary is asked for"),
    ],
)
def test_11_reasons_knows_the_usual_mistakes(answer, hint):
    assert hint in failed_lines(check("11-reasons", answer))[0]


# A stream of one's own


def record(number, *, topic="ada.answers", value=None):
    said = {"id": f"p{number}", "class": "cats"} if value is None else value
    raw = json.dumps(said).encode()
    return Record(topic, 0, number, "2026-11-22T08:00:00Z", f"p{number}", {}, raw)


def test_11_free_space_wants_answers_to_five_pictures_in_a_topic_of_ones_own():
    mine = [record(number) for number in range(5)]
    assert check("11-free-space", mine, known=("lab.answers",)).passed is True


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        ([record(n, topic="lab.answers") for n in range(5)], "is one of the lab"),
        ([record(n % 4) for n in range(8)], "4 different pictures are answered; at least 5"),
        ([record(n, value=[n]) for n in range(5)], "other things than answers"),
        ([record(n, value={"id": "p"}) for n in range(5)], "other things than answers"),
        ([], "there is nothing in the topic"),
        ([{"class": "cats"}], "hand over what stream.read returned"),
        ("ada.answers", "hand over what stream.read returned"),
    ],
)
def test_11_free_space_knows_the_usual_mistakes(answer, hint):
    assert hint in failed_lines(check("11-free-space", answer, known=("lab.answers",)))[0]


def test_11_free_space_refuses_pictures():
    photo = Record("ada.pictures", 0, 0, "2026-11-22T08:00:00Z", "p", {}, b"\xff\xd8")
    assert "no JSON" in failed_lines(check("11-free-space", [photo]))[0]
