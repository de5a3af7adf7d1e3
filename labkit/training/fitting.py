"""``fit``: train a model on data, and get the history of it."""

import json
import os
import signal
import threading
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from labkit import backend, settings
from labkit.data.pipeline import Augment, batches, single_pass
from labkit.errors import TrainingError

RECIPES = ("classic", "fast")
_CLASSIC_BATCH = 32
_JUDGED_BATCH = 100
_ENDING = ".weights.h5"  # Keras reads and writes weights under this ending only


@dataclass(frozen=True)
class History:
    """What happened while a model was trained: the third of the three nouns.

    Example:
        >>> history = labkit.fit(model, data, epochs=5)
        >>> history.last("val_accuracy")
        0.98
    """

    name: str
    """What figures call the run, such as "cnn, fast"."""
    metrics: dict[str, list[float]]
    """One value an epoch of each of "loss", "accuracy", "val_loss", "val_accuracy"."""
    seconds: float
    """How long training took, in all."""
    recipe: str
    seed: int
    interrupted: bool = False
    """Whether Ctrl-C (or the notebook's stop button) ended it early."""

    @property
    def epochs(self) -> int:
        """How many epochs were finished."""
        return len(next(iter(self.metrics.values()), []))

    def last(self, metric: str = "accuracy") -> float:
        """The value of a metric after the last epoch.

        Raises:
            TrainingError: there is no such metric, or no epoch was finished.
        """
        if not self.metrics.get(metric):
            known = ", ".join(self.metrics) or "none, because no epoch was finished"
            raise TrainingError(f"This history has no {metric!r}. It has: {known}.")
        return self.metrics[metric][-1]

    def frame(self):
        """A pandas DataFrame with a row an epoch."""
        import pandas as pd

        return pd.DataFrame(self.metrics, index=pd.RangeIndex(1, self.epochs + 1, name="epoch"))

    def __repr__(self):
        """Without the seconds, which differ from run to run."""
        ended = ", interrupted" if self.interrupted else ""
        last = "  ".join(
            f"{key} {values[-1]:.4f}" for key, values in self.metrics.items() if values
        )
        return f"{self.name}: {self.epochs} epochs{ended}  {last}".rstrip()


