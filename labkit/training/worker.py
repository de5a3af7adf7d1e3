"""One worker of a training that several processes do together.

Each worker has the whole model and a share of the data. In each step all compute the gradient
of their part of the batch, add these up over the network (``MultiWorkerMirroredStrategy``), and
let an optimiser of their own take the same step. So all stay bit-identical, which they compare
after each epoch, and the model becomes what one process would make of all the data. Goyal et
al., 2017, "Accurate, large minibatch SGD" (https://arxiv.org/abs/1706.02677) is a good start.

``model.fit`` fails under this strategy (https://github.com/keras-team/keras/issues/20585).
"""

import contextlib
import hashlib
import json
import os
import shutil
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from labkit import backend, models
from labkit.data import CATALOGUE, Dataset, Source, from_folder, load
from labkit.errors import LabError, TrainingError
from labkit.training import shares
from labkit.training.checkpoints import Kept
from labkit.training.fitting import _make_variables, _resume, _Run, split
from labkit.training.meeting import SILENCE, Meeting, is_loopback

_CONNECT = 120  # seconds in which TensorFlow's servers find each other, which takes one or two
LOST = 75  # exit status where another worker was lost: EX_TEMPFAIL, "try again"
_STEPS = 8  # in one call of TensorFlow
_JUDGED_BATCH = 100
BUILDERS = ("softmax_regression", "mlp", "cnn", "cnn_bn")
"""The builders of :mod:`labkit.models` that a job can name."""


@dataclass(frozen=True)
class Job:
    """All that a worker needs to know; it travels as JSON."""

    name: str
    """Of the run, in its checkpoint and its history."""
    workers: int
    epochs: int
    model: str
    """One of :data:`BUILDERS`, or the path of a ``.keras`` file."""
    data: str = ""
    """The name of a data set; "": the shares are files."""
    places: tuple[str, ...] = ()
    """For each worker where its share is; none: all have all the data, and share it out."""
    image_size: int | None = None
    batch_size: int = 64
    seed: int = 42
    validation: float = 0.1
    class_weight: str | None = None
    checkpoint: str = ""
    deadline: float = 120.0
    token: str = ""
    """Lets only those in who know it; from process to process on one machine."""

    def digest(self) -> str:
        """What all workers of a run have in common."""
        from importlib.metadata import version

        same = asdict(replace(self, checkpoint="", deadline=0))
        return hashlib.sha256(json.dumps([version("labkit"), same]).encode()).hexdigest()

    @classmethod
    def read(cls, path: Path) -> "Job":
        found = json.loads(path.read_text())
        return cls(**{**found, "places": tuple(found["places"])})

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)))


@dataclass(frozen=True)
class _ParallelRun(_Run):
    """What a checkpoint must agree in before training goes on from it."""

    workers: int
    class_weight: str | None


@dataclass(frozen=True)
class Trained:
    """What worker 0 has in the end."""

    model: object
    data: Dataset
    """Its own share."""
    metrics: dict[str, list[float]]
    tested: dict[str, float]
    """On the test parts of all shares; empty where there are none."""


def run(
    job: Job,
    rank: int,
    addresses: list[str],
    scratch: Path,
    *,
    tell: Callable[[dict], None],
    finish: Callable[[Trained], None] | None = None,
) -> int:
    """Be a worker until training is finished, in a thread, so that signals reach this one.

    Args:
        job: what to do.
        rank: which worker this is.
        addresses: "host:port" of each.
        scratch: a folder for temporary files.
        tell: called on worker 0 with what happens.
        finish: called on worker 0 with what was trained, before the others may leave.

    Returns:
        0, or :data:`LOST` when another worker is not there any more, or the worker's port is
        another program's. TensorFlow may hang in the thread then: end the process with
        ``os._exit``.

    Raises:
        LabError: something is wrong here.
    """
    failed = []
    with Meeting(rank, addresses, run=job.digest()) as meeting:

        def work():
            try:
                _Worker(job, rank, meeting, scratch, tell, finish).work()
            except BaseException as error:
                failed.append(error)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        while thread.is_alive() and not meeting.lost:
            thread.join(0.1)
        ours = bool(failed) and isinstance(failed[0], LabError)
        if failed and "Could not start gRPC server" in str(failed[0]):
            print(
                f"Another program has taken {addresses[rank]} in the meantime. This worker ends; "
                "where its address is chosen for it, it is started again with another one.",
                flush=True,
            )
            return LOST
        if failed and not ours and len(addresses) > 1:
            # TensorFlow may notice a lost worker before we do, and says it in its own way.
            meeting.wait_for_lost(SILENCE)
        if meeting.lost and not ours:
            print(
                f"{meeting.lost} This worker ends, too. Once all are started again, training goes "
                "on after the last epoch that was saved.",
                flush=True,
            )
            return LOST
    if failed:
        raise failed[0]
    return 0


