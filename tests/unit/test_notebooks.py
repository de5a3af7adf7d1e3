"""`labkit run` and `labkit notebooks`: run, show, save; and what happens when a lab fails."""

import signal
import subprocess
import sys

import nbformat
import psutil
import pytest

from labkit import machine, notebooks
from labkit.errors import NotebookError
from tests.unit.serve_process import until


@pytest.fixture
def write(home):
    """Write a notebook of code cells under a heading; its path."""

    def write(name, *sources):
        folder = home / "notebooks"
        folder.mkdir(exist_ok=True)
        cells = [nbformat.v4.new_markdown_cell(f"# {name} · A lab")]
        cells += [nbformat.v4.new_code_cell(source) for source in sources]
        path = folder / f"{name}.ipynb"
        nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
        return path

    return write


@pytest.mark.slow
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_run_ends_in_a_table_and_a_gallery_even_when_a_lab_fails(write, home, jobs):
    write("01-good", "1 + 1")
    write("02-bad", "x = 1", "x / 0", "print('never')")
    before = (home / "notebooks" / "01-good.ipynb").read_bytes()
    done = subprocess.run(
        [sys.executable, "-m", "labkit", "run", "--jobs", jobs],
        cwd=home,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stdout.count("01-good") == done.stdout.count("02-bad") == 2
    assert "01-good" in done.stdout and "ZeroDivisionError" in done.stdout
    assert "cell 2 (x / 0)" in done.stdout
    gallery = (home / "build" / "gallery" / "index.html").read_text()
    assert 'href="01-good.html"' in gallery and "<strong>failed</strong>" in gallery
    assert "never" not in (home / "build" / "gallery" / "02-bad.html").read_text().split("print")[0]
    assert (home / "notebooks" / "01-good.ipynb").read_bytes() == before


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other signals")
def test_ctrl_c_ends_the_run_and_its_kernels(write, home):
    for name in ("01-long", "02-long", "03-long"):
        write(
            name,
            f"import os, pathlib; pathlib.Path('{name}').write_text(str(os.getpid()))\n"
            "import time; time.sleep(600)",
        )
    command = [sys.executable, "-m", "labkit", "run", "--jobs", "2"]
    run = psutil.Popen(command, cwd=home, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    begun = [home / "notebooks" / name for name in ("01-long", "02-long")]
    until(lambda: all(path.exists() and path.read_text() for path in begun), 60)
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=60)
    assert (run.returncode, err) == (130, "")
    assert not (home / "notebooks" / "03-long").exists()
    assert not any(psutil.pid_exists(int(path.read_text())) for path in begun)


def test_a_page_holds_its_pictures_and_asks_no_other_host_for_anything(write, home):
    path = write("01-good", "1 + 1")
    (home / "Pictures").mkdir()
    (home / "Pictures" / "dot.png").write_bytes(b"a picture")
    notebook = nbformat.read(path, as_version=4)
    links = "![a dot](../Pictures/dot.png) and [the next lab](02-next.ipynb)"
    notebook.cells.append(nbformat.v4.new_markdown_cell(links))
    page = notebooks.to_html(notebook, path.parent)
    assert 'src="data:image/png;base64,YSBwaWN0dXJl"' in page
    assert 'href="02-next.html"' in page
    for tag in ('src="http', 'src="//', "import('http", "@import url("):
        assert tag not in page


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process's peak memory")
def test_the_table_shows_the_most_memory_that_a_lab_held(write, home, capsys):
    path = write("01-large", "held = b'x' * 700_000_000", "del held", "1 + 1")
    outcomes = notebooks.run([path], home / "out")
    assert 0.7e9 < outcomes[0].memory < 1e9
    assert notebooks.table(outcomes).endswith(f"{outcomes[0].memory / 1e9:.1f} GB")
    assert machine.peak_memory(2**30) is None, "there is no such process"


def test_a_dead_kernel_says_why(write):
    path = write("01-dead", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(NotebookError, match="exit code 137"):
        notebooks.execute(nbformat.read(path, as_version=4), folder=path.parent)


def test_save_keeps_outputs_and_nothing_of_this_machine(write):
    path = write("01-good", "1 + 1", "2 + 2")
    notebooks.save(path)
    saved = nbformat.read(path, as_version=4)
    assert [c.outputs[0].data["text/plain"] for c in saved.cells[1:]] == ["2", "4"]
    assert [c.execution_count for c in saved.cells[1:]] == [1, 2]
    assert saved.metadata.labkit.executed == notebooks.source_hash(saved)
    assert set(saved.metadata) == {"kernelspec", "language_info", "labkit"}
    assert not any(cell.metadata for cell in saved.cells)


def test_a_lab_that_fails_is_not_saved(write):
    path = write("01-bad", "1 / 0")
    before = path.read_bytes()
    with pytest.raises(NotebookError):
        notebooks.save(path)
    assert path.read_bytes() == before


def test_no_labs_here(home):
    with pytest.raises(NotebookError, match="holds no notebooks"):
        notebooks.find(home)
