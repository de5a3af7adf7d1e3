"""What the widgets compute, without a browser."""

import re
import threading
import time

import numpy as np
import pytest
from scipy import signal

import labkit
from labkit import models
from labkit.data.digits import as_mnist
from labkit.errors import LabError, SpaceError, SweepError
from labkit.space import choice, integers, log_uniform, uniform
from labkit.widgets.boundary import ACTIVATIONS, KINDS, Playground, points
from labkit.widgets.convolution import PRESETS, at, convolve
from labkit.widgets.draw import draw_digit, reply
from labkit.widgets.panel import copyable
from labkit.widgets.run import Leaderboard, Run, code
from labkit.widgets.tuner_view import Tuner, chosen, control, duration, first, static, sweep_code


def alt(page):
    return re.search(r'<img alt="([^"]*)"', page)[1]


# --- digits ---------------------------------------------------------------------------


def stroke(top, left, height, width, side=280):
    drawing = np.zeros((side, side), np.uint8)
    drawing[top : top + height, left : left + width] = 255
    return drawing


def test_a_digit_is_as_large_as_those_of_mnist_wherever_it_was_drawn():
    for drawing in (stroke(10, 10, 40, 10), stroke(200, 150, 60, 15), stroke(0, 0, 280, 70)):
        picture = as_mnist(drawing)
        rows, columns = np.nonzero(picture)
        assert picture.shape == (28, 28) and picture.dtype == np.uint8
        assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == (20, 5)
        assert (picture * np.arange(28)).sum() / picture.sum() == pytest.approx(13.5, abs=0.5)
        assert rows.mean() == pytest.approx(13.5, abs=0.5)


def test_the_centre_of_mass_is_in_the_middle_and_not_the_centre_of_the_box():
    drawing = stroke(50, 50, 100, 20)
    drawing[130:150, 50:130] = 255  # an L: most of it lies left and low
    picture = as_mnist(drawing)
    rows, columns = np.nonzero(picture)
    assert (picture.sum(axis=0) * np.arange(28)).sum() / picture.sum() == pytest.approx(13.5, abs=1)
    assert (columns.min() + columns.max()) / 2 > 14


def test_edges_are_soft_as_in_mnist():
    yy, xx = np.mgrid[:280, :280]
    ring = np.uint8(255 * (np.abs(np.hypot(yy - 140, xx - 140) - 90) < 12))
    assert len(np.unique(as_mnist(ring))) > 10


def test_nothing_drawn_gives_an_empty_picture():
    assert not as_mnist(np.zeros((280, 280), np.uint8)).any()


# --- convolution ----------------------------------------------------------------------

PICTURE = np.random.default_rng(0).integers(0, 256, (9, 7)).astype(float)


@pytest.mark.parametrize("name", PRESETS)
def test_the_result_agrees_with_scipy(name):
    expected = signal.correlate2d(PICTURE, np.array(PRESETS[name]), mode="valid")
    assert convolve(PICTURE, PRESETS[name]) == pytest.approx(expected)
    assert convolve(PICTURE, PRESETS[name], padding=1).shape == PICTURE.shape


@pytest.mark.parametrize("stride, padding", [(1, 0), (2, 0), (1, 1), (3, 2)])
def test_every_position_gives_its_pixel_of_the_result(stride, padding):
    kernel = PRESETS["sharpen"]
    result = convolve(PICTURE, kernel, stride=stride, padding=padding)
    for (row, column), value in np.ndenumerate(result):
        position = at(PICTURE, kernel, row, column, stride=stride, padding=padding)
        assert position.total == pytest.approx(value)


