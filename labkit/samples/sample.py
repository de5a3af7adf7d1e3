"""What a drawing returns."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Sample:
    """Training and test examples of one shipped data set.

    Pictures are ``uint8`` of shape ``(n, height, width, channels)`` with values
    0 to 255 and labels are ``int64`` of shape ``(n,)``. The table has ``float64``
    features of shape ``(n, features)`` and targets of shape ``(n,)``.
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    class_names: tuple[str, ...]
    """The classes in label order; empty for regression."""
    feature_names: tuple[str, ...] = ()
    """The columns of a table; empty for pictures."""
    target_name: str = "label"