class _Worker:
    def __init__(self, job, rank, meeting, scratch, tell, finish):
        self.job, self.rank, self.meeting, self.finish = job, rank, meeting, finish
        self.tell = tell if rank == 0 else lambda event: None
        self.kept = Kept(job.checkpoint, scratch)

    def work(self):
        job = self.job
        if self._is_complete():
            return self._finish_again()
        self.meeting.join(job.deadline)
        self._agree(read_share(job, self.rank))
        strategy = self._connect()
        self._prepare(strategy)
        self._train(strategy)

    def _is_complete(self):
        """Whether an earlier start came to the end; then there may be nobody to meet."""
        state = self.kept.state() if self.kept.fetch() else None
        if not state:
            return False
        same = asdict(self._run("")) | {"data": state["run"].get("data")} == state["run"]
        return same and len(state["metrics"].get("loss", [])) == self.job.epochs

    def _finish_again(self):
        print("Training is finished already, as its checkpoint says.", flush=True)
        if self.rank == 0 and self.finish:
            self.finish(trained(self.job, self.kept, self.kept.state()))

    def _agree(self, data):
        """Hear what the others have, and settle who does what."""
        job = self.job
        said = self.meeting.exchange(
            {"shape": [*data.input_shape], "classes": [*data.class_names], "test": len(data.x_test)}
        )
        classes = shares.check_alike(said)
        self.data = shares.in_classes(data, classes)
        self.tests = sum(one["test"] for one in said)
        self.train, self.held_back = split(self.data, validation=job.validation, seed=job.seed)
        mine = shares.describe(self.rank, self.data, self.train[1], self.held_back[1])
        everyone = self.meeting.exchange(asdict(mine))
        self.shares = tuple(shares.Share(**one) for one in everyone)
        self.plan = shares.Plan(tuple(s.examples for s in self.shares), job.batch_size)
        self.tell({"shares": everyone})

    def _connect(self):
        """TensorFlow's connection with the others; comes before anything else of TensorFlow."""
        backend.keras()
        import tensorflow as tf

        # What is computed here is one worker's part; several GPUs take several workers.
        tf.config.set_visible_devices(tf.config.list_physical_devices("GPU")[:1], "GPU")
        addresses = self.meeting.addresses
        if len(addresses) == 1:
            return tf.distribute.get_strategy()
        resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
            tf.train.ClusterSpec({"worker": addresses}),
            task_type="worker",
            task_id=self.rank,
            rpc_layer="grpc",
        )
        own = addresses[self.rank]
        keeping = _kept_to_loopback(own) if is_loopback(own) else contextlib.nullcontext()
        with keeping, _ended_after(_CONNECT):
            return tf.distribute.MultiWorkerMirroredStrategy(cluster_resolver=resolver)

    def _prepare(self, strategy):
        """The model, as worker 0 has it: new, or from the checkpoint."""
        import tensorflow as tf

        job, keras = self.job, backend.keras()
        keras.utils.set_random_seed(job.seed)
        self.model = model = build(job, self.data)
        if tuple(model.input_shape[1:]) != self.data.input_shape:
            raise TrainingError(
                f"The model takes examples of shape {tuple(model.input_shape[1:])}, the data has "
                f"{self.data.input_shape}. Build the model from the data: models.cnn(data)."
            )
        outputs = model.output_shape[-1]
        if self.data.num_classes > max(outputs, 2):
            raise TrainingError(
                f"The model has {outputs} outputs and the data {self.data.num_classes} classes. "
                "Build the model from the data: models.cnn(data)."
            )
        _make_variables(model, self.train[0][:1], self.train[1][:1])
        self.saver = None
        if self.rank == 0:
            self.saver = _resume(self.kept.file, model, self._run("; ".join(self._sources())))
            self.tell({"resumed": self.saver.metrics})
        first = len(self.saver.metrics.get("loss", [])) if self.saver else 0
        first = self.meeting.exchange({"first": first})[0]["first"]
        # Batch normalisation over what one worker sees of a step would know one share only.
        self.normalising = [
            layer
            for layer in model._flatten_layers()
            if isinstance(layer, keras.layers.BatchNormalization) and not layer.synchronized
        ]
        for layer in self.normalising:
            layer.synchronized = True
        self.seeds = [v for v in model.variables if v.path.endswith("seed_generator_state")]
        state = [*model.variables, *model.optimizer.variables]
        self.state = [v for v in state if not any(v is seed for seed in self.seeds)]
        if len(self.meeting.addresses) > 1:
            _take_from_worker_0(strategy, self.state, self.rank)
        self.first = first
        self.tf = tf

    def _sources(self):
        return [f"{s.source}, {s.examples} examples" for s in self.shares]

    def _run(self, data):
        job = self.job
        return _ParallelRun(
            name=job.name,
            recipe="classic",
            seed=job.seed,
            epochs=job.epochs,
            data=data,
            augment="NoneType",
            learning_rate=None,
            batch_size=job.batch_size,
            workers=job.workers,
            class_weight=job.class_weight,
        )

    def _train(self, strategy):
        job, metrics = self.job, self.saver.metrics if self.saver else {}
        before, started = self.saver.seconds if self.saver else 0.0, time.perf_counter()
        steps, judge = self._make_steps(strategy), self._make_judge()
        tested = {}
        for epoch in range(self.first, job.epochs):
            began = time.perf_counter()
            loss, right = self._epoch(steps, epoch)
            took = time.perf_counter() - began
            mine = {"loss": loss, "right": right, "state": self._digest()}
            if len(self.held_back[0]):
                mine["val_loss"], said = judge(*self.held_back)
                mine["val_right"] = int(np.sum(said == self.held_back[1]))
            said = self.meeting.exchange(mine)
            self._check_same(said, epoch)
            for key, value in self._together(said).items():
                metrics.setdefault(key, []).append(value)
            last = {key: values[-1] for key, values in metrics.items()}
            if not np.isfinite(last["loss"]):
                raise TrainingError(
                    f"The loss became {last['loss']} in epoch {epoch + 1}: the steps were too "
                    "large, or a picture holds NaN. Build the model again with a smaller "
                    "learning_rate, for example a tenth."
                )
            if epoch + 1 == job.epochs and self.tests:
                tested = self._test(judge)
            if self.saver:
                seconds = before + time.perf_counter() - started
                self.saver.save(self.model, metrics, seconds, tested=tested)
                self.kept.send()
            speed = sum(self.plan.sizes) / took
            self.tell({"epoch": epoch + 1, "metrics": last, "speed": speed})
        for layer in self.normalising:
            layer.synchronized = False
        if self.saver and self.finish:
            self.finish(Trained(self.model, described(job, self.data), metrics, tested))
        self.meeting.leave()

    def _make_steps(self, strategy):
        """The function that takes steps ``begin`` to ``end`` of an epoch."""
        tf, model = self.tf, self.model
        replicas, reduce = strategy.num_replicas_in_sync, tf.distribute.ReduceOp.SUM
        with tf.device("CPU"):
            x, y = (tf.constant(part) for part in self.train)
            weights = None
            if self.job.class_weight:
                weights = tf.constant(shares.balanced(self.shares), tf.float32)

        def gradients(pictures, labels, part):
            weight = None if weights is None else tf.gather(weights, labels)
            with tf.GradientTape() as tape:
                said = model(pictures, training=True)
                # Keras divides by the number of workers, and takes the mean of this part.
                loss = replicas * model.compute_loss(pictures, labels, said, weight, training=True)
                loss = loss * part
                scaled = model.optimizer.scale_loss(loss)
            found = tape.gradient(scaled, [v.value for v in model.trainable_variables])
            if replicas > 1:
                found = tf.distribute.get_replica_context().all_reduce(reduce, found)
            right = tf.reduce_sum(tf.cast(_classes(tf, said) == labels, tf.float32))
            return found, loss, right

        @tf.function
        def steps(order, bounds, parts, totals, begin, end):
            losses, rights = 0.0, 0.0
            for step in tf.range(begin, end):
                tf.autograph.experimental.set_loop_options(parallel_iterations=1)
                first, last = bounds[step], bounds[step + 1]
                # A small share may have none for this step: one is shown, and does not count.
                places = order[first : tf.maximum(last, first + 1)]
                found, loss, right = strategy.run(
                    gradients, args=(tf.gather(x, places), tf.gather(y, places), parts[step])
                )
                # Outside of `run`: Keras would add the gradients up once more.
                model.optimizer.apply(found, model.trainable_variables)
                losses += loss * totals[step]
                rights += tf.where(last > first, right, 0.0)
            return losses, rights

        return steps

    def _epoch(self, steps, epoch):
        """One pass over the share: the sum of the loss, and how many were right."""
        tf, job, plan = self.tf, self.job, self.plan
        for i, seed in enumerate(self.seeds):
            # Dropout: another one for each worker and epoch, and the same after a restart.
            sequence = np.random.SeedSequence([job.seed, epoch, self.rank, i])
            seed.assign(sequence.generate_state(2))
        order = plan.order(self.rank, seed=job.seed, epoch=epoch)
        bounds, totals = plan.bounds(self.rank), plan.totals()
        # One more, so that the slice of a part without examples finds one.
        order = np.append(order, order[:1])
        given = (
            tf.constant(order),
            tf.constant(bounds),
            tf.constant(np.diff(bounds) / totals, tf.float32),
            tf.constant(totals, tf.float32),
        )
        sums = np.zeros(2)
        for begin in range(0, plan.steps, _STEPS):
            end = min(begin + _STEPS, plan.steps)
            found = steps(*given, tf.constant(begin), tf.constant(end))
            sums += [float(value) for value in found]
            self.tell({"done": epoch + end / plan.steps})
        return float(sums[0]), float(sums[1])

    def _make_judge(self):
        tf, model = self.tf, self.model

        @tf.function(reduce_retracing=True)
        def look(pictures, labels):
            said = model(pictures, training=False)
            loss = model.compute_loss(pictures, labels, said, None, training=False)
            return loss * tf.cast(len(labels), tf.float32), _classes(tf, said)

        def judge(x, y):
            """The sum of the loss, and the classes that the model says."""
            loss, said = 0.0, []
            for i in range(0, len(x), _JUDGED_BATCH):
                part = slice(i, i + _JUDGED_BATCH)
                one, classes = look(tf.constant(x[part]), tf.constant(y[part]))
                loss += float(one)
                said.append(classes.numpy())
            return loss, np.concatenate(said)

        return judge

    def _together(self, said):
        """The metrics of an epoch, over all workers."""
        examples = sum(s.examples for s in self.shares)
        held_back = sum(s.held_back for s in self.shares)
        found = {
            "loss": sum(one["loss"] for one in said) / examples,
            "accuracy": sum(one["right"] for one in said) / examples,
        }
        if held_back:
            found["val_loss"] = sum(one.get("val_loss", 0) for one in said) / held_back
            found["val_accuracy"] = sum(one.get("val_right", 0) for one in said) / held_back
        return found

    def _test(self, judge):
        """The accuracies on the test parts of all shares."""
        classes = self.data.num_classes
        counts = {key: [0] * classes for key in ("of", "right", "said")}
        if len(self.data.x_test):
            y = self.data.y_test
            said = judge(self.data.x_test, y)[1]
            for key, labels in {"of": y, "right": y[said == y], "said": said}.items():
                counts[key] = np.bincount(labels, minlength=classes).tolist()
        everyone = self.meeting.exchange(counts)
        of, right, said = (np.sum([one[key] for one in everyone], axis=0) for key in counts)
        shares.check_says_all(self.data.class_names, of, said)
        return {
            "accuracy": float(right.sum() / of.sum()),
            "balanced accuracy": float(np.mean(right[of > 0] / of[of > 0])),
        }

    def _digest(self):
        found = hashlib.sha256()
        for variable in self.state:
            found.update(np.ascontiguousarray(variable.numpy()))
        return found.hexdigest()

    def _check_same(self, said, epoch):
        other = [k for k, one in enumerate(said) if one["state"] != said[0]["state"]]
        if other:
            raise TrainingError(
                f"After epoch {epoch + 1} worker {other[0]} has other weights than worker 0. The "
                "result would be wrong, so training ends. A layer that keeps a state of its own "
                "may be the cause; if not, please report this."
            )


