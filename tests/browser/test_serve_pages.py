"""People open the model server's pages, at a desk and on a phone. Nothing leaves the server."""

import contextlib
import io

import pytest
from PIL import Image

import labkit
from labkit import models, store
from labkit.serve.process import background
from tests.browser.test_widgets import DIGITS, REAL, canvas_of, draw, says
from tests.unit import tiny_models as tiny

DEVICES = {
    "desk": {"viewport": {"width": 1280, "height": 800}},
    "phone": {
        "viewport": {"width": 360, "height": 740},
        "has_touch": True,
        "is_mobile": True,
        "device_scale_factor": 2,
    },
}
COLUMNS = [
    {"name": "wins", "low": 0.0, "middle": 10.5, "high": 20.0},
    {"name": "share of runs", "low": -1.0, "middle": 0.0, "high": 1.0},
    {"name": "hits", "low": 100.0, "middle": 1200.0, "high": 2000.0},
]
TOLD = {
    "metrics": {"accuracy": 0.91},
    "packages": {"labkit": "0.1.0"},
    "data": {"name": "cats_and_dogs", "source": "sample", "examples": 2000},
}
# What sticks out of the page, and what is too small for a finger. Links in sentences may be.
MISFITS = """() => {
  const seen = (e) => e.getClientRects().length && e.getBoundingClientRect();
  const all = [...document.querySelectorAll("body *:not(.skip)")].filter(seen);
  const wide = all.filter((e) => seen(e).right > innerWidth + 0.5 || seen(e).left < -0.5);
  const small = all.filter((e) => e.matches("a, button, input") && seen(e).height < 43.5
    && !e.closest("p:not(.actions)"));
  return [...wide, ...small].map((e) => e.outerHTML.slice(0, 80));
}"""
SHARES = "() => [...document.querySelectorAll('meter')].map((meter) => meter.value)"
# Makes answers slow, and notes how many questions are under way when one is asked.
SLOW = """
const ask = window.fetch;
let underWay = 0;
window.asked = [];
window.fetch = async (...question) => {
  window.asked.push(++underWay);
  await new Promise((done) => setTimeout(done, 300));
  const answer = await ask(...question);
  underWay -= 1;
  return answer;
};
"""
GIVE = """([kind, bytes]) => {
  const data = new DataTransfer();
  data.items.add(new File([new Uint8Array(bytes)], `${kind}.png`, { type: "image/png" }));
  const event = kind === "paste"
    ? new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true })
    : new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true });
  document.body.dispatchEvent(event);
}"""


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    data = labkit.load("mnist", limit=15000 if REAL else 2000)
    model = models.cnn(data)
    labkit.fit(model, data, epochs=1 if REAL else 4, recipe="fast", verbose=False)
    store.save(model, "digits", data=data, metrics={"accuracy": 0.9}, url=folder)
    tiny.put(folder, "runs", tiny.line(2, 1, 0), features=COLUMNS, **TOLD)
    tiny.put(folder, "photos", tiny.brightness(64, 64, 3), ["dark", "bright"], **TOLD)
    names = ["digits", "runs", "photos"]
    with background(names, store=folder, port=24_000) as serving:
        yield serving.url


@pytest.fixture(scope="module")
def browser(lab):
    with lab.browser_page() as (page, _):
        yield page.context.browser


@pytest.fixture
def visit(browser, url):
    """A function that opens the front page on a device; at the end nothing may have gone wrong.

    Chromium writes into its console that the server said no, which a test may expect.
    """

    @contextlib.contextmanager
    def opened(device, *, refused=(), **options):
        context = browser.new_context(**DEVICES[device], **options)
        page = context.new_page()
        wrong, abroad = [], []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda line: wrong.append(line.text))
        page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith((url, "data:", "blob:"))
                else abroad.append(request.url)
            ),
        )
        page.goto(url)
        yield page
        assert abroad == []
        expected = [f"status of {status}" for status in refused]
        assert len(wrong) == len(expected), wrong
        assert all(line in said for line, said in zip(expected, wrong, strict=True))
        context.close()

    return opened


