"""``fit_parallel``: workers as processes of this machine, or as pods of a cluster."""

import contextlib
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from labkit import machine, settings
from labkit.data import CATALOGUE, Dataset
from labkit.errors import LabError, TrainingError
from labkit.training import shares as sharing
from labkit.training import worker
from labkit.training.checkpoints import Kept
from labkit.training.fitting import History, _check_arguments, _make_variables, split
from labkit.training.shares import Share
from labkit.training.worker import LOST, Job, Trained

_LOOK = 0.1  # seconds between two looks at the workers
_PATIENCE = 3.0  # seconds in which the worker that caused it all may turn up
_RANK = "JOB_COMPLETION_INDEX"


@dataclass(frozen=True, repr=False)
class ParallelHistory(History):
    """A :class:`History`, and who trained on what.

    Example:
        >>> history.table()
        >>> history.speeds[-1]    # pictures a second, of all workers together
        6100.0
    """

    shares: tuple[Share, ...] = ()
    """One for each worker."""
    speeds: tuple[float, ...] = ()
    """Training examples a second of all workers together, for each epoch of this call. The
    first one includes the start of TensorFlow's functions."""
    restarts: int = 0
    """How often the workers were started again after one was lost."""

    def table(self):
        """A pandas DataFrame: a row a worker, with its source, examples and classes."""
        return sharing.table(self.shares)


def fit_parallel(
    model,
    data: Dataset | Sequence[Dataset],
    *,
    epochs: int,
    workers: int | None = None,
    batch_size: int = 64,
    seed: int = 42,
    validation: float = 0.1,
    class_weight: str | None = None,
    checkpoint: str | Path | None = None,
    deadline: float = 120.0,
    restarts: int = 3,
    verbose: bool = True,
    name: str | None = None,
) -> ParallelHistory:
    """Train ``model`` with several processes of this machine at once, each with its own data.

    Each worker has the whole model and a share of the data. A step takes examples from all
    shares, from each in proportion to its size, and the workers add up their gradients: the
    result is that of one process on all the data, but for dropout, and for rounding, which Adam
    may enlarge where a gradient is nearly 0: to about 1e-4.
    Batch normalisation looks at the whole step, too. The model trains as it is compiled.

    ``labkit train NAME --model cnn --workers N`` does the same from a shell, and in the pods of
    a cluster.

    The workers talk through TensorFlow's gRPC, which asks nobody who they are. Here it is kept
    to loopback; in a cluster a NetworkPolicy has to keep others away from the workers' port.

    Args:
        model: a compiled Keras classifier, of Keras's own layers, that takes the pictures as
            they are.
        data: a :class:`labkit.data.Dataset`, which is shuffled and shared out evenly; or
            several with the same classes, one for each worker. One that lacks a class is welcome.
        epochs: how often training goes through the data.
        workers: how many processes; 2, or as many as there are data sets. Each has its part of
            the cores.
        batch_size: how many examples a step looks at, of all workers together.
        seed: of shares, validation split, order and dropout.
        validation: the part of each share that is held back to measure progress. 0: none.
        class_weight: "balanced" has all classes count the same, by their numbers in all shares
            together; ``None``: each example counts the same.
        checkpoint: a file to save to after each epoch, or an address such as
            ``s3://bucket/runs/a``, as :func:`labkit.fit` has it: training goes on from it.
        deadline: seconds that all workers have to arrive.
        restarts: how often in a row, without a finished epoch between, all are started again
            after a worker was lost.
        verbose: show who trains on what, a bar, and a line an epoch.
        name: what figures call the run.

    Returns:
        A :class:`ParallelHistory`. After Ctrl-C it is shorter, and the model has the weights of
        the last epoch that was finished.

    Raises:
        TrainingError: an argument does not fit, or a worker cannot go on; the message has the
            end of what it said.

    Example:
        >>> history = labkit.fit_parallel(model, [cats_here, cats_there], epochs=5)
    """
    sets = [data] if isinstance(data, Dataset) else list(data)
    if not sets:
        raise TrainingError("There is no data set in the list. Give one, or one for each worker.")
    many = not isinstance(data, Dataset)
    if workers is None:
        workers = len(sets) if many else 2
    check(workers=workers, batch_size=batch_size, class_weight=class_weight, deadline=deadline)
    if many and workers != len(sets):
        raise TrainingError(
            f"There are {len(sets)} data sets for {workers} workers. Give one for each worker, or "
            "a single one to share out."
        )
    ends = [{"shape": s.input_shape, "classes": s.class_names} for s in sets]
    classes = sharing.check_alike(ends)
    for one in sets:
        _check_arguments(model, one, epochs, "classic", validation, None, batch_size)
    if not many:
        sets = list(sharing.share_out(sets[0], workers, seed=seed))
    parts = []
    for rank, one in enumerate(sets):
        one = sharing.in_classes(one, classes)
        train, held_back = split(one, validation=validation, seed=seed)
        parts.append(sharing.describe(rank, one, train[1], held_back[1]))
    folder = Path(tempfile.mkdtemp(prefix="labkit-train-"))
    started = time.perf_counter()
    show = Show(epochs, verbose=verbose)
    crew = None
    try:
        _save_model(model, folder / "model.keras")
        for rank, one in enumerate(sets):
            worker.save_share(one, folder / f"share-{rank}.npz")
        job = Job(
            name=name or f"{model.name}, {workers} workers",
            workers=workers,
            epochs=epochs,
            model=str(folder / "model.keras"),
            places=tuple(str(folder / f"share-{rank}.npz") for rank in range(workers)),
            batch_size=batch_size,
            seed=seed,
            validation=validation,
            class_weight=class_weight,
            checkpoint=_absolute(checkpoint or folder / "checkpoint"),
            deadline=deadline,
        )
        crew = Crew(job, folder, show, restarts=restarts)
        interrupted = not crew.run()
        kept = Kept(job.checkpoint, folder)
        state = kept.state() if kept.fetch() else None
        if state:
            _make_variables(model, sets[0].x_train[:1], sets[0].y_train[:1])
            model.load_weights(kept.file)
    finally:
        show.close()
        shutil.rmtree(folder, ignore_errors=True)
    metrics = state["metrics"] if state else {}
    if interrupted:
        done = len(metrics.get("loss", []))
        print(f"Stopped after {done} epochs; the model keeps what it has learned until then.")
    return ParallelHistory(
        name=job.name,
        metrics=metrics,
        seconds=time.perf_counter() - started,
        recipe="classic",
        seed=seed,
        interrupted=interrupted,
        shares=tuple(parts),
        speeds=tuple(show.speeds),
        restarts=crew.restarted,
    )