def trained(job: Job, kept: Kept, state: dict) -> Trained:
    """What a complete checkpoint holds, of a job that names its data."""
    data = read_share(job, 0)
    model = build(job, data)
    _make_variables(model, data.x_train[:1], data.y_train[:1])
    model.load_weights(kept.file)
    return Trained(model, described(job, data), state["metrics"], state["tested"])


def described(job: Job, data: Dataset) -> Dataset:
    """The share of worker 0, under a name that says what it is."""
    if job.workers == 1:
        return data
    return replace(data, name=f"{data.name}, 1 of {job.workers} shares")


def build(job: Job, data: Dataset):
    """The model of a job, not trained."""
    if job.model in BUILDERS:
        return getattr(models, job.model)(data, seed=job.seed)
    try:
        return backend.keras().saving.load_model(job.model, safe_mode=False)
    except (ValueError, TypeError, OSError) as error:
        raise TrainingError(
            f"The workers cannot build the model ({str(error).splitlines()[0]}). They know the "
            "layers of Keras alone: build it of these, or with labkit.models."
        ) from error


def read_share(job: Job, rank: int) -> Dataset:
    """What worker ``rank`` of a job trains on.

    Raises:
        LabError: it is not there.
    """
    place = job.places[rank] if job.places else None
    if not job.data:
        return load_share(Path(place))
    if job.data not in CATALOGUE:
        return from_folder(place, image_size=job.image_size or 64, seed=job.seed)
    if place is None:
        data = load(job.data, image_size=job.image_size)
        return shares.share_of(data, rank, job.workers, seed=job.seed)
    before = os.environ.get("LABKIT_DATA")
    os.environ["LABKIT_DATA"] = place
    try:
        data = load(job.data, image_size=job.image_size)
    finally:
        os.environ.pop("LABKIT_DATA")
        if before is not None:
            os.environ["LABKIT_DATA"] = before
    if data.source.kind not in ("folder", "bucket", "mirror"):
        raise TrainingError(
            f"{place} has no {CATALOGUE[job.data].path}, which worker {rank} was to train on. Put "
            "it there, as `labkit data mirror` lays it out, or give another --share."
        )
    return data


