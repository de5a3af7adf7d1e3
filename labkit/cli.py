"""The command ``labkit``."""

import contextlib
import sys
from pathlib import Path
from typing import Annotated

import typer

from labkit.errors import DataError, LabError, StreamError

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
stream_app = typer.Typer(
    no_args_is_help=True,
    help="Pictures through Kafka: LABKIT_KAFKA_BOOTSTRAP says where it is, or --bootstrap. "
    "`labkit stream broker` starts a small one.",
)
app.add_typer(stream_app, name="stream")
k8s_app = typer.Typer(
    no_args_is_help=True,
    help="JupyterLab on a cluster, by kubectl: start it, connect to it, end it; for one or many.",
)
app.add_typer(k8s_app, name="k8s")

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


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def pod(
    context: typer.Context,
    work: Annotated[
        Path | None, typer.Option(help="The learner's volume; else the folder work at home.")
    ] = None,
    port: Annotated[int, typer.Option(help="The port.")] = 8888,
):
    """Run JupyterLab as the image does: with a token, for every address, the labs on a volume.

    JUPYTER_TOKEN or JUPYTER_TOKEN_FILE holds the token. Other options go to JupyterLab.
    """
    from labkit.pod import pod

    pod(work, port=port, arguments=tuple(context.args))


@app.command()
def run(
    notebooks: Annotated[
        list[Path] | None, typer.Argument(help="Notebooks; all of notebooks/ by default.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Where the pages go.")] = Path("build/gallery"),
    jobs: Annotated[int, typer.Option(min=1, help="How many run at once.")] = 1,
):
    """Run labs headless; ends in a table and a gallery of pages."""
    from labkit import notebooks as labs

    outcomes = labs.run(notebooks or labs.find(Path("notebooks")), out, jobs=jobs)
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
def handouts(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Notebooks; all of notebooks/ by default.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Where they go.")] = Path("build/handouts"),
):
    """Write labs with their saved outputs as HTML, and as PDF where Chromium is installed."""
    from labkit import notebooks as labs

    made = labs.handouts(paths or labs.find(Path("notebooks")), out)
    print(f"\n{len(made)} files in {out}")


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
    name: Annotated[
        str,
        typer.Argument(
            help="A model of the labs, such as mnist-cnn; with --model the name of the data, such "
            "as mnist."
        ),
    ],
    store_url: StoreUrl = None,
    model: Annotated[
        str | None,
        typer.Option(help="Train this network with several workers: cnn, cnn_bn, mlp, …"),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="How many processes, or pods.")] = 2,
    epochs: Annotated[int, typer.Option(min=1, help="How often to go through the data.")] = 5,
    batch_size: Annotated[
        int, typer.Option(min=1, help="Examples of a step, of all workers together.")
    ] = 64,
    share: Annotated[
        list[str] | None,
        typer.Option(
            help="Where a worker's data is, a folder or a bucket: once for each worker, or once "
            "with {index} for its number. Laid out as LABKIT_DATA is; for a NAME of your own a "
            "folder for each class. Without it all share out the data that is here."
        ),
    ] = None,
    image_size: Annotated[
        int | None, typer.Option(min=8, help="The side of pictures, in pixels.")
    ] = None,
    class_weight: Annotated[
        str | None, typer.Option(help="balanced: all classes count the same.")
    ] = None,
    checkpoint: Annotated[
        str | None,
        typer.Option(help="A folder or a bucket to save to after each epoch, and go on from."),
    ] = None,
    hosts: Annotated[
        str | None,
        typer.Option(
            help="Be one worker of a cluster, whose number is JOB_COMPLETION_INDEX; where they "
            "listen: train-{index}.train:2222."
        ),
    ] = None,
    deadline: Annotated[
        float | None,
        typer.Option(help="Seconds that all workers have to arrive: 120, with --hosts 300."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of all that is random.")] = 42,
):
    """Train a model and save it in the store: one of the labs', or with --model and --workers.

    Several workers train one model, each on its own share of the data; with --hosts in the pods
    of a cluster.
    """
    if model is None:
        from labkit import zoo

        print(f"Saved {zoo.train(name, url=store_url)!r}")
        return
    from labkit import store
    from labkit.training import parallel

    job = parallel.make_job(
        name,
        model,
        workers=workers,
        epochs=epochs,
        batch_size=batch_size,
        shares=share or (),
        image_size=image_size,
        class_weight=class_weight,
        checkpoint=checkpoint,
        deadline=deadline or (300.0 if hosts else 120.0),
        seed=seed,
    )

    def save(trained):
        data, metrics = trained.data, trained.tested
        saved = store.save(trained.model, job.name, data=data, metrics=metrics, url=store_url)
        print(f"Saved {saved!r}", flush=True)

    if hosts:
        parallel.train_in_cluster(job, hosts, finish=save)
    else:
        save(parallel.train_here(job))


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


MetricsPort = Annotated[
    int | None,
    typer.Option(min=1, max=65535, help="Answer Prometheus at /metrics on this port."),
]
MetricsHost = Annotated[str, typer.Option(help="The address that the metrics listen on.")]
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
def work(
    file: Tuned,
    study: StudyName = "study",
    storage: Storage = None,
    metrics_port: MetricsPort = None,
    metrics_host: MetricsHost = "127.0.0.1",
):
    """Train trials of a study until none is left. Start as many of these as you like."""
    from labkit.sweep import files

    if metrics_port is not None:
        from labkit.sweep import measures

        _tell_prometheus(measures.registry(study, storage), metrics_port, metrics_host)
    print(files.work(file, study=study, storage=storage))


@sweep_app.command()
def show(study: StudyName = "study", storage: Storage = None):
    """Show what a study has found so far."""
    from labkit.sweep import load_study

    found = load_study(study, storage=storage)
    print(f"{found.table().to_string(index=False)}\n\n{found.explain()}")


Bootstrap = Annotated[
    str | None,
    typer.Option(help="Kafka's addresses, such as kafka:9092; else LABKIT_KAFKA_BOOTSTRAP."),
]
Source = Annotated[str, typer.Option(help="The topic of pictures.")]
Group = Annotated[str, typer.Option(help="The consumer group; its members share the work.")]
Idle = Annotated[
    float | None,
    typer.Option(min=0, help="End after so many seconds without a picture; else go on."),
]
Batch = Annotated[int, typer.Option(min=1, help="Pictures in one go, at most.")]


@stream_app.command()
def broker():
    """Run a small Kafka broker on this machine, in memory, until Ctrl-C: to learn and to test."""
    from labkit.stream import connection, loop

    there = connection.embedded()
    print(
        "In other terminals:\n\n"
        f"  export LABKIT_KAFKA_BOOTSTRAP={there.bootstrap}\n\n"
        "Ctrl-C stops it, and all that it holds is gone.",
        flush=True,
    )
    with loop.stopped_by_signals() as stop:
        stop.wait()


@stream_app.command()
def send(
    paths: Annotated[list[Path], typer.Argument(help="Pictures, or folders of them.")],
    topic: Annotated[str, typer.Option(help="The topic.")] = "pictures",
    label: Annotated[str | None, typer.Option(help="Their class, to train with.")] = None,
    label_from_folder: Annotated[
        bool, typer.Option("--label-from-folder", help="The class is the name of the folder.")
    ] = False,
    bootstrap: Bootstrap = None,
    store_url: StoreUrl = None,
):
    """Send pictures to a topic; over 1 MB they go to the store, and the message says where."""
    from labkit import stream

    if label and label_from_folder:
        raise typer.BadParameter("Give --label or --label-from-folder, not both.")
    named = (lambda path: path.parent.name) if label_from_folder else label
    kafka = _kafka(bootstrap)
    receipts = stream.send(paths, topic, connection=kafka, label=named, store=store_url)
    for receipt in receipts[:10]:
        print(f"{receipt.id}  {receipt.topic}[{receipt.partition}] at {receipt.offset}")
    more = f", {len(receipts) - 10} of them not shown" if len(receipts) > 10 else ""
    print(f"Sent {len(receipts)} pictures{more}.")


@stream_app.command()
def classify(
    model: Annotated[str, typer.Argument(help="A model of the store, such as cats-and-dogs.")],
    source: Source = "pictures",
    sink: Annotated[str, typer.Option(help="The topic of answers.")] = "answers",
    group: Group = "classify",
    batch: Batch = 64,
    idle: Idle = None,
    bootstrap: Bootstrap = None,
    store_url: StoreUrl = None,
    metrics_port: MetricsPort = None,
    metrics_host: MetricsHost = "127.0.0.1",
    train_if_missing: Annotated[
        bool,
        typer.Option("--train-if-missing", help="Train and save what is not in the store."),
    ] = False,
):
    """Answer each picture of a topic with its class, exactly once; Ctrl-C finishes the batch."""
    from labkit import stream

    if train_if_missing:
        from labkit.serve.process import train_missing

        train_missing([model], store=store_url)
    with _consuming(metrics_port, metrics_host) as options:
        print(
            stream.classify(
                model,
                source,
                sink,
                connection=_kafka(bootstrap),
                group=group,
                batch=batch,
                idle=idle,
                store=store_url,
                **options,
            )
        )


@stream_app.command()
def collect(
    target: Annotated[str, typer.Argument(help="A folder, or such as s3://bucket/prefix.")],
    source: Source = "training-pictures",
    group: Group = "collect",
    validation: Annotated[
        float, typer.Option(min=0, max=1, help="The share that is for validation.")
    ] = 0.2,
    batch: Batch = 64,
    idle: Idle = None,
    bootstrap: Bootstrap = None,
    store_url: StoreUrl = None,
    metrics_port: MetricsPort = None,
    metrics_host: MetricsHost = "127.0.0.1",
):
    """Put pictures with labels into training/<label>/ and validation/<label>/."""
    from labkit import stream

    with _consuming(metrics_port, metrics_host) as options:
        print(
            stream.collect(
                source,
                target,
                connection=_kafka(bootstrap),
                group=group,
                validation=validation,
                batch=batch,
                idle=idle,
                store=store_url,
                **options,
            )
        )


@stream_app.command()
def replay(
    source: Annotated[str, typer.Option(help="The topic that they came from.")] = "pictures",
    group: Annotated[
        str, typer.Option(help="The group that could not use them: classify, or collect.")
    ] = "classify",
    bootstrap: Bootstrap = None,
):
    """Put the dead letters of a topic back, once what was wrong is mended."""
    from labkit import stream

    print(stream.replay(source, group=group, connection=_kafka(bootstrap)))


@stream_app.command("watch")
def watch_stream(
    answers: Annotated[str, typer.Option(help="The topic of answers.")] = "answers",
    bootstrap: Bootstrap = None,
):
    """Print each answer as it comes from now on, until Ctrl-C: its id, class, model and name."""
    from labkit.serve import logs
    from labkit.stream import loop, watching

    logs.as_json("labkit.stream")
    kafka = _kafka(bootstrap)
    with loop.stopped_by_signals() as stop:
        found = watching.follow(answers, connection=kafka, stop=stop)
        print(f"Watching {answers} of {kafka!r}. Ctrl-C ends this.", file=sys.stderr, flush=True)
        for answer in found:
            print(answer, flush=True)


Overlay = Annotated[
    str, typer.Option(help="An overlay of k8s/overlays, or the folder of one of your own.")
]
Namespace = Annotated[
    str | None, typer.Option(help="The namespace; else that of kubectl's context.")
]
Context = Annotated[
    str | None, typer.Option(help="The context of kubectl's configuration; else its current one.")
]
LocalPort = Annotated[
    int, typer.Option(min=1, max=65535, help="The port on this machine, or the first free one on.")
]
Patience = Annotated[float, typer.Option(min=1, help="Seconds in which the pod has to be ready.")]


@k8s_app.command("up")
def k8s_up(
    overlay: Overlay = "laptop",
    namespace: Namespace = None,
    context: Context = None,
    port: LocalPort = 8888,
    patience: Patience = 300,
    connect: Annotated[bool, typer.Option(help="Connect when it is ready.")] = True,
):
    """Start JupyterLab on a cluster, and print its address; Ctrl-C leaves it running."""
    from labkit import k8s

    cluster = k8s.connect(context=context, namespace=namespace)
    k8s.up(cluster, k8s.overlay(overlay), patience=patience)
    if connect:
        _connected(cluster, port, patience)


@k8s_app.command("url")
def k8s_url(
    namespace: Namespace = None,
    context: Context = None,
    port: LocalPort = 8888,
    patience: Patience = 300,
):
    """Connect to JupyterLab on a cluster again, and print its address."""
    from labkit import k8s

    _connected(k8s.connect(context=context, namespace=namespace), port, patience)


@k8s_app.command("down")
def k8s_down(
    overlay: Overlay = "laptop",
    namespace: Namespace = None,
    context: Context = None,
    delete_work: Annotated[
        bool, typer.Option("--delete-work", help="Delete the volumes, too: work, models, data.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
):
    """Delete what `up` made. Volumes stay, unless you say so; those of a class stay anyway."""
    from labkit import k8s

    cluster, folder = k8s.connect(context=context, namespace=namespace), k8s.overlay(overlay)
    if delete_work and not yes:
        typer.confirm("Delete the volumes with all that the learner did, for good?", abort=True)
    k8s.down(cluster, folder, delete_work=delete_work)


@k8s_app.command("classroom")
def k8s_classroom(
    learners: Annotated[Path, typer.Argument(help="A list of names, one a line.")],
    out: Annotated[Path, typer.Option(help="The folder to write.")] = Path("classroom"),
    overlay: Overlay = "classroom",
    host: Annotated[
        str | None, typer.Option(help="The address of an Ingress, such as labs.example.org.")
    ] = None,
):
    """Write a folder that kubectl applies: a JupyterLab for each name, with a token of its own."""
    from labkit import k8s

    places = k8s.classroom(learners, out, base=k8s.overlay(overlay), host=host)
    new = sum(place.new for place in places)
    print(
        f"{len(places)} learners, {new} of them new. Start them: kubectl apply -k {out}\n"
        f"Their addresses, with the tokens: {out / 'addresses.txt'}"
    )


def _connected(cluster, port, patience):
    """Forward until Ctrl-C or SIGTERM, which end kubectl's connection and leave the pod."""
    import signal

    from labkit import k8s

    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        k8s.forward(cluster, port=port, patience=patience)
    except KeyboardInterrupt:
        print(
            "\nThe connection has ended; JupyterLab goes on.\n"
            f"Connect again: {cluster.shown('labkit k8s url')}\n"
            f"End it:        {cluster.shown('labkit k8s down')}",
            flush=True,
        )
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _consuming(port, host):
    """What a consumer that runs as a process takes: signals that end it, metrics, log lines."""
    from labkit.serve import logs
    from labkit.stream import loop, measures

    logs.as_json("labkit.stream")
    told = measures.Measures()
    if port is not None:
        _tell_prometheus(told.registry, port, host)
    with loop.stopped_by_signals() as stop:
        yield {"stop": stop, "measures": told}


def _tell_prometheus(registry, port, host):
    """Answer at http://host:port/metrics from a thread."""
    from prometheus_client import start_http_server

    try:
        start_http_server(port, host, registry=registry)
    except OSError as error:
        raise LabError(
            f"The metrics cannot listen on {host}, port {port} ({error.strerror}). Choose "
            "another: --metrics-port."
        ) from error


def _kafka(bootstrap):
    """The Kafka that was named: a broker in a command of its own would end with it."""
    from labkit.stream import connection

    if not bootstrap and not connection.is_configured():
        raise StreamError(
            "No Kafka is named. Set LABKIT_KAFKA_BOOTSTRAP, such as to kafka:9092, or give "
            "--bootstrap. To try it on this machine, run in another terminal: labkit stream broker"
        )
    return connection.connect(bootstrap)


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