def make_job(
    data: str,
    model: str,
    *,
    workers: int,
    epochs: int,
    batch_size: int,
    shares: Sequence[str] = (),
    image_size: int | None = None,
    class_weight: str | None = None,
    checkpoint: str | None = None,
    deadline: float,
    seed: int,
) -> Job:
    """What ``labkit train DATA --model MODEL`` asks for, checked.

    Args:
        data: the name of a data set, or any name for pictures of your own.
        model: one of the builders of :mod:`labkit.models`.
        workers: how many there are.
        epochs: how often training goes through the data.
        batch_size: the examples of a step, of all workers together.
        shares: where each worker's data is; one with ``{index}`` stands for all of them. None:
            all workers share out the data set.
        image_size: the side of pictures, in pixels.
        class_weight: "balanced", or ``None``.
        checkpoint: a folder or a bucket.
        deadline: seconds that all workers have to arrive.
        seed: of all that is random.

    Raises:
        TrainingError: an argument does not fit.

    Example:
        >>> options = {"epochs": 5, "batch_size": 64, "deadline": 120, "seed": 42}
        >>> make_job("mnist", "cnn", workers=2, **options).name
        'mnist-cnn'
    """
    check(workers=workers, batch_size=batch_size, class_weight=class_weight, deadline=deadline)
    if model not in worker.BUILDERS:
        raise TrainingError(
            f"There is no model {model!r}. Use one of: {', '.join(worker.BUILDERS)}."
        )
    shares = tuple(shares)
    if len(shares) == 1 and "{index}" in shares[0]:
        shares = tuple(shares[0].replace("{index}", str(rank)) for rank in range(workers))
    if shares and len(shares) != workers:
        raise TrainingError(
            f"There are {len(shares)} times --share for {workers} workers. Give one for each, or "
            "one with {index} for its number: --share '/data/{index}'."
        )
    if data not in CATALOGUE and not shares:
        raise TrainingError(
            f"There is no data set {data!r}. Use one of: {', '.join(CATALOGUE)}; or give each "
            "worker's pictures with --share."
        )
    if data in CATALOGUE and not CATALOGUE[data].class_names:
        raise TrainingError(f"{data} has no classes, and these workers train classifiers.")
    name = re.sub(r"[^a-z0-9]+", "-", f"{data}-{model}".lower()).strip("-")
    return Job(
        name=name,
        workers=workers,
        epochs=epochs,
        model=model,
        data=data,
        places=shares,
        image_size=image_size,
        batch_size=batch_size,
        seed=seed,
        class_weight=class_weight,
        checkpoint=f"{_absolute(checkpoint).rstrip('/')}/{name}" if checkpoint else "",
        deadline=deadline,
    )


