"""What Prometheus is told."""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

_POWERS = [2**i for i in range(11)]
_SECONDS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10]


class Measures:
    """The metrics of one server; https://prometheus.io/docs/practices/naming/."""

    def __init__(self):
        self._registry = registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=registry)
        self.requests = Counter(
            "labkit_requests_total",
            "Requests that were answered.",
            ["route", "method", "status"],
            registry=registry,
        )
        self.seconds = Histogram(
            "labkit_request_seconds",
            "From a request to its answer.",
            ["route"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.predictions = Counter(
            "labkit_predictions_total",
            "Examples that a model has judged.",
            ["model", "version"],
            registry=registry,
        )
        self.examples = Histogram(
            "labkit_request_examples",
            "Examples in a request.",
            ["model"],
            buckets=_POWERS,
            registry=registry,
        )
        self.batch = Histogram(
            "labkit_batch_examples",
            "Examples that the model looked at in one go.",
            ["model"],
            buckets=_POWERS,
            registry=registry,
        )
        self.version = Gauge(
            "labkit_model_version", "The newest version served.", ["model"], registry=registry
        )

    def text(self) -> bytes:
        """All of them, as Prometheus reads them."""
        return generate_latest(self._registry)


def tell(request, served, examples) -> None:
    """Note who answers, and how much, for the metrics and the log; the guard passes it on."""
    request.scope["state"]["told"] |= {
        "model": served.version.name,
        "version": str(served.version.number),
        "examples": len(examples),
    }
