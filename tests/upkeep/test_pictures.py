"""The pictures of the labs: their numbers, their look, and that the script draws them."""

import hashlib
import importlib.util
import re
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import rgb_to_hsv, to_hex, to_rgb
from matplotlib.text import Text
from PIL import Image, ImageSequence
from scipy.signal import correlate2d

from labkit import palette

FOLDER = Path(__file__).resolve().parents[2] / "Pictures"
SCRIPT = FOLDER / "make_pictures.py"

_spec = importlib.util.spec_from_file_location("make_pictures", SCRIPT)
pictures = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(pictures)

every_picture = pytest.mark.parametrize("name", pictures.PICTURES)
every_theme = pytest.mark.parametrize("theme", pictures.THEMES)


def run_script(folder, *names):
    command = [sys.executable, str(SCRIPT), "--out", str(folder), *names]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def hashes(folder):
    return {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in folder.iterdir()}


def frames(path):
    with Image.open(path) as image:
        return [np.asarray(f.convert("RGB"), int) for f in ImageSequence.Iterator(image)]


def labels(name):
    """The texts of a picture that carry a gid, by that gid."""
    texts = pictures.PICTURES[name].draw().axes[0].texts
    return {t.get_gid(): t.get_text().replace("−", "-") for t in texts if t.get_gid()}


# ------------------------------------------------------------------ the files


def test_running_the_script_again_changes_no_byte(tmp_path):
    some = ["lab02-neuron.png", "lab03-convolution.gif", "lab05-batch-norm.png", "README.md"]
    assert run_script(tmp_path, *some).count("written") == len(some)
    before = hashes(tmp_path)
    times = {f.name: f.stat().st_mtime_ns for f in tmp_path.iterdir()}
    report = run_script(tmp_path, *some)
    assert hashes(tmp_path) == before
    assert {f.name: f.stat().st_mtime_ns for f in tmp_path.iterdir()} == times
    assert report.count("unchanged") == len(some)
    with pytest.raises(subprocess.CalledProcessError):
        run_script(tmp_path, "lab99-nothing.png")


def test_the_settings_of_the_user_change_nothing():
    name = "lab02-neuron.png"
    usual = pictures.encode(name)
    with matplotlib.rc_context({"font.family": "serif", "lines.linewidth": 9, "text.color": "red"}):
        assert pictures.encode(name) == usual


@every_picture
def test_what_is_kept_is_what_the_script_draws_small_and_without_metadata(tmp_path, name):
    pictures.save(tmp_path / name, pictures.encode(name))
    kept, fresh = frames(FOLDER / name), frames(tmp_path / name)
    assert len(kept) == len(fresh)
    for one, other in zip(kept, fresh, strict=True):
        # Text may be rasterised a little differently on another platform.
        assert one.shape == other.shape
        assert np.abs(one - other).mean() < 1

    limit = 600_000 if name.endswith(".gif") else 150_000
    assert (tmp_path / name).stat().st_size < limit
    with Image.open(tmp_path / name) as image:
        assert image.width <= 1600
        assert not {"Software", "Creation Time", "comment", "dpi", "exif"} & set(image.info)


def test_the_palette_of_256_colours_does_not_show():
    image = pictures.draw("lab02-flatten-softmax.png")
    reduced = pictures.palettised([image], 256)[0].convert("RGB")
    exact, close = np.asarray(image, int), np.asarray(reduced, int)
    assert np.abs(exact - close).mean() < 0.25
    assert (close[0, 0] == 255).all()


def test_an_unfinished_file_never_takes_the_place_of_a_picture(tmp_path, monkeypatch):
    path = tmp_path / "picture.png"
    pictures.save(path, b"old")

    def full_disk(*_):
        raise OSError("no space left")

    monkeypatch.setattr(pictures.os, "replace", full_disk)
    with pytest.raises(OSError, match="no space"):
        pictures.save(path, b"new")
    assert path.read_bytes() == b"old"
    assert [f.name for f in tmp_path.iterdir()] == ["picture.png"]


# ------------------------------------------------------------------ the style


