"""The site is whole, says nothing twice, and asks nobody for anything."""

import re
from html import unescape
from urllib.parse import unquote, urlsplit

import pytest
from filelock import FileLock

from tests.docs.building import build, loads, outputs
from tests.notebooks.labs import NOTEBOOKS, ROOT


@pytest.fixture(scope="session")
def site(tmp_path_factory, worker_id):
    """The folder of the site, built once for all the processes of this run of the tests."""
    base = tmp_path_factory.getbasetemp()
    base = base if worker_id == "master" else base.parent
    out = base / "site"
    log = base / "site.log"
    with FileLock(base / "site.lock"):
        if not log.exists():
            done = build(out, base / "doctrees")
            log.write_text(done.stderr or str(done.returncode or ""))
    assert log.read_text() == "", "a warning is an error"
    return out


@pytest.fixture(scope="session")
def pages(site):
    names = (path.relative_to(site).as_posix() for path in site.rglob("*.html"))
    return {name: (site / name).read_text() for name in names if not name.startswith("_static/")}


def test_every_text_has_its_page(pages):
    written = [*NOTEBOOKS, *(ROOT / "docs").glob("*.md"), *ROOT.glob("*.md")]
    names = {path.relative_to(ROOT).with_suffix(".html").as_posix() for path in written}
    assert names < pages.keys() and "search.html" in pages
    assert pages["index.html"] == pages["README.html"]
    labs = pages["docs/contents/labs.html"]
    assert all(f'href="../../notebooks/{path.stem}.html"' in labs for path in NOTEBOOKS)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_lab_comes_with_the_outputs_that_were_saved_in_it(path, pages):
    page = unescape(pages[f"notebooks/{path.stem}.html"])
    texts = re.findall(r'alt="([^"]+)"', "".join(outputs(path)))
    assert texts and all(unescape(text) in page for text in texts)


def test_every_link_of_the_site_leads_somewhere(site, pages):
    ids = {
        name: {unescape(i) for i in re.findall(r'\bid="([^"]+)"', page)}
        for name, page in pages.items()
    }
    lost = []
    for name, page in pages.items():
        for link in {unescape(link) for link in re.findall(r'\bhref="([^"]*)"', page)}:
            parts = urlsplit(link)
            if parts.scheme:
                continue
            target = (site / name).parent / unquote(parts.path) if parts.path else site / name
            if not target.is_file():
                lost.append((name, link))
                continue
            key = target.resolve().relative_to(site.resolve()).as_posix()
            if parts.fragment and key in ids and unquote(parts.fragment) not in ids[key]:
                lost.append((name, link))
    assert lost == []


def test_no_page_loads_anything_from_another_machine(site, pages):
    abroad = [
        (name, address[:80])
        for name, page in pages.items()
        for address in loads(page)
        if urlsplit(address).scheme not in ("", "data") or address.startswith("//")
    ]
    assert abroad == []
    sheets = [path.read_text() for path in site.rglob("*.css")]
    assert sheets and not re.findall(r"(?:url\(|@import ).?(?:https?:)?//", "".join(sheets))


def test_the_index_of_the_search_knows_the_labs_and_the_library(site):
    index = (site / "searchindex.js").read_text()
    assert '"softmax"' in index and "softmax_regression" in index and "notebooks/02-mnist" in index


def test_the_settings_are_listed_with_what_they_mean(pages):
    page = pages["docs/reference/settings.html"]
    assert "LABKIT_OFFLINE" in page and "1 never tries the network" in page