def train_here(job: Job, *, restarts: int = 3) -> Trained:
    """Train what a job names with processes of this machine, and return what comes of it.

    Raises:
        TrainingError: as :func:`fit_parallel`.
        KeyboardInterrupt: Ctrl-C was pressed, before the end.
    """
    folder = Path(tempfile.mkdtemp(prefix="labkit-train-"))
    show = Show(job.epochs)
    try:
        at = job.checkpoint
        job = replace(job, checkpoint=at or str(folder / "checkpoint"))
        if not Crew(job, folder, show, restarts=restarts).run():
            again = " The same command goes on from there." if at else ""
            show.note(f"Stopped after {show.epoch} epochs.{again}")
            raise KeyboardInterrupt
        kept = Kept(job.checkpoint, folder)
        kept.fetch()
        state = kept.state()
        return worker.trained(job, kept, state)
    finally:
        show.close()
        shutil.rmtree(folder, ignore_errors=True)


def train_in_cluster(job: Job, hosts: str, *, finish: Callable[[Trained], None]) -> None:
    """Be one of the workers of a job; ends this process.

    Its number is the environment variable JOB_COMPLETION_INDEX, which Kubernetes sets in an
    Indexed Job. Exit status 0: training is finished; 75: another worker was lost, and all have
    to be started again; 143: SIGTERM.

    Args:
        job: the same for all workers.
        hosts: where each listens, with ``{index}`` for its number: "train-{index}.train:2222".
        finish: called on worker 0 with what was trained.

    Raises:
        TrainingError: the number or ``hosts`` cannot be, or training fails here.
    """
    rank, addresses = rank_of(os.environ, job.workers), addresses_of(hosts, job.workers)
    if not job.checkpoint:
        print(
            "Note: there is no --checkpoint. After the loss of a worker training starts anew.",
            flush=True,
        )
    show = Show(job.epochs)
    stopped = []

    def stop(number, frame):
        stopped.append(number)
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    try:
        with tempfile.TemporaryDirectory(prefix="labkit-train-") as scratch:
            if not job.checkpoint:
                job = replace(job, checkpoint=str(Path(scratch, "checkpoint")))
            status = worker.run(job, rank, addresses, Path(scratch), tell=show, finish=finish)
    except KeyboardInterrupt:
        print("Stopping now. The other workers notice.", flush=True)
        status = 128 + (stopped[0] if stopped else signal.SIGINT)
    except LabError as error:
        print(f"Error: {error}", file=sys.stderr)
        status = 1
    except Exception:
        traceback.print_exc()
        status = 1
    finally:
        show.close()
    # Without waiting for TensorFlow's threads, which may wait for a lost worker.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def check(*, workers, batch_size, class_weight, deadline) -> None:
    """Raise a TrainingError where an argument cannot be."""
    if workers < 1 or workers != int(workers):
        raise TrainingError(f"workers is {workers}; give a whole number of at least 1.")
    if batch_size < workers:
        raise TrainingError(
            f"batch_size is {batch_size}, for {workers} workers: a step has to have an example "
            "for each. Give a larger one."
        )
    if class_weight not in (None, "balanced"):
        raise TrainingError(f"class_weight is {class_weight!r}. Use 'balanced', or None.")
    if not 0 < deadline < float("inf"):
        raise TrainingError(f"deadline is {deadline}; give seconds above 0, such as 300.")