def test_the_arithmetic_is_spelled_out():
    assert at(np.eye(3), PRESETS["horizontal edges"], 0, 0).arithmetic().splitlines() == [
        "  −1 × 1 + −2 × 0 + −1 × 0",
        "+ 0 × 0 + 0 × 1 + 0 × 0",
        "+ 1 × 0 + 2 × 0 + 1 × 1",
        "= 0",
    ]


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: convolve(np.ones((2, 2)), PRESETS["blur"]), "smaller than the kernel"),
        (lambda: convolve(PICTURE, PRESETS["blur"], stride=0), "stride is 0"),
        (lambda: convolve(np.ones((3, 3, 3)), PRESETS["blur"]), "grey picture"),
        (lambda: at(PICTURE, PRESETS["blur"], 7, 0), "no pixel in row 7"),
        (lambda: at(PICTURE, PRESETS["blur"], -1, 0), "no pixel in row -1"),
    ],
)
def test_what_cannot_be_convolved_says_so(call, message):
    with pytest.raises(LabError, match=message):
        call()


# --- playground -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_points_are_of_two_classes_around_the_middle(kind):
    x, y = points(kind, count=100, noise=0.05)
    assert x.shape == (100, 2) and sorted(np.bincount(y)) == [50, 50]
    assert np.abs(x.mean(axis=0)).max() < 0.3 and 0.5 < np.abs(x).max() < 2
    assert np.array_equal(points(kind, count=100, noise=0.05)[0], x), "the same seed, the same"


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_network_learns_what_a_line_cannot_tell_apart(activation):
    game = Playground("circles", hidden=(8, 8), activation=activation)
    assert game.accuracy == 0 and (game.boundary(5) == 0.5).all()
    for _ in range(150):
        game.step()
    assert game.accuracy > 0.9 and game.losses[-1] < game.losses[0]
    inside, outside = game.boundary(61)[30, 30], game.boundary(61)[0, 0]
    assert abs(inside - outside) > 0.5, "the boundary lies between the circles"


def test_the_first_row_of_the_boundary_is_the_top():
    game = Playground("blobs", noise=0.0)
    for _ in range(60):
        game.step()
    said = game.boundary(30)
    assert said[0, -1] > 0.9 and said[-1, 0] < 0.1, "class 1 lies at the top right"


@pytest.mark.parametrize(
    "wrong", [dict(kind="stars"), dict(activation="sin"), dict(learning_rate=0), dict(hidden=())]
)
def test_a_playground_that_cannot_be(wrong):
    with pytest.raises(LabError):
        Playground(**wrong)


# --- draw -----------------------------------------------------------------------------

DRAWING = stroke(60, 130, 160, 22)
INK = DRAWING.tobytes()


@pytest.fixture(scope="module")
def convolutional():
    return models.cnn(((28, 28, 1), 10), filters=(2, 2), dense=4)


def test_a_drawing_is_answered_with_probabilities_and_what_the_network_sees(convolutional):
    answer, (pixels,) = reply(convolutional, {"kind": "probabilities", "number": 3}, [INK])
    assert answer["number"] == 3 and sum(answer["probabilities"]) == pytest.approx(1, abs=1e-5)
    assert np.array_equal(np.frombuffer(pixels, np.uint8).reshape(28, 28), as_mnist(DRAWING))


def test_the_maps_are_a_picture_that_is_described(convolutional):
    answer, _ = reply(convolutional, {"kind": "maps", "number": 4}, [INK])
    assert answer["maps"].startswith('<img alt="One picture and its 2 activation maps of 26 by 26')


def test_an_empty_drawing_is_not_judged(convolutional):
    empty = bytes(280 * 280)
    answer, (pixels,) = reply(convolutional, {"kind": "probabilities", "number": 1}, [empty])
    assert answer["probabilities"] == [] and not any(pixels)
    assert reply(convolutional, {"kind": "maps", "number": 2}, [empty])[0]["maps"] == ""


@pytest.mark.parametrize("buffers", [[], [b"few"], [bytes(280 * 281)]])
def test_a_damaged_drawing_is_answered_with_an_error(convolutional, buffers):
    answer, sent = reply(convolutional, {"kind": "probabilities", "number": 1}, buffers)
    assert "280 × 280 bytes" in answer["error"] and sent == []


