"""Exercises check themselves: ``labkit.check("02-weights", answer)``.

The exercises are functions in ``labkit.check.exercises``, judged with the tools of
``labkit.check.judging``; what has been solved is kept by ``labkit.check.record``.
"""

import difflib
import html
import inspect
from dataclasses import dataclass

from labkit import palette, settings
from labkit.check import exercises  # noqa: F401  (importing them registers them)
from labkit.check.judging import EXERCISES, Unattempted, Verdict, Wrong, reason
from labkit.check.record import Progress, progress, record
from labkit.errors import LabError

__all__ = ["EXERCISES", "Progress", "Result", "Verdict", "check", "progress"]

_LOOKS = {
    True: ("✓", "passed", palette.GREEN),
    False: ("✗", "not yet", palette.VERMILLION),
    None: ("○", "not attempted yet", palette.GREY),
}


@dataclass(frozen=True, repr=False)
class Result:
    """How an answer did, shown in colour by a notebook and as plain text elsewhere."""

    exercise: str
    passed: bool | None
    """``None`` when there was no answer yet."""
    lines: tuple[Verdict, ...] = ()
    """What was looked at, each with its own verdict."""
    note: str = ""
    """Why progress could not be saved; empty when it was."""

    def __repr__(self) -> str:
        word = _LOOKS[self.passed][1]
        if len(self.lines) == 1:
            text = f"{word}: {self.lines[0].text}"
        else:
            rows = [f"\n  {_LOOKS[line.passed][0]} {line.text}" for line in self.lines]
            text = f"{word}:{''.join(rows)}"
        return f"{text}\n({self.note})" if self.note else text

    def _repr_html_(self) -> str:
        # Colour only underlines what the mark and the word say, and text keeps the theme's own.
        mark, word, colour = _LOOKS[self.passed]
        if len(self.lines) == 1:
            body = f": {html.escape(self.lines[0].text)}"
        else:
            rows = (f"<li>{_LOOKS[v.passed][0]} {html.escape(v.text)}</li>" for v in self.lines)
            style = "list-style: none; margin: 0.2em 0 0; padding-left: 1.3em"
            body = f'<ul style="{style}">{"".join(rows)}</ul>'
        note = f"<div>({html.escape(self.note)})</div>" if self.note else ""
        return (
            f'<div style="border-left: 4px solid {colour}; padding: 0.2em 0.8em">'
            f"<strong>{mark} {word}</strong>{body}{note}</div>"
        )


def check(exercise: str, *answers, **context) -> Result:
    """Check your answer to an exercise and remember whether it passed.

    Dots (``...``) and ``None`` count as no answer yet. A wrong answer, of whatever
    kind, becomes feedback and never an exception.

    Args:
        exercise: its name, such as ``"02-weights"``.
        *answers: your answer; a few exercises take two.
        **context: what the exercise needs to know, as the notebook hands it over
            (``data=data``, ``model=model``).

    Raises:
        LabError: there is no exercise of that name.

    Example:
        >>> labkit.check("02-weights", 7840)
        not yet: 7,840 counts the weights alone; each of the ten neurons also has a bias
    """
    if exercise not in EXERCISES:
        near = difflib.get_close_matches(str(exercise), EXERCISES, n=3, cutoff=0.5)
        raise LabError(
            f"There is no exercise {exercise!r}. "
            f"{'Close to it' if near else 'There'} are: {', '.join(near or EXERCISES)}. "
            "Use the name as the notebook gives it."
        )
    lines = None if _no_answer(answers) else _judge(exercise, answers, context)
    if lines is None:
        asked = Verdict(None, "replace the dots in the cell above and run it again")
        return Result(exercise, None, (asked,))
    passed = bool(lines) and all(line.passed for line in lines)
    try:
        note = record(settings.read().progress, exercise, passed=passed)
    except ValueError as error:
        note = f"Your progress is not saved: {error}"
    return Result(exercise, passed, tuple(lines), note)


def _no_answer(answers) -> bool:
    return not answers or any(
        answer is None
        or answer is ...
        or (isinstance(answer, list | tuple) and any(part is ... for part in answer))
        for answer in answers
    )


def _judge(exercise, answers, context) -> list[Verdict] | None:
    """The verdicts on an answer; ``None`` when it turns out to be none yet."""
    judge = EXERCISES[exercise].judge
    try:
        inspect.signature(judge).bind(*answers, **context)
    except TypeError as error:
        call = f'labkit.check("{exercise}", {_arguments(judge)})'
        return [Verdict(False, f"write {call} ({error})")]
    lines = []
    try:
        for verdict in judge(*answers, **context):
            lines.append(verdict)
    except Unattempted:
        return None
    except Wrong as error:
        lines.append(Verdict(False, str(error)))
    except Exception as error:  # whatever an answer sets off is feedback on it
        lines.append(Verdict(False, f"your answer could not be checked: {reason(error)}"))
    return lines


def _arguments(judge) -> str:
    parameters = inspect.signature(judge).parameters.values()
    return ", ".join(
        f"{p.name}={p.name}" if p.kind is p.KEYWORD_ONLY else p.name for p in parameters
    )
