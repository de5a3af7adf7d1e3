"""``labkit.stream``: pictures through Kafka.

Send pictures to a topic, tell their classes, collect those to train with. Without a Kafka
anywhere a small one runs in this very process, and the same calls work.
"""

from importlib import import_module

_NAMES = {
    "classify": "labkit.stream.classifying",
    "collect": "labkit.stream.collecting",
    "connect": "labkit.stream.connection",
    "read": "labkit.stream.reading",
    "replay": "labkit.stream.replaying",
    "send": "labkit.stream.sending",
    "watch": "labkit.stream.watching",
}

__all__ = [*_NAMES]


def __getattr__(name):  # PEP 562: load on first use
    if name not in _NAMES:
        raise AttributeError(f"module 'labkit.stream' has no attribute {name!r}")
    globals()[name] = getattr(import_module(_NAMES[name]), name)
    return globals()[name]


def __dir__():
    return sorted(__all__)
