"""People read the site and the handouts without internet: at a desk, on a phone, in the dark."""

import contextlib
import functools
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import axe_playwright_python
import nbformat
import pytest

from labkit import notebooks
from tests.docs.building import build
from tests.notebooks.labs import NOTEBOOKS

AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js")
JUDGE = """async () => {
  const {violations} = await axe.run(document, {resultTypes: ["violations"], preload: false});
  const grave = violations.filter((found) => ["serious", "critical"].includes(found.impact));
  return grave.flatMap((found) => found.nodes.map((node) => `${found.id}: ${node.html}`));
}"""
PAGES = {
    "front": "index.html",
    "lab": "notebooks/02-mnist-first-network.html",
    "quiz": "notebooks/c1-tensors.html",
    "guide": "docs/contents/guide.html",
    "reference": "docs/reference/plot.html",
}
LOOKS = {
    "desk-light": {"viewport": {"width": 1280, "height": 800}, "color_scheme": "light"},
    "phone-dark": {"viewport": {"width": 360, "height": 740}, "color_scheme": "dark"},
}


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    out = tmp_path_factory.mktemp("site")
    done = build(out, tmp_path_factory.mktemp("doctrees"))
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="module")
def served(site):
    """The address of the site, as `python -m http.server` gives it."""
    handler = functools.partial(Quiet, directory=site)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def handouts(tmp_path_factory):
    """The folder of the handouts, two of them printed."""
    out = tmp_path_factory.mktemp("handouts")
    chosen = [p for p in NOTEBOOKS if p.stem in ("02-mnist-first-network", "c2-neurons")]
    assert len(notebooks.handouts(chosen, out)) == 4
    for path in NOTEBOOKS:
        page = (out / path.stem).with_suffix(".html")
        if not page.exists():
            page.write_text(notebooks.to_html(nbformat.read(path, as_version=4), path.parent))
    return out


@pytest.fixture(scope="module")
def browser(lab):
    with lab.browser_page() as (page, _):
        yield page.context.browser


@pytest.fixture
def visit(browser):
    """A function that opens an address; at the end nothing has gone wrong or left the machine."""

    @contextlib.contextmanager
    def opened(address, **look):
        context = browser.new_context(**look)
        page = context.new_page()
        wrong, abroad = [], []
        here = ("data:", "blob:", "file:", "http://127.0.0.1:")
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda line: wrong.append(line.text) if line.type == "error" else None)
        page.on("request", lambda r: None if r.url.startswith(here) else abroad.append(r.url))
        page.goto(address)
        yield page
        context.close()
        assert (wrong, abroad) == ([], [])

    return opened


def judged(page):
    """What somebody with a screen reader, or weak eyes, would stumble over."""
    page.add_script_tag(path=AXE)
    return page.evaluate(JUDGE)


def fits(page):
    return page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("name", PAGES)
def test_pages_of_the_site_can_be_read_by_everybody(name, look, visit, served, shots):
    with visit(f"{served}/{PAGES[name]}", **LOOKS[look]) as page:
        page.screenshot(path=shots / f"site-{name}-{look}.png")
        assert fits(page) and judged(page) == []


@pytest.mark.parametrize("place", ["file", "http"])
@pytest.mark.parametrize("look", LOOKS)
def test_somebody_looks_for_softmax(place, look, visit, served, site, shots):
    address = served if place == "http" else site.as_uri()
    with visit(f"{address}/index.html", **LOOKS[look]) as page:
        page.get_by_role("button", name="Search").first.click()
        page.get_by_role("dialog").get_by_role("searchbox").fill("softmax")
        page.keyboard.press("Enter")
        page.wait_for_url("**/search.html?q=softmax*")
        page.get_by_text("Search finished").wait_for()
        assert judged(page) == []
        page.screenshot(path=shots / f"site-search-{place}-{look}.png")
        page.get_by_role("link", name="02 · MNIST").first.click()
        page.get_by_role("heading", level=1, name="02 · MNIST").wait_for()


@pytest.mark.parametrize("look", LOOKS)
def test_handouts_can_be_read_by_everybody(look, visit, handouts, shots):
    for path in sorted(handouts.glob("*.html")):
        with visit(path.as_uri(), **LOOKS[look]) as page:
            page.screenshot(path=shots / f"handout-{path.stem}-{look}.png")
            assert fits(page), path.name
            assert judged(page) == [], path.name


def test_paper_has_stills_and_no_folded_hints(visit, handouts):
    with visit((handouts / "03-mnist-cnn.html").as_uri()) as page:
        moving, still = page.locator(".moving").first, page.locator(".still").first
        hint = page.locator("summary").first
        assert moving.is_visible() and hint.is_visible() and not still.is_visible()
        page.emulate_media(media="print")
        assert still.is_visible() and not (moving.is_visible() or hint.is_visible())
        page.emulate_media(media="screen", reduced_motion="reduce")
        assert still.is_visible() and not moving.is_visible()


def test_a_printed_handout_is_a_document_with_pages(handouts):
    printed = sorted(handouts.glob("*.pdf"))
    assert [path.stem for path in printed] == ["02-mnist-first-network", "c2-neurons"]
    for path in printed:
        content = path.read_bytes()
        assert content.startswith(b"%PDF-") and content.count(b"/Type /Page\n") > 5, path.name
        assert b"/MarkInfo" in content, "its headings and alt texts are there for screen readers"