def rank_of(environ, workers: int) -> int:
    """The number of this worker in its Indexed Job.

    Raises:
        TrainingError: there is none, or none of ``workers``.
    """
    text = environ.get(_RANK, "").strip()
    if not text.isdecimal():
        raise TrainingError(
            f"With --hosts this is one worker of a cluster, and {_RANK} has to say which: it is "
            f"{text!r}. Kubernetes sets it in a Job with completionMode: Indexed; by hand, set it "
            f"to a number from 0 to {workers - 1}. Without --hosts all workers run here."
        )
    if int(text) >= workers:
        raise TrainingError(
            f"{_RANK} is {text}, and --workers {workers} means the numbers 0 to {workers - 1}. "
            "Give --workers the Job's completions, and let its parallelism be the same."
        )
    return int(text)


def addresses_of(hosts: str, workers: int) -> list[str]:
    """Where each worker listens.

    Raises:
        TrainingError: ``hosts`` is not of the form "name-{index}.service:2222".

    Example:
        >>> addresses_of("train-{index}.train:2222", 2)
        ['train-0.train:2222', 'train-1.train:2222']
    """
    found = [hosts.replace("{index}", str(rank)) for rank in range(workers)]
    for address in found:
        host, _, port = address.rpartition(":")
        if (
            not host
            or not port.isdecimal()
            or not 0 < int(port) < 65536
            or found.count(address) > 1
        ):
            raise TrainingError(
                f"--hosts is {hosts!r}. Give the name and port of the workers, with {{index}} for "
                "the number: train-{index}.train:2222."
            )
    return found


