"""The exercises of lab 12: gradients together, who is who, parts of a step, a manifest."""

from copy import deepcopy

import numpy as np
import pytest

from labkit.check import check


@pytest.fixture(autouse=True)
def progress_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("LABKIT_PROGRESS", str(tmp_path / "progress.json"))


def failed_lines(result):
    return [line.text for line in result.lines if not line.passed]


@pytest.mark.parametrize("exercise", ["12-average", "12-rank"])
def test_unattempted_is_no_error(exercise):
    def answer(given): ...

    assert check(exercise, answer).passed is None


@pytest.mark.parametrize("exercise", ["12-average", "12-rank", "12-parts", "12-job"])
def test_dots_are_no_error(exercise):
    assert check(exercise, ...).passed is None


# The gradients of unequal shares


def together(pairs):
    return sum(n * gradient for gradient, n in pairs) / sum(n for _, n in pairs)


def with_numpy(pairs):
    gradients, counts = zip(*pairs, strict=True)
    return np.average(gradients, axis=0, weights=counts)


def in_plain_lists(pairs):
    total = sum(n for _, n in pairs)
    return [sum(g[k] * n for g, n in pairs) / total for k in range(len(pairs[0][0]))]


@pytest.mark.parametrize("answer", [together, with_numpy, in_plain_lists])
def test_12_average_passes(answer):
    assert check("12-average", answer).passed is True


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda pairs: np.mean([g for g, _ in pairs], axis=0), "each picture is to count the same"),
        (lambda pairs: sum(g * n for g, n in pairs), "divide it by how many they are"),
        (lambda pairs: sum(g for g, _ in pairs), "a mean is asked for"),
        (lambda pairs: pairs[0][0], "it is [2, 2], and yours [1, -2]"),
        (lambda pairs: np.mean([g for g, _ in pairs]), "has the shape ()"),
        (lambda pairs: "2, 2", "an array of numbers, is asked for"),
        (lambda pairs: pairs["A"], "TypeError"),
        (np.array([2.0, 2.0]), "hand over the function itself"),
    ],
)
def test_12_average_knows_the_usual_mistakes(answer, hint):
    assert hint in failed_lines(check("12-average", answer))[0]


# Who is who

HOSTS = [f"train-{index}.train:2222" for index in range(4)]


def rank(environment):
    return int(environment["JOB_COMPLETION_INDEX"])


def test_12_rank_passes():
    assert check("12-rank", lambda environment: (rank(environment), HOSTS)).passed is True


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (lambda e: (e["JOB_COMPLETION_INDEX"], HOSTS), "a text, as all that stands in variables"),
        (lambda e: (rank(e) + 1, HOSTS), "for pod 3 the rank is 4"),
        (lambda e: (rank(e), HOSTS[rank(e) : rank(e) + 1]), "every pod needs those of all four"),
        (lambda e: (rank(e), [h.removesuffix(":2222") for h in HOSTS]), "at which port"),
        (lambda e: (rank(e), [h.replace(".train", "") for h in HOSTS]), "the name of the Service"),
        (lambda e: (rank(e), HOSTS[::-1]), "in the order of their ranks"),
        (lambda e: (rank(e), [f"train-{k}.train:2222" for k in range(1, 5)]), "count from 0"),
        (lambda e: (rank(e), HOSTS[0]), "a list of four texts"),
        (lambda e: rank(e), "a pair is asked for"),
        (lambda e: (int(e["RANK"]), HOSTS), "KeyError: 'RANK'"),
    ],
)
def test_12_rank_knows_the_usual_mistakes(answer, hint):
    assert hint in failed_lines(check("12-rank", answer))[0]


# The parts of a step


@pytest.mark.parametrize("answer", [(12, 28), [12, 28], np.array([12, 28]).tolist(), (12.0, 28)])
def test_12_parts_passes(answer):
    assert check("12-parts", answer).passed is True


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        ((20, 20), "A is through after 15 steps"),
        ((4, 36), "B is through after 19.4 steps"),
        ((28, 12), "the other way round"),
        ((0, 40), "nothing to do"),
        ((300, 700), "make 1,000; a step has 40"),
        (("12", "28"), "without quotation marks"),
        (12, "two numbers are asked for"),
    ],
)
def test_12_parts_knows_the_usual_mistakes(answer, hint):
    assert hint in failed_lines(check("12-parts", answer))[0]


# A manifest

RIGHT = {
    "kind": "Job",
    "metadata": {"name": "train"},
    "spec": {
        "parallelism": 4,
        "completions": 4,
        "completionMode": "Indexed",
        "template": {
            "spec": {
                "subdomain": "train",
                "containers": [
                    {
                        "image": "ai101:0.1.0",
                        "args": [
                            "train",
                            "mnist",
                            "--model=cnn",
                            "--workers=4",
                            "--hosts=train-{index}.train:2222",
                        ],
                    }
                ],
            }
        },
    },
}


def changed(*, args=None, pod=None, **spec):
    job = deepcopy(RIGHT)
    inside = job["spec"]["template"]["spec"]
    inside |= pod or {}
    inside["containers"][0]["args"][3:] = args or inside["containers"][0]["args"][3:]
    job["spec"] |= spec
    return job


def test_12_job_passes():
    assert check("12-job", RIGHT).passed is True
    in_two_words = changed(args=["--workers", "4", "--hosts", "train-{index}.train:2222"])
    assert check("12-job", in_two_words).passed is True


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        (changed(completionMode="NonIndexed"), "then no pod has a number"),
        (changed(parallelism=2), "parallelism 2, completions 4, --workers 4; four pods"),
        (changed(args=["--workers=2", RIGHT["spec"]["completionMode"]]), "--workers 2"),
        (
            changed(args=["--workers=4", "--hosts=train-{index}:2222"]),
            "put the Service's name behind it",
        ),
        (changed(args=["--workers=4", "--hosts=train-0.train:2222"]), "where do the pods"),
        (changed(pod={"subdomain": None}), "it names the Service"),
        (changed(template={}), "a part of the manifest is gone (KeyError: 'spec')"),
        ("kind: Job", "hand over the dictionary, mended"),
    ],
)
def test_12_job_knows_the_usual_mistakes(answer, hint):
    assert hint in failed_lines(check("12-job", answer))[0]


def test_12_job_says_what_is_missing_when_nobody_says_so():
    job = deepcopy(RIGHT)
    del job["spec"]["completionMode"]
    assert "as it is when nobody says so" in failed_lines(check("12-job", job))[0]
