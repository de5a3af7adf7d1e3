"""The panels of the playground and of the convolution viewer, without a browser."""

import re
import time

import numpy as np
import pytest

from labkit.errors import LabError
from labkit.widgets.convolution import PRESETS
from labkit.widgets.convolution_view import Viewer, coloured, convolution_viewer, scene, seven
from labkit.widgets.playground_view import Player, playground


def alt(page):
    return re.search(r'<img alt="([^"]*)"', page)[1]


def until(holds, seconds=20):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)


# --- playground -----------------------------------------------------------------------


@pytest.fixture
def player():
    made = Player("moons", 0)
    yield made
    made.pause()


def test_without_widgets_three_moments_of_the_training_are_shown(monkeypatch):
    monkeypatch.setenv("LABKIT_HEADLESS", "1")
    panel = playground("blobs")
    bundle = panel._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html"}
    for words in ("blobs, in two classes", "not trained yet", "After 10 epochs", "After 100"):
        assert words in alt(bundle["text/html"])
    assert "Open this notebook in JupyterLab" in bundle["text/html"]
    assert bundle["text/html"].startswith(panel.picture()), "the same every time"


def test_play_trains_in_the_background_until_pause(player):
    player.buttons["Play"].click()
    until(lambda: len(player.game.losses) >= 3)
    assert player.playing and "Epoch" in player.numbers.value and "Training" in player.said.value
    player.buttons["Pause"].click()
    done = len(player.game.losses)
    assert not player.playing and f"Paused. Epoch {done}: loss" in player.said.value
    assert len(player.plane.losses) == 4 * done and f"After {done} epochs" in player.plane.text


def test_pressed_twice_is_pressed_once(player):
    player.play()
    thread = player._thread
    player.play()
    assert player._thread is thread
    player.pause()
    player.pause()
    assert not player.playing


def test_step_trains_one_epoch_and_reset_forgets(player):
    untrained = player.plane.field
    player.buttons["Step"].click()
    assert len(player.game.losses) == 1 and "Epoch 1: loss" in player.said.value
    assert player.plane.field != untrained
    player.buttons["Reset"].click()
    assert player.plane.field == untrained and "not trained yet" in player.plane.text


def test_it_pauses_by_itself_for_who_walked_away(player, monkeypatch):
    monkeypatch.setattr("labkit.widgets.playground_view._MOST", 2)
    player.play()
    until(lambda: not player.playing)
    assert len(player.game.losses) == 2 and "Press Play to go on" in player.said.value


@pytest.mark.parametrize(
    "name, value",
    [
        ("kind", "spiral"),
        ("noise", 0.3),
        ("hidden", (16,)),
        ("activation", "relu"),
        ("learning_rate", 0.1),
        ("regularisation", 1.0),
    ],
)
def test_every_menu_begins_afresh(player, name, value):
    player.step()
    player.controls[name].value = value
    assert getattr(player.game, name) == value and player.game.losses == []
    assert np.allclose(player.plane.points, np.column_stack([player.game.x, player.game.y]))
    assert "Begun afresh" in player.said.value


def test_a_training_goes_on_with_what_a_menu_says(player):
    player.play()
    player.controls["kind"].value = "circles"
    until(lambda: "circles, in two classes. After 2 epochs" in player.plane.text)
    assert player.playing


def test_the_colours_are_those_of_the_classes():
    player = Player("blobs", 0)
    for _ in range(40):
        player.step()
    field = np.frombuffer(player.plane.field, np.uint8).reshape(60, 60, 4).astype(int)
    bottom_left, top_right = field[-1, 0], field[0, -1]
    assert bottom_left[0] > bottom_left[2], "class 0 is vermillion"
    assert top_right[0] < top_right[2], "class 1 is blue"


def test_a_playground_that_cannot_be():
    with pytest.raises(LabError, match="no points 'stars'"):
        playground("stars")


# --- convolution ----------------------------------------------------------------------


@pytest.fixture
def viewer():
    return Viewer(seven())


