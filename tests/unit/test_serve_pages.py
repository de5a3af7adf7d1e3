"""The pages of the model server, as a browser without scripts gets and sends them."""

import html
import io
import re
import subprocess

import numpy as np
import pytest
import requests
from PIL import Image

from labkit.data.digits import SIDE
from labkit.serve.process import background
from tests.unit import tiny_models as tiny
from tests.unit.serve_process import serving, until

TOKEN = "secret-of-the-test"
EVIL = "<script>alert(1)</script>"
COLUMNS = [
    {"name": "wins", "low": 0.0, "middle": 10.5, "high": 20.0},
    {"name": EVIL, "low": -1.0, "middle": 0.0, "high": 1.0},
]
SAMPLE = {"name": "mnist", "source": "sample", "examples": 2000}
MODELS = {
    "line": (tiny.line(2, 1), [], {"features": COLUMNS}),
    "rows": (tiny.labelled(), ["lost", "won"], {"features": COLUMNS}),
    "digits": (tiny.brightness(28, 28, 1, classes=10), [*"0123456789"], {"data": SAMPLE}),
    "photos": (tiny.brightness(16, 16, 3), ["dark", "bright"], {"metrics": {"accuracy": 0.912345}}),
    "clothes": (tiny.brightness(28, 28, 1), ["dark", "bright"], {}),
    "wide": (tiny.brightness(8, 16, 3), ["dark", "bright"], {}),
    "plain": (tiny.line(1, 2, 3), [], {"features": [{"name": "one", "low": "nothing"}]}),
    "hostile": (
        tiny.brightness(16, 16, 3),
        [EVIL, '" onload="alert(1)'],
        {
            "metrics": {EVIL: EVIL, "r2": None},
            "data": {"name": EVIL, "source": EVIL, "examples": EVIL},
            "created": EVIL,
            "packages": {EVIL: [EVIL]},
        },
    ),
}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    for name, (model, classes, told) in MODELS.items():
        tiny.put(folder, name, model, classes, **told)
    return folder


@pytest.fixture(scope="module")
def url(store):
    with background([*MODELS], store=store, port=23_000) as serving:
        yield serving.url


@pytest.fixture
def browser(url):
    """A client that asks for pages."""
    with requests.Session() as session:
        session.headers["Accept"] = "text/html,application/xhtml+xml,*/*;q=0.8"
        yield session


def photo(colour="white", size=(40, 30), kind="PNG", **options):
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, kind, **options)
    return file.getvalue()


def upload(browser, url, content, model="photos", name="photo.jpg"):
    return browser.post(f"{url}models/{model}", files={"picture": (name, content)})


def text(page):
    """What a page shows, without its marks."""
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page.text)))


# Every page


@pytest.mark.parametrize("path", ["", *(f"models/{name}" for name in MODELS), "models/x", "x/y"])
def test_every_page_is_kept_to_this_server(path, browser, url):
    page = browser.get(url + path)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'; style-src 'self'; script-src 'self';" in policy
    assert "frame-ancestors 'self' http://localhost:* http://127.0.0.1:*" in policy
    addresses = re.findall(r"""(?:src|href|action|data-address)=["']([^"']*)""", page.text)
    assert addresses and not [a for a in addresses if re.match(r"[a-z]+:|//", a)], "relative"
    assert not re.search(r"<style|style=|<script(?! type=\"module\" src=)|\son[a-z]+=\"", page.text)
    for address in set(addresses):
        if not address.startswith("#") and "/drawing" not in address:
            assert browser.get(requests.compat.urljoin(page.url, address)).status_code in (200, 404)
    assert EVIL not in page.text and 'onload="' not in page.text


def test_the_front_page_lists_the_models(browser, url):
    page = browser.get(url)
    for name in MODELS:
        assert f'<a href="models/{name}">{name}</a>' in page.text
    shown = text(page)
    assert "Sorts pictures into 2 classes: dark, bright. Metrics accuracy 0.91234" in shown
    assert "Trained on mnist, 2,000 examples SAMPLE DATA" in shown
    assert shown.count("SAMPLE DATA") == 2, "it is explained, and stands at the one model"


def test_a_model_page_tells_about_the_model(browser, url):
    shown = text(browser.get(f"{url}models/digits"))
    assert "SAMPLE DATA This model learned from the small sample" in shown
    assert "Version 1, saved 2026-11-22 00:00:00 UTC" in shown
    assert "Takes 28 × 28 × 1 numbers" in shown


