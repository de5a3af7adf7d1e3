"""Every unit test has a home of its own: no cache, no Keras folder, no LABKIT_* of the machine."""

import os

import pytest


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A fresh home; ``home / "cache"`` is labkit's cache."""
    for name in list(os.environ):
        if name.startswith("LABKIT_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("LABKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("LABKIT_PROGRESS", str(tmp_path / "progress.json"))
    monkeypatch.setenv("LABKIT_HEADLESS", "1")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    return tmp_path


@pytest.fixture
def folder(home, monkeypatch):
    """A LABKIT_DATA folder, empty so far, on a machine without network."""
    path = home / "data"
    path.mkdir()
    monkeypatch.setenv("LABKIT_DATA", str(path))
    monkeypatch.setenv("LABKIT_OFFLINE", "1")
    return path