def test_a_model_of_something_else_cannot_judge_digits(convolutional):
    with pytest.raises(LabError, match=r"examples of shape \(8, 8, 3\)"):
        draw_digit(models.softmax_regression(((8, 8, 3), 10)))
    with pytest.raises(LabError, match="10 outputs, and there are 2 names"):
        draw_digit(convolutional, class_names=("yes", "no"))


def test_without_widgets_a_seven_is_judged(convolutional):
    bundle = labkit.widgets.draw_digit(convolutional)._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html"}, "no state of widgets in a saved notebook"
    assert "What the network sees" in alt(bundle["text/html"])
    assert "Open this notebook in JupyterLab" in bundle["text/html"]
    assert labkit.widgets.draw_digit(convolutional)._repr_mimebundle_() == bundle, "the same again"


def test_live_the_panel_comes_with_its_picture(convolutional, monkeypatch):
    monkeypatch.setenv("LABKIT_HEADLESS", "0")
    bundle = draw_digit(convolutional)._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert "<img alt=" in bundle["text/html"]


# --- run ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def data():
    return labkit.load("mnist", limit=300)


def small(data, *, units=4, seed=0):
    return models.mlp(data, units=(units,), dropout=0, seed=seed)


def wait(holds, seconds=60):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.01)


def test_a_run_is_what_fit_does(data):
    states = []
    run = Run(small, data, {"epochs": 2}, changed=lambda run: states.append((run.state, run.epoch)))
    assert run.seconds == 0 and run.seconds_left is None
    run.start()
    assert run.join(60)
    assert (run.state, run.progress, run.epoch) == ("done", 1.0, 2)
    assert states[-3:] == [("training", 1), ("training", 2), ("done", 2)]
    namespace = {"labkit": labkit, "data": data, "small": small}
    exec(code(small, data, {"epochs": 2}, epochs=5, recipe="classic", seed=0), namespace)
    assert run.metrics["val_loss"] == pytest.approx(namespace["history"].metrics["val_loss"])


def test_a_stop_takes_effect_at_once_and_the_next_run_waits_for_the_thread(data):
    building, go_on = threading.Event(), threading.Event()

    def slow(data):
        building.set()
        go_on.wait(60)
        return small(data)

    states = []
    run = Run(slow, data, {}, changed=lambda run: states.append(run.state))
    run.start()
    building.wait(60)
    run.stop()
    assert run.state == "stopped" and states == ["stopped"], "though nothing can end the builder"
    after = Run(small, data, {"epochs": 1}, after=run)
    after.start()
    time.sleep(0.1)
    assert after.state == "building" and after.model is None
    go_on.set()
    assert after.join(60) and after.state == "done"
    assert states == ["stopped"] and run.metrics == {}, "it is told once, and nothing comes later"


def test_a_stopped_run_keeps_its_epochs(data):
    run = Run(small, data, {"epochs": 1000})
    run.start()
    wait(lambda: run.epoch >= 2)
    run.stop()
    seconds, epochs = run.seconds, run.epoch
    assert run.join(30) and (run.epoch, run.seconds) == (epochs, seconds)
    assert run.history("this run").interrupted and run.seconds_left is None


def test_a_run_that_fails_says_why(data, capsys):
    def broken(data):
        raise ValueError("no such layer\nand many lines of a trace")

    run = Run(broken, data, {})
    run.start()
    assert run.join(60) and (run.state, run.error) == ("failed", "ValueError: no such layer")
    assert capsys.readouterr() == ("", ""), "a thread would print into whichever cell runs"