@pytest.mark.parametrize("name", ["line", "digits", "photos", "wide", "plain"])
def test_the_command_on_a_page_works(name, browser, url, tmp_path):
    (tmp_path / "photo.jpg").write_bytes(photo(kind="JPEG"))
    code = re.search(r"<code>(.*?)</code>", browser.get(f"{url}models/{name}").text, re.S)[1]
    command = html.unescape(code).replace("curl", "curl --silent --fail-with-body")
    said = subprocess.run(command, shell=True, cwd=tmp_path, capture_output=True, check=True)
    assert b"predictions" in said.stdout or b'{"classes":{"bright":1.0,"dark":' in said.stdout


def test_what_went_wrong_is_a_page_for_people_and_json_for_programs(browser, url):
    page = browser.get(f"{url}models/<b>")
    assert page.status_code == 404 and "There is no model '<b>'; the models here: line," in text(
        page
    )
    assert "<b>" not in page.text
    answer = requests.get(f"{url}models/x")
    assert answer.status_code == 404 and "There is no model 'x'" in answer.json()["error"]
    page = browser.post(f"{url}models/digits")
    assert page.status_code == 405 and "takes no form" in text(page)


def test_with_a_token_and_with_a_model_that_is_not_ready(store, tmp_path):
    tiny.put(tmp_path, "line", tiny.line(2, 1), features=COLUMNS)
    tiny.put(tmp_path, "garbage", b"no model")
    names = ("line", "garbage", "Missing One")
    with serving(tmp_path, *names, LABKIT_TOKEN=TOKEN) as (_, url, _), requests.Session() as person:
        person.headers["Accept"] = "text/html"
        page = person.get(f"{url}?token={TOKEN}")
        assert text(page).count("not ready It could not be loaded.") == 2
        page = person.post(f"{url}models/line", data={"f0": "1", "f1": "1"})
        assert "Prediction 3 " in text(page)
        assert '-H "Authorization: Bearer $LABKIT_TOKEN"' in page.text.replace("&#34;", '"')
        assert TOKEN not in page.text
        page = person.get(f"{url}models/garbage")
        assert page.status_code == 503 and "The model garbage is not ready" in text(page)
        assert person.get(f"{url}static/style.css").status_code == 200


def test_what_pages_ask_is_counted_as_what_programs_ask(browser, url):
    def counted():
        found = requests.get(url + "metrics").text
        return [
            sum(
                map(float, re.findall(rf'labkit_predictions_total{{model="{name}".*}} (.*)', found))
            )
            for name in ("rows", "digits", "clothes")
        ]

    before = counted()
    browser.post(f"{url}models/rows", data={"f0": "1", "f1": "1"})
    requests.post(f"{url}models/digits/drawing", data=bytes([255]) * SIDE * SIDE)
    upload(browser, url, photo(), model="clothes")
    assert counted() == [count + 1 for count in before]


def test_a_newer_version_that_is_broken_is_named(browser, tmp_path):
    tiny.put(tmp_path, "line", tiny.line(2, 1))
    with background(["line"], store=tmp_path, port=23_100, refresh=0.05) as serving:
        tiny.put(tmp_path, "line", b"no model")
        said = "A newer version is not served. line/2 cannot be loaded"
        until(lambda: said in text(browser.get(serving.url)))
        assert browser.get(serving.url + "models/line").status_code == 200


# A table


def test_a_form_starts_in_the_middle_and_keeps_what_was_filled_in(browser, url):
    page = browser.get(f"{url}models/line")
    assert re.findall(r'value="([^"]*)"', page.text) == ["10.5", "0"]
    assert "In training: 0 to 20, middle 10.5." in text(page) and "Outside" not in page.text
    page = browser.post(f"{url}models/line", data={"f0": "12", "f1": " 3e0 "})
    assert page.status_code == 200 and "Prediction 27 " in text(page)
    assert re.findall(r'value="([^"]*)"', page.text) == ["12", "3e0"]
    assert text(page).count("Outside of what the model has seen.") == 1
    assert "[[12.0, 3.0]]" in page.text, "the command asks the same"
    assert "<title>Answer: line" in page.text


@pytest.mark.parametrize("wrong", ["", "abc", "nan", "1e999", "1e39", "1,5", EVIL, None])
def test_a_wrong_input_gets_a_message_at_its_field(wrong, browser, url):
    page = browser.post(f"{url}models/line", data={"f0": "7", "f1": wrong})
    assert page.status_code == 422 and "One field needs another number." in text(page)
    fields = re.findall(r"<input.*?</p>", page.text, re.S)
    assert 'value="7"' in fields[0] and "aria-invalid" not in fields[0]
    assert 'aria-describedby="f1-hint" aria-invalid="true" autofocus>' in fields[1]
    assert re.search(r'id="f1-hint".*Write a number.*, such as 0\.', fields[1], re.S)
    assert EVIL not in page.text and "Prediction" not in page.text


def test_the_first_wrong_field_has_the_focus(browser, url):
    page = browser.post(f"{url}models/line")
    assert page.text.count("autofocus") == 1 and "2 fields need other numbers." in text(page)


