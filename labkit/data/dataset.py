"""What ``labkit.load`` returns: the first of the three nouns."""

from dataclasses import dataclass

import numpy as np

from labkit.errors import DataError


@dataclass(frozen=True)
class Source:
    """Where a data set came from."""

    kind: str
    """"folder", "bucket", "mirror", "keras cache", "download" or "sample"."""
    where: str
    """The path or address, without a user or password."""
    verified: bool = False
    """Whether a SHA-256 that we hold, or that lies beside the file, agreed."""


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Training and test examples, with what a learner wants to know about them.

    Pictures are ``uint8`` of shape ``(n, height, width, channels)`` with values
    0 to 255 and labels are ``int64`` of shape ``(n,)``. A table has ``float64``
    features of shape ``(n, features)`` and targets of shape ``(n,)``.

    Example:
        >>> data = labkit.load("mnist")
        >>> data.x_train.shape[1:], data.num_classes
        ((28, 28, 1), 10)
    """

    name: str
    title: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    source: Source
    class_names: tuple[str, ...] = ()
    """The classes in label order; empty for regression."""
    feature_names: tuple[str, ...] = ()
    """The columns of a table; empty for pictures."""
    target_name: str = "label"
    skipped: tuple[str, ...] = ()
    """The files that were left out, each with its path and the reason."""

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one example."""
        return self.x_train.shape[1:]

    @property
    def num_classes(self) -> int:
        """How many classes there are; 0 for regression."""
        return len(self.class_names)

    @property
    def is_sample(self) -> bool:
        """Whether this is the shipped stand-in rather than the real data."""
        return self.source.kind == "sample"

    def frame(self):
        """A table as a pandas DataFrame: the training rows, then the test rows.

        Returns:
            A DataFrame with one column a feature and the target as the last.

        Raises:
            DataError: the data set holds pictures.

        Example:
            >>> list(labkit.load("linear_regression").frame())
            ['var_1', 'var_2', 'var_3', 'var_4', 'var_5', 'output']
        """
        if not self.feature_names:
            raise DataError(f"{self.name} holds pictures, not a table. Use data.x_train instead.")
        import pandas as pd

        table = pd.DataFrame(
            np.concatenate([self.x_train, self.x_test]), columns=list(self.feature_names)
        )
        table[self.target_name] = np.concatenate([self.y_train, self.y_test])
        return table

    def __repr__(self):
        kind = "rows" if self.feature_names else "pictures"
        shape = " × ".join(map(str, self.input_shape))
        unit = "features" if self.feature_names else "values 0 to 255"
        lines = [
            self.title,
            f"  training  {len(self.x_train):,} {kind} of {shape} ({self.x_train.dtype}, {unit})",
            f"  test      {len(self.x_test):,} {kind}",
        ]
        if self.class_names:
            lines.append(f"  classes   {self.num_classes}: {', '.join(self.class_names)}")
        else:
            lines.append(f"  columns   {', '.join(self.feature_names)} → {self.target_name}")
        checked = "SHA-256 verified" if self.source.verified else "no checksum to compare with"
        lines.append(
            "  source    SAMPLE DATA drawn by labkit, not the real thing"
            if self.is_sample
            else f"  source    {self.source.kind}: {self.source.where} ({checked})"
        )
        if self.skipped:
            lines.append(f"  left out  {len(self.skipped):,}, listed in data.skipped")
        return "\n".join(lines)
