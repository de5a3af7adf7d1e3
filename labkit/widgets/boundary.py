"""A small network learns to tell points of a plane apart, one epoch at a time."""

from dataclasses import dataclass, field

import numpy as np

from labkit.errors import LabError

KINDS = ("circles", "moons", "spiral", "blobs")
ACTIVATIONS = ("relu", "tanh", "logistic")


def points(kind: str, *, count: int = 200, noise: float = 0.1, seed: int = 0):
    """Points of two classes in a plane, about 1 away from the middle.

    Args:
        kind: "circles" (one inside the other), "moons", "spiral" or "blobs".
        count: how many.
        noise: how far they lie beside their line, as a standard deviation; for blobs, how
            much wider than 0.2 they are.
        seed: which points.

    Returns:
        ``x`` of shape ``(count, 2)``, ``y`` of shape ``(count,)`` with 0 and 1.

    Raises:
        LabError: there is no such kind.

    Example:
        >>> x, y = points("moons", noise=0.2)
    """
    from sklearn import datasets

    if kind == "circles":
        x, y = datasets.make_circles(count, noise=noise, factor=0.45, random_state=seed)
    elif kind == "moons":
        x, y = datasets.make_moons(count, noise=noise, random_state=seed)
        x = (x - [0.5, 0.25]) / 1.2
    elif kind == "spiral":
        random = np.random.default_rng(seed)
        y = np.arange(count) % 2
        turn = np.sqrt(random.uniform(0.02, 1, count))
        angle = 3 * np.pi * turn + np.pi * y
        x = np.stack([turn * np.cos(angle), turn * np.sin(angle)], axis=1)
        x += random.normal(0, noise / 3, x.shape)
    elif kind == "blobs":
        x, y = datasets.make_blobs(
            count, centers=[(-0.6, -0.4), (0.6, 0.4)], cluster_std=0.2 + noise, random_state=seed
        )
    else:
        raise LabError(f"There are no points {kind!r}. Use one of: {', '.join(KINDS)}.")
    return x, y


@dataclass
class Playground:
    """Points, a network, and how far its training has come.

    The network is scikit-learn's ``MLPClassifier``.

    Example:
        >>> game = Playground("spiral", hidden=(16, 16))
        >>> for _ in range(100):
        ...     game.step()
        >>> game.accuracy
        0.93
    """

    kind: str = "circles"
    noise: float = 0.1
    hidden: tuple[int, ...] = (4, 4)
    """The neurons of each hidden layer."""
    activation: str = "tanh"
    learning_rate: float = 0.03
    regularisation: float = 0.0
    """How strongly large weights are punished (L2)."""
    seed: int = 0
    losses: list[float] = field(default_factory=list)
    """The loss after each epoch."""

    def __post_init__(self):
        from sklearn.neural_network import MLPClassifier

        if self.activation not in ACTIVATIONS:
            raise LabError(
                f"There is no activation {self.activation!r}. Use one of: {', '.join(ACTIVATIONS)}."
            )
        if self.learning_rate <= 0 or not self.hidden or min(self.hidden) < 1:
            raise LabError("The learning rate and the number of neurons have to be above 0.")
        self.x, self.y = points(self.kind, noise=self.noise, seed=self.seed)
        self.model = MLPClassifier(
            self.hidden,
            activation=self.activation,
            learning_rate_init=self.learning_rate,
            alpha=self.regularisation,
            batch_size=20,
            random_state=self.seed,
        )

    def step(self) -> float:
        """Train one epoch; the loss after it."""
        self.model.partial_fit(self.x, self.y, classes=[0, 1])
        self.losses.append(float(self.model.loss_))
        return self.losses[-1]

    @property
    def accuracy(self) -> float:
        """The share of the points that are on the right side; 0 before the first step."""
        return float(self.model.score(self.x, self.y)) if self.losses else 0.0

    def boundary(self, size: int = 60, extent: float = 1.5) -> np.ndarray:
        """What the network says of every place: the probability of class 1.

        Returns:
            ``(size, size)``; the first row is the top, ``extent`` above the middle. 0.5
            everywhere before the first step.
        """
        if not self.losses:
            return np.full((size, size), 0.5)
        axis = np.linspace(-extent, extent, size)
        across, up = np.meshgrid(axis, axis[::-1])
        places = np.stack([across.ravel(), up.ravel()], axis=1)
        return self.model.predict_proba(places)[:, 1].reshape(size, size)