def drawn_behind(figure):
    """Each text of a figure, and the colours that fill a tenth of the place where it stands."""
    texts = [t for t in figure.findobj(Text) if t.get_text() and t.axes]
    places = [t.get_window_extent() for t in texts]
    for text in texts:
        text.set_visible(False)
    figure.canvas.draw()
    page = np.asarray(figure.canvas.buffer_rgba())[::-1, :, :3] @ np.array([1 << 16, 1 << 8, 1])
    for text, place in zip(texts, places, strict=True):
        rows, columns = (
            slice(int(low), int(np.ceil(high))) for low, high in (place.intervaly, place.intervalx)
        )
        codes, counts = np.unique(page[rows, columns], return_counts=True)
        yield text, [f"#{code:06x}" for code in codes[counts >= counts.sum() / 10]]


@every_theme
@every_picture
def test_every_text_can_be_read_on_what_lies_behind_it(name, theme):
    with matplotlib.style.context("default"):
        figure = pictures.PICTURES[name].draw()
        pictures.THEMES[theme].repaint(figure)
        found = list(drawn_behind(figure))
    assert len(found) > 8
    for text, colours in found:
        for ground in colours:
            # Colours of 8 bits a channel cost the dark theme a hundredth here and there.
            ratio = pictures.contrast(to_hex(text.get_color()), ground)
            assert ratio >= pictures.CONTRAST - 0.05, (text, ground)


@every_picture
def test_a_picture_keeps_a_margin_of_paper_all_around(name):
    drawn = (np.asarray(pictures.draw(name)) != 255).any(axis=-1)
    rows, columns = np.flatnonzero(drawn.any(axis=1)), np.flatnonzero(drawn.any(axis=0))
    assert rows[0] >= 24 and 24 <= len(drawn) - 1 - rows[-1] <= 72
    assert columns[0] >= 24 and drawn.shape[1] - 1 - columns[-1] >= 24


def test_the_dark_theme_keeps_contrast_and_hue():
    dark = pictures.THEMES["dark"]
    colours = [getattr(palette, name) for name in ("INK", "GREY", "LINE", "PAPER")]
    colours += [*palette.SERIES, *(pictures.mix(c, 0.12) for c in palette.SERIES)]
    shown = [to_hex(c) for c in dark.shown(colours)]
    assert shown[colours.index(palette.PAPER)] == dark.paper.lower()
    for (one, a), (other, b) in combinations(zip(colours, shown, strict=True), 2):
        assert pictures.contrast(a, b) == pytest.approx(pictures.contrast(one, other), rel=0.1)
    for colour, other in zip(palette.SERIES, dark.shown(palette.SERIES), strict=True):
        apart = abs(rgb_to_hsv(to_rgb(colour))[0] - rgb_to_hsv(other[:3])[0])
        assert min(apart, 1 - apart) < 0.02, colour


def test_text_takes_as_much_ink_as_its_ground_needs():
    ax = pictures.page(400, "a title", "a subtitle")
    assert pictures.behind(ax, 300, 300) == pictures.PAPER
    pictures.box(ax, 200, 200, 400, 160, pictures.GREY, fill=0.3)
    pictures.box(ax, 250, 250, 100, 100, pictures.BLUE, fill=0.2)
    assert pictures.behind(ax, 300, 300) == pictures.mix(pictures.BLUE, 0.2)
    on_paper = pictures.write(ax, 1000, 300, "quiet", colour=pictures.GREY)
    on_tint = pictures.write(ax, 500, 300, "quiet", colour=pictures.GREY)
    assert to_hex(on_paper.get_color()) == pictures.GREY.lower()
    ground = pictures.mix(pictures.GREY, 0.3)
    assert pictures.contrast(pictures.GREY, ground) < pictures.CONTRAST
    assert pictures.contrast(to_hex(on_tint.get_color()), ground) >= pictures.CONTRAST


