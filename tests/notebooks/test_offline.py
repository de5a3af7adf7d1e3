"""A lab runs in a room without internet.

Kernels are processes of their own, so the network is cut off where no process can
get around it: by the operating system.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.notebooks.labs import NOTEBOOKS, ROOT

CUT_OFF = [sys.executable, str(Path(__file__).with_name("without_network.py"))]


def without_network(*command, **env):
    done = subprocess.run(
        [*CUT_OFF, sys.executable, *command],
        cwd=ROOT,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
    )
    if done.returncode == 77:
        pytest.skip(f"{done.stderr.strip()}; run this test as root on Linux")
    return done


def test_the_network_is_really_cut_off():
    program = (
        "import socket\n"
        "try: socket.create_connection(('192.0.2.1', 80), 5)\n"
        "except OSError as error: print(error.errno)"
    )
    assert without_network("-c", program).stdout.strip() == "101", "network is unreachable"


@pytest.mark.slow
def test_a_lab_runs_without_network(tmp_path):
    """With an empty cache and nothing forbidden: labkit has to find out by itself."""
    env = {
        "LABKIT_DATA": "",
        "LABKIT_OFFLINE": "0",
        "LABKIT_CACHE": str(tmp_path / "cache"),
        "KERAS_HOME": str(tmp_path / "keras"),
    }
    lab = NOTEBOOKS[0]
    done = without_network("-m", "labkit", "run", str(lab), "--out", str(tmp_path / "out"), **env)
    assert done.returncode == 0, done.stdout + done.stderr
    page = (tmp_path / "out" / f"{lab.stem}.html").read_text()
    assert "SAMPLE DATA" in page and "did not answer" in page
