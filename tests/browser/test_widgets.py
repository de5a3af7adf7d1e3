"""A learner tunes a network, and draws digits for one."""

import itertools
import os
import re

import numpy as np
import pytest

TUNER = """
import labkit
from labkit import models
from labkit.space import choice, integers, log_uniform, uniform

data = labkit.load("mnist", limit=1500)
space = {
    "learning_rate": log_uniform(1e-4, 1e-1),
    "dropout": uniform(0, 0.7),
    "units": choice((64,), (128, 64)),
    "epochs": integers(100, 1100, step=100),  # long enough to be stopped on a fast machine
}
labkit.widgets.tuner(models.mlp, data, space)
"""

SLOW_CANVAS = """
import time

import labkit
from labkit import models
from labkit.widgets import draw

asked, answer = [], draw.reply

def slowly(*question):
    asked.append(question)
    time.sleep(0.5)
    return answer(*question)

draw.reply = slowly
labkit.widgets.draw_digit(models.softmax_regression(((28, 28, 1), 10)), maps=False)
"""

REAL = os.environ.get("LABKIT_DATA", "sample") not in ("", "sample")
TRAINED = f"""
import labkit
from labkit import models

data = labkit.load("mnist", limit={15000 if REAL else 2000})
model = models.cnn(data)
labkit.fit(model, data, epochs={1 if REAL else 4}, recipe="fast", verbose=False)
labkit.widgets.draw_digit(model)
"""

# Presses a button and measures, in the page, how long it takes until a status line has the words.
PRESS = """([name, words]) => new Promise((resolve) => {
  const began = performance.now();
  const look = () => {
    const lines = [...document.querySelectorAll(".labkit-status")];
    if (lines.some((line) => line.textContent.includes(words))) resolve(performance.now() - began);
    else setTimeout(look, 10);
  };
  [...document.querySelectorAll(".widget-button")].find((b) => b.textContent === name).click();
  look();
})"""
RUN_SECOND_CELL = """() => {
  window.jupyterapp.shell.currentWidget.content.activeCellIndex = 1;
  window.jupyterapp.commands.execute("notebook:run-cell");
}"""
RESTART = "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()"
THEME = """(theme) =>
  window.jupyterapp.commands.execute("apputils:change-theme", { theme: `JupyterLab ${theme}` })"""


def says(page, words, timeout=60_000):
    """Wait until a line that screen readers read out has these words."""
    page.get_by_role("status").filter(has_text=words).wait_for(timeout=timeout)


def photograph(page, path):
    """Screenshots in the light and in the dark theme."""
    for theme in ("Dark", "Light"):
        page.evaluate(THEME, theme)
        page.wait_for_function(
            "dark => document.body.dataset.jpThemeLight === String(!dark)", arg=theme == "Dark"
        )
        page.wait_for_timeout(500)
        page.screenshot(path=path.with_name(f"{path.stem}-{theme.lower()}.png"))


def test_a_network_is_tuned_trained_and_stopped(run_notebook, lab, shots):
    with run_notebook(TUNER, "6 * 7") as page:
        curves = page.locator(".labkit-panel img")
        rows = page.locator(".labkit-panel tbody tr")

        slider = page.get_by_role("slider", name="dropout")
        slider.press("ArrowRight")
        slider.press("ArrowRight")
        assert slider.get_attribute("aria-valuetext") == "0.400"

        page.get_by_role("button", name="Train").press("Enter")
        says(page, re.compile(r"Training: ([2-9]|\d\d+) epochs done"))
        curves.wait_for()
        assert "dropout=0.4" in page.locator(".labkit-code pre").inner_text()
        early = curves.get_attribute("alt")
        says(page, re.compile(r"Training: ([6-9]|\d\d+) epochs done"))
        page.wait_for_function("early => !document.querySelector(`img[alt='${early}']`)", arg=early)

        # Other cells can be used meanwhile.
        page.evaluate(RUN_SECOND_CELL)
        page.locator(".jp-OutputArea-output pre", has_text="42").wait_for()
        says(page, "Training:")

        assert page.evaluate(PRESS, ["Stop", "Stopped"]) < 1000
        rows.first.wait_for()
        photograph(page, shots / "tuner.png")
        stopped = curves.get_attribute("alt")
        page.wait_for_timeout(1500)
        assert curves.get_attribute("alt") == stopped
        assert rows.count() == 1

        # TensorFlow prepares the first step of a new network, and hears nothing.
        page.evaluate(PRESS, ["Train", "Building"])
        assert page.evaluate(PRESS, ["Stop", "Stopped: 0 epochs"]) < 1000

        found = rows.all_inner_texts()
        page.evaluate(RESTART)
        assert lab.run_all(page) == []
        rows.first.wait_for()
        assert rows.all_inner_texts() == found


