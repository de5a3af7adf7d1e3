"""labkit: the helper library of AI 101.

Three nouns carry every lab::

    data = labkit.load("mnist")
    model = labkit.models.cnn(data)
    history = labkit.fit(model, data, epochs=5)

Importing it takes a fraction of a second: the names below load when they are
first used. Two things happen at once. The thread pools of TensorFlow and NumPy
are told how many cores this container may use, because they read that only when
they start. And the functions ``check``, ``doctor``, ``serve`` and ``sweep`` take the names of their
modules, which would otherwise depend on what was imported first.
"""

from importlib import import_module

from labkit import machine
from labkit.check import check, progress
from labkit.doctor import doctor
from labkit.errors import LabError
from labkit.serve import serve
from labkit.sweep import sweep

_NAMES = {
    "load": "labkit.data",
    "fit": "labkit.training",
    "fit_parallel": "labkit.training",
    "load_study": "labkit.sweep",
    "show_source": "labkit.source",
}
_MODULES = (
    *("data", "models", "notebooks", "plot", "samples", "settings", "space", "store", "stream"),
    *("training", "widgets"),
)

__all__ = [
    "LabError",
    "__version__",
    "check",
    "doctor",
    "keras",
    "progress",
    "serve",
    "sweep",
    *_NAMES,
    *_MODULES,
]

machine.limit_threads()


def __getattr__(name):  # PEP 562: load on first use
    if name == "keras":
        value = import_module("labkit.backend").keras()
    elif name == "__version__":
        value = import_module("importlib.metadata").version("labkit")
    elif name in _NAMES:
        value = getattr(import_module(_NAMES[name]), name)
    elif name in _MODULES:
        value = import_module(f"labkit.{name}")
    else:
        raise AttributeError(f"module 'labkit' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__():
    return sorted(__all__)
