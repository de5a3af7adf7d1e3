"""Requests that come at the same time, answered together."""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor

import numpy as np

from labkit.errors import ServeError
from labkit.serve.limits import Limits


class Batcher:
    """Collects what comes in while the model is busy, and shows it to the model in one go.

    Nobody waits for a batch to fill: a request that finds the model free is answered at once,
    and the more of them come, the larger the batches get (adaptive batching; Crankshaw et al.,
    2017, "Clipper: A Low-Latency Online Prediction Serving System",
    https://arxiv.org/abs/1612.03079).

    Args:
        run: examples in, one array for each output of the model out.
        executor: where ``run`` runs.
        limits: how many examples a batch has, how many may wait, and for how long.
        seen: is told how many examples a batch had.
    """

    def __init__(
        self,
        run: Callable[[np.ndarray], list[np.ndarray]],
        executor: Executor,
        limits: Limits,
        seen: Callable[[int], None],
    ):
        self._run, self._executor, self._limits, self._seen = run, executor, limits, seen
        self._queue: deque[tuple[np.ndarray, asyncio.Future]] = deque()
        self._waiting = 0
        self._worker: asyncio.Task | None = None

    async def __call__(self, examples: np.ndarray) -> list[np.ndarray]:
        """What the model says of examples.

        Raises:
            ServeError: too many wait already (429), or it took too long (503).
        """
        if self._waiting + len(examples) > self._limits.waiting:
            raise ServeError("Too many examples wait for this model. Try again in a second.", 429)
        size = self._limits.batch
        parts = [examples[i : i + size] for i in range(0, len(examples), size)]
        answers = [asyncio.get_running_loop().create_future() for _ in parts]
        self._queue.extend(zip(parts, answers, strict=True))
        self._waiting += len(examples)
        if self._worker is None:
            self._worker = asyncio.create_task(self._work())
        try:
            async with asyncio.timeout(self._limits.seconds):
                said = [await answer for answer in answers]
        except TimeoutError as error:
            raise ServeError(
                f"The model did not answer within {self._limits.seconds:g} seconds, because it has "
                "much to do. Try again later, or send fewer examples.",
                503,
            ) from error
        finally:
            for answer in answers:
                # What nobody waits for is not computed, and its error not reported.
                if not answer.cancel() and not answer.cancelled():
                    answer.exception()
        if len(said) == 1:
            return said[0]
        return [np.concatenate(output) for output in zip(*said, strict=True)]

    async def _work(self):
        while self._queue:
            batch = self._next()
            if not batch:
                continue
            try:
                await self._answer(batch)
            except Exception:  # nobody fails because of somebody else's numbers
                for one in batch:
                    await self._answer_alone(one)
        self._worker = None

    async def _answer(self, batch):
        parts = [part for part, _ in batch]
        together = parts[0] if len(parts) == 1 else np.concatenate(parts)
        self._seen(len(together))
        loop = asyncio.get_running_loop()
        said = await loop.run_in_executor(self._executor, self._run, together)
        at = 0
        for part, answer in batch:
            if not answer.done():
                answer.set_result([output[at : at + len(part)] for output in said])
            at += len(part)

    async def _answer_alone(self, one):
        try:
            await self._answer([one])
        except Exception as error:  # the runtime's own; whoever asked is told
            if not one[1].done():
                one[1].set_exception(_failed(error))

    def _next(self):
        """What is next in the queue, up to a batch, without what nobody waits for any more."""
        batch, room = [], self._limits.batch
        while self._queue and len(self._queue[0][0]) <= room:
            part, answer = self._queue.popleft()
            self._waiting -= len(part)
            if not answer.done():
                batch.append((part, answer))
                room -= len(part)
        return batch


def _failed(error):
    first = (str(error).splitlines() or [type(error).__name__])[0]
    return ServeError(f"The model could not compute this: {first.rstrip('.')}.")
