"""Search spaces: which values a hyperparameter may take.

A space is a plain dictionary, which a sweep draws from and a panel turns into sliders::

    from labkit.space import choice, integers, log_uniform, uniform

    space = {
        "learning_rate": log_uniform(1e-4, 1e-1),
        "units": choice((64,), (128,), (128, 64)),
        "dropout": uniform(0, 0.7),
    }
"""

import inspect
import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from labkit.errors import SpaceError

FIT_OPTIONS = ("epochs", "recipe", "learning_rate", "batch_size")
"""The parameters that go to :func:`labkit.fit`; the others go to the model's builder."""


@dataclass(frozen=True)
class Choice:
    """One of a few values, in no order; see :func:`choice`."""

    values: tuple

    def label(self, value):
        """What stands for a value in tables and storages: itself, or a text for a tuple."""
        return value if isinstance(value, str | int | float | bool | None) else str(value)

    def value(self, label):
        """The value of a label."""
        return next(v for v in self.values if self.label(v) == label)

    def points(self, count: int) -> list:
        """All of them: there is nothing between two values."""
        return list(self.values)


@dataclass(frozen=True)
class Range:
    """The numbers from ``low`` to ``high``, both included; see :func:`uniform`."""

    low: float
    high: float
    log: bool = False
    step: int | None = None
    """The distance of whole numbers; ``None`` for any number between."""

    def label(self, value):
        """What stands for a value in tables and storages: itself."""
        return value

    def value(self, label):
        """The value of a label: itself."""
        return label

    def points(self, count: int) -> list:
        """``count`` values at equal distances, or fewer where whole numbers are fewer.

        Example:
            >>> log_uniform(0.001, 0.1).points(3)
            [0.001, 0.01, 0.1]
        """
        there, back = (math.log, math.exp) if self.log else (float, float)
        low, high = there(self.low), there(self.high)
        at = [back(low + (high - low) * i / max(1, count - 1)) for i in range(count)]
        if self.step:
            at = [self.low + self.step * round((x - self.low) / self.step) for x in at]
            return sorted({min(x, self.high) for x in at})
        # Rounded, because exp(log(0.01)) is 0.010000000000000002.
        return [min(max(float(f"{x:.10g}"), self.low), self.high) for x in at]


Space = Mapping[str, Choice | Range]


def choice(*values) -> Choice:
    """One of ``values``: numbers, texts, ``None``, or tuples such as ``(32, 64)``.

    Raises:
        SpaceError: there are fewer than two different values.

    Example:
        >>> choice("relu", "tanh").values
        ('relu', 'tanh')
    """
    different = []
    for value in values:
        if value not in different:
            different.append(value)
    if len(different) < 2:
        raise SpaceError(
            f"choice{values} leaves nothing to choose. Give at least two different values, "
            'separated by commas: choice("relu", "tanh").'
        )
    return Choice(tuple(different))


def uniform(low: float, high: float) -> Range:
    """Any number from ``low`` to ``high``, each as likely as the others.

    Raises:
        SpaceError: ``low`` is not below ``high``, or one of them is not a finite number.

    Example:
        >>> uniform(0, 0.7)
        Range(low=0.0, high=0.7, log=False, step=None)
    """
    _check("uniform", low, high)
    return Range(float(low), float(high))


def log_uniform(low: float, high: float) -> Range:
    """Any number from ``low`` to ``high``, each order of magnitude as likely as the others.

    This suits learning rates: 0.001 and 0.002 differ as much as 0.1 and 0.2 do (Bergstra and
    Bengio, 2012, https://jmlr.org/papers/v13/bergstra12a.html).

    Raises:
        SpaceError: as for :func:`uniform`, or ``low`` is not above 0.
    """
    _check("log_uniform", low, high)
    if low <= 0:
        raise SpaceError(
            f"log_uniform({low}, {high}) has no logarithm at its low end. Give a number above 0, "
            "or use uniform."
        )
    return Range(float(low), float(high), log=True)


def integers(low: int, high: int, *, step: int = 1) -> Range:
    """Whole numbers from ``low`` to ``high``, both included, ``step`` apart.

    Raises:
        SpaceError: as for :func:`uniform`, or they are not whole numbers.

    Example:
        >>> integers(16, 64, step=16).points(9)
        [16, 32, 48, 64]
    """
    _check("integers", low, high)
    if any(x != int(x) for x in (low, high, step)) or step < 1 or (high - low) % step:
        raise SpaceError(
            f"integers({low}, {high}, step={step}) does not go from one whole number to the other "
            "in whole steps. Give whole numbers whose distance is a multiple of step."
        )
    return Range(int(low), int(high), step=int(step))


