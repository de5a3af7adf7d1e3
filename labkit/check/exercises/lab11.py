"""The exercises of lab 11: what to commit, one answer each, what is broken, a stream."""

from labkit.check.judging import (
    Verdict,
    Wrong,
    a_function,
    called,
    exercise,
    kind_of,
    plain,
)

_LEAST = 5


@exercise("11-commit", "Note how far a consumer has come")
def _commit(answer):
    a_function(answer)
    for places, right in (
        ([(0, 4), (2, 0), (0, 5), (0, 6)], {0: 7, 2: 1}),
        ([(3, 12), (1, 8), (3, 11), (1, 7), (3, 10)], {3: 13, 1: 9}),
        ([], {}),
    ):
        found = _a_dictionary(called(answer, list(places)))
        last = {partition: offset - 1 for partition, offset in right.items()}
        latest = {partition: offset + 1 for partition, offset in places}
        if found == right:
            text = f"{len(places)} messages: {right}"
        elif found == last:
            text = f"{found} are the last ones that were read, and they would be read again; add 1"
        elif found == latest:
            text = f"{found} is right only in order; the offsets of a partition can come mixed"
        elif set(found) != set(right):
            text = f"your notes are for the partitions {sorted(found)}; there are {sorted(right)}"
        else:
            text = f"for {places} the notes are {right}, and yours {found}"
        yield Verdict(found == right, text)


@exercise("11-once", "Keep one answer for each photo")
def _once(answer):
    a_function(answer)
    for given in (
        [("a1", "cats"), ("b2", "dogs"), ("a1", "cats"), ("c3", "cats")],
        [("d4", "dogs"), ("e5", "cats"), ("d4", "cats"), ("e5", "cats"), ("d4", "cats")],
        [],
    ):
        first = dict(reversed(given))
        found = _a_dictionary(called(answer, [{"id": i, "class": c} for i, c in given]))
        if found == first:
            text = f"{len(given)} answers, {len(first)} photos"
        elif found == dict(given):
            text = "a later answer has taken the place of the first one"
        elif set(found) != set(first):
            text = f"there are the ids {', '.join(first) or 'none'}; yours are {_listed(found)}"
        else:
            text = f"the first answers are {first}, and yours {found}"
        yield Verdict(found == first, text)


@exercise("11-reasons", "Count dead letters by their reason")
def _reasons(answer):
    a_function(answer)
    for reasons in (["picture", "hash", "picture", "reference"], ["label"] * 3, []):
        right = {one: reasons.count(one) for one in reasons}
        found = _a_dictionary(called(answer, [_letter(i, r) for i, r in enumerate(reasons)]))
        details = {_detail(one) for one in reasons}
        if found == right:
            text = f"{len(reasons)} dead letters: {right}"
        elif found and set(found) <= details:
            text = "you count the details; the reason is in the header dead-letter-reason"
        elif set(found) == set(right):
            text = f"the numbers are {right}, and yours {found}"
        else:
            text = f"the reasons are {', '.join(right) or 'none'}; yours are {_listed(found)}"
        yield Verdict(found == right, text)


def _detail(why):
    return f"a sentence about {why}"


def _letter(number, why):
    from labkit.stream.reading import Record

    headers = {"id": f"p{number}", "dead-letter-reason": why, "dead-letter-detail": _detail(why)}
    topic = "pictures.classify.dead-letters"
    return Record(topic, number % 4, number, "2026-11-22T08:00:00Z", f"p{number}", headers, b"")


@exercise("11-free-space", "A stream of your own")
def _free_space(records, known=()):
    from labkit.errors import StreamError
    from labkit.stream.reading import Record

    if not isinstance(records, list) or not all(isinstance(one, Record) for one in records):
        raise Wrong(f"your answer is {kind_of(records)}; hand over what stream.read returned")
    if not records:
        raise Wrong("there is nothing in the topic; classify into it first")
    topic = records[0].topic
    yield Verdict(
        topic not in known, f"{topic} is {'one of the lab' if topic in known else 'your own'}"
    )
    try:
        said = [record.json() for record in records]
    except StreamError as error:
        raise Wrong(str(error)) from error
    classes = [one.get("class") for one in said if isinstance(one, dict)]
    if len(classes) < len(said) or None in classes:
        raise Wrong(f"{topic} holds other things than answers; read the topic of answers")
    ids = {record.key for record in records}
    yield Verdict(
        len(ids) >= _LEAST,
        f"{plain(len(ids))} different pictures are answered"
        + ("" if len(ids) >= _LEAST else f"; at least {_LEAST} are asked for"),
    )


def _a_dictionary(found) -> dict:
    if not isinstance(found, dict):
        raise Wrong(f"what your function returns is {kind_of(found)}; a dictionary is asked for")
    return {_own(key): _own(value) for key, value in found.items()}


def _own(value):
    """Python's own number for one of NumPy's."""
    return value.item() if hasattr(value, "item") and not getattr(value, "shape", ()) else value


def _listed(found):
    return ", ".join(str(key) for key in found) or "none"