def canvas_of(page):
    canvas = page.get_by_role("application", name="Drawing area")
    canvas.scroll_into_view_if_needed()
    return canvas


def draw(page, *strokes, tool="mouse"):
    """Draw with a mouse, touch or pen: each stroke is a list of points between 0 and 1."""
    box = canvas_of(page).bounding_box()
    browser = page.context.new_cdp_session(page)

    def send(step, x, y):
        at = {"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]}
        if tool == "touch":
            kind = {"down": "touchStart", "move": "touchMove", "up": "touchEnd"}[step]
            points = [] if step == "up" else [at]
            browser.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
        else:
            kind = {"down": "mousePressed", "move": "mouseMoved", "up": "mouseReleased"}[step]
            held = {"button": "left", "buttons": int(step != "up"), "clickCount": 1}
            browser.send(
                "Input.dispatchMouseEvent", {"type": kind, "pointerType": tool, **held, **at}
            )

    for stroke in strokes:
        send("down", *stroke[0])
        for (x, y), (next_x, next_y) in itertools.pairwise(stroke):
            for part in np.linspace(0, 1, 7)[1:]:
                send("move", x + part * (next_x - x), y + part * (next_y - y))
        send("up", *stroke[-1])
    browser.detach()


DIGITS = {
    "7": [[(0.25, 0.25), (0.72, 0.25), (0.45, 0.82)]],
    "1": [[(0.5, 0.2), (0.5, 0.8)]],
    "0": [
        [
            (0.5, 0.18),
            (0.35, 0.28),
            (0.3, 0.5),
            (0.35, 0.72),
            (0.5, 0.82),
            (0.65, 0.72),
            (0.7, 0.5),
            (0.65, 0.28),
            (0.5, 0.18),
        ]
    ],
}


@pytest.mark.parametrize("network", [f"that saw {'the real digits' if REAL else 'the sample'}"])
def test_a_drawn_digit_is_recognised_by_a_network(run_notebook, shots, network):
    with run_notebook(TRAINED) as page:
        maps = page.locator(".labkit-maps img")
        canvas_of(page).evaluate(
            "c => c.addEventListener('pointerdown', e => { c.dataset.tool = e.pointerType; })"
        )
        for (digit, strokes), tool in zip(DIGITS.items(), ("mouse", "touch", "pen"), strict=True):
            draw(page, *strokes, tool=tool)
            assert canvas_of(page).get_attribute("data-tool") == tool
            says(page, f"The network says {digit}.", timeout=15_000)
            maps.wait_for()  # they come when the pen has rested
            best = page.locator(".labkit-best meter")
            assert best.get_attribute("aria-label") == digit
            assert best.evaluate("meter => meter.value") > 30
            if digit == "7":
                photograph(page, shots / "draw.png")
            page.get_by_role("button", name="Clear").click()
            says(page, "Draw a digit")
            maps.wait_for(state="detached")

        # By keyboard, and then one stroke too many.
        canvas = canvas_of(page)
        canvas.focus()
        for key in ["ArrowUp"] * 9 + ["Space"] + ["ArrowDown"] * 20 + ["Space"]:
            page.keyboard.press(key)
        says(page, "The network says 1.", timeout=15_000)
        maps.wait_for()
        seen = page.get_by_role("img", name="What the network sees")
        one = seen.evaluate("canvas => canvas.toDataURL()")
        draw(page, [(0.1, 0.9), (0.9, 0.9)])
        changed = "([canvas, before]) => canvas.toDataURL() !== before"
        page.wait_for_function(changed, arg=[seen.element_handle(), one])
        page.get_by_role("button", name="Undo").click()
        page.wait_for_function(
            "([canvas, before]) => canvas.toDataURL() === before", arg=[seen.element_handle(), one]
        )


def test_slow_answers_do_not_queue_up(run_notebook):
    with run_notebook(SLOW_CANVAS, "len(asked)") as page:
        seen = page.get_by_role("img", name="What the network sees")
        zigzag = [(0.1 + 0.1 * i, 0.2 if i % 2 else 0.8) for i in range(9)]
        draw(page, zigzag)
        page.wait_for_timeout(2500)  # the answer of what was drawn last takes two of half a second
        settled = seen.evaluate("canvas => canvas.toDataURL()")
        page.wait_for_timeout(1500)
        assert seen.evaluate("canvas => canvas.toDataURL()") == settled
        page.evaluate(RUN_SECOND_CELL)
        asked = page.locator(".jp-OutputArea-executeResult pre").last
        page.wait_for_function(
            "e => Number(e.textContent) > 0", arg=asked.element_handle(), timeout=5000
        )
        assert int(asked.inner_text()) < 12, "one question at a time, not one a move"