def save_share(data: Dataset, path: Path) -> None:
    """Write the training part of a data set for :func:`load_share`."""
    about = {
        "name": data.name,
        "title": data.title,
        "source": asdict(data.source),
        "class_names": data.class_names,
    }
    np.savez(path, x=data.x_train, y=data.y_train, about=np.array(json.dumps(about)))


def load_share(path: Path) -> Dataset:
    with np.load(path, allow_pickle=False) as found:
        x, y, about = found["x"], found["y"], json.loads(str(found["about"]))
    return Dataset(
        name=about["name"],
        title=about["title"],
        x_train=x,
        y_train=y,
        x_test=x[:0],
        y_test=y[:0],
        source=Source(**about["source"]),
        class_names=tuple(about["class_names"]),
    )


def _classes(tf, said):
    """The class that is meant, of probabilities or of one sigmoid unit's."""
    if said.shape[-1] == 1:
        return tf.cast(said[:, 0] > 0.5, tf.int64)
    return tf.argmax(said, axis=-1)


def _take_from_worker_0(strategy, variables, rank):
    """Give all workers the values that worker 0 has: the sum of those and of zeros."""
    import tensorflow as tf

    def wide(variable):
        value = variable.value + 0
        value = value if value.dtype.is_floating else tf.cast(value, tf.float64)
        return value if rank == 0 else tf.zeros_like(value)

    def take():  # one by one, because those of different types do not go together
        reduce = tf.distribute.get_replica_context().all_reduce
        return [reduce(tf.distribute.ReduceOp.SUM, wide(variable)) for variable in variables]

    totals = tf.function(lambda: strategy.run(take))()
    for variable, total in zip(variables, totals, strict=True):
        variable.assign(tf.cast(total, variable.dtype))


