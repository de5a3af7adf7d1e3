"""Who trains on what: shares of the data, and each worker's part of a step."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from labkit.data.dataset import Dataset
from labkit.errors import TrainingError


@dataclass(frozen=True)
class Share:
    """What one worker trains on.

    Example:
        >>> history.shares[0]
        Share(worker=0, source='mnist, folder: /data/0', examples=900, held_back=100, by_class={…})
    """

    worker: int
    source: str
    """Where it came from."""
    examples: int
    """How many are trained on."""
    held_back: int
    """How many measure progress."""
    by_class: dict[str, int]
    """How many of the examples each class has."""


def share_out(data: Dataset, workers: int, *, seed: int = 42) -> tuple[Dataset, ...]:
    """Equal shares of a data set, one for each worker: shuffled, then dealt out.

    Args:
        data: a :class:`labkit.data.Dataset`.
        workers: how many shares.
        seed: of the shuffle.

    Returns:
        Data sets whose training and test parts are those of ``data`` when put together. Their
        sizes differ by one at most.

    Raises:
        TrainingError: there are fewer examples than workers.

    Example:
        >>> [len(share.x_train) for share in share_out(data, 2)]
        [30000, 30000]
    """
    return tuple(share_of(data, worker, workers, seed=seed) for worker in range(workers))


def share_of(data: Dataset, worker: int, workers: int, *, seed: int) -> Dataset:
    """The share of one worker, as :func:`share_out` deals them out."""
    if len(data.x_train) < workers:
        raise TrainingError(
            f"{data.name} has {len(data.x_train)} training examples for {workers} workers. Use "
            "more data, or fewer workers."
        )

    def dealt(count):
        return np.sort(np.random.default_rng(seed).permutation(count)[worker::workers])

    train, test = dealt(len(data.x_train)), dealt(len(data.x_test))
    return replace(
        data,
        x_train=data.x_train[train],
        y_train=data.y_train[train],
        x_test=data.x_test[test],
        y_test=data.y_test[test],
    )


def describe(worker: int, data: Dataset, y_train, y_held_back) -> Share:
    """What is to be said of a share, after some of it was held back."""
    counts = np.bincount(y_train, minlength=data.num_classes)
    return Share(
        worker=worker,
        source=f"{data.name}, {data.source.kind}: {data.source.where}",
        examples=len(y_train),
        held_back=len(y_held_back),
        by_class=dict(zip(data.class_names, counts.tolist(), strict=True)),
    )


def table(shares: Sequence[Share]):
    """A pandas DataFrame with a row a worker, a column a class, and the sum of all."""
    import pandas as pd

    rows = [
        {"source": s.source, "examples": s.examples, "held back": s.held_back, **s.by_class}
        for s in shares
    ]
    found = pd.DataFrame(rows, index=pd.Index([s.worker for s in shares], name="worker"))
    found.loc["all"] = found.drop(columns="source").sum()
    return found.fillna({"source": ""}).astype({c: int for c in found.columns if c != "source"})


def text(shares: Sequence[Share]) -> str:
    """The table in plain letters; of many classes, the rarest and the most frequent one."""
    heads = ["worker", "source", "examples", "held back"]
    names = list(shares[0].by_class)
    if len(names) > _COLUMNS:
        heads += ["fewest", "most"]
    else:
        heads += names

    def row(worker, source, examples, held_back, by_class):
        counts = list(by_class.values())
        if len(counts) > _COLUMNS:
            ranked = sorted(by_class, key=by_class.get)
            counts = [f"{by_class[c]} {c}" for c in (ranked[0], ranked[-1])]
        return [str(cell) for cell in (worker, source, examples, held_back, *counts)]

    rows = [row(s.worker, s.source, s.examples, s.held_back, s.by_class) for s in shares]
    sums = {name: sum(s.by_class[name] for s in shares) for name in names}
    examples, held_back = (sum(getattr(s, k) for s in shares) for k in ("examples", "held_back"))
    rows.append(row("all", "", examples, held_back, sums))
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i == 1 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in (heads, *rows)
    )


_COLUMNS = 12  # classes that fit beside each other


def check_alike(said: Sequence[dict]) -> tuple[str, ...]:
    """The classes of all shares together.

    Args:
        said: what each worker says of its share: "shape" and "classes".

    Raises:
        TrainingError: the pictures have different shapes, or a share has classes of its own.
    """
    shapes = [tuple(s["shape"]) for s in said]
    classes = max((tuple(s["classes"]) for s in said), key=len)
    for worker, (shape, one) in enumerate(zip(shapes, said, strict=True)):
        if shape != shapes[0]:
            raise TrainingError(
                f"The share of worker {worker} has examples of shape {shape}, and that of worker "
                f"0 of {shapes[0]}. Give all the same image_size."
            )
        if other := set(one["classes"]) - set(classes):
            raise TrainingError(
                f"The share of worker {worker} has a class {min(other)!r}, which is not among "
                f"those of the share with most classes: {', '.join(classes)}. Check the names of "
                "the folders; one share has to have all classes."
            )
        if not one["classes"]:
            raise TrainingError(
                "The data has no classes. fit_parallel trains classifiers; use labkit.fit."
            )
    return classes


def in_classes(data: Dataset, classes: tuple[str, ...]) -> Dataset:
    """The same data with the labels of ``classes``, some of which it may not have."""
    if data.class_names == classes:
        return data
    new = np.array([classes.index(name) for name in data.class_names], np.int64)
    return replace(data, class_names=classes, y_train=new[data.y_train], y_test=new[data.y_test])


def check_says_all(class_names: Sequence[str], examples, answers) -> None:
    """Refuse a model that never gives one of the classes that it was tested on.

    Args:
        class_names: of all classes.
        examples: how many test examples each class has, shape ``(classes,)``.
        answers: how often the model gave each class, shape ``(classes,)``.

    Raises:
        TrainingError: there are examples of a class that was never the answer.
    """
    counts = zip(class_names, examples, answers, strict=True)
    missing = [name for name, of, said in counts if of and not said]
    if missing:
        raise TrainingError(
            f"The model never says {', '.join(missing)}: too little learned, and it is not saved. "
            "Train it for more epochs, or on more data."
        )


def balanced(shares: Sequence[Share]) -> np.ndarray:
    """A weight for each class, so that all classes count the same over all workers together.

    As scikit-learn's ``class_weight="balanced"``: examples / (classes × examples of the class).
    A class without examples has the weight 0.
    """
    counts = np.sum([list(s.by_class.values()) for s in shares], axis=0, dtype=float)
    present = counts > 0
    weights = np.zeros(len(counts))
    weights[present] = counts.sum() / (present.sum() * counts[present])
    return weights


@dataclass(frozen=True)
class Plan:
    """Which part of each step is whose.

    A step's examples are taken from all shares, from each in proportion to its size. So every
    step mixes all shares, all workers end an epoch together, and each example is shown once.
    """

    sizes: tuple[int, ...]
    """The examples of each worker."""
    batch_size: int
    """The examples of a step, of all workers together, at most."""

    @property
    def steps(self) -> int:
        """Of an epoch."""
        return -(-sum(self.sizes) // self.batch_size)

    def bounds(self, worker: int) -> np.ndarray:
        """Where a worker's parts begin and end in its order of an epoch: ``(steps + 1,)``."""
        return np.arange(self.steps + 1) * self.sizes[worker] // self.steps

    def totals(self) -> np.ndarray:
        """How many examples each step has: ``(steps,)``."""
        return sum(np.diff(self.bounds(worker)) for worker in range(len(self.sizes)))

    def order(self, worker: int, *, seed: int, epoch: int) -> np.ndarray:
        """The order in which a worker shows its examples; it follows from the arguments alone."""
        return np.random.default_rng([seed, epoch, worker]).permutation(self.sizes[worker])
