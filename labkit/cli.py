"""The command ``labkit``."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from labkit.errors import DataError, LabError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="AI 101: run the labs, get their data, check this machine.",
)
data_app = typer.Typer(no_args_is_help=True, help="Get the real data sets and weights.")
app.add_typer(data_app, name="data")
sweep_app = typer.Typer(
    no_args_is_help=True,
    help="Tune across machines: create a study once, then let workers work on it.\n\n"
    "FILE is Python that defines build, data and space, as labkit.sweep takes them.",
)
app.add_typer(sweep_app, name="sweep")

Names = Annotated[
    list[str] | None,
    typer.Argument(help="Data sets or weights, as `labkit data list` names them."),
]


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
    """Show which data sets and weights are here."""
    from labkit.data import available
    from labkit.data.weights import available_weights

    for found in (*available(), *available_weights()):
        checked = "verified" if found.verified else "not verified"
        absent = {"sample": "sample only", "missing": "missing"}
        state = absent.get(found.kind, f"{found.kind}, {checked}")
        print(f"{found.name:18} {state:24} {found.where}")
        if found.problem:
            print(f"{'':18} {found.problem}")


@data_app.command()
def fetch(names: Names = None):
    """Download from the official hosts; without names, all data sets and no weights."""
    from labkit.data import CATALOGUE, fetch
    from labkit.data.weights import WEIGHTS, fetch_weights

    _check_names(names)
    failed = False
    for name in names or CATALOGUE:
        try:
            get, known = (fetch_weights, name) if name in WEIGHTS else (fetch, CATALOGUE[name])
            for path in get(known, patience=20):
                print(f"{name:18} {path}")
        except LabError as error:
            # What has no download fails the command only when it was asked for by name.
            failed = failed or bool(names) or bool(CATALOGUE[name].remotes)
            print(f"{name:18} {error}", file=sys.stderr)
    if failed:
        raise typer.Exit(1)


@data_app.command()
def mirror(
    folder: Annotated[
        str, typer.Argument(help="Made when it is missing; or such as s3://bucket/prefix.")
    ],
    names: Names = None,
):
    """Make a folder of the real data for a room without internet, here or in a bucket.

    Without names it gets all data sets, and the weights that are on this machine already.
    Put it on a share and set LABKIT_DATA to the folder, or serve it
    (python -m http.server --directory FOLDER) and set LABKIT_DATA to the address. Set it to
    the address of a bucket in the same way.
    """
    from labkit.data import mirror
    from labkit.data.weights import WEIGHTS, mirror_weights

    _check_names(names)
    weights = tuple(name for name in names or () if name in WEIGHTS)
    data_sets = tuple(name for name in names or () if name not in WEIGHTS)
    outcome = mirror(folder, data_sets) if data_sets or not names else {}
    outcome |= mirror_weights(folder, weights) if weights or not names else {}
    for name, text in outcome.items():
        print(f"{name:18} {text}")
    if "mirrored" not in outcome.values():
        raise typer.Exit(1)


StoreUrl = Annotated[
    str | None,
    typer.Option(
        "--store", help="A folder, or an address such as s3://bucket/models; else LABKIT_STORE."
    ),
]


@app.command()
def train(
    name: Annotated[str, typer.Argument(help="A model of the labs, such as mnist-cnn.")],
    store_url: StoreUrl = None,
):
    """Train one of the labs' models on the data that is here, and save it in the store."""
    from labkit import zoo

    print(f"Saved {zoo.train(name, url=store_url)!r}")


@app.command()
def serve(
    names: Annotated[
        list[str], typer.Argument(help="Models of the store, such as mnist-cnn or mnist-cnn/3.")
    ],
    store_url: StoreUrl = None,
    port: Annotated[int, typer.Option(help="The port.")] = 8080,
    host: Annotated[
        str,
        typer.Option(
            help="The address to listen on. On another one than this machine's own, clients have "
            "to show a token: LABKIT_TOKEN, or the one that is printed."
        ),
    ] = "127.0.0.1",
    train_if_missing: Annotated[
        bool,
        typer.Option(
            "--train-if-missing", help="Train and save what is not in the store, and then serve it."
        ),
    ] = False,
):
    """Serve models: pages for people, KServe's V1 and V2 for programs, /metrics, /docs.

    A newer version in the store takes over by itself. Ctrl-C stops the server.
    """
    from labkit.serve import process

    if train_if_missing:
        process.train_missing(names, store=store_url)
    process.run(names, store=store_url, host=host, port=port)


Tuned = Annotated[Path, typer.Argument(help="Python that defines build, data and space.")]
StudyName = Annotated[str, typer.Option(help="The name of the study.")]
Storage = Annotated[
    str | None,
    typer.Option(
        help="A database's URL, or a folder; by default LABKIT_STORAGE, then LABKIT_STUDIES.",
    ),
]


@sweep_app.command()
def create(
    file: Tuned,
    trials: Annotated[int, typer.Option(min=1, help="How many the study is to have in all.")],
    study: StudyName = "study",
    storage: Storage = None,
    epochs: Annotated[int, typer.Option(min=1, help="Of a trial that is not pruned.")] = 5,
    recipe: Annotated[str, typer.Option(help="classic or fast.")] = "classic",
    sampler: Annotated[str, typer.Option(help="tpe, random or grid.")] = "tpe",
    seed: Annotated[int, typer.Option(help="Of all that is random.")] = 0,
):
    """Make a study, or give one more trials."""
    from labkit.sweep import files

    made = files.create(
        file,
        trials=trials,
        study=study,
        storage=storage,
        epochs=epochs,
        recipe=recipe,
        sampler=sampler,
        seed=seed,
    )
    print(f"{made}\nNow start workers: labkit sweep work {file} --study {study}")


@sweep_app.command()
def work(file: Tuned, study: StudyName = "study", storage: Storage = None):
    """Train trials of a study until none is left. Start as many of these as you like."""
    from labkit.sweep import files

    print(files.work(file, study=study, storage=storage))


@sweep_app.command()
def show(study: StudyName = "study", storage: Storage = None):
    """Show what a study has found so far."""
    from labkit.sweep import load_study

    found = load_study(study, storage=storage)
    print(f"{found.table().to_string(index=False)}\n\n{found.explain()}")


def _check_names(names):
    from labkit.data import CATALOGUE
    from labkit.data.weights import WEIGHTS

    for name in names or ():
        if name not in CATALOGUE and name not in WEIGHTS:
            raise DataError(
                f"There is no data set {name!r}, nor weights of that name. Choose from: "
                f"{', '.join((*CATALOGUE, *WEIGHTS))}."
            )


def main():
    """Run the command; an error of ours is a message, not a stack trace."""
    try:
        app()
    except LabError as error:
        sys.exit(f"Error: {error}")
    except KeyboardInterrupt:
        sys.exit("Stopped.")