def photograph(page, shots, name):
    """Screenshots in the light and in the dark, of pages in which everything fits."""
    assert page.evaluate(MISFITS) == []
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        page.screenshot(path=shots / f"serve-{name}-{scheme}.png", full_page=True)


def picture(colour, size=(90, 60)):
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "PNG")
    return file.getvalue()


def focused(page):
    return page.evaluate("() => document.activeElement.id || document.activeElement.className")


@pytest.mark.parametrize("device", DEVICES)
def test_a_form_is_filled_in_by_keyboard_alone(device, visit, shots):
    with visit(device, refused=[422]) as page:
        photograph(page, shots, f"front-{device}")
        page.keyboard.press("Tab")
        page.get_by_role("link", name="Skip to the content").wait_for()
        page.get_by_role("link", name="runs").press("Enter")
        page.wait_for_url("**/models/runs")
        page.get_by_label("wins").press("ControlOrMeta+a")
        page.keyboard.type("30")
        page.keyboard.press("Tab")
        assert focused(page) == "f1"
        page.keyboard.press("ControlOrMeta+a")
        page.keyboard.type("0.5")
        page.keyboard.press("Enter")
        page.get_by_role("region", name="Prediction").get_by_text("60.5").wait_for()
        assert focused(page) == "answer" and page.get_by_label("wins").input_value() == "30"
        assert page.get_by_text("Outside of what the model has seen.").count() == 1
        photograph(page, shots, f"table-{device}")
        for name in ("share of runs", "hits"):
            page.get_by_label(name).fill("")
        page.get_by_label("hits").press("Enter")
        page.get_by_role("alert").get_by_text("2 fields need other numbers.").wait_for()
        assert focused(page) == "f1"
        photograph(page, shots, f"table-wrong-{device}")


def test_forms_work_without_javascript(visit):
    with visit("desk", refused=[422], java_script_enabled=False) as page:
        page.get_by_role("link", name="runs").click()
        page.get_by_role("button", name="Predict").click()
        page.get_by_role("region", name="Prediction").get_by_text("21").wait_for()
        page.goto(page.url.replace("runs", "photos"))
        photo = {"name": "a.png", "mimeType": "image/png", "buffer": picture("white")}
        page.get_by_label("Choose a photo").set_input_files(photo)
        page.get_by_role("button", name="Ask the model").click()
        page.get_by_role("heading", name="The model says bright").wait_for()
        page.get_by_label("Choose a photo").set_input_files(photo | {"buffer": b"<html>"})
        page.get_by_role("button", name="Ask the model").click()
        page.get_by_role("alert").get_by_text("it is a web page or other text").wait_for()
        page.goto(page.url.replace("photos", "digits"))
        page.locator("noscript p").wait_for()


@pytest.mark.parametrize("device, tool", [("desk", "mouse"), ("phone", "touch")])
def test_a_digit_is_drawn_and_recognised(device, tool, visit, shots):
    with visit(device) as page:
        page.get_by_role("link", name="digits").click()
        says(page, "Draw a digit; the network answers while you draw.")
        for digit in ("1", "7"):
            draw(page, *DIGITS[digit], tool=tool)
            says(page, f"The network says {digit}.", timeout=15_000)
            shares = page.evaluate(SHARES)
            assert shares[int(digit)] == max(shares) > 30 and abs(sum(shares) - 100) <= 5
            if digit == "7":
                photograph(page, shots, f"digit-{device}")
            page.get_by_role("button", name="Clear").click()
            says(page, "Draw a digit")
            assert page.evaluate(SHARES) == [0] * 10


def test_a_digit_is_drawn_by_keyboard(visit):
    with visit("desk") as page:
        page.get_by_role("link", name="digits").click()
        canvas_of(page).focus()
        for key in ["ArrowUp"] * 9 + ["Space"] + ["ArrowDown"] * 20 + ["Space"]:
            page.keyboard.press(key)
        says(page, "The network says 1.", timeout=15_000)
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")  # Undo
        says(page, "Draw a digit")