def test_the_dark_set_has_the_same_sizes_and_leaves_the_photographs_alone(tmp_path):
    names = ["lab05-colour.png", "lab02-neuron.png"]
    run_script(tmp_path, "--theme", "dark", *names, "README.md")
    assert sorted(f.name for f in tmp_path.iterdir()) == sorted(names)
    for name in names:
        light, dark = frames(FOLDER / name), frames(tmp_path / name)
        assert [f.shape for f in light] == [f.shape for f in dark]
        assert dark[0][0, 0].max() < 40
    frog = (slice(390, 560), slice(70, 320))
    light, dark = frames(FOLDER / names[0])[0], frames(tmp_path / names[0])[0]
    assert np.abs(light[frog] - dark[frog]).mean() < 1


def test_the_dark_set_never_takes_the_place_of_the_light_one():
    command = [sys.executable, str(SCRIPT), "--theme", "dark", "lab02-neuron.png"]
    before = (FOLDER / "lab02-neuron.png").read_bytes()
    refused = subprocess.run(command, capture_output=True, text=True)
    assert refused.returncode == 2 and "--out" in refused.stderr
    assert (FOLDER / "lab02-neuron.png").read_bytes() == before


def test_the_contact_sheet_shows_every_file_in_both_themes(tmp_path):
    for name in pictures.PICTURES:
        (tmp_path / "dark").mkdir(exist_ok=True)
        (tmp_path / "dark" / name).write_bytes((FOLDER / name).read_bytes())
    page = pictures.sheet(tmp_path).decode()
    for name, picture in pictures.PICTURES.items():
        assert page.count(f"<b>{name}</b> used in {picture.labs}") == 2
        assert f'src="dark/{name}"' in page
    for file in FOLDER.glob("*.png"):
        assert f"<b>{file.name}</b>" in page
    for source in re.findall('src="([^"]+)"', page):
        assert (tmp_path / source).exists()


# ------------------------------------------------------------------ the words


@every_picture
def test_the_alt_text_says_what_the_picture_shows(name):
    alt = pictures.PICTURES[name].alt
    assert len(alt) >= 40
    assert alt.endswith(".")
    assert "|" not in alt and "\n" not in alt  # it stands in a cell of a table


def test_the_readme_lists_every_picture_with_its_alt_text():
    table = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert table == pictures.readme().decode()
    for name, picture in pictures.PICTURES.items():
        assert f"| [{name}]({name}) | {picture.alt} | {picture.labs} |" in table


@every_picture
def test_no_text_is_clipped_or_covers_another_or_is_too_small(name):
    with matplotlib.style.context("default"):
        figure = pictures.PICTURES[name].draw()
        figure.canvas.draw()
        page = figure.bbox
        places = [(t, t.get_window_extent()) for t in figure.axes[0].texts]
    assert len(places) > 8
    for text, place in places:
        assert page.x0 + 30 <= place.x0 and place.x1 <= page.x1 - 30, text
        assert page.y0 + 10 <= place.y0 and place.y1 <= page.y1 - 10, text
        seen = text.get_fontsize() * pictures.DPI / 72 * 900 / 1600
        assert seen >= 11, text  # in pixels, where a page shows the picture 900 wide
    for (one, a), (other, b) in combinations(places, 2):
        across = min(a.x1, b.x1) - max(a.x0, b.x0)
        down = min(a.y1, b.y1) - max(a.y0, b.y0)
        # The extents include room above and below the letters, so lines may come close.
        assert across <= 0 or down <= 4, (one, other)


# ------------------------------------------------------------------ the numbers


def test_the_gradients_are_those_of_finite_differences():
    step = 1e-6
    for name, slope in pictures.gradients(pictures.WEIGHTS).items():
        up = {**pictures.WEIGHTS, name: pictures.WEIGHTS[name] + step}
        down = {**pictures.WEIGHTS, name: pictures.WEIGHTS[name] - step}
        finite = (pictures.loss(up) - pictures.loss(down)) / (2 * step)
        assert slope == pytest.approx(finite, abs=1e-8), name


