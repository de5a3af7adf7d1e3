"""What Prometheus is told of a study; https://prometheus.io/docs/practices/naming/."""

import threading
import time
from pathlib import Path

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import GaugeMetricFamily

from labkit.sweep import slots
from labkit.sweep.job import find
from labkit.sweep.storage import place

_FRESH = 10  # seconds for which what was read is told again: fifty workers ask one database


def registry(study: str = "study", storage: str | Path | None = None) -> CollectorRegistry:
    """The metrics of a study, read when somebody asks for them, and of this process.

    All workers of a study tell the same of it: take the highest, not the sum.

    Raises:
        SweepError: there is no such study.

    Example:
        >>> start_http_server(9100, registry=registry("clothes"))
    """
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(_Progress(find(study, place(study, storage))))
    return registry


class _Progress:
    """A collector that looks at an Optuna study, at most every ten seconds."""

    def __init__(self, study):
        self._study, self._name = study, study.study_name
        self._reading = threading.Lock()
        self._looked_at, self._seen = None, None

    def collect(self):
        # Whoever asks while a database does not answer is told what was known.
        if self._is_due() and self._reading.acquire(blocking=False):
            try:
                self._seen = slots.count(self._study), self._best()
            except Exception:  # the worker itself says what is wrong
                self._seen = None
            finally:
                self._looked_at = time.monotonic()
                self._reading.release()
        if self._looked_at is None:  # somebody else is just looking for the first time
            return
        seen = self._seen
        yield self._gauge(
            "labkit_sweep_storage_up",
            "Whether the study could be read at the last look: 1 or 0.",
            float(seen is not None),
        )
        if seen is None:
            return
        counts, best = seen
        yield self._gauge(
            "labkit_sweep_trials_asked", "Trials that the study is to have.", counts.slots
        )
        trials = GaugeMetricFamily(
            "labkit_sweep_trials", "Trials by their state.", labels=["study", "state"]
        )
        for state in ("complete", "pruned", "failed", "running"):
            trials.add_metric([self._name, state], getattr(counts, state))
        trials.add_metric([self._name, "waiting"], counts.left - counts.running)
        yield trials
        if best is not None:
            yield self._gauge(
                "labkit_sweep_best_value", "The best validation accuracy so far.", best
            )

    def _is_due(self):
        return self._looked_at is None or time.monotonic() - self._looked_at >= _FRESH

    def _best(self):
        values = (trial.value for trial in slots.results(self._study))
        return max((value for value in values if value is not None), default=None)

    def _gauge(self, name, meaning, value):
        gauge = GaugeMetricFamily(name, meaning, labels=["study"])
        gauge.add_metric([self._name], value)
        return gauge
