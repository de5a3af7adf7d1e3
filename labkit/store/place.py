"""A folder or a bucket: what the store asks of it, and what goes wrong there in plain words."""

import contextlib
import os
import re
import uuid
from pathlib import Path

from labkit import settings
from labkit.data.bucket import bytes_bar, connect, get_file, is_local, plainly, put_file
from labkit.data.download import sha256, write_atomically
from labkit.errors import StoreError

_NUMBER = re.compile(r"0*([1-9][0-9]{0,8})\.json$")
_LARGEST = 1 << 20  # bytes of a manifest; more than that is not one


class DamagedManifest(StoreError):
    """What should describe a version is not what a save has written."""


class Place:
    """Where models are kept.

    Args:
        url: a folder, or an address that fsspec knows, such as ``s3://bucket/prefix`` or
            ``memory://models``; ``None``: the setting LABKIT_STORE.
    """

    def __init__(self, url: str | Path | None = None):
        self.url = str(url or settings.read().store)
        with self._saying("opened"):
            self.fs, self.root = connect(self.url)
        self.is_local = is_local(self.fs)

    def names(self) -> list[str]:
        """The folders directly below the root."""
        return sorted(Path(entry).name for entry in self._list("", "directory"))

    def numbers(self, name: str) -> list[int]:
        """Which manifests a model has, in rising order."""
        found = (_NUMBER.fullmatch(Path(entry).name) for entry in self._list(name, "file"))
        return sorted(int(match[1]) for match in found if match)

    def read(self, path: str, most: int = _LARGEST) -> bytes:
        """A small file: of ``most`` bytes.

        Raises:
            FileNotFoundError: there is none.
            DamagedManifest: it is larger than a small file is.
            StoreError: it cannot be read.
        """
        passing = self._saying("read", FileNotFoundError)
        with passing, self.fs.open(self._at(path), "rb") as file:
            content = file.read(most + 1)
        if len(content) > most:
            raise DamagedManifest(
                f"{path} in {self._shown} is no manifest of a model: it is too large. Save the "
                "model again."
            )
        return content

    def create(self, path: str, content: bytes) -> None:
        """Write a small file, whole or not at all, unless it is there.

        Raises:
            FileExistsError: it is there.
            StoreError: it cannot be written.
        """
        with self._saying("written", FileExistsError):
            if not self.is_local:
                return self._create_remotely(path, content)
            target = Path(self._at(path))
            complete = target.with_name(f".{uuid.uuid4().hex}.tmp")
            write_atomically(complete, lambda file: file.write(content))
            try:
                os.link(complete, target)
            finally:
                complete.unlink()

    def put(self, source: Path, path: str) -> None:
        """Copy a file to ``path``."""
        with self._saying("written"), bytes_bar(f"Saving {source.name}") as callback:
            put_file(self.fs, source, self._at(path), callback)

    def get(self, path: str, digest: str) -> Path:
        """A file with this SHA-256, on this machine: where it lies, or a copy in the cache.

        Raises:
            StoreError: it is gone, or another one than was saved.
        """
        if self.is_local:
            return self._checked(Path(self._at(path)), path, digest)
        # Under its own name, because Keras goes by the ending.
        kept = settings.read().cache / "models" / digest / Path(path).name
        if not (kept.exists() and sha256(kept) == digest):
            with self._saying("read"), bytes_bar(f"Loading {kept.name}") as callback:
                get_file(
                    self.fs,
                    self._at(path),
                    kept,
                    lambda file: self._checked(file, path, digest),
                    callback,
                )
        return kept

    def delete(self, path: str) -> None:
        """Delete a folder, if that is possible."""
        with contextlib.suppress(Exception):
            self.fs.rm(self._at(path), recursive=True)

    def folders(self, path: str) -> list[str]:
        """The names of the folders in ``path``."""
        return [Path(entry).name for entry in self._list(path, "directory")]

    def files(self, path: str) -> list[str]:
        """The names of the files in ``path``."""
        return [Path(entry).name for entry in self._list(path, "file")]

    def _create_remotely(self, path, content):
        try:
            # On S3 a conditional request (If-None-Match): of two writers one is refused.
            self.fs.pipe_file(self._at(path), content, mode="create")
        except OSError as error:
            # Ceph does not say which condition failed, without which s3fs makes no more of it.
            answer = getattr(error.__cause__, "response", {}).get("ResponseMetadata", {})
            if answer.get("HTTPStatusCode") in (409, 412):
                raise FileExistsError(path) from error
            raise

    @property
    def _shown(self):
        return settings.shown(self.url)

    def _at(self, path):
        return f"{self.root}/{path}".rstrip("/")

    def _list(self, path, kind):
        with self._saying("listed"):
            try:
                found = self.fs.ls(self._at(path), detail=True)
            except FileNotFoundError:
                return []
        return [entry["name"].rstrip("/") for entry in found if entry["type"] == kind]

    def _checked(self, file, path, digest):
        if not file.is_file() or sha256(file) != digest:
            raise StoreError(
                f"{path} in {self._shown} is not the file that was saved: its SHA-256 differs, "
                "or it is gone. It was damaged or changed; do not use it. Save the model again, "
                "or load another version."
            )
        return file

    def _saying(self, what, *passing):
        then = "call the same again. A version that was not complete does not count."
        sentence = f"The store {self._shown} could not be {what}"
        return plainly(StoreError, sentence, self.url, *passing, then=then)