def test_what_the_model_cannot_compute_is_said_on_the_page(browser, url):
    page = browser.post(f"{url}models/line", data={"f0": "3e38", "f1": "0"})
    assert page.status_code == 422 and "larger than its numbers can be" in text(page)


def test_a_classifier_of_rows_answers_in_bars(browser, url):
    page = browser.post(f"{url}models/rows", data={"f0": "0.25", "f1": "0.75"})
    assert "The model says won . won 75 % lost 25 %" in text(page)


# A digit


def test_a_drawing_is_answered_with_probabilities_and_what_the_network_sees(url):
    ink = np.zeros((SIDE, SIDE), np.uint8)
    ink[40:240, 130:150] = 255
    answer = requests.post(f"{url}models/digits/drawing", data=ink.tobytes()).json()
    assert len(answer["probabilities"]) == 10 and sum(answer["probabilities"]) == pytest.approx(1)
    assert len(answer["seen"]) == 784 and max(answer["seen"]) == 255
    empty = requests.post(f"{url}models/digits/drawing", data=bytes(SIDE * SIDE)).json()
    assert empty == {"probabilities": [], "seen": [0] * 784}


def test_what_is_no_drawing_is_refused(url):
    answer = requests.post(f"{url}models/digits/drawing", data=b"123")
    assert answer.status_code == 422 and "and 3 came" in answer.json()["error"]
    answer = requests.post(f"{url}models/photos/drawing", data=bytes(SIDE * SIDE))
    assert answer.status_code == 422 and "reads no drawn digits" in answer.json()["error"]


# A photo


@pytest.mark.parametrize(
    "content",
    [
        photo(kind="JPEG"),
        photo(kind="PNG"),
        photo(kind="WEBP"),
        photo(kind="JPEG", size=(5000, 4000)),
    ],
    ids=["jpeg", "png", "webp", "large"],
)
def test_a_photo_is_answered_in_bars(content, browser, url):
    page = upload(browser, url, content)
    assert page.status_code == 200
    assert "The model says bright bright 100 % dark 0 %" in text(page)
    assert 'src="data:image/png;base64,' in page.text


@pytest.mark.parametrize(
    "content, said",
    [
        (b"<html><body>no</body></html>", "it is a web page or other text"),
        (b"\0\1\2\3", "it is not a JPEG, PNG, GIF, BMP or WebP picture"),
        (b"", "the file is empty"),
        (photo(kind="JPEG")[:300], "it is damaged or cut off"),
        (photo(size=(4100, 4000)), "it has more than 16 million pixels"),
        (
            photo(kind="JPEG", size=(4100, 4000), progressive=True),
            "it has more than 16 million pixels",
        ),
    ],
    ids=["html", "bytes", "empty", "cut", "bomb", "progressive"],
)
def test_what_is_no_photo_gets_a_message_at_the_field(content, said, browser, url):
    page = upload(browser, url, content)
    assert page.status_code == 422 and said in text(page)
    assert 'aria-describedby="problem hint" aria-invalid="true" autofocus>' in page.text
    assert 'id="problem" class="problem" role="alert">The file cannot be read' in page.text
    answer = requests.post(f"{url}models/photos", files={"picture": ("x.jpg", content)})
    assert answer.status_code == 422 and said in answer.json()["error"]


def test_without_a_photo_one_is_asked_for(browser, url):
    for files in ({"picture": ("", b"")}, {"other": ("a.png", photo())}):
        page = browser.post(f"{url}models/photos", files=files)
        assert page.status_code == 422 and "No photo came. Choose one first." in text(page)
    page = browser.post(f"{url}models/photos", data={"picture": "text"})
    assert "No photo came" in text(page)


def test_the_camera_may_be_used_instead(browser, url):
    files = [("picture", ("", b"")), ("picture", ("camera.png", photo("black")))]
    assert "The model says dark" in text(browser.post(f"{url}models/photos", files=files))


def test_a_form_that_cannot_be_read_is_refused(browser, url):
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    page = browser.post(f"{url}models/photos", data=b"no parts", headers=headers)
    assert page.status_code in (400, 422) and "Error" not in page.text


def test_a_bright_photo_is_inverted_for_a_model_of_light_things_on_black(browser, url):
    page = upload(browser, url, photo("white"), model="clothes")
    assert "The model says dark" in text(page) and "bright and dark were swapped" in text(page)
    page = upload(browser, url, photo("black"), model="clothes")
    assert "The model says dark" in text(page) and "swapped" not in text(page)
    assert "and made grey" in text(page)


def test_what_pages_cannot_take_is_said(browser, url):
    assert "pages read square ones only" in text(browser.get(f"{url}models/wide"))
    assert "Takes 3 numbers" in text(browser.get(f"{url}models/plain"))