def test_one_drawing_at_a_time_is_under_way(visit):
    with visit("desk") as page:
        page.add_init_script(SLOW)
        page.get_by_role("link", name="digits").click()
        zigzag = [(0.1 + 0.1 * i, 0.2 if i % 2 else 0.8) for i in range(9)]
        draw(page, zigzag)
        page.wait_for_timeout(1000)  # the answer of what was drawn last takes two of 0.3 seconds
        settled = page.evaluate(SHARES)
        page.wait_for_timeout(700)
        assert page.evaluate(SHARES) == settled != [0] * 10
        asked = page.evaluate("() => window.asked")
        assert max(asked) == 1 and len(asked) >= 2


def test_a_server_that_is_gone_is_told(visit):
    with visit("desk") as page:
        page.add_init_script("window.fetch = () => Promise.reject(new TypeError('gone'));")
        page.get_by_role("link", name="digits").click()
        draw(page, *DIGITS["1"])
        says(page, "The server cannot be reached. Start it again, then draw on.")
        photo = {"name": "a.png", "mimeType": "image/png", "buffer": picture("white")}
        page.goto(page.url.replace("digits", "photos"))
        page.get_by_label("Choose a photo").set_input_files(photo)
        says(page, "a.png is chosen.")
        page.get_by_role("button", name="Ask the model").click()
        page.get_by_role("alert").get_by_text("The server cannot be reached.").wait_for()


@pytest.mark.parametrize("device", DEVICES)
def test_a_photo_is_chosen_dropped_and_pasted(device, visit, shots):
    with visit(device, refused=[422]) as page:
        page.get_by_role("link", name="photos").click()
        assert page.get_by_label("Or take one").is_visible() == (device == "phone")
        ask = page.get_by_role("button", name="Ask the model")
        preview, answer = page.get_by_role("img", name="Your photo"), page.locator("#answer")
        choose = page.get_by_label("Choose a photo")
        photo = {"name": "a.png", "mimeType": "image/png", "buffer": picture("#225588")}
        choose.set_input_files(photo)
        says(page, "a.png is chosen.")
        preview.first.wait_for()
        ask.click()
        answer.get_by_role("heading", name="The model says dark").wait_for()
        assert focused(page) == "answer" and preview.first.is_visible()
        photograph(page, shots, f"picture-{device}")
        for kind, colour, class_name in (("paste", "white", "bright"), ("drop", "black", "dark")):
            page.evaluate(GIVE, [kind, [*picture(colour)]])
            says(page, f"{kind}.png is chosen.")
            assert answer.is_hidden(), "what was said of the photo before is gone"
            ask.press("Enter")
            answer.get_by_role("heading", name=f"The model says {class_name}").wait_for()
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        choose.set_input_files(photo | {"buffer": picture("white") + bytes(9_000_000)})
        ask.click()
        page.get_by_role("alert").get_by_text("The photo has 9.0 MB, and at most 8.4 MB").wait_for()
        assert not [address for address in asked if not address.startswith("blob:")]
        choose.set_input_files(photo | {"buffer": b"<html>"})
        ask.click()
        page.get_by_role("alert").get_by_text("it is a web page or other text").wait_for()
        assert answer.is_hidden() and focused(page) == "picture"
        photograph(page, shots, f"picture-wrong-{device}")


@pytest.mark.parametrize("device", DEVICES)
def test_what_is_not_there_is_a_page(device, visit, shots):
    with visit(device, refused=[404]) as page:
        page.goto(page.url + "models/cats")
        page.get_by_text("There is no model 'cats'; the models here: digits").wait_for()
        photograph(page, shots, f"not-there-{device}")
        page.get_by_role("link", name="To the models").click()
        page.get_by_role("heading", name="Models").wait_for()
