"""Data sets and weights: ``labkit.load`` and the commands behind ``labkit data``."""

from labkit.data.catalogue import CATALOGUE
from labkit.data.dataset import Dataset, Source
from labkit.data.files import read_picture
from labkit.data.folder import from_folder
from labkit.data.load import load, mirror
from labkit.data.pipeline import Augment, batches
from labkit.data.sources import Availability, available, fetch
from labkit.data.weights import (
    BACKBONES,
    WEIGHTS,
    MissingWeights,
    Weights,
    available_weights,
    fetch_weights,
    find_weights,
    imagenet_classes,
    mirror_weights,
)

__all__ = [
    "BACKBONES",
    "CATALOGUE",
    "WEIGHTS",
    "Augment",
    "Availability",
    "Dataset",
    "MissingWeights",
    "Source",
    "Weights",
    "available",
    "available_weights",
    "batches",
    "fetch",
    "fetch_weights",
    "find_weights",
    "from_folder",
    "imagenet_classes",
    "load",
    "mirror",
    "mirror_weights",
    "read_picture",
]
