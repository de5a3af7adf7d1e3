"""JupyterLab as ``labkit lab`` starts it: quiet, on this machine only, stopped by Ctrl-C."""

import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import webbrowser
from pathlib import Path

from labkit import machine
from labkit.errors import LabError

_START = 60
"""Seconds in which the server has to answer."""
_STOP = 10
"""Seconds it has to end its kernels."""


def lab(root: Path, notebook: str, *, port: int = 8888, browser: bool = True) -> None:
    """Serve ``root`` in JupyterLab until Ctrl-C or SIGTERM; print the address when it answers.

    It listens on the loopback address alone and asks for a token, which is new
    each time and stands in the printed address.

    Args:
        root: the folder that JupyterLab shows.
        notebook: the notebook that it opens, relative to ``root``.
        port: the port, or the first free one after it.
        browser: open the address in a browser, where there is a display.

    Raises:
        LabError: the server did not start; the message holds the end of its log.
    """
    port = machine.free_port(port)
    token = secrets.token_urlsafe(24)
    command = [
        *(sys.executable, "-m", "jupyterlab", "--no-browser", "--ServerApp.ip=127.0.0.1"),
        *(f"--ServerApp.port={port}", "--ServerApp.port_retries=0"),
        *(f"--ServerApp.root_dir={root.resolve()}", "--ServerApp.log_level=WARN"),
        "--expose-app-in-browser",
    ]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    settings = str(Path(__file__).parent / "jupyter")
    config_path = os.pathsep.join(filter(None, [settings, os.environ.get("JUPYTER_CONFIG_PATH")]))
    # The token goes through the environment: a command line is for everyone to see.
    env = {**os.environ, "JUPYTER_TOKEN": token, "JUPYTER_CONFIG_PATH": config_path}
    # A terminal in JupyterLab, and `!labkit` in a notebook, find the labkit of this environment.
    own = str(Path(sys.executable).parent)
    env["PATH"] = os.pathsep.join(filter(None, [own, os.environ.get("PATH")]))
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(
            command,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C comes to us, and we end it in order
        )
        before = signal.signal(signal.SIGTERM, _interrupt)
        try:
            _wait(server, port, log)
            address = f"http://127.0.0.1:{port}/lab/tree/{notebook}?token={token}"
            print(f"JupyterLab is ready: {address} (Ctrl-C stops it)", flush=True)
            if browser and _has_display():
                webbrowser.open(address)
            status = server.wait()
            raise LabError(f"JupyterLab ended by itself (exit status {status}).\n{_tail(log)}")
        except KeyboardInterrupt:
            print("\nJupyterLab has stopped; saved notebooks are safe.", flush=True)
        finally:
            _stop(server)
            signal.signal(signal.SIGTERM, before)


def _wait(server, port, log):
    deadline = time.monotonic() + _START
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise LabError(
                f"JupyterLab did not start (exit status {server.returncode}). The end of its log "
                f"says why:\n{_tail(log)}"
            )
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api", timeout=2):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise LabError(
        f"JupyterLab did not answer within {_START} seconds. The end of its log:\n{_tail(log)}"
    )


def _stop(server):
    if server.poll() is None:
        server.terminate()
        try:
            server.wait(_STOP)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _tail(log, lines=15):
    log.seek(0)
    return "\n".join(log.read().decode(errors="replace").splitlines()[-lines:])


def _interrupt(number, frame):
    raise KeyboardInterrupt


def _has_display():
    remote = os.environ.get("SSH_CONNECTION") or os.environ.get("CI")
    here = sys.platform in ("darwin", "win32") or any(
        os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )
    return here and not remote