def test_without_widgets_one_position_is_spelled_out(monkeypatch):
    monkeypatch.setenv("LABKIT_HEADLESS", "1")
    page = convolution_viewer()._repr_mimebundle_()["text/html"]
    assert "12 by 12 pixels" in alt(page) and "Row 0, column 0 of the result is 25." in alt(page)
    assert "+ −2 × 0 + 0 × 4 + 2 × 8\n" in page and "= 25</pre>" in page
    assert page == convolution_viewer()._repr_mimebundle_()["text/html"], "the same every time"


def test_moving_the_kernel_changes_the_sum(viewer):
    viewer.canvas.row, viewer.canvas.column = 4, 4  # as the arrow keys do
    assert (viewer.row.value, viewer.column.value) == (4, 4)
    assert "Row 4, column 4 of the result is 19." in viewer.said.value
    assert "= 19</pre>" in viewer.sum.value
    viewer.row.value = 5
    assert viewer.canvas.row == 5, "and the other way round"


def test_a_preset_fills_in_its_numbers_and_changes_the_result(viewer):
    for name, kernel in PRESETS.items():
        viewer.preset.value = name
        assert np.array_equal(viewer.kernel, kernel) and viewer.preset.value == name
        assert viewer.canvas.scene == scene(seven(), kernel)


def test_a_kernel_of_your_own_is_named_so_and_a_known_one_is_recognised(viewer):
    viewer.cells[4].value = 3
    assert viewer.preset.value == "your own" and viewer.kernel[1, 1] == 3
    assert viewer.canvas.scene == scene(seven(), viewer.kernel)
    viewer.cells[4].value = 0
    assert viewer.preset.value == "vertical edges"


def test_stride_and_padding_change_the_size_and_keep_the_kernel_inside(viewer):
    viewer.row.value = viewer.column.value = 9
    viewer.stride.value = 3
    assert (viewer.row.max, viewer.row.value, viewer.canvas.row) == (3, 3, 3)
    viewer.padding.value = 2
    assert np.shape(viewer.canvas.scene["picture"])[:2] == (16, 16)
    assert np.shape(viewer.canvas.scene["result"])[:2] == (5, 5)


def test_numbers_are_written_where_there_is_room_for_them():
    assert scene(np.eye(3), PRESETS["nothing"])["result"] == [[["#ffffff", "#1F2933", "1"]]]
    large = scene(np.eye(28), PRESETS["nothing"], padding=1)
    assert {cell[2] for row in large["picture"] for cell in row} == {""}
    assert len(large["picture"]) == 30 and large["picture"][0][0][0] == "#D5DBE1"


def test_grey_unless_something_is_below_zero():
    assert coloured([[0, 128, 255]])[0].tolist() == [[0] * 3, [128] * 3, [255] * 3]
    vermillion, white, blue = coloured([[-1, 0, 1]])[0].tolist()
    assert vermillion == [213, 94, 0] and min(white) >= 253 and blue == [0, 114, 178]
    assert not coloured([[0.0, 0.0]]).any(), "nothing to divide by"


def test_what_only_rounding_left_over_is_written_as_zero():
    viewer = Viewer(np.full((3, 3), 0.1))
    viewer.cells[8].value = 0.9999999999999999
    assert viewer.position.total != 0 and viewer.sum.value.endswith("= 0</pre>")


def test_a_picture_as_the_data_sets_have_it():
    assert Viewer(np.zeros((28, 28, 1), np.uint8)).canvas.scene["picture"][27][27][0] == "#000000"


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((28, 28, 3)),
        np.zeros((2, 9)),
        np.zeros((65, 10)),
        np.zeros(9),
        np.full((5, 5), np.nan),
        "seven",
        [[1, 2, 3], [4, 5]],
        [[1j] * 5] * 5,
    ],
    ids=str,
)
def test_what_is_no_grey_picture_says_so(wrong):
    with pytest.raises(LabError, match="Give|Replace"):
        convolution_viewer(wrong)
