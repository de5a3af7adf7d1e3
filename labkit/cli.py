"""The command ``labkit``."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from labkit.errors import LabError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="AI 101: run the labs, get their data, check this machine.",
)
data_app = typer.Typer(no_args_is_help=True, help="Get the real data sets.")
app.add_typer(data_app, name="data")

Names = Annotated[list[str] | None, typer.Argument(help="Data sets; all by default.")]


@app.command()
def lab(
    folder: Annotated[Path, typer.Argument(help="The folder that JupyterLab shows.")] = Path("."),
    port: Annotated[int, typer.Option(help="The port, or the first free one after it.")] = 8888,
    browser: Annotated[bool, typer.Option(help="Open a browser where there is a display.")] = True,
):
    """Open JupyterLab on the first lab."""
    from labkit import server

    server.lab(folder, "notebooks/00-start-here.ipynb", port=port, browser=browser)


@app.command()
def run(
    notebooks: Annotated[
        list[Path] | None, typer.Argument(help="Notebooks; all of notebooks/ by default.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Where the pages go.")] = Path("build/gallery"),
):
    """Run labs headless; ends in a table and a gallery of pages."""
    from labkit import notebooks as labs

    outcomes = labs.run(notebooks or labs.find(Path("notebooks")), out)
    print(f"\n{labs.table(outcomes)}\n\nGallery: {out / 'index.html'}")
    if any(outcome.error for outcome in outcomes):
        raise typer.Exit(1)


@app.command()
def notebooks(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Notebooks; all of notebooks/ by default.")
    ] = None,
):
    """Run labs and save the outputs into their files."""
    from labkit import notebooks as labs

    for path in paths or labs.find(Path("notebooks")):
        labs.save(path)
        print(f"saved {path}", flush=True)


@app.command()
def doctor():
    """Check this machine; exit status 1 when something has to be mended."""
    from labkit import doctor as examine

    report = examine()
    print(report.table())
    if not report.ok:
        raise typer.Exit(1)


@app.command()
def progress():
    """Show which exercises are solved."""
    from labkit import progress as solved

    print(solved())


@data_app.command("list")
def data_list():
    """Show which data sets are here."""
    from labkit.data import available

    for found in available():
        checked = "verified" if found.verified else "not verified"
        state = "sample only" if found.kind == "sample" else f"{found.kind}, {checked}"
        print(f"{found.name:18} {state:24} {found.where}")
        if found.problem:
            print(f"{'':18} {found.problem}")


@data_app.command()
def fetch(names: Names = None):
    """Download data sets from their official hosts."""
    from labkit.data import CATALOGUE, fetch
    from labkit.data.catalogue import entry

    failed = False
    for known in [entry(name) for name in names] if names else CATALOGUE.values():
        try:
            for path in fetch(known, patience=20):
                print(f"{known.name:18} {path}")
        except LabError as error:
            # What has no download fails the command only when it was asked for by name.
            failed = failed or bool(names) or bool(known.remotes)
            print(f"{known.name:18} {error}", file=sys.stderr)
    if failed:
        raise typer.Exit(1)


@data_app.command()
def mirror(
    folder: Annotated[Path, typer.Argument(help="Made when it is missing.")], names: Names = None
):
    """Make a folder of the real data for a room without internet.

    Put it on a share and set LABKIT_DATA to the folder, or serve it
    (python -m http.server --directory FOLDER) and set LABKIT_DATA to the address.
    """
    from labkit.data import mirror

    outcome = mirror(folder, tuple(names or ()))
    for name, text in outcome.items():
        print(f"{name:18} {text}")
    if "mirrored" not in outcome.values():
        raise typer.Exit(1)


def main():
    """Run the command; an error of ours is a message, not a stack trace."""
    try:
        app()
    except LabError as error:
        sys.exit(f"Error: {error}")
    except KeyboardInterrupt:
        sys.exit("Stopped.")