def fit(
    model,
    data,
    *,
    epochs: int,
    recipe: str = "classic",
    seed: int = 42,
    validation: float = 0.1,
    augment=None,
    learning_rate: float | None = None,
    batch_size: int | None = None,
    checkpoint: str | Path | None = None,
    callbacks=(),
    verbose: bool = True,
    name: str | None = None,
) -> History:
    """Train ``model`` on the training part of ``data``.

    ``recipe="classic"`` does what a textbook does: the model as it is compiled
    (Adam with a constant rate), batches of 32, the pictures as they are.

    ``recipe="fast"`` does what a professional does, and reaches the same accuracy
    in a fraction of the time:

    - a one-cycle learning rate, up and then down to nothing (Smith and Topin, 2018,
      https://arxiv.org/abs/1708.07120), with a high peak;
    - AdamW, which keeps weight decay apart from the gradient (Loshchilov and
      Hutter, 2019, https://arxiv.org/abs/1711.05101);
    - larger batches, with the rate raised along (Goyal et al., 2017,
      https://arxiv.org/abs/1706.02677);
    - label smoothing (Szegedy et al., 2016, https://arxiv.org/abs/1512.00567) for
      networks with convolutions;
    - for those, from three epochs on and unless ``augment`` says otherwise, pictures
      shifted by up to two pixels, which costs next to nothing (Simard et al., 2003,
      "Best practices for convolutional neural networks applied to visual document
      analysis");
    - several steps in one call of TensorFlow (``steps_per_execution``);
    - a frozen backbone (:func:`labkit.models.transfer`) is asked once about each picture
      and not in every epoch, unless ``augment`` changes the pictures.

    Afterwards the model is compiled as it was before, with a fresh optimiser.

    Args:
        model: a compiled Keras model that takes the pictures as they are.
        data: a :class:`labkit.data.Dataset`.
        epochs: how often training goes through the data.
        recipe: "classic" or "fast".
        seed: of the validation split, the order of the examples and dropout.
        validation: the share of the training part, between 0 and 1, that is held
            back to measure progress; the test part is never touched. 0: none.
        augment: how the training pictures are changed each time they are shown: a
            :class:`labkit.data.Augment` or a Keras layer; ``False``: not at all;
            ``None``: as the recipe does. Those held back stay as they are.
        learning_rate: the size of the steps: the classic recipe's constant rate, the peak of
            the fast one. ``None``: the rate that the model is compiled with, or the recipe's.
        batch_size: how many examples a step looks at; ``None``: as the recipe does.
        checkpoint: a file to save to after each epoch; its name gets the ending
            ``.weights.h5`` when it has another. When it is there already, training
            goes on from it, so that a killed process resumes; when it is complete,
            nothing is trained again.
        callbacks: Keras callbacks that look on; what one of them raises ends the training.
        verbose: show a bar, and a line an epoch.
        name: what figures call the run; by default the model's name and the recipe.

    Returns:
        A :class:`History`. After Ctrl-C it is shorter, and the model keeps what it
        has learned.

    Raises:
        TrainingError: an argument does not fit, the checkpoint belongs to another
            run, or the loss became NaN.

    Example:
        >>> history = labkit.fit(model, data, epochs=5, recipe="fast")
    """
    keras = backend.keras()
    _check_arguments(model, data, epochs, recipe, validation, learning_rate, batch_size)
    started = time.perf_counter()
    keras.utils.set_random_seed(seed)
    train, held_back = split(data, validation=validation, seed=seed)
    run = _Run(
        name=name or f"{model.name}, {recipe}",
        recipe=recipe,
        seed=seed,
        epochs=epochs,
        data=f"{data.name}, {data.source.kind}, {len(train[0])} examples",
        augment=repr(augment) if isinstance(augment, Augment) else type(augment).__name__,
        learning_rate=learning_rate,
        batch_size=batch_size,
    )
    compiled, learner, targets = None, model, (train[1], held_back[1])
    own_rate = model.optimizer.learning_rate
    if recipe == "classic":
        batch_size = min(batch_size or _CLASSIC_BATCH, len(train[0]))
        if learning_rate:
            model.optimizer.learning_rate = learning_rate
    else:
        compiled = model.get_compile_config()
        if not augment:
            learner, train, held_back = _past_the_backbone(model, train, held_back, verbose=verbose)
        batch_size, augment, targets = _compile_fast(
            learner, model.loss, train, held_back[1], epochs, augment, learning_rate, batch_size
        )
    _make_variables(learner, train[0][:1], targets[0][:1])
    saver = _resume(Path(checkpoint), learner, run) if checkpoint else None
    metrics = saver.metrics if saver else {}
    before = saver.seconds if saver else 0.0
    first = len(metrics.get("loss", []))
    if augment:
        shown = {
            "x": batches(
                train[0],
                targets[0],
                batch_size=batch_size,
                augment=augment,
                seed=seed,
                first_epoch=first,
            ),
            "steps_per_epoch": len(train[0]) // batch_size,
        }
    else:
        shown = {"x": single_pass(train[0], targets[0], batch_size=batch_size, shuffle=True)}
    train = None  # the pipeline has its own copy, and large sets fill the memory
    judge = None
    if validation:
        judge = single_pass(held_back[0], targets[1], batch_size=_JUDGED_BATCH, shuffle=False)

    def seconds():
        return before + time.perf_counter() - started

    pressed = threading.Event()
    watcher = _watcher(metrics, epochs, seconds, saver, pressed, verbose)
    interrupted = False
    try:
        if first < epochs:
            with _noticing_ctrl_c(pressed):
                learner.fit(
                    **shown,
                    shuffle=False,  # it is shuffled already
                    epochs=epochs,
                    initial_epoch=first,
                    validation_data=judge,
                    callbacks=[watcher, *callbacks],
                    verbose=0,
                )
    except KeyboardInterrupt:
        interrupted = True
        done = len(metrics.get("loss", []))
        print(f"Stopped after {done} epochs; the model keeps what it has learned.")
    finally:
        watcher.close()
        if compiled:
            model.compile_from_config(compiled)
        elif learning_rate:
            model.optimizer.learning_rate = own_rate
    return History(run.name, metrics, seconds(), recipe, seed, interrupted)