@contextlib.contextmanager
def _ended_after(seconds):
    """End this process where TensorFlow, which lets no thread of Python run, waits for ever."""
    if not hasattr(signal, "alarm"):  # Windows
        yield
        return
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


@contextlib.contextmanager
def _kept_to_loopback(address):
    """Bind the port that TensorFlow opens inside to this machine alone.

    TensorFlow's server takes orders from everybody who reaches it, and listens to all the world
    whatever its address says (tensorflow/core/distributed_runtime/rpc/grpc_server_lib.cc).
    """
    port, found, over = int(address.rpartition(":")[2]), [], threading.Event()

    def look():
        while not found and not over.wait(0.002):
            found.extend(fd for fd in _sockets() if _narrow(fd, port))

    watch = threading.Thread(target=look, daemon=True)
    watch.start()
    try:
        yield
    finally:
        over.set()
        watch.join()
        if not found and not any(_narrow(fd, port) for fd in _sockets()):
            print(
                "Note: this system does not let TensorFlow's port be kept to this machine. While "
                "it trains, others in the network can reach it; use a network that you trust.",
                flush=True,
            )


def _sockets():
    with contextlib.suppress(OSError):
        return [int(name) for name in os.listdir("/dev/fd")]
    return []


def _narrow(fd, port):
    """Whether ``fd`` listens on ``port``, and does so on loopback only from now on."""
    try:
        with socket.socket(fileno=os.dup(fd)) as one:
            if not one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                return False
            if one.getsockname()[1] != port:
                return False
            one.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")
            return True
    except (OSError, AttributeError, IndexError, TypeError):
        return False


def _write_line(path: Path, event: dict) -> None:
    with open(path, "a") as file:
        file.write(json.dumps(event) + "\n")


def main(folder: Path, rank: int, addresses: list[str]) -> int:
    """A worker process on the machine of its parent; what it has to tell goes to files."""

    def obey():
        sys.stdin.read()  # ends when there is no parent any more
        if rank == 0:
            shutil.rmtree(folder, ignore_errors=True)
        os._exit(LOST)

    threading.Thread(target=obey, daemon=True).start()
    job = Job.read(folder / "job.json")
    try:
        return run(
            job, rank, addresses, folder, tell=lambda e: _write_line(folder / "told.jsonl", e)
        )
    except LabError as error:
        print(error, flush=True)
    except BaseException:
        traceback.print_exc()
    return 1


if __name__ == "__main__":
    place, number, *hosts = sys.argv[1:]
    status = main(Path(place), int(number), hosts)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # without waiting for TensorFlow's threads, which may wait for a lost worker
