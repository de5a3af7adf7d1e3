"""Data sets: ``labkit.load`` and the commands behind ``labkit data``."""

from labkit.data.catalogue import CATALOGUE
from labkit.data.dataset import Dataset, Source
from labkit.data.files import read_picture
from labkit.data.folder import from_folder
from labkit.data.load import load, mirror
from labkit.data.pipeline import Augment, batches
from labkit.data.sources import Availability, available, fetch

__all__ = [
    "CATALOGUE",
    "Augment",
    "Availability",
    "Dataset",
    "Source",
    "available",
    "batches",
    "fetch",
    "from_folder",
    "load",
    "mirror",
    "read_picture",
]