@dataclass
class Crew:
    """The parent of the workers: starts them, and all anew when one is lost."""

    job: Job
    folder: Path
    show: "Show"
    restarts: int
    restarted: int = 0
    workers: list[subprocess.Popen] = field(default_factory=list)

    def run(self) -> bool:
        """Whether training came to its end, and not to Ctrl-C's.

        Raises:
            TrainingError: a worker cannot go on.
        """
        self.job = replace(self.job, token=uuid.uuid4().hex)
        self.job.write(self.folder / "job.json")
        told = self.folder / "told.jsonl"
        told.touch()
        in_a_row = 0
        with contextlib.ExitStack() as stack:
            stack.callback(self.end)
            stack.enter_context(_noticing_sigterm())
            news = stack.enter_context(open(told))
            try:
                while True:
                    before = self.show.epoch
                    self.start()
                    dead = self.watch(news)
                    if dead is None:
                        self.show.read(news)
                        return True
                    how = self.explain(*dead)
                    self.end()
                    self.show.read(news)
                    in_a_row = 1 if self.show.epoch > before else in_a_row + 1
                    if in_a_row > self.restarts:
                        raise TrainingError(f"{how} {self.said(dead[0])}")
                    self.restarted += 1
                    self.show.note(f"{how} All workers start again from the last epoch saved.")
            except KeyboardInterrupt:
                self.end()
                self.show.read(news)
                return False

    def start(self):
        addresses = [f"127.0.0.1:{port}" for port in _free_ports(self.job.workers)]
        environment = machine.worker_environment(max(1, machine.cores() // self.job.workers))
        environment["CUDA_VISIBLE_DEVICES"] = "-1"  # one GPU is not for several processes
        for rank in range(self.job.workers):
            with open(self.log(rank), "w") as log:
                one = subprocess.Popen(
                    [sys.executable, "-m", worker.__name__, self.folder, str(rank), *addresses],
                    stdin=subprocess.PIPE,  # its end tells them that there is no parent any more
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=environment,
                    start_new_session=True,  # Ctrl-C is for the parent
                )
            self.workers.append(one)

    def watch(self, news) -> tuple[int, int] | None:
        """The worker that was lost, and its exit status; ``None``: all came to their end."""
        until = None
        while True:
            self.show.read(news)
            ended = [one.poll() for one in self.workers]
            if all(status == 0 for status in ended):
                return None
            bad = [(rank, status) for rank, status in enumerate(ended) if status]
            if bad:
                # Those that only noticed that another one was lost are not the cause.
                causes = [one for one in bad if one[1] != LOST]
                until = until or time.monotonic() + _PATIENCE
                if causes or time.monotonic() > until:
                    failed = [one for one in causes if one[1] > 0]
                    if failed:
                        rank = failed[0][0]
                        raise TrainingError(f"Worker {rank} failed. {self.said(rank)}")
                    return (causes or bad)[0]
            time.sleep(_LOOK)

    def explain(self, rank, status):
        if status > 0:
            return f"Worker {rank} lost the others."
        why = ", perhaps because memory ran out" if status == -signal.SIGKILL else ""
        return f"Worker {rank} was killed by signal {-status}{why}."

    def said(self, rank):
        """The end of a worker's log, for an error message."""
        log = self.log(rank).read_text(errors="replace").strip()
        lines = "\n".join(log.splitlines()[-12:])
        return f"It said:\n{lines}" if lines else "It said nothing. See `labkit doctor`."

    def log(self, rank):
        return self.folder / f"worker-{rank}.log"

    def end(self):
        """Stop the workers that are left."""
        for one in self.workers:
            one.kill()
        for one in self.workers:
            one.wait()
            one.stdin.close()
        self.workers.clear()


class Show:
    """What people see of it: the shares, a bar, a line an epoch."""

    def __init__(self, epochs: int, *, verbose: bool = True):
        from tqdm.auto import tqdm

        self.epochs, self.verbose = epochs, verbose
        self.epoch, self.speeds = 0, []
        self._shares, self._rest = None, ""
        self.bar = tqdm(
            total=epochs,
            unit="epoch",
            desc="Training",
            leave=False,
            disable=settings.read().headless or not verbose,
            bar_format="{desc} {percentage:3.0f}% |{bar}| {remaining} left",
        )

    def __call__(self, event: dict) -> None:
        """Show what a worker tells."""
        if "shares" in event and event["shares"] != self._shares:
            self._shares = event["shares"]
            self.note(sharing.text([Share(**share) for share in self._shares]))
        if "resumed" in event:
            self.epoch = len(event["resumed"].get("loss", []))
            del self.speeds[self.epoch :]
            if self.epoch:
                self.note(f"Going on after epoch {self.epoch}.")
        if "done" in event:
            self.bar.update(event["done"] - self.bar.n)
        if "epoch" in event:
            self.epoch = event["epoch"]
            self.speeds.append(event["speed"])
            shown = "  ".join(f"{key} {value:.4f}" for key, value in event["metrics"].items())
            self.note(f"epoch {self.epoch}/{self.epochs}  {shown}")

    def read(self, news) -> None:
        """Show what a worker has written since the last call."""
        self._rest += news.read()
        *lines, self._rest = self._rest.split("\n")
        for line in lines:
            self(json.loads(line))

    def note(self, text: str) -> None:
        if self.verbose:
            self.bar.write(text)
            sys.stdout.flush()

    def close(self) -> None:
        self.bar.close()


@contextlib.contextmanager
def _noticing_sigterm():
    """Let SIGTERM end the program in good order, with its temporary files removed."""
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield  # only the main thread hears of signals; or somebody else takes care of it
        return

    def handler(number, frame):
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _save_model(model, path):
    try:
        model.save(path)
    except (ValueError, TypeError, NotImplementedError) as error:
        raise TrainingError(
            f"The model cannot be handed to workers ({str(error).splitlines()[0]}). Build it of "
            "Keras's own layers, or with labkit.models."
        ) from error


def _absolute(checkpoint):
    text = str(checkpoint)
    return text if "://" in text else str(Path(text).expanduser().absolute())


def _free_ports(count):
    """Ports of loopback that no outgoing connection is given: Linux does that from 32768 on."""
    found = set()
    while len(found) < count:
        port = random.randrange(20_000, 30_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            found.add(port)
    return sorted(found)
