"""The models of the labs, by name: trained and put into the store with one call."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from labkit import models, store
from labkit.data import Dataset, load
from labkit.errors import LabError
from labkit.training import fit
from labkit.training.shares import check_says_all


@dataclass(frozen=True)
class Recipe:
    """How a model is made."""

    data: str
    """The name of a data set."""
    build: Callable | None = None
    """A builder of :mod:`labkit.models`; ``None``: linear regression."""
    epochs: int = 1


RECIPES = {
    "linear-regression": Recipe("linear_regression"),
    "mnist-softmax": Recipe("mnist", models.softmax_regression, 6),
    "mnist-cnn": Recipe("mnist", models.cnn, 5),
    "fashion-mnist": Recipe("fashion_mnist", models.cnn_bn, 4),
    "cifar10": Recipe("cifar10", models.cnn_bn, 6),
    "cats-and-dogs": Recipe("cats_and_dogs", models.cnn_bn, 20),
    "plant-seedlings": Recipe("plant_seedlings", models.cnn_bn, 20),
}
"""The models that :func:`train` knows."""


def train(name: str, *, url: str | Path | None = None) -> store.Version:
    """Train one of the workshop's models on the data that is here, and save it.

    Args:
        name: one of :data:`RECIPES`.
        url: the store; ``None``: the setting LABKIT_STORE.

    Returns:
        The new version. Its metrics were read on the test part of the data; when that is the
        sample, the version says so.

    Raises:
        LabError: the name is unknown, or the data, the training or the store fails.

    Example:
        >>> zoo.train("mnist-cnn")
        mnist-cnn/1  keras, 2026-11-20T10:15  accuracy 0.993
    """
    if name not in RECIPES:
        raise LabError(
            f"There is no recipe for a model {name!r}. Those that can be trained by name: "
            f"{', '.join(RECIPES)}."
        )
    recipe = RECIPES[name]
    data = load(recipe.data)
    if recipe.build is None:
        from sklearn.linear_model import LinearRegression

        model = LinearRegression().fit(data.x_train, data.y_train)
        metrics = {"r2": model.score(data.x_test, data.y_test)}
    else:
        model = recipe.build(data)
        history = fit(model, data, epochs=recipe.epochs, recipe="fast", validation=0)
        if history.interrupted:
            raise KeyboardInterrupt  # half a training is nothing to save
        metrics = _judged(model, data)
    return store.save(model, name, data=data, metrics=metrics, url=url)


def _judged(model, data: Dataset) -> dict[str, float]:
    said = models.probabilities(model, data.x_test).argmax(axis=1)
    examples, answers = (
        np.bincount(part, minlength=data.num_classes) for part in (data.y_test, said)
    )
    check_says_all(data.class_names, examples, answers)
    by_class = [np.mean(said[data.y_test == label] == label) for label in np.unique(data.y_test)]
    return {
        "accuracy": float(np.mean(said == data.y_test)),
        "balanced accuracy": float(np.mean(by_class)),
    }