def test_the_code_of_a_run_names_what_was_chosen():
    params = {"units": (64,), "learning_rate": 0.003162}
    assert code(models.mlp, None, params, epochs=5, recipe="fast", seed=1) == (
        "model = models.mlp(data, units=(64,), seed=1)\n"
        'history = labkit.fit(model, data, epochs=5, recipe="fast", learning_rate=0.003162, seed=1)'
    )
    options = {"epochs": 5, "recipe": "fast", "seed": 1}
    assert sweep_code(models.mlp, 20, "mine", options) == (
        "study = labkit.sweep(models.mlp, data, space, trials=20, epochs=5, "
        'recipe="fast", seed=1, study="mine")'
    )


# --- leaderboard ----------------------------------------------------------------------


def finished(params, *accuracies):
    run = Run(small, None, params)
    run.state, run.metrics = "done", {"loss": [1.0], "val_accuracy": list(accuracies)}
    return run


def board(folder, **space):
    return Leaderboard("mine", str(folder / "mine.journal"), space)


def test_a_leaderboard_survives_and_has_the_best_first(tmp_path):
    space = {"units": choice((4,), (8, 8)), "dropout": uniform(0, 1)}
    assert board(tmp_path, **space).rows() == [] and not list(tmp_path.iterdir())
    board(tmp_path, **space).add(finished({"units": (4,), "dropout": 0.5}, 0.9, 0.8))
    board(tmp_path, **space).add(finished({"units": (8, 8), "dropout": 0.0}, 0.85))
    board(tmp_path, **space).add(finished({"units": (4,), "dropout": 0.1}))  # stopped too early
    rows = board(tmp_path, **space).rows()
    assert [(row["run"], row["accuracy"], row["epochs done"]) for row in rows] == [
        (2, 0.85, 1),
        (1, 0.8, 2),
    ]
    assert rows[1]["units"] == "(4,)" and rows[1]["dropout"] == 0.5


def test_a_leaderboard_goes_on_when_the_space_changes(tmp_path):
    board(tmp_path, units=choice(4, 8)).add(finished({"units": 8}, 0.5))
    changed = board(tmp_path, units=integers(1, 64), dropout=uniform(0, 1))
    changed.add(finished({"units": 3, "dropout": 0.5}, 0.6))
    assert [(row["units"], row["dropout"]) for row in changed.rows()] == [(3, 0.5), (8, None)]


# --- tuner ----------------------------------------------------------------------------

SPACE = {
    "learning_rate": log_uniform(1e-4, 1e-1),
    "units": integers(4, 64, step=4),
    "epochs": choice(1, 2),
}


@pytest.fixture
def tuner(data, monkeypatch, home):
    monkeypatch.setenv("LABKIT_STUDIES", str(home / "studies"))
    made = Tuner(small, data, SPACE, 3, "classic", 2, None, 0)
    yield made
    if made.run:
        made.run.stop()
        made.run.join()


def said(tuner):
    return re.sub("<[^>]*>", "", tuner.said.value)


@pytest.mark.parametrize(
    "one",
    [
        uniform(0, 0.7),
        uniform(-3, 3),
        log_uniform(1e-4, 1e-1),
        log_uniform(0.0003, 0.7),
        integers(16, 64, step=16),
        choice("relu", "tanh"),
    ],
)
def test_a_control_begins_on_one_of_its_steps_and_stays_in_its_range(one):
    made = control("x", one)
    assert made.value == first(one)
    if hasattr(one, "values"):
        return
    position = np.log10(made.value) if one.log else made.value
    steps = (position - made.min) / made.step
    assert steps == pytest.approx(round(steps), abs=0.01)
    for end in (one.low, one.high):
        made.value = end
        assert chosen(one, made.value) == end


def test_what_is_chosen_is_what_the_line_of_code_shows():
    assert chosen(log_uniform(1e-4, 1e-1), 0.00316227766) == 0.003162


