"""A pytest plugin that closes two holes of nbval.

A kernel that dies makes nbval wait out the whole cell timeout; here it fails at
once, with the usual reason. After a cell has failed, nbval runs the later ones,
which fail for no reason of their own; here they are not run.
"""

import queue
import time

import pytest
from nbval import kernel, plugin

_get_message = kernel.RunningKernel.get_message


def get_message(self, stream, timeout=None):
    """nbval's own, asking every second whether the kernel still lives."""
    deadline = time.monotonic() + float("inf" if timeout is None else timeout)
    while True:
        try:
            return _get_message(self, stream, timeout=min(1.0, deadline - time.monotonic()))
        except queue.Empty:
            if not self.is_alive():
                raise RuntimeError(
                    "the kernel died; exit code 137 means that memory ran out"
                ) from None
            if time.monotonic() >= deadline:
                raise


kernel.RunningKernel.get_message = get_message


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if isinstance(item, plugin.IPyNbCell) and report.failed:
        item.parent.failed_cell = item.cell_num
    return report


def pytest_runtest_setup(item):
    failed = getattr(item.parent, "failed_cell", None)
    if isinstance(item, plugin.IPyNbCell) and failed is not None:
        pytest.skip(f"not run, because cell {failed} of this notebook failed")
