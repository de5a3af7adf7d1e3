"""``labkit.widgets``: panels to play with in a notebook.

Each is a thin view over plain functions, and loads when it is first used.
"""

from importlib import import_module

_NAMES = {
    "convolution_viewer": "labkit.widgets.convolution_view",
    "draw_digit": "labkit.widgets.draw",
    "playground": "labkit.widgets.playground_view",
    "quiz": "labkit.widgets.quiz_view",
    "slider": "labkit.widgets.slider_view",
    "tuner": "labkit.widgets.tuner_view",
}

__all__ = [*_NAMES]


def __getattr__(name):  # PEP 562: load on first use
    if name not in _NAMES:
        raise AttributeError(f"module 'labkit.widgets' has no attribute {name!r}")
    globals()[name] = getattr(import_module(_NAMES[name]), name)
    return globals()[name]


def __dir__():
    return sorted(__all__)
