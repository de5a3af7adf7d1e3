"""A server as a process of its own, or in the background of a notebook."""

import logging
import math
import secrets
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from labkit import settings
from labkit import store as models
from labkit.errors import ServeError
from labkit.serve import logs
from labkit.serve.limits import Limits

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_START = 30  # seconds in which the background server has to answer
_PORTS = 50


def run(
    names: list[str],
    *,
    store: str | Path | None = None,
    host: str = "127.0.0.1",
    port: int = 8080,
) -> None:
    """Serve models until Ctrl-C or SIGTERM; requests under way are answered first.

    Args:
        names: models of the store, such as "mnist-cnn" or "mnist-cnn/3".
        store: a folder or an address; ``None``: the setting LABKIT_STORE.
        host: the address to listen on. On another one than loopback clients have to show a token:
            the setting LABKIT_TOKEN, or a new one.
        port: the port.

    Raises:
        ServeError: none of the models can be served, or the port is taken.
    """
    token = _token(host)
    sock = _listen(host, port, 1)
    logs.as_json("labkit.serve")
    logs.as_json("uvicorn.error")
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    server, shelf = _server(names, store, token, Limits())
    ready = [entry for entry in shelf.entries.values() if entry.current]
    if not ready:
        problems = " ".join(entry.problem for entry in shelf.entries.values())
        raise ServeError(f"None of the models can be served. {problems}")
    served = ", ".join(f"{e.name}/{e.current.version.number}" for e in ready)
    # Who has set a token knows it, and a log is for many eyes.
    shown = None if settings.read().token else token
    print(f"Serving {served} at {_address(sock, shown)} (Ctrl-C stops it)", flush=True)
    server.run(sockets=[sock])


def train_missing(names: list[str], *, store: str | Path | None = None) -> None:
    """Train and save those models that the store does not have.

    Each in a process of its own, so that the server does not carry TensorFlow along.

    Raises:
        ServeError: a model could not be trained.
    """
    for name in names:
        if models.has(name, url=store):
            continue
        print(f"There is no {name} in the store yet: training it.", flush=True)
        command = [sys.executable, "-m", "labkit", "train", name]
        done = subprocess.run([*command, *(["--store", str(store)] if store else [])])
        if done.returncode:
            raise ServeError(
                f"{name} could not be trained; the lines above say why. Then start again."
            )


def background(
    names: list[str],
    *,
    store: str | Path | None = None,
    port: int = 8080,
    limits: Limits | None = None,
    refresh: float = 2.0,
) -> "Serving":
    """Serve models in a thread of this process, on loopback.

    Args:
        names: models of the store.
        store: a folder or an address; ``None``: the setting LABKIT_STORE.
        port: the port, or the first free one after it.
        limits: how much it takes on.
        refresh: seconds between two looks for new versions.

    Raises:
        ServeError: a model cannot be served.
    """
    sock = _listen("127.0.0.1", port, _PORTS)
    try:
        server, shelf = _server(names, store, None, limits or Limits(), refresh)
        for entry in shelf.entries.values():
            if entry.problem:
                raise ServeError(entry.problem)
    except BaseException:
        sock.close()
        raise
    # A thread has no signal handlers: Ctrl-C is for the kernel.
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + _START
    while not server.started:
        if time.monotonic() > deadline or not thread.is_alive():
            raise ServeError("The server did not start. Run the cell again.")
        time.sleep(0.01)
    return Serving(_address(sock, None), tuple(names), server, thread)


@dataclass(repr=False)
class Serving:
    """A server in the background, which a notebook shows with a preview and a button to stop it.

    Example:
        >>> serving = labkit.serve(model, data=data)
        >>> requests.get(serving.url + "v1/models").json()
        {'models': ['model']}
        >>> serving.stop()
    """

    url: str
    """Where it listens, ending in "/"."""
    names: tuple[str, ...]
    _server: object
    _thread: threading.Thread
    _folder: tempfile.TemporaryDirectory | None = field(default=None)

    @property
    def running(self) -> bool:
        """Whether it answers."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Answer what is under way, then end. A second call does nothing."""
        self._server.should_exit = True
        self._thread.join(_START)
        if self._folder:
            self._folder.cleanup()

    def __repr__(self):
        state = f"at {self.url}" if self.running else "stopped"
        return f"Serving {', '.join(self.names)} {state}"

    def _repr_mimebundle_(self, **options):
        from labkit.serve.preview import panel

        return panel(self)._repr_mimebundle_(**options)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def _server(names, store, token, limits, refresh=2.0):
    import uvicorn

    from labkit.serve import app
    from labkit.serve.connection import Connection, Server
    from labkit.serve.measures import Measures
    from labkit.serve.shelf import Shelf

    measures = Measures()
    shelf = Shelf(names, store, limits, measures)
    config = uvicorn.Config(
        app.make(
            shelf,
            measures,
            token=token or None,
            hosts=() if token == "" else app.LOCAL,
            refresh=refresh,
        ),
        http=partial(Connection, limits=limits),
        access_log=False,  # the guard writes a line for each request
        log_config=None,
        lifespan="on",
        server_header=False,
        timeout_graceful_shutdown=math.ceil(2 * limits.seconds),  # a body, and its answer
    )
    return Server(config), shelf


def _token(host):
    """The token; ``None``: none is asked for on loopback; "": nor anywhere else."""
    token = settings.read().token
    if token == "none":
        return ""
    return token or (None if host in _LOOPBACK else secrets.token_urlsafe(24))


def _listen(host, first, count):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for port in range(first, first + count):
        sock = socket.socket(family)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((host, port))
            sock.listen(1024)
            return sock
        except OSError as error:
            sock.close()
            reason = error.strerror
    raise ServeError(
        f"The server cannot listen on {host}, port {first} ({reason}). Choose another: "
        f"labkit serve … --port {first + 1}."
    )


def _address(sock, token):
    host, port = sock.getsockname()[:2]
    host = f"[{host}]" if ":" in host else host
    return f"http://{host}:{port}/" + (f"?token={token}" if token else "")
