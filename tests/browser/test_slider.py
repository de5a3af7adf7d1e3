"""A learner moves a slider by keyboard, and the drawing follows. Nothing leaves the machine."""

CELL = """
from labkit import plot
from labkit.widgets import slider


def bar(figure, height=1):
    figure.subplots().bar(["here"], [height])
    plot.describe(figure, f"A bar of height {height}.")


slider(bar, height=range(1, 6))
"""


def test_a_slider_moves_a_drawing_by_keyboard(run_notebook, shots):
    with run_notebook(CELL) as page:
        drawing = page.get_by_role("img", name="A bar of height")
        drawing.wait_for()
        assert drawing.get_attribute("alt") == "A bar of height 1."
        handle = page.get_by_role("slider")
        handle.press("ArrowRight")
        page.get_by_role("img", name="A bar of height 2.").wait_for()
        page.locator(".labkit-status", has_text="A bar of height 2.").wait_for()
        handle.press("End")
        page.get_by_role("img", name="A bar of height 5.").wait_for()
        page.screenshot(path=shots / "slider.png")
