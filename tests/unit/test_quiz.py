"""The quiz at the end of a concept lab, without a browser."""

import re

import pytest

from labkit.errors import LabError
from labkit.widgets import quiz
from labkit.widgets.quiz_view import _QUIZZES, Question, Quiz, folded, quizzes, read

GOOD = """
[[question]]
text = "What has the shape `(2, 3)`?"
options = ["two rows of three", "three rows of two", "six rows"]
answer = 0
why = "Rows first. `six` is how many numbers there are."
"""

TWO = (
    Question("1 + 1?", ("1", "2", "3"), 1, "One and one more."),
    Question("2 & 2?", ("1", "4", "<5>"), 1, "Use `+`."),
)


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "c9-made.toml"
        path.write_text(text)
        return path

    return write


# --- the files ------------------------------------------------------------------------


@pytest.mark.parametrize("name", quizzes())
def test_every_quiz_has_five_questions_and_not_one_place_for_all_answers(name):
    questions = quiz(name).view.questions
    asked = read(_QUIZZES / f"{name}.toml")
    assert len(questions) == len(asked) == 5
    assert len({one.answer for one in asked}) > 1
    for one in asked:
        assert len(one.why) > 40, f"{one.text}: explain it"
        for text in (one.text, one.why, *one.options):
            assert text.count("`") % 2 == 0, f"a backtick too many in {text!r}"


def test_a_file_is_read(written):
    (question,) = read(written(GOOD))
    assert question.options[question.answer] == "two rows of three"


@pytest.mark.parametrize(
    "text, said",
    [
        ("[[question]\n", "not valid TOML"),
        ("", "a list of [[question]]"),
        ("[question]\ntext = 'x'\n", "a list of [[question]]"),
        ("title = 'x'\n" + GOOD, "nothing else"),
        (GOOD.replace("why =", "because ="), "question 1: give it text, options, answer, why"),
        (GOOD + "[[question]]\ntext = 'and?'\n", "question 2: give it"),
        (GOOD.replace('"six rows"]', "]"), "three or four different texts"),
        (GOOD.replace('"six rows"', '"two rows of three"'), "three or four different texts"),
        (GOOD.replace('"six rows"', "6"), "three or four different texts"),
        (GOOD.replace("answer = 0", "answer = 3"), "a number from 0 to 2"),
        (GOOD.replace("answer = 0", "answer = true"), "a number from 0 to 2"),
        (GOOD.replace("answer = 0", 'answer = "two rows of three"'), "a number from 0 to 2"),
        (re.sub("why = .*", "why = ' '", GOOD), "why is ' '. Write a text."),
    ],
)
def test_a_mistake_in_a_file_is_named(written, text, said):
    with pytest.raises(LabError, match=re.escape(said)) as error:
        read(written(text))
    assert "c9-made.toml" in str(error.value)


def test_a_quiz_that_does_not_exist():
    with pytest.raises(LabError, match="no quiz 'c9'. Use one of: c1-tensors"):
        quiz("c9")


# --- without widgets ------------------------------------------------------------------


def test_without_widgets_the_quiz_can_be_read(monkeypatch):
    monkeypatch.setenv("LABKIT_HEADLESS", "1")
    bundle = quiz("c1-tensors")._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html"}, "no widget that a page would not find"
    assert "Quiz of c1-tensors, 5 questions. Open this notebook" in bundle["text/plain"]
    page = bundle["text/html"]
    assert page.count("<details><summary>Answer to question") == 5
    before = page.split("<details>")[0]
    assert before.count("<li>") == 5, "the first question and its four options, open to see"
    assert "`" not in page and "<code>(20, 60, 80, 3)</code>" in page


def test_signs_of_html_are_shown_and_not_obeyed():
    page = folded(TWO)
    assert "2 &amp; 2?" in page and "&lt;5&gt;" in page and "<code>+</code>" in page


# --- with widgets ---------------------------------------------------------------------


def test_answering_explains_and_counts():
    made = Quiz("c9-made", TWO)
    sheet = made.sheet
    assert sheet.score == "0 right so far, 2 to go." and sheet.verdicts == [None, None]
    sheet.answers = [1, None]  # as the page does
    assert sheet.verdicts == [{"right": True, "text": "Right. One and one more."}, None]
    assert sheet.score == "1 right so far, 1 to go."
    sheet.answers = [1, 2]
    assert sheet.verdicts[1] == {
        "right": False,
        "text": "Not quite: the right answer is b. Use `+`.",
    }
    assert sheet.score == "You answered 1 of 2 right."


def test_the_page_is_not_told_the_answers_beforehand():
    sheet = Quiz("c9-made", TWO).sheet
    assert sheet.questions[0] == {"text": "1 + 1?", "options": ["1", "2", "3"]}


def test_two_of_them_do_not_share_their_answers():
    first, second = Quiz("c9-made", TWO), Quiz("c9-made", TWO)
    first.sheet.answers = [0, 0]
    assert second.sheet.answers == [None, None]


def test_in_jupyterlab_it_is_a_widget_and_a_page(monkeypatch):
    monkeypatch.setenv("LABKIT_HEADLESS", "0")
    bundle = quiz("c1-tensors")._repr_mimebundle_()
    assert {"application/vnd.jupyter.widget-view+json", "text/html", "text/plain"} <= set(bundle)
