"""Run the labs without a browser, show them as pages, and keep their files clean."""

import asyncio
import base64
import copy
import hashlib
import html
import os
import re
import shutil
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from urllib.parse import unquote, urlsplit

from labkit import machine, palette
from labkit.data.download import write_atomically
from labkit.errors import NotebookError

CELL_TIMEOUT = 600
"""Seconds that one cell may take."""

_PRINTING = 120  # seconds that Chromium may take for a page

_KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}


@dataclass(frozen=True)
class Outcome:
    """How the run of one notebook ended."""

    name: str
    title: str
    seconds: float
    cells: int
    """How many code cells were run."""
    page: Path
    memory: int | None = None
    """The most memory that its kernel held, in bytes; None where the system does not tell."""
    error: str = ""
    """What went wrong, in one line; empty when nothing did."""


def find(folder: Path) -> list[Path]:
    """The labs in a folder, in reading order.

    Raises:
        NotebookError: there are none.
    """
    found = sorted(Path(folder).glob("*.ipynb"))
    if not found:
        raise NotebookError(
            f"{folder} holds no notebooks. Run this from the folder that holds notebooks/, or "
            "name a notebook."
        )
    return found


def execute(notebook, *, folder: Path, env: dict[str, str] | None = None) -> int | None:
    """Run every cell of a notebook, in place, in a kernel of its own. Ctrl-C ends it.

    Args:
        notebook: an ``nbformat`` notebook.
        folder: the kernel's working folder.
        env: environment variables of the kernel, on top of this process's. Progress with
            the exercises is kept apart from the learner's own unless it says otherwise.

    Returns:
        The most memory that the kernel held, in bytes; None where the system does not tell.

    Raises:
        NotebookError: a cell raised, ran out of time, or the kernel died.

    Example:
        >>> execute(nbformat.read("lab.ipynb", as_version=4), folder=Path("."))
    """
    return _until_ctrl_c(_execute(notebook, folder=folder, env=env))


async def _execute(notebook, *, folder, env):
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    peak = None

    def measure(**_):
        nonlocal peak
        peak = machine.peak_memory(client.km.provisioner.pid)

    client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT,
        kernel_name="python3",
        record_timing=False,
        # Not its remark that it talks to us over loopback without encryption.
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
        on_cell_executed=measure,
        resources={"metadata": {"path": str(folder)}},
    )
    try:
        with tempfile.TemporaryDirectory() as scratch:
            progress = str(Path(scratch, "progress.json"))
            headless = {"LABKIT_HEADLESS": "1", "LABKIT_PROGRESS": progress}
            cells = client.async_execute(env={**os.environ, **headless, **(env or {})})
            cells = asyncio.ensure_future(cells)
            try:
                await asyncio.shield(cells)
            except asyncio.CancelledError:
                client.shutdown_kernel = "immediate"  # nobody waits for what it has to say
                cells.cancel()
                await asyncio.gather(cells, return_exceptions=True)
                raise
    except CellExecutionError as error:
        raise NotebookError(
            f"{_place(notebook)}: {error.ename}: {error.evalue}. Open the notebook and "
            "run that cell."
        ) from error
    except CellTimeoutError as error:
        raise NotebookError(
            f"{_place(notebook)}: still running after {CELL_TIMEOUT} seconds. Open the notebook "
            "and run that cell."
        ) from error
    except DeadKernelError as error:
        raise NotebookError(
            f"{_place(notebook)}: the kernel died. The usual reason is that memory ran out (exit "
            "code 137); close other notebooks, or give the container more memory."
        ) from error
    return peak


def run(paths: list[Path], out: Path, *, jobs: int = 1) -> list[Outcome]:
    """Run notebooks and write a page for each, and a gallery.

    A notebook that fails does not stop the others. The notebook files stay as
    they are.

    Args:
        paths: the notebooks.
        out: a folder; its ``index.html`` shows them all.
        jobs: how many run at once. They share the cores out, and together get more done
            than one after the other; each needs memory of its own.

    Raises:
        NotebookError: ``jobs`` is less than 1.
    """
    if jobs < 1:
        raise NotebookError(f"jobs is {jobs}; give how many notebooks are to run at once, 1 or 2.")
    outcomes = _until_ctrl_c(_run_all(paths, out, jobs))
    text = _gallery(outcomes)
    write_atomically(out / "index.html", lambda file: file.write(text.encode()))
    return outcomes