def test_train_stop_and_reset(tuner):
    tuner.controls["units"].value = 8
    tuner.controls["epochs"].value = 2
    tuner.start()
    assert "units=8" in tuner.code.value and "Building" in said(tuner)
    tuner.restore()
    assert said(tuner) == "Something is under way. Press Stop first."
    assert tuner.run.join(60) and said(tuner) == "Done: 2 epochs."
    assert 'alt="Learning curves of 1 run' in tuner.curves.value and tuner.bar.value == 1
    assert "<td>8</td>" in tuner.table.value
    tuner.restore()
    assert tuner.curves.value == tuner.code.value == "" and tuner.controls["units"].value == 36
    assert "<td>8</td>" in tuner.table.value, "the leaderboard stays"


def test_stop_when_nothing_is_under_way(tuner):
    tuner.end()
    assert said(tuner) == "Nothing is under way."


def test_what_fails_is_told_as_text(tuner):
    def broken(data, **params):
        raise ValueError("<script>alert(1)</script>")

    tuner.build = broken
    tuner.start()
    assert tuner.run.join(60) and not tuner.busy
    assert "&lt;script&gt;" in tuner.said.value and "empty" in tuner.table.value


@pytest.mark.slow
def test_a_sweep_tells_how_it_goes_and_leaves_its_line(tuner, monkeypatch):
    def mine(data, *, units, seed):  # workers cannot import a test: it goes to them by value
        return models.mlp(data, units=(units,), seed=seed)

    told = []
    tuner.build = mine
    monkeypatch.setattr(tuner, "say", told.append)
    tuner.search()
    wait(lambda: not tuner.busy, 120)
    assert told[0] == "Starting a sweep of 2 trials."
    assert told[1].startswith("Sweep small-mnist: 0 of 2 trials done"), told
    assert "The best was trial" in told[-1]
    assert "labkit.sweep(mine, data, space, trials=2, " in tuner.code.value
    assert "study=&quot;small-mnist&quot;" in tuner.code.value


def test_a_sweep_that_cannot_be_says_so(tuner):
    tuner.space = {"nothing": uniform(0, 1)}
    tuner.search()
    wait(lambda: not tuner.busy)
    assert "The sweep failed: Nothing takes &#x27;nothing&#x27;" in tuner.said.value


def test_a_tuner_that_cannot_be(data):
    with pytest.raises(SpaceError, match="Nothing takes 'depth'"):
        labkit.widgets.tuner(small, data, {"depth": integers(1, 3)})
    with pytest.raises(SweepError, match="cannot be called '../mine'"):
        labkit.widgets.tuner(small, data, SPACE, name="../mine")


def test_without_widgets_the_ranges_are_drawn(tuner):
    bundle = tuner.panel._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html"}
    assert alt(bundle["text/html"]) == (
        "A panel with a control for each parameter: learning_rate, now 0.003162, from 0.0001 to "
        "0.1; units, now 36, from 4 to 64; epochs, now 1, from 1 to 2."
    )
    tuner.board.add(finished({"learning_rate": 0.01, "units": 8, "epochs": 1}, 0.5))
    assert tuner.panel._repr_mimebundle_() == bundle, "whatever was tried on this machine"


def test_a_saved_page_has_the_best_runs(tuner):
    tuner.board.add(finished({"learning_rate": 0.01, "units": 8, "epochs": 1}, 0.5))
    page = static(tuner.space, tuner.params, tuner.board.rows())
    assert "Of 1 runs the best reached 0.5000." in alt(page) and "<td>0.5</td>" in page


def test_code_to_copy_is_text():
    assert '<pre tabindex="0">a &lt; b</pre>' in copyable("a < b")


@pytest.mark.parametrize("seconds, words", [(0.4, "0 s"), (89, "89 s"), (600, "10 min")])
def test_durations(seconds, words):
    assert duration(seconds) == words


def test_the_panels_load_by_their_names():
    assert all(callable(getattr(labkit.widgets, name)) for name in labkit.widgets.__all__)
    assert not hasattr(labkit.widgets, "nonsense")