@dataclass(frozen=True)
class _Run:
    """What a checkpoint must agree in before training goes on from it."""

    name: str
    recipe: str
    seed: int
    epochs: int
    data: str
    augment: str
    learning_rate: float | None
    batch_size: int | None


def _check_arguments(model, data, epochs, recipe, validation, learning_rate, batch_size):
    if recipe not in RECIPES:
        raise TrainingError(f"There is no recipe {recipe!r}. Use one of: {', '.join(RECIPES)}.")
    if epochs < 1:
        raise TrainingError(f"epochs is {epochs}; give a whole number of at least 1.")
    if not 0 <= validation < 1:
        raise TrainingError(
            f"validation is {validation}; give a share from 0 to below 1, such as 0.1."
        )
    if learning_rate is not None and not 0 < learning_rate < np.inf:
        raise TrainingError(f"learning_rate is {learning_rate}; give one above 0, such as 0.001.")
    if batch_size is not None and (batch_size < 1 or batch_size != int(batch_size)):
        raise TrainingError(f"batch_size is {batch_size}; give a whole number of at least 1.")
    if not getattr(model, "compiled", False):
        raise TrainingError(
            "The model is not compiled. Call model.compile(optimizer='adam', "
            "loss='sparse_categorical_crossentropy', metrics=['accuracy']) first."
        )
    expected = tuple(model.input_shape[1:])
    if expected != data.input_shape:
        raise TrainingError(
            f"The model takes examples of shape {expected}, the data has {data.input_shape}. "
            "Build the model from the data: models.cnn(data)."
        )


def split(data, *, validation: float, seed: int):
    """The training examples, and those that :func:`fit` holds back to measure progress.

    Args:
        data: a :class:`labkit.data.Dataset`.
        validation: the share that is held back.
        seed: which ones.

    Returns:
        Two pairs ``(x, y)``, each in the order of the data set.

    Raises:
        TrainingError: there are too few examples.

    Example:
        >>> (x, y), (x_validation, y_validation) = split(data, validation=0.1, seed=0)
    """
    order = np.random.default_rng(seed).permutation(len(data.x_train))
    held = round(validation * len(order))
    if validation and not 0 < held < len(order):
        raise TrainingError(
            f"{len(order)} training examples are too few to hold back a share of {validation}. "
            "Use more data, or validation=0."
        )
    rest, held_back = np.sort(order[held:]), np.sort(order[:held])
    return (
        (data.x_train[rest], data.y_train[rest]),
        (data.x_train[held_back], data.y_train[held_back]),
    )


def _past_the_backbone(model, *parts, verbose):
    """What is left to train of a model whose backbone is frozen, and what the rest says.

    A frozen backbone says the same of a picture in every epoch, so it is asked once. The
    layers are shared: training the returned model trains the one that was given.
    """
    keras = backend.keras()
    names = [layer.name for layer in model.layers]
    if "backbone" not in names or model.get_layer("backbone").trainable_weights:
        return model, *parts
    after = model.layers[names.index("backbone") + 1 :]
    # Dropout silences other features in each epoch, so it comes after what is kept.
    first = next(x for x in after if x.trainable_weights or isinstance(x, keras.layers.Dropout))
    backbone = keras.Model(model.input, first.input)
    learner = keras.Model(first.input, model.output, name=model.name)
    return learner, *((_ask(backbone, x, verbose), y) for x, y in parts)


