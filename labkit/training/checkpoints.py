"""A checkpoint in a folder or a bucket, in the form that ``fit`` gives it."""

import contextlib
import json
from pathlib import Path

from labkit import settings
from labkit.data.bucket import connect, get_file, is_address, is_local, plainly, put_file
from labkit.errors import TrainingError
from labkit.training.fitting import _ENDING


class Kept:
    """Where a checkpoint is, and the file of this machine that it is read from and written to.

    Args:
        address: a file, or the address of one, such as ``s3://bucket/runs/a``; the name gets the
            ending ``.weights.h5`` when it has another.
        scratch: a folder for the copy of what lies in a bucket.

    Raises:
        TrainingError: there is no such kind of place.
    """

    def __init__(self, address: str | Path, scratch: Path):
        self.address = str(address)
        if not self.address.endswith(_ENDING):
            self.address += _ENDING
        self.file, self._remote = Path(self.address).expanduser(), None
        if is_address(self.address):
            with self._saying("opened"):
                fs, path = connect(self.address)
            if is_local(fs):
                self.file = Path(path)
            else:
                self.file, self._remote = scratch / Path(path).name, (fs, path)

    def fetch(self) -> bool:
        """Bring the file here, and say whether there is one."""
        if self._remote:
            fs, path = self._remote
            with self._saying("read"), contextlib.suppress(FileNotFoundError):
                get_file(fs, path, self.file, lambda file: None)
        return self.file.exists()

    def state(self) -> dict | None:
        """What was saved beside the weights, of a file that was fetched; ``None``: nothing."""
        import h5py

        try:
            with h5py.File(self.file) as file:
                return json.loads(file.attrs["labkit"])
        except (OSError, KeyError, ValueError, TypeError):
            return None

    def send(self) -> None:
        """Put the file where it belongs: whole, or not at all."""
        if self._remote:
            fs, path = self._remote
            with self._saying("written"):
                put_file(fs, self.file, path)

    def _saying(self, what):
        sentence = f"The checkpoint {settings.shown(self.address)} could not be {what}"
        return plainly(
            TrainingError,
            sentence,
            self.address,
            FileNotFoundError,
            then="call the same again: it goes on after the last epoch that was saved.",
        )
