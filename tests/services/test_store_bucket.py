"""Models in a real object store: who may, who comes first, and what a cut leaves behind."""

import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import fsspec
import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from labkit import store
from labkit.data.download import sha256
from labkit.errors import StoreError
from labkit.store.place import Place


@pytest.fixture(scope="module")
def line():
    return LinearRegression().fit(np.eye(3), np.arange(3.0))


def test_a_model_comes_back_from_a_bucket(line, url):
    assert store.list(url=url) == []
    version = store.save(line, "line", metrics={"r2": 1}, url=url)
    assert (version.number, version.metrics) == (1, {"r2": 1.0})
    assert np.array_equal(store.load("line", url=url).predict(np.eye(3)), line.predict(np.eye(3)))


def test_a_wrong_secret_is_refused_and_not_shown(line, url, ceph):
    store.save(line, "line", url=url)
    code = f"from labkit import store; store.load('line', url={url!r})"
    environment = os.environ | ceph.environment(secret="a-wrong-one")
    said = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    last = said.stderr.strip().splitlines()[-1]
    assert "PermissionError" in last and "AWS_SECRET_ACCESS_KEY" in last
    assert "a-wrong-one" not in said.stderr


def test_a_bucket_that_is_not_there_is_not_made(line, url):
    with pytest.raises(StoreError, match="could not be written"):
        store.save(line, "line", url="s3://not-there/lab")
    assert not fsspec.filesystem("s3").exists("not-there")


def test_two_writers_never_share_a_number(line, url):
    with ThreadPoolExecutor(2) as pool:
        saves = [pool.submit(store.save, line, "line", url=url) for _ in range(8)]
    assert sorted(save.result().number for save in saves) == [*range(1, 9)]
    assert [version.number for version in store.list(url=url)] == [*range(1, 9)]


def test_a_gateway_killed_in_the_middle_of_a_save_leaves_no_version(line, url, ceph, monkeypatch):
    store.save(line, "line", url=url)
    put = Place.put

    def cut(self, source, path):
        put(self, source, path)
        ceph.kill_gateway()

    with monkeypatch.context() as patched:
        patched.setattr(Place, "put", cut)
        with pytest.raises(StoreError, match="call the same again"):
            store.save(line, "line", url=url)
    ceph.start_gateway()
    assert [version.number for version in store.list(url=url)] == [1]
    assert store.save(line, "line", url=url).number == 2


def test_a_large_object_survives_a_gateway_that_dies_while_it_is_read(url, ceph, tmp_path):
    large = tmp_path / "large"
    large.write_bytes(np.random.default_rng(0).bytes(300_000_000))
    digest, place = sha256(large), Place(url)
    place.put(large, "m/files/large")
    killer = threading.Timer(0.3, ceph.kill_gateway)
    killer.start()
    with pytest.raises(StoreError):
        while True:  # on a fast machine the first copy is complete before the kill
            place.get("m/files/large", digest).unlink()
    killer.join()
    assert [*(tmp_path / "cache/models").rglob("*.tmp")] == []
    ceph.start_gateway()
    assert sha256(place.get("m/files/large", digest)) == digest
