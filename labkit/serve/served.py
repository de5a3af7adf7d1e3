"""One version of a model, ready to answer requests."""

from collections.abc import Callable
from concurrent.futures import Executor

import numpy as np

from labkit.errors import ServeError
from labkit.serve import protocol
from labkit.serve.batching import Batcher
from labkit.serve.limits import Limits
from labkit.serve.predictor import Predictor
from labkit.store import Version


class Served(Predictor):
    """A version whose requests are answered in batches.

    Args:
        version: from the store.
        executor: where it computes.
        limits: see there.
        seen: is told how many examples a batch had.

    Raises:
        ServeError: the file is no model, or one that cannot be served.
        StoreError: the file is not the one that was saved.
    """

    def __init__(
        self, version: Version, executor: Executor, limits: Limits, seen: Callable[[int], None]
    ):
        super().__init__(version)
        self.limits = limits
        self._batcher = Batcher(self.run, executor, limits, seen)

    def examples(self, values) -> np.ndarray:
        """What came in, as the model takes it; see :func:`labkit.serve.protocol.examples`.

        Raises:
            ServeError: it does not fit.
        """
        most = self.limits.examples
        return protocol.examples(values, shape=self.shape, dtype=self.dtype, most=most)

    async def ask(self, examples: np.ndarray) -> dict[str, np.ndarray]:
        """What the model says, by output.

        Raises:
            ServeError: it could not answer, or not in time, or not in finite numbers.
        """
        said = await self._batcher(examples)
        if not all(np.isfinite(one).all() for one in said if one.dtype.kind == "f"):
            raise ServeError(
                "What the model computes of this is larger than its numbers can be. Send smaller "
                "numbers."
            )
        return {output["name"]: one for output, one in zip(self.outputs, said, strict=True)}

    async def probabilities(self, examples: np.ndarray) -> np.ndarray:
        """Of a classifier: ``(n, classes)``, each row adding up to 1.

        Raises:
            ServeError: as :meth:`ask`.
        """
        return self.probabilities_of([*(await self.ask(examples)).values()])
