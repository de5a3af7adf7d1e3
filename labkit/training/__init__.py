"""Training: ``fit`` in one process, ``fit_parallel`` in several."""

from labkit.training.fitting import RECIPES, History, fit, split
from labkit.training.parallel import ParallelHistory, fit_parallel
from labkit.training.shares import Share, share_out

__all__ = [
    "RECIPES",
    "History",
    "ParallelHistory",
    "Share",
    "fit",
    "fit_parallel",
    "share_out",
    "split",
]