def test_the_gradients_are_right_where_a_relu_is_off():
    weights = {**pictures.WEIGHTS, "b₁": -2.0}
    assert pictures.forward(weights).hidden[0] == 0
    assert pictures.gradients(weights)["w₁₁"] == 0
    assert pictures.gradients(weights)["v₁"] == 0


def test_the_backward_picture_shows_a_gradient_on_every_weight():
    shown = labels("backward-propagation.png")
    for name, slope in pictures.gradients(pictures.WEIGHTS).items():
        assert shown[f"gradient {name}"] == f"{slope:.2f}"


def test_the_rounded_numbers_of_the_backward_picture_multiply_as_written():
    slope, flow = pictures.gradients(pictures.WEIGHTS), pictures.forward(pictures.WEIGHTS)
    rounded = {name: round(value, 2) for name, value in slope.items()}
    for h, sub in enumerate("₁₂"):
        assert rounded[f"v{sub}"] == round(rounded["c"] * flow.hidden[h], 2)
        assert rounded[f"b{sub}"] == round(rounded["c"] * pictures.WEIGHTS[f"v{sub}"], 2)
        for i, value in enumerate(pictures.INPUTS):
            assert rounded[f"w{sub}{'₁₂'[i]}"] == round(rounded[f"b{sub}"] * value, 2)


def test_a_step_against_the_gradients_lowers_the_loss():
    slope = pictures.gradients(pictures.WEIGHTS)
    stepped = {n: w - pictures.LEARNING_RATE * slope[n] for n, w in pictures.WEIGHTS.items()}
    assert pictures.loss(stepped) < pictures.loss(pictures.WEIGHTS) - 0.05


def test_the_last_frame_of_the_animation_shows_the_correlation():
    expected = correlate2d(pictures.STROKE, pictures.KERNEL, mode="valid")
    shown = labels("lab03-convolution.gif")
    output = [[int(shown[f"output {r} {c}"]) for c in range(5)] for r in range(5)]
    assert output == expected.tolist()
    assert shown["sum"] == str(expected[-1, -1])
    assert len(frames(FOLDER / "lab03-convolution.gif")) == expected.size


def test_the_still_of_the_convolution_shows_the_first_nine_positions():
    shown = labels("lab03-convolution.png")
    filled = [gid for gid in shown if gid.startswith("output")]
    expected = correlate2d(pictures.STROKE, pictures.KERNEL, mode="valid")
    assert len(filled) == 9
    assert shown["sum"] == str(expected.flat[8])


def test_the_cnn_has_the_shapes_and_parameters_of_the_classic_program():
    layers = [(layer.shape, layer.parameters) for layer in pictures.cnn_layers()]
    assert layers == [
        ((28, 28, 1), 0),
        ((26, 26, 30), 300),
        ((13, 13, 30), 0),
        ((11, 11, 60), 16_260),
        ((5, 5, 60), 0),
        ((3, 3, 90), 48_690),
        ((810,), 0),
        ((64,), 51_904),
        ((64,), 0),
        ((10,), 650),
    ]


def test_softmax_gives_probabilities_that_add_up_as_printed():
    probabilities = pictures.softmax(np.array([2.0, 1.0, 0.5, -1.0]))
    assert probabilities.sum() == pytest.approx(1)
    assert sum(round(p, 2) for p in probabilities) == pytest.approx(1)


def test_the_grad_cam_picture_adds_its_maps_up_as_printed():
    shown = labels("lab07-grad-cam.png")

    def grid(name):
        return np.array([[int(shown[f"{name} {r} {c}"]) for c in range(4)] for r in range(4)])

    weights = [int(shown[f"weight {k}"].replace("× ", "")) for k in range(3)]
    total = sum(w * grid(f"map {k}") for k, w in enumerate(weights))
    np.testing.assert_array_equal(grid("total"), total)
    np.testing.assert_array_equal(grid("heat"), np.where(total > 0, total, 0))


def test_pooling_keeps_one_largest_number_of_each_block():
    blocks = pictures.FEATURE_MAP.reshape(2, 2, 2, 2).swapaxes(1, 2).reshape(4, 4)
    for block in blocks:
        assert (block == block.max()).sum() == 1