def grid(space: Space, points: int = 3) -> list[dict]:
    """Every combination of a few values of each parameter.

    Args:
        space: the search space.
        points: how many values of each range; a choice has all of its own.

    Returns:
        A list of dictionaries, the last parameter changing fastest.

    Example:
        >>> grid({"units": choice(8, 16), "dropout": uniform(0, 1)}, points=2)
        [{'units': 8, 'dropout': 0.0}, {'units': 8, 'dropout': 1.0}, {'units': 16, ...}, ...]
    """
    values = [one.points(points) for one in space.values()]
    return [dict(zip(space, row, strict=True)) for row in itertools.product(*values)]


def suggest(trial, space: Space) -> dict:
    """The parameters that an Optuna trial draws from the space, as a builder takes them."""
    params = {}
    for name, one in space.items():
        if isinstance(one, Choice):
            label = trial.suggest_categorical(name, [one.label(value) for value in one.values])
        elif one.step:
            label = trial.suggest_int(name, one.low, one.high, step=one.step)
        else:
            label = trial.suggest_float(name, one.low, one.high, log=one.log)
        params[name] = one.value(label)
    return params


def values(space: Space, labels: Mapping) -> dict:
    """Parameters as a builder takes them, from those that a storage holds.

    Example:
        >>> values({"units": choice((8,), (16,))}, {"units": "(8,)"})
        {'units': (8,)}
    """
    return {name: space[name].value(label) for name, label in labels.items()}


def text(value) -> str:
    """A value for people.

    Example:
        >>> text(0.0059275736)
        '0.005928'
    """
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def split(params: Mapping) -> tuple[dict, dict]:
    """Parameters apart: those of the model's builder, and those of :func:`labkit.fit`.

    Example:
        >>> split({"units": (64,), "learning_rate": 0.01})
        ({'units': (64,)}, {'learning_rate': 0.01})
    """
    to_fit = {name: value for name, value in params.items() if name in FIT_OPTIONS}
    return {name: value for name, value in params.items() if name not in FIT_OPTIONS}, to_fit


def check(space: Space, build: Callable) -> None:
    """Raise unless ``space`` is one that ``build`` and :func:`labkit.fit` can take.

    Raises:
        SpaceError: the space is empty, holds something else than :func:`choice` and its
            sisters make, or names a parameter that neither takes.
    """
    if not isinstance(space, Mapping) or not space:
        raise SpaceError(
            "The search space is empty. Give a dictionary of at least one parameter, such as "
            '{"learning_rate": log_uniform(1e-4, 1e-1)}.'
        )
    takes = inspect.signature(build).parameters.values()
    names = [p.name for p in takes if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)][1:]
    anything = any(p.kind is p.VAR_KEYWORD for p in takes)
    for name, one in space.items():
        if not isinstance(one, Choice | Range):
            raise SpaceError(
                f"{name!r} is {one!r} in the search space. Say which values it may take with "
                "choice, uniform, log_uniform or integers of labkit.space."
            )
        if not anything and name not in names and name not in FIT_OPTIONS:
            own = ", ".join(n for n in names if n != "seed") or "nothing but data"
            raise SpaceError(
                f"Nothing takes {name!r}: {getattr(build, '__name__', build)} takes {own}, and "
                f"training takes {', '.join(FIT_OPTIONS)}. Rename it, or add it to the builder."
            )


def takes_seed(build: Callable) -> bool:
    """Whether a builder has a parameter "seed"."""
    takes = inspect.signature(build).parameters
    return "seed" in takes or any(p.kind is p.VAR_KEYWORD for p in takes.values())


def call(build: Callable, data, params: Mapping, seed: int):
    """``build(data, **params)``, with the seed where the builder takes one."""
    return build(data, **({"seed": seed} if takes_seed(build) else {}) | dict(params))


def _check(kind, low, high):
    numbers = all(isinstance(x, int | float) and not isinstance(x, bool) for x in (low, high))
    if not numbers or not all(map(math.isfinite, (low, high))) or low >= high:
        raise SpaceError(
            f"{kind}({low!r}, {high!r}) is no range. Give two numbers, the smaller one first."
        )
