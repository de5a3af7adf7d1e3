"""A few questions at the end of a lab, with an explanation after each answer."""

import html
import tomllib
from dataclasses import dataclass
from pathlib import Path

from labkit.errors import LabError
from labkit.widgets.panel import Panel

_HERE = Path(__file__).parent
_QUIZZES = _HERE / "quizzes"
_LETTERS = "abcd"


@dataclass(frozen=True)
class Question:
    """One question. Its texts are plain, with backticks around code."""

    text: str
    options: tuple[str, ...]
    """Three or four."""
    answer: int
    """The place of the right option, counted from 0."""
    why: str
    """Why the right one is right, and a tempting wrong one wrong."""


def quiz(name: str) -> Panel:
    """The quiz of a lab. Where widgets are not available, the answers are folded in.

    Args:
        name: of the lab's notebook, without ``.ipynb``.

    Returns:
        A :class:`Panel`, which a notebook shows.

    Raises:
        LabError: there is no such quiz, or its file cannot be understood.

    Example:
        >>> labkit.widgets.quiz("c1-tensors")
    """
    if name not in quizzes():
        raise LabError(f"There is no quiz {name!r}. Use one of: {', '.join(quizzes())}.")
    return Quiz(name, read(_QUIZZES / f"{name}.toml")).panel


def quizzes() -> list[str]:
    """The names of all quizzes."""
    return sorted(path.stem for path in _QUIZZES.glob("*.toml"))


def read(path: Path) -> tuple[Question, ...]:
    """The questions in a file.

    Args:
        path: a TOML file with a ``[[question]]`` for each: ``text``, ``options``, ``answer``
            (counted from 0) and ``why``.

    Raises:
        LabError: the file is no TOML, or a question lacks something; the text says which.
    """
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise LabError(f"{path.name} is not valid TOML: {error}. Mend it there.") from error
    asked = found.get("question")
    if list(found) != ["question"] or not isinstance(asked, list) or not asked:
        raise LabError(f"{path.name} has to be a list of [[question]] and nothing else.")
    return tuple(
        _question(f"{path.name}, question {number}", one) for number, one in enumerate(asked, 1)
    )


def _question(where, parts) -> Question:
    needed = list(Question.__annotations__)
    if not isinstance(parts, dict) or set(parts) != set(needed):
        raise LabError(f"{where}: give it {', '.join(needed)}, and nothing else.")
    for key in ("text", "why"):
        if not _is_text(parts[key]):
            raise LabError(f"{where}: {key} is {parts[key]!r}. Write a text.")
    options, answer = parts["options"], parts["answer"]
    is_list = isinstance(options, list) and all(map(_is_text, options))
    if not is_list or not 3 <= len(set(options)) == len(options) <= len(_LETTERS):
        raise LabError(f"{where}: options are {options!r}. Write three or four different texts.")
    # In Python True is a number, too.
    if type(answer) is not int or not 0 <= answer < len(options):
        raise LabError(
            f"{where}: answer is {answer!r}. Write the place of the right option, "
            f"a number from 0 to {len(options) - 1}."
        )
    return Question(parts["text"], tuple(options), answer, parts["why"])


def _is_text(value) -> bool:
    return isinstance(value, str) and bool(value.strip())


class Quiz:
    """The sheet of questions, and what its answers are worth. The first answer counts."""

    def __init__(self, name: str, questions: tuple[Question, ...]):
        self.questions = questions
        self.sheet = _sheet(questions)
        self.sheet.observe(lambda _: self.judge(), "answers")
        title = f"Quiz of {name}, {len(questions)} questions"
        self.panel = Panel(self.sheet, lambda: folded(questions), title)

    def judge(self):
        """Explain what has been answered, and count."""
        self.sheet.verdicts = [
            None if given is None else verdict(question, given)
            for question, given in zip(self.questions, self.sheet.answers, strict=True)
        ]
        self.sheet.score = score(self.sheet.verdicts)


def verdict(question: Question, given: int) -> dict:
    """What there is to say of an answer: "right", which is a bool, and "text"."""
    right = given == question.answer
    letter = _LETTERS[question.answer]
    said = "Right." if right else f"Not quite: the right answer is {letter}."
    return {"right": right, "text": f"{said} {question.why}"}


def score(verdicts: list) -> str:
    """How many answers were right, in words; ``None`` stands for a question still open."""
    right = sum(one["right"] for one in verdicts if one)
    left = verdicts.count(None)
    if left:
        return f"{right} right so far, {left} to go."
    return f"You answered {right} of {len(verdicts)} right."


def folded(questions: tuple[Question, ...]) -> str:
    """The quiz as a page that needs no widgets: each answer is folded away below its question."""
    parts = []
    for number, question in enumerate(questions, 1):
        options = "".join(f"<li>{_coded(option)}</li>" for option in question.options)
        right = f"{_LETTERS[question.answer]}. {_coded(question.options[question.answer])}"
        parts.append(
            f'<li><p>{_coded(question.text)}</p><ol type="a">{options}</ol>'
            f"<details><summary>Answer to question {number}</summary>"
            f"<p><strong>{right}</strong></p><p>{_coded(question.why)}</p></details></li>"
        )
    return f"<ol>{''.join(parts)}</ol>"


def _coded(text):
    """Text as HTML, with what stands between backticks as code."""
    pieces = html.escape(text).split("`")
    return "".join(f"<code>{p}</code>" if i % 2 else p for i, p in enumerate(pieces))


def _sheet(questions):
    import anywidget
    import traitlets as t

    # ipywidgets' own radio buttons are neither a group to the arrow keys nor named by their
    # question to a screen reader; a page's are both.
    class Sheet(anywidget.AnyWidget):
        _esm = _HERE / "quiz.js"
        _css = _HERE / "quiz.css"
        questions = t.List().tag(sync=True)
        answers = t.List().tag(sync=True)
        verdicts = t.List().tag(sync=True)
        score = t.Unicode().tag(sync=True)

    nothing = [None] * len(questions)
    return Sheet(
        questions=[{"text": one.text, "options": list(one.options)} for one in questions],
        answers=nothing,
        verdicts=nothing,
        score=score(nothing),
    )