async def _run_all(paths, out, jobs):
    import nbformat

    free = asyncio.Semaphore(jobs)
    threads = {}
    if jobs > 1:
        machine.limit_threads(threads, count=max(1, machine.cores() // jobs))

    async def run_one(path):
        notebook = nbformat.read(path, as_version=4)
        memory, error = None, ""
        async with free:
            if jobs == 1:
                print(f"{path.stem:28} ", end="", flush=True)
            started = time.perf_counter()
            try:
                memory = await _execute(notebook, folder=path.parent, env=threads)
            except NotebookError as problem:
                error = str(problem)
        outcome = Outcome(
            name=path.stem,
            title=title(notebook),
            seconds=time.perf_counter() - started,
            cells=sum(bool(cell.get("execution_count")) for cell in notebook.cells),
            page=out / f"{path.stem}.html",
            memory=memory,
            error=error,
        )
        text = to_html(notebook, path.parent)
        write_atomically(outcome.page, lambda file: file.write(text.encode()))
        name = "" if jobs == 1 else f"{path.stem:28} "
        print(f"{name}{'failed' if error else 'ok':7} {outcome.seconds:6.1f} s", flush=True)
        return outcome

    # With its exceptions returned it waits for all of them, also when it is cancelled.
    done = await asyncio.gather(*map(run_one, paths), return_exceptions=True)
    for outcome in done:
        if isinstance(outcome, BaseException):
            raise outcome
    return done


def _until_ctrl_c(work):
    """What a coroutine returns; at Ctrl-C it is cancelled, which ends the kernels.

    In a thread, because nbclient takes signals over where it can, and then waits for a kernel
    that it has ended itself.
    """
    running = {}

    async def cancellable():
        running["loop"], running["task"] = asyncio.get_running_loop(), asyncio.current_task()
        return await work

    with ThreadPoolExecutor(1) as thread:
        done = thread.submit(asyncio.run, cancellable())
        try:
            return done.result()
        except KeyboardInterrupt:
            running["loop"].call_soon_threadsafe(running["task"].cancel)
            raise


def save(path: Path) -> None:
    """Run a notebook and keep the outputs in its file, with clean metadata.

    Raises:
        NotebookError: the notebook does not run; its file stays as it was.
    """
    import nbformat

    notebook = nbformat.read(path, as_version=4)
    execute(notebook, folder=path.parent)
    clean(notebook).metadata["labkit"] = {"executed": source_hash(notebook)}
    text = nbformat.writes(notebook) + "\n"
    write_atomically(path, lambda file: file.write(text.encode()))


def clean(notebook):
    """Take out what one machine or one person's editor leaves in a notebook."""
    notebook.metadata = type(notebook.metadata)(
        kernelspec=_KERNEL, language_info={"name": "python"}
    )
    for cell in notebook.cells:
        tags = cell.metadata.get("tags")
        cell.metadata = type(cell.metadata)(tags=sorted(tags)) if tags else type(cell.metadata)()
        cell.pop("attachments", None)
    return notebook


def source_hash(notebook) -> str:
    """A fingerprint of the code cells, by which outputs are known to be made by them."""
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    return hashlib.sha256("\0".join(code).encode()).hexdigest()[:16]


def title(notebook) -> str:
    """The text of the notebook's first heading."""
    for cell in notebook.cells:
        for line in cell.source.splitlines():
            if cell.cell_type == "markdown" and line.startswith("# "):
                return line[2:].strip()
    return "Untitled"


def handouts(paths: list[Path], out: Path) -> list[Path]:
    """Write each lab as a page and, where Chromium is installed, as a PDF. No cell is run.

    They show the outputs that were saved with the labs, and need no network to be read.

    Args:
        paths: the notebooks.
        out: the folder; a file that is there is replaced.

    Returns:
        The files.

    Raises:
        NotebookError: Chromium could not print a page.

    Example:
        >>> handouts(find(Path("notebooks")), Path("build/handouts"))
    """
    import nbformat

    browser = chromium()
    made = []
    for path in paths:
        page = out / f"{path.stem}.html"
        text = to_html(nbformat.read(path, as_version=4), path.parent)
        write_atomically(page, lambda file, text=text: file.write(text.encode()))
        made.append(page)
        if browser:
            printed = _printed(page, browser)
            made.append(page.with_suffix(".pdf"))
            write_atomically(made[-1], lambda file, printed=printed: file.write(printed))
        print(f"{path.stem:28} {'HTML, PDF' if browser else 'HTML'}", flush=True)
    if not browser:
        print(
            "No PDF: Chromium prints them, and it is not here. Install it (on Debian and Ubuntu: "
            "apt install chromium), then call this again; or print the pages with any browser."
        )
    return made


def chromium() -> str | None:
    """Where Chromium is, or Chrome; ``None`` where neither is."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    return next(filter(None, map(shutil.which, names)), None)


def _printed(page: Path, browser: str) -> bytes:
    """A page as PDF."""
    # Beside the page: Ubuntu's Chromium sees neither /tmp nor hidden folders. Its helpers may still
    # write when it has ended.
    beside = {"dir": page.parent, "prefix": "printing-", "ignore_cleanup_errors": True}
    with tempfile.TemporaryDirectory(**beside) as folder:
        pdf = Path(folder, "page.pdf").resolve()
        command = [
            *(browser, "--headless", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
            f"--user-data-dir={pdf.parent}",  # beside a browser that somebody has open
            "--host-resolver-rules=MAP * ~NOTFOUND",  # it looks for updates of its own
            *("--no-pdf-header-footer", f"--print-to-pdf={pdf}", page.resolve().as_uri()),
        ]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            command.insert(1, "--no-sandbox")  # it refuses to run as root with one
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_PRINTING)
            why = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        except subprocess.TimeoutExpired:
            why = f"it was not ready after {_PRINTING} seconds"
        if not pdf.is_file():
            raise NotebookError(
                f"Chromium did not print {page.name}: {why}. Open the page in a browser and print "
                "it there."
            )
        return pdf.read_bytes()


def to_html(notebook, folder: Path) -> str:
    """A page that shows the notebook and needs nothing else, not even a network.

    Pictures are part of it, formulas are MathML, and scripts are left out. On paper, and for
    readers who want less motion, the still beside an animation (``name.png`` beside
    ``name.gif``) stands for it, or its last frame.

    Args:
        notebook: an ``nbformat`` notebook, which stays as it is.
        folder: where its file lies; pictures are looked for from there.
    """
    from bs4 import BeautifulSoup
    from nbconvert import HTMLExporter

    exporter = HTMLExporter(
        template_name="basic", exclude_input_prompt=True, exclude_output_prompt=True
    )
    exporter.register_filter("markdown2html", _text)
    soup = BeautifulSoup(exporter.from_notebook_node(notebook)[0], "html.parser")
    for script in soup.select("script"):
        script.decompose()
    for picture in soup.select("img[src]"):
        _embed(picture, folder)
    for link in soup.select("a[href]"):
        file, hash_, place = link["href"].partition("#")
        if re.fullmatch(r"[\w-]+\.ipynb", file):
            link["href"] = file.removesuffix("ipynb") + "html" + hash_ + place
        elif file and not urlsplit(file).scheme:
            link.unwrap()  # a file of the project, which does not travel with the page
    for style in soup.select(".output_html style"):
        if ".output_html" in style.text:  # show_source's colours, for light pages alone
            style.decompose()
    for table in soup.select(".output_html:has(table)"):  # it scrolls, also by keyboard
        table["class"].append("wide")
        table.attrs |= {"tabindex": "0", "role": "region", "aria-label": "Table"}
    style = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title(notebook))}</title><style>\n{style}</style></head>\n"
        f"<body><main>{soup}</main></body></html>\n"
    )


def _text(source: str) -> str:
    """Markdown as HTML, with formulas as MathML."""
    from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

    class Renderer(IPythonRenderer):
        def inline_math(self, body):
            return _formula(body, "inline")

        def block_math(self, body):
            return _formula(body, "block")

    renderer = Renderer(escape=False, exclude_anchor_links=True)
    return MarkdownWithMath(renderer=renderer).render(source)


def _formula(source, display):
    from latex2mathml.converter import convert

    try:
        return convert(source, display=display)
    except Exception:  # its errors have no base class of their own
        return f"<code>{html.escape(source)}</code>"


def _embed(picture, folder):
    """Put a picture's file into its element, and a still beside an animation."""
    still = None
    if not picture["src"].startswith("data:"):
        path = folder / unquote(picture["src"])
        if not path.is_file():
            return
        drawn = path.with_suffix(".png")
        if path.suffix == ".gif" and drawn.is_file():
            still = drawn.read_bytes()
        picture["src"] = _address(path.read_bytes(), path.suffix[1:])
    if picture["src"].startswith("data:image/gif;base64,"):
        if still is None:
            still = _last_frame(base64.b64decode(picture["src"].partition(",")[2]))
        quiet = copy.copy(picture)
        quiet["src"], quiet["class"], picture["class"] = _address(still, "png"), "still", "moving"
        picture.insert_after(quiet)


def _address(picture: bytes, kind: str) -> str:
    kind = {"jpg": "jpeg", "svg": "svg+xml"}.get(kind, kind)
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode()}"


def _last_frame(animation: bytes) -> bytes:
    from PIL import Image

    picture, file = Image.open(BytesIO(animation)), BytesIO()
    picture.seek(picture.n_frames - 1)
    picture.convert("RGB").save(file, "PNG")
    return file.getvalue()


def table(outcomes: list[Outcome]) -> str:
    """The outcomes as text, one line a lab."""
    lines = [f"{'lab':30} {'result':7} {'cells':>5} {'seconds':>8} {'memory':>8}"]
    for o in outcomes:
        result = "failed" if o.error else "ok"
        memory = f"{o.memory / 1e9:.1f} GB" if o.memory else ""
        lines.append(f"{o.name:30} {result:7} {o.cells:5} {o.seconds:8.1f} {memory:>8}".rstrip())
        if o.error:
            lines.append(f"    {o.error}")
    return "\n".join(lines)


def _place(notebook):
    """Where a run ended: the last code cell that was started."""
    started = [c for c in notebook.cells if c.cell_type == "code" and c.execution_count]
    first = started[-1].source.strip().splitlines()[:1] if started else []
    return f"cell {len(started)} ({first[0]})" if first else "before the first cell"


def _thumbnail(page: Path) -> str:
    """The address of the first figure of a page (labkit's are WebP), else of its first picture."""
    text = page.read_text()
    for kind in ("webp", "png"):
        start = text.find(f'src="data:image/{kind};base64,')
        if start >= 0:
            return text[start + 5 : text.index('"', start + 5)]
    return ""


def _gallery(outcomes):
    cards = "".join(
        f'<a class="card" href="{html.escape(o.page.name)}">'
        f'<img src="{_thumbnail(o.page)}" alt="">'
        f"<h2>{html.escape(o.title)}</h2>"
        f"<p>{'<strong>failed</strong>' if o.error else 'ran'} · {o.cells} code cells · "
        f"{o.seconds:.0f} s</p>{f'<p>{html.escape(o.error)}</p>' if o.error else ''}</a>"
        for o in outcomes
    )
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>AI 101: the labs, run</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; color: {palette.INK}; max-width: 1100px;
  margin: 2rem auto; padding: 0 1rem }}
.cards {{ display: grid; gap: 1.25rem;
  grid-template-columns: repeat(auto-fill, minmax(300px, 1fr)) }}
.card {{ border: 1px solid {palette.LINE}; border-radius: 8px; padding: 1rem; color: inherit;
  text-decoration: none }}
.card:hover, .card:focus {{ border-color: {palette.BLUE}; outline: none }}
.card img {{ width: 100%; height: 180px; object-fit: contain }}
h2 {{ font-size: 1.1rem; margin: .75rem 0 .25rem }} p {{ margin: 0; color: {palette.GREY} }}
strong {{ color: {palette.INK} }}
</style>
<h1>AI 101: the labs, run</h1><div class="cards">{cards}</div></html>
"""
