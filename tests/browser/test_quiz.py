"""A learner answers a quiz by keyboard alone. Nothing leaves the machine."""


def test_a_quiz_is_answered_by_keyboard(run_notebook, shots):
    with run_notebook("from labkit.widgets import quiz\nquiz('c1-tensors')") as page:
        first = page.get_by_role("group", name="1. A colour photograph")
        second = page.get_by_role("group", name="2. x has the shape (2, 6).")
        page.get_by_text("0 right so far, 5 to go.").wait_for()
        check = first.get_by_role("button", name="Check my answer to question 1")
        check.press("Enter")
        first.get_by_text("Choose one of the answers first.").wait_for()
        first.get_by_role("radio").first.press("Space")
        page.keyboard.press("ArrowDown")
        assert first.get_by_role("radio").nth(1).is_checked(), "the arrow keys stay in the group"
        assert second.get_by_role("radio", checked=True).count() == 0
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        first.get_by_text("Right. Pictures first").wait_for()
        page.get_by_text("1 right so far, 4 to go.").wait_for()
        assert first.get_by_role("radio").nth(2).is_disabled(), "the first answer counts"
        second.get_by_role("radio").nth(2).press("Space")
        second.get_by_role("button").press("Enter")
        second.get_by_text("Not quite: the right answer is a.").wait_for()
        page.screenshot(path=shots / "quiz.png")
