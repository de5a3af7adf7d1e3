"""`from_folder` and `read_picture`: a learner's own pictures, whatever state they are in."""

import io
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import labkit
from labkit import machine
from labkit.data import from_folder, read_picture
from labkit.errors import DataError


def paint(path, value=0, **options):
    """A small picture of one grey, by which a test knows it again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (12, 8), (value,) * 3).save(path, **options)
    return path


def fill(folder, count=3, start=0):
    """``count`` pictures whose greys are ``start``, ``start + 1``, …"""
    for i in range(count):
        paint(folder / f"{i:03}.png", start + i)


def greys(pictures):
    return sorted(int(picture[0, 0, 0]) for picture in pictures)


@pytest.fixture
def pets(home):
    """cats with greys from 0, dogs with greys from 100: ten of each."""
    fill(home / "pets" / "cats", 10)
    fill(home / "pets" / "dogs", 10, start=100)
    return home / "pets"


def test_one_folder_for_each_class(pets):
    data = from_folder(pets, image_size=32)
    assert data.class_names == ("cats", "dogs")
    assert data.x_train.shape == (16, 32, 32, 3) and data.x_test.shape == (4, 32, 32, 3)
    assert data.x_train.dtype == np.uint8 and data.y_train.dtype == np.int64
    assert np.bincount(data.y_train).tolist() == [8, 8]
    assert np.bincount(data.y_test).tolist() == [2, 2]
    assert sorted(greys(data.x_train) + greys(data.x_test)) == [*range(10), *range(100, 110)]
    assert all((x[0, 0, 0] >= 100) == y for x, y in zip(data.x_train, data.y_train, strict=True))
    assert (data.name, data.source.kind, data.source.where) == ("pets", "folder", str(pets))
    assert data.skipped == () and "left out" not in repr(data)
    assert from_folder(str(pets)).x_train.shape == (16, 64, 64, 3)


SPLIT_BY_HAND = [
    ("train", "validation"),
    ("training", "validation"),
    ("Train", "Val"),
    ("train", "test"),
    ("data/train", "data/validation"),
    ("data/training", "data/validation"),
]


@pytest.mark.parametrize("training, validation", SPLIT_BY_HAND)
def test_a_split_by_hand_is_kept(home, training, validation):
    for label, start in (("Common_wheat", 0), ("Maize", 100)):
        fill(home / "plants" / training / label, 3, start)
        fill(home / "plants" / validation / label, 1, start + 50)
    data = from_folder(home / "plants")
    assert data.class_names == ("Common wheat", "Maize")
    assert greys(data.x_train) == [0, 1, 2, 100, 101, 102]
    assert greys(data.x_test) == [50, 150]


@pytest.mark.parametrize("place", ["data", "train", "data/train"])
def test_without_a_validation_folder_a_share_is_held_back(pets, home, place):
    (home / "all" / place).parent.mkdir(parents=True)
    shutil.move(pets, home / "all" / place)
    fill(home / "all" / "test", 2)  # pictures that nobody has labelled, as competitions have them
    data = from_folder(home / "all", validation=0.4)
    assert np.bincount(data.y_test).tolist() == [4, 4]


def test_the_split_hangs_on_names_and_seed_alone(pets, home):
    before = greys(from_folder(pets).x_test)
    for name in reversed(range(10)):  # the same files, written in another order
        for label in ("cats", "dogs"):
            (home / "again" / label).mkdir(parents=True, exist_ok=True)
            shutil.copy(pets / label / f"{name:03}.png", home / "again" / label)
    assert greys(from_folder(home / "again").x_test) == before
    assert any(greys(from_folder(pets, seed=seed).x_test) != before for seed in (1, 2))
    for i in range(5):
        paint(pets / "cats" / f"new {i}.png", 60 + i)
    after = greys(from_folder(pets).x_test)
    assert len(after) == 5
    old = {grey for grey in after if not 60 <= grey < 65}
    assert len(old - set(before)) <= 1 and {g for g in before if g >= 100} <= old


def test_more_pictures_and_a_third_class_are_one_more_folder(pets, home):
    alone = from_folder(pets)
    fill(home / "more" / "train" / "cats", 2, start=50)
    fill(home / "more" / "validation" / "cats", 1, start=60)
    fill(home / "rabbits", 5, start=200)
    data = from_folder([pets, home / "more", home / "rabbits"])
    assert data.class_names == ("cats", "dogs", "rabbits")
    assert np.bincount(data.y_train).tolist() == [10, 8, 4]
    assert set(greys(alone.x_test)) < set(greys(data.x_test)), "the first folder's split stays"
    assert data.name == "pets+more+rabbits"
    assert len(from_folder([pets, str(pets) + "/../pets"]).x_train) == 16, "the same one, once"


def test_a_limit_keeps_the_share_of_every_class(pets):
    data = from_folder(pets, limit=6)
    assert np.bincount(data.y_train).tolist() == [3, 3]
    assert len(data.x_test) == 4


def test_what_cannot_be_read_is_left_out_and_listed(pets, home, capsys):
    cats = pets / "cats"
    photo = io.BytesIO()
    Image.effect_noise((200, 200), 90).save(photo, "JPEG")
    (cats / "cut off.jpg").write_bytes(photo.getvalue()[:-2000])
    (cats / "empty.JPG").write_bytes(b"")
    (cats / "login.jpeg").write_text("<html>Please log in</html>")
    (cats / "noise.webp").write_bytes(b"nothing of that kind")
    (cats / "phone.HEIC").write_bytes(b"0000ftypheic")
    Image.new("1", (10_000, 10_000)).save(cats / "bomb.png")
    (home / "outside.png").write_bytes((cats / "000.png").read_bytes())
    (cats / "out.png").symlink_to(home / "outside.png")
    (cats / "nowhere.png").symlink_to("gone.png")
    (cats / "circle.png").symlink_to("circle.png")
    paint(pets / "beside.png")
    if hasattr(os, "mkfifo"):
        os.mkfifo(cats / "pipe.gif")
    data = from_folder(pets)
    assert len(data.x_train) + len(data.x_test) == 20
    why = dict(line.split(": ", 1) for line in data.skipped)
    assert "truncated" in why.pop("cats/cut off.jpg")
    assert why.pop("cats/pipe.gif", "it is not a file") == "it is not a file"
    assert why == {
        "beside.png": "it lies beside the folders",
        "cats/bomb.png": "it has more than 90 million pixels",
        "cats/circle.png": "it is not there",
        "cats/empty.JPG": "the file is empty",
        "cats/login.jpeg": "it is a web page or other text",
        "cats/noise.webp": "it is not a JPEG, PNG, GIF, BMP or WebP picture",
        "cats/nowhere.png": "it is not there",
        "cats/out.png": "it is a link that leads out of the folder",
        "cats/phone.HEIC": "this kind is not read here; save it as JPEG",
    }
    note = capsys.readouterr()
    assert f"{len(data.skipped)} files left out in {pets}" in note.out and "more" in note.out
    assert note.err == "", "no bar and no warning where nobody looks"
    assert f"left out  {len(data.skipped)}, listed in data.skipped" in repr(data)


def test_a_class_keeps_a_picture_on_each_side(home):
    """The few that are chosen may be those that cannot be read; then others take their place."""
    for label in ("cats", "dogs"):
        fill(home / "pets" / label, 15)
        for name in range(12):
            (home / "pets" / label / f"{name:03}.png").write_bytes(b"")
    data = from_folder(home / "pets", limit=2)
    assert data.y_train.tolist() == data.y_test.tolist() == [0, 1]
    data = from_folder(home / "pets")
    assert np.bincount(data.y_train).tolist() == [2, 2] and len(data.skipped) == 24


def test_what_is_no_picture_of_the_learners_is_passed_over(pets):
    (pets / "notes.txt").write_text("cats are better")
    (pets / "cats" / "Thumbs.db").write_bytes(b"x")
    paint(pets / "cats" / "._001.png")
    for name in (".ipynb_checkpoints", "__MACOSX", ".git", "lost+found"):
        paint(pets / name / "x.png")
        paint(pets / "cats" / name / "x.png")
    data = from_folder(pets)
    assert data.class_names == ("cats", "dogs") and data.skipped == ()
    assert len(data.x_train) == 16


def test_links_are_followed_inside_the_folder_only(pets, home):
    fill(home / "secret" / "photos", 3)
    (pets / "photos").symlink_to(home / "secret" / "photos")
    data = from_folder(pets)
    assert data.class_names == ("cats", "dogs")
    assert data.skipped == ("photos: it is a link that leads out of the folder",)
    (pets / "photos").unlink()
    (pets / "hounds").symlink_to("dogs")
    (pets / "cats" / "again").symlink_to("..")  # a circle
    (home / "link").symlink_to(pets)  # the folder that was named may be a link itself
    data = from_folder(home / "link")
    assert data.class_names == ("cats", "dogs", "hounds") and data.skipped == ()


def test_a_name_with_control_characters_cannot_steer_the_terminal(pets, capsys):
    (pets / "cats" / "\x1b[2Jcat\n.jpg").write_bytes(b"")
    (pets / "do\x1bgs").mkdir()
    fill(pets / "do\x1bgs")
    if sys.platform == "linux":
        with open(os.fsencode(pets / "cats") + b"/\xff\xfe.jpg", "wb"):
            pass
    data = from_folder(pets)
    assert "do�gs" in data.class_names
    shown = capsys.readouterr().out + repr(data)
    assert "\x1b" not in shown and "cat�.jpg" in shown
    shown.encode()


def zipped(home):
    return shutil.make_archive(home / "pets", "zip", home / "pets")


def without(label):
    return lambda home: shutil.rmtree(home / "pets" / label) or home / "pets"


def unreadable(home):
    for file in (home / "pets" / "cats").iterdir():
        file.write_bytes(b"")
    return home / "pets"


def only_one(home):
    paint(home / "pets" / "birds" / "1.png")
    return home / "pets"


def forgotten(home):
    (home / "pets" / "birds").mkdir()
    return home / "pets"


def half_split(home):
    for label in ("cats", "dogs"):
        shutil.move(home / "pets" / label, home / "pets" / "train" / label)
        fill(home / "pets" / "validation" / label)
    fill(home / "pets" / "train" / "birds")
    return home / "pets"


def wrapped(home):
    shutil.move(home / "pets", home / "outer" / "pets")
    return home / "outer"


def text_only(home):
    (home / "texts").mkdir()
    (home / "texts" / "a.txt").write_text("a")
    return home / "texts"


WRONG = {
    "not there": (lambda home: home / "pest", r"no folder .*pest\. Check the spelling"),
    "a zip file": (zipped, r"pets\.zip is a file, not a folder\. Unpack it first"),
    "a picture": (lambda home: home / "pets/cats/000.png", "is a file, not a folder. Make one"),
    "no path": (lambda home: [], "no folder in the list"),
    "no pictures": (text_only, r"no class with.*there: neither folders nor pictures\. Make one"),
    "one folder too high": (wrapped, "What is there: pets/ with 2 folders and 0 pictures"),
    "one class": (without("dogs"), "one class only, cats.*at least two"),
    "pictures alone": (lambda home: home / "pets" / "cats", "one class only, cats"),
    "none of a class readable": (unreadable, "no picture of cats to train .*10 files left out"),
    "one picture of a class": (only_one, "no picture of birds to validate with"),
    "an empty class": (forgotten, "no picture of birds to train with"),
    "a class that is not in validation": (half_split, "no picture of birds to validate with"),
}


@pytest.mark.parametrize("make, message", WRONG.values(), ids=WRONG)
def test_a_folder_of_another_kind_is_explained(pets, home, make, message):
    with pytest.raises(DataError, match=message):
        from_folder(make(home))


@pytest.mark.parametrize(
    "options, message",
    [
        ({"image_size": 4}, "image_size is 4; give"),
        ({"image_size": 64.0}, "whole number"),
        ({"image_size": 5000}, "from 8 to 1024"),
        ({"validation": 0}, "between 0 and 1, such as 0.2"),
        ({"validation": 20}, "between 0 and 1"),
        ({"limit": 0}, "at least 1"),
    ],
)
def test_options_that_cannot_be(pets, options, message):
    with pytest.raises(DataError, match=message):
        from_folder(pets, **options)


def test_pictures_that_do_not_fit_into_memory(pets, monkeypatch):
    monkeypatch.setattr(machine, "memory", lambda: machine.Memory(10**8, 6 * 10**7))
    with pytest.raises(DataError, match=r"20 pictures .* 0\.1 GB .*smaller image_size"):
        from_folder(pets, image_size=1024)


def test_ctrl_c_stops_the_reading(home):
    first = home / "slow" / "a" / "0.png"
    first.parent.mkdir(parents=True)
    Image.effect_noise((2000, 2000), 90).save(first, compress_level=1)
    (home / "slow" / "b").mkdir()
    for i in range(1, 2000):  # minutes of decoding
        os.link(first, home / "slow" / "ab"[i % 2] / f"{i}.png")
    program = f"from labkit.data import from_folder; from_folder({str(home / 'slow')!r})"
    reading = subprocess.Popen(
        [sys.executable, "-c", program],
        env=os.environ | {"LABKIT_HEADLESS": "0"},
        stderr=subprocess.PIPE,
    )
    try:
        seen = b""
        while b"/2000" not in seen:  # the bar
            seen += reading.stderr.read(1) or pytest.fail(seen.decode())
        reading.send_signal(signal.SIGINT)
        _, rest = reading.communicate(timeout=20)
        assert b"KeyboardInterrupt" in rest and reading.returncode != 0
    finally:
        reading.kill()


def saved(picture, kind, **options):
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def centre(source):
    picture = read_picture(source, image_size=16)
    assert picture.shape == (16, 16, 3) and picture.dtype == np.uint8
    return picture[8, 8].tolist()


def test_a_picture_from_a_path_or_from_an_upload(home):
    path = paint(home / "a.png", 77)
    assert centre(path) == centre(str(path)) == centre(path.read_bytes()) == [77, 77, 77]
    assert centre(memoryview(path.read_bytes())) == [77, 77, 77]
    wide = Image.new("RGB", (300, 100), "red")
    wide.paste("blue", (100, 0, 200, 100))
    assert (read_picture(saved(wide, "PNG"), image_size=20)[:, 2:-2] == [0, 0, 255]).all(), "middle"
    read_picture(path, image_size=16)[:] = 0  # the caller's own


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "WEBP", "JPEG"])
def test_the_kinds_of_files(kind, home):
    path = home / "wrongly named.jpg"
    path.write_bytes(saved(Image.new("RGB", (40, 40), (250, 0, 0)), kind, quality=100))
    assert np.allclose(centre(path), [250, 0, 0], atol=4)


def test_every_form_of_colour_becomes_rgb():
    red = (0, 255, 255, 0)
    assert np.allclose(centre(saved(Image.new("CMYK", (40, 40), red), "JPEG")), [255, 0, 0], atol=3)
    assert centre(saved(Image.new("L", (40, 40), 9), "PNG")) == [9, 9, 9]
    assert centre(saved(Image.new("1", (40, 40), 1), "PNG")) == [255, 255, 255]
    deep = Image.fromarray(np.full((40, 40), 128 * 257, np.uint16))
    assert centre(saved(deep, "PNG")) == [128, 128, 128]
    palette = Image.new("RGB", (40, 40), (10, 200, 30)).convert("P", palette=Image.Palette.ADAPTIVE)
    assert centre(saved(palette, "PNG")) == [10, 200, 30]


def test_what_is_transparent_lies_on_white():
    assert centre(saved(Image.new("RGBA", (40, 40), (0, 0, 0, 0)), "PNG")) == [255, 255, 255]
    assert centre(saved(Image.new("RGBA", (40, 40), (0, 0, 0, 128)), "PNG")) == [127, 127, 127]
    assert centre(saved(Image.new("LA", (40, 40), (0, 0)), "PNG")) == [255, 255, 255]
    palette = Image.new("P", (40, 40), 0)
    palette.putpalette([0, 0, 0, 255, 0, 0])
    assert centre(saved(palette, "PNG", transparency=0)) == [255, 255, 255]


def test_the_first_frame_of_an_animation():
    frames = [Image.new("RGB", (40, 40), colour) for colour in ("red", "blue")]
    assert centre(saved(frames[0], "GIF", save_all=True, append_images=frames[1:])) == [255, 0, 0]


def test_a_photo_taken_sideways_stands_upright():
    upright = Image.new("RGB", (60, 60), "black")
    upright.paste("white", (0, 0, 60, 30))  # the sky above
    exif = Image.Exif()
    exif[0x0112] = 6  # turn it by 90 degrees clockwise to see it upright
    lying = saved(upright.rotate(90), "JPEG", exif=exif, quality=95)
    picture = read_picture(lying, image_size=16)
    assert picture[:6].min() > 200 and picture[10:].max() < 50
    damaged = lying.replace(b"MM\0*", b"XXXX")
    assert damaged != lying
    assert read_picture(damaged, image_size=16).shape == (16, 16, 3), "lying, but there"


@pytest.mark.parametrize(
    "source, message",
    [
        (b"", "the file is empty. Give another one"),
        (b"<!DOCTYPE html>", "a web page"),
        ("nowhere.jpg", "nowhere.jpg cannot be read as a picture: it is not there"),
        (os.curdir, "not a file"),
        ("a\0b.jpg", "a�b.jpg"),
    ],
)
def test_what_is_no_picture_is_refused(source, message):
    with pytest.raises(DataError, match=message):
        read_picture(source, image_size=64)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "WEBP", "JPEG"])
def test_a_damaged_picture_is_read_or_refused_and_nothing_else(kind):
    random = np.random.default_rng(0)
    raw = saved(Image.effect_noise((40, 40), 90).convert("RGB"), kind)
    for _ in range(60):
        damaged = bytearray(raw[: random.integers(1, len(raw) + 1)])
        for place in random.integers(0, len(damaged), 4):
            damaged[place] = random.integers(256)
        try:
            assert read_picture(damaged, image_size=8).shape == (8, 8, 3)
        except DataError as error:
            assert "save it as JPEG or PNG" in str(error)


def test_a_photo_set_at_a_chosen_size(home, monkeypatch):
    for part in ("train", "validation"):
        fill(home / "share" / "cats_and_dogs" / part / "cats", 2)
        fill(home / "share" / "cats_and_dogs" / part / "dogs", 2, start=100)
    monkeypatch.setenv("LABKIT_DATA", str(home / "share"))
    assert labkit.load("cats_and_dogs", image_size=96).input_shape == (96, 96, 3)
    assert labkit.load("cats_and_dogs").input_shape == (64, 64, 3)
    monkeypatch.setenv("LABKIT_DATA", "sample")
    small, large = labkit.load("cats_and_dogs"), labkit.load("cats_and_dogs", image_size=96)
    assert large.x_train.shape == (*small.x_train.shape[:1], 96, 96, 3)
    assert large.x_train.dtype == np.uint8 and (large.y_test == small.y_test).all()
    assert np.allclose(small.x_test.mean((1, 2)), large.x_test.mean((1, 2)), atol=1)
    with pytest.raises(DataError, match=r"28 × 28 × 1. Leave image_size out.*cats_and_dogs"):
        labkit.load("mnist", image_size=64)
    with pytest.raises(DataError, match="from 8 to 1024"):
        labkit.load("cats_and_dogs", image_size=0)


def test_the_classes_of_a_photo_set_are_the_catalogues(home, monkeypatch):
    for label in ("zebras", "dogs", "cats"):
        fill(home / "share" / "cats_and_dogs" / label, 5)
    monkeypatch.setenv("LABKIT_DATA", str(home / "share"))
    (home / "share" / "cats_and_dogs" / "cats" / "x.jpg").write_bytes(b"")
    data = labkit.load("cats_and_dogs")
    assert data.class_names == ("cats", "dogs")
    assert np.bincount(data.y_train).tolist() == [4, 4]
    assert data.skipped == ("cats/x.jpg: the file is empty",)