def _ask(backbone, pictures, verbose):
    """What a model says of pictures, with a bar: a large one takes minutes on a laptop."""
    from tqdm.auto import tqdm

    chunks = range(0, len(pictures), 256)
    quiet = settings.read().headless or not verbose or not len(pictures)
    bar = tqdm(chunks, desc="Asking the backbone", leave=False, disable=quiet)
    said = [backbone.predict(pictures[i : i + 256], batch_size=64, verbose=0) for i in bar]
    return np.concatenate(said) if said else np.empty((0, *backbone.output_shape[1:]))


def _compile_fast(
    model, loss, train, y_held_back, epochs, augment, learning_rate=None, batch_size=None
):
    """Compile for the fast recipe; what it shows, in which batches, and the targets."""
    keras = backend.keras()

    x, y = train

    def has(kind):
        return any(isinstance(layer, kind) for layer in model.layers)

    convolutional = has(keras.layers.Conv2D)
    usual, smoothing = (64, 0.1) if convolutional else (256, 0.0)
    # One layer is hard to overshoot, and batch normalisation forgives large steps.
    if has(keras.layers.BatchNormalization):
        peak = 2e-2
    else:
        peak = 5e-3 if sum(bool(layer.weights) for layer in model.layers) > 1 else 1e-2
    if x.dtype != np.uint8:  # a backbone's features: there are few, and a step costs little
        usual = 32
    elif any(layer.name == "backbone" for layer in model.layers):
        # What it has learned before is not to be overrun: the model's own rate is the peak.
        usual, peak, smoothing = 32, float(model.optimizer.learning_rate), 0.1
    batch_size, peak = min(batch_size or usual, len(x)), learning_rate or peak
    steps = epochs * (len(x) // batch_size)
    warm_up = max(1, round(0.3 * steps))
    rate = keras.optimizers.schedules.CosineDecay(
        peak / 25, max(1, steps - warm_up), warmup_target=peak, warmup_steps=warm_up
    )
    targets = (y, y_held_back)
    if smoothing and loss == "sparse_categorical_crossentropy":
        # Keras smooths one-hot labels only.
        one_hot = np.eye(model.output_shape[-1], dtype=np.float32)
        loss = keras.losses.CategoricalCrossentropy(label_smoothing=smoothing)
        targets = (one_hot[y], one_hot[y_held_back])
    elif smoothing and loss == "binary_crossentropy":
        loss = keras.losses.BinaryCrossentropy(label_smoothing=smoothing)
    model.compile(
        # A short run wants a short memory of past gradients: beta_2 below the usual 0.999.
        optimizer=keras.optimizers.AdamW(rate, weight_decay=0.01, beta_2=0.98),
        loss=loss,
        metrics=["accuracy"],
        steps_per_execution=min(8, len(x) // batch_size),
    )
    if augment is None and convolutional and epochs >= 3:
        augment = Augment(shift=2)
    return batch_size, augment, targets


def _make_variables(model, x, y):
    """Make the variables of the optimiser and the metrics, which Keras does in the first step.

    TensorFlow traces a step again in which variables were made, which is a third of a short
    training. And a checkpoint's state of the optimiser needs a place to go.
    """
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    model.compute_metrics(x, y, model(x, training=False))
    model.reset_metrics()


@contextmanager
def _noticing_ctrl_c(pressed):
    """Set ``pressed`` at Ctrl-C, besides what happens then anyway.

    Python drops a KeyboardInterrupt that comes while an object is being cleaned up
    (https://docs.python.org/3/reference/datamodel.html#object.__del__), which TensorFlow
    does all the time. Then the next step ends the training.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield  # only the main thread hears of signals
        return

    def handler(number, frame):
        pressed.set()
        before(number, frame)

    signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _watcher(metrics, epochs, seconds, saver, pressed, verbose):
    """The Keras callback that collects metrics, shows progress and saves."""
    from tqdm.auto import tqdm

    keras = backend.keras()

    class Watcher(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            done = len(metrics.get("loss", []))
            self.bar = tqdm(
                total=epochs,
                initial=done,
                unit="epoch",
                desc="Training",
                leave=False,
                disable=settings.read().headless or not verbose,
                bar_format="{desc} {percentage:3.0f}% |{bar}| {remaining} left",
            )

        def on_epoch_begin(self, epoch, logs=None):
            self.epoch = epoch

        def on_train_batch_end(self, batch, logs=None):
            if pressed.is_set():
                raise KeyboardInterrupt
            # With several steps in one call the last of them may lie behind the end.
            share = min(1, (batch + 1) / self.params["steps"])
            self.bar.update(self.epoch + share - self.bar.n)

        def on_epoch_end(self, epoch, logs=None):
            for key, value in logs.items():
                metrics.setdefault(key, []).append(float(value))
            shown = "  ".join(f"{key} {value:.4f}" for key, value in logs.items())
            if verbose:
                self.bar.write(f"epoch {epoch + 1}/{epochs}  {shown}")
            if not np.isfinite(logs["loss"]):
                raise TrainingError(
                    f"The loss became {logs['loss']} in epoch {epoch + 1}: the steps were too "
                    "large, or a picture holds NaN. Build the model again with a smaller "
                    "learning_rate, for example a tenth."
                )
            if saver:
                saver.save(self.model, metrics, seconds())

        def close(self):
            self.bar.close()

    return Watcher()


@dataclass
class _Saver:
    """A checkpoint file: weights, the optimiser's state and the metrics so far."""

    path: Path
    run: _Run
    metrics: dict[str, list[float]] = field(default_factory=dict)
    seconds: float = 0.0

    def save(self, model, metrics, seconds, **more):
        import h5py

        # One file, moved into place whole: a kill leaves the last epoch's or this one's.
        temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}{_ENDING}")
        try:
            model.save_weights(temporary)
            state = {"run": asdict(self.run), "metrics": metrics, "seconds": seconds, **more}
            with h5py.File(temporary, "a") as file:
                file.attrs["labkit"] = json.dumps(state)
            os.replace(temporary, self.path)
        finally:
            temporary.unlink(missing_ok=True)


def _resume(path, model, run):
    """The saver for ``path``, after loading into ``model`` what is there already."""
    import h5py

    if not path.name.endswith(_ENDING):
        path = path.with_name(path.name + _ENDING)
    path.parent.mkdir(parents=True, exist_ok=True)
    for left_by_a_kill in path.parent.glob(f".{path.name}.*{_ENDING}"):
        left_by_a_kill.unlink()
    if not path.exists():
        return _Saver(path, run)
    try:
        with h5py.File(path) as file:
            state = json.loads(file.attrs["labkit"])
        found, metrics, seconds = state["run"], state["metrics"], state["seconds"]
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise TrainingError(
            f"{path} is not a checkpoint of labkit, or is damaged ({error}). Delete it to start "
            "again, or name another file."
        ) from error
    for key, mine in asdict(run).items():
        # The classic rate is constant, so a longer run goes on where a shorter one ended.
        if found.get(key) != mine and not (key == "epochs" and run.recipe == "classic"):
            raise TrainingError(
                f"{path} belongs to another run: its {key} is {found.get(key)!r}, yours is "
                f"{mine!r}. Delete it to start again, or name another file."
            )
    try:
        model.load_weights(path)
    except (ValueError, OSError, KeyError) as error:
        raise TrainingError(
            f"{path} was saved by another model ({error}). Build the same model, delete the file, "
            "or name another one."
        ) from error
    print(f"Going on after epoch {len(metrics.get('loss', []))}, from {path.name}.")
    return _Saver(path, run, metrics, seconds)
