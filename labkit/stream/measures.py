"""What Prometheus is told of a stream; https://prometheus.io/docs/practices/naming/."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

_SECONDS = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300]


class Measures:
    """The metrics of one consumer. The rate of a counter is what there is per second."""

    def __init__(self):
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.pictures = Counter(
            "labkit_stream_pictures_total", "Messages that were read.", ["topic"], registry=registry
        )
        self.dead_letters = Counter(
            "labkit_stream_dead_letters_total",
            "Messages that could not be used.",
            ["topic", "reason"],
            registry=registry,
        )
        self.lag = Gauge(
            "labkit_stream_lag",
            "Messages that are still to be read.",
            ["topic", "partition"],
            registry=registry,
        )
        self.batch = Histogram(
            "labkit_stream_batch_seconds",
            "From the messages of a batch to its commit.",
            ["topic"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.latency = Histogram(
            "labkit_stream_latency_seconds",
            "From a picture's sending to its answer.",
            ["topic"],
            buckets=_SECONDS,
            registry=registry,
        )
