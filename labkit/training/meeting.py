"""How the workers of one training find each other, and notice that one is lost.

TensorFlow waits for a worker that never comes, and a worker whose partner died may wait for it
forever. So they meet here first, over TCP, at the address of worker 0, and stay in touch: a
connection that closes, or is silent for too long, ends the training of all. What they say are
lines of JSON. Afterwards TensorFlow has the port.
"""

import contextlib
import hmac
import ipaddress
import json
import queue
import socket
import threading
import time
from collections.abc import Sequence

from labkit.errors import TrainingError

BEAT = 2.0  # seconds between two signs of life
SILENCE = 20.0  # seconds without one, after which a worker counts as lost
_ASK = 1.0  # seconds between two tries to reach worker 0
_HELLO = 5.0  # seconds that a caller has to say who it is
_QUIET = 10.0  # seconds of waiting, after which worker 0 says for whom
_LONGEST = 1 << 20  # bytes of a line


class Lost(Exception):
    """Another worker is not there any more."""


class Meeting:
    """This worker's connections with the others.

    Args:
        rank: which worker this is; 0 is the one that the others connect to.
        addresses: "host:port" of each worker.
        run: what all workers of this training have in common, and no other has.

    Example:
        >>> with Meeting(1, ["127.0.0.1:20001", "127.0.0.1:20002"], run="…") as meeting:
        ...     meeting.join(deadline=60)
        ...     meeting.exchange({"examples": 900})
        [{'examples': 1000}, {'examples': 900}]
    """

    def __init__(self, rank: int, addresses: Sequence[str], *, run: str):
        self.rank, self.addresses, self.run = rank, list(addresses), run
        self.lost: str | None = None
        """What happened to another worker, once something has."""
        self._lines: dict[int, _Line] = {}
        self._heard = {other: queue.SimpleQueue() for other in range(len(addresses))}
        self._gone = {other: threading.Event() for other in range(len(addresses))}
        self._over = threading.Event()
        self._refused = ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._over.set()
        for line in self._lines.values():
            line.close()

    def join(self, deadline: float) -> None:
        """Wait until all workers are there.

        Raises:
            TrainingError: some are not after ``deadline`` seconds, or were started otherwise.
        """
        until = time.monotonic() + deadline
        if len(self.addresses) == 1:
            return
        if self.rank == 0:
            self._receive(until, deadline)
        else:
            self._arrive(until, deadline)
        for other, line in self._lines.items():
            threading.Thread(target=self._listen, args=(other, line), daemon=True).start()
        threading.Thread(target=self._beat, daemon=True).start()

    def exchange(self, mine: dict) -> list[dict]:
        """What every worker says, in the order of their ranks. All have to call it.

        Raises:
            Lost: another worker is not there any more.
        """
        if self.rank:
            self._say(0, {"said": mine})
            return self._hear(0)["all"]
        said = [mine, *(self._hear(other)["said"] for other in sorted(self._lines))]
        for other in self._lines:
            self._say(other, {"all": said})
        return said

    def leave(self) -> None:
        """Wait until all have come to the end; worker 0 comes last.

        Raises:
            Lost: another worker is not there any more.
        """
        for other in self._lines:
            self._say(other, {"end": True})
        for other in self._lines:
            self._hear(other)

    def wait_for_lost(self, seconds: float) -> bool:
        """Whether another worker turns out to be lost within so many seconds."""
        until = time.monotonic() + seconds
        while not self.lost and time.monotonic() < until:
            time.sleep(0.1)
        return bool(self.lost)

    def _receive(self, until, deadline):
        """As worker 0: let the others come."""
        everyone, quiet_until = set(range(1, len(self.addresses))), time.monotonic() + _QUIET
        with _listening(self.addresses[0]) as server:
            server.settimeout(0.2)
            while missing := everyone - set(self._lines):
                if time.monotonic() > until:
                    text = self._missing(sorted(missing), deadline)
                    for line in self._lines.values():
                        line.try_to_send({"failed": text})
                    raise TrainingError(text)
                if time.monotonic() > quiet_until:
                    print(
                        f"Waiting for {self._named(sorted(missing))}, {deadline:g} s at most.",
                        flush=True,
                    )
                    quiet_until = until
                with contextlib.suppress(TimeoutError):
                    self._let_in(_Line(server.accept()[0]))
                for other in [k for k, line in self._lines.items() if line.is_closed()]:
                    self._lines.pop(other).close()  # started again, most likely
                for line in self._lines.values():
                    line.try_to_send({})
        for line in self._lines.values():
            line.try_to_send({"begin": True})

    def _let_in(self, line):
        line.socket.settimeout(_HELLO)
        try:
            hello = line.read()
            rank = hello["rank"]
            if rank not in range(1, len(self.addresses)) or isinstance(rank, bool):
                raise ValueError(rank)
            same = hmac.compare_digest(str(hello["run"]), self.run)
        except (OSError, ValueError, KeyError, TypeError):
            return line.close()  # a stranger
        if not same:
            text = (
                f"Worker {rank} was started with other settings, data or another version than "
                "worker 0. Start all with the same command."
            )
            self._refused = f" {text}"
            line.try_to_send({"failed": text})
            return line.close()
        if rank in self._lines:
            self._lines[rank].close()
        line.socket.settimeout(SILENCE)
        self._lines[rank] = line

    def _arrive(self, until, deadline):
        """As another one: go to worker 0."""
        reason = None
        while time.monotonic() < until:
            line = None
            try:
                # A name may not be known yet: a pod's appears when the pod has started.
                line = _Line(socket.create_connection(_split(self.addresses[0]), timeout=_HELLO))
                line.socket.settimeout(SILENCE)
                line.send({"rank": self.rank, "run": self.run})
                while True:
                    said = line.read()
                    if "failed" in said:
                        raise TrainingError(said["failed"])
                    if "begin" in said:
                        self._lines[0] = line
                        return
            except (OSError, ValueError) as error:
                if reason is None:
                    print(f"Waiting for worker 0 ({self.addresses[0]}): {error}.", flush=True)
                reason = error
                if line:
                    line.close()
                time.sleep(_ASK)
            except BaseException:
                line.close()
                raise
        raise TrainingError(f"{self._missing([0], deadline)} The last try: {reason}.")

    def _missing(self, missing, deadline):
        have = "has" if len(missing) == 1 else "have"
        return (
            f"W{self._named(missing)[1:]} {have} not arrived within {deadline:g} s, and training "
            f"needs all {len(self.addresses)}. See what they say in their logs, and whether their "
            f"addresses can be reached from here; a larger deadline waits longer.{self._refused}"
        )

    def _named(self, ranks):
        who = ", ".join(f"{rank} ({self.addresses[rank]})" for rank in ranks)
        return f"worker {who}" if len(ranks) == 1 else f"workers {who}"

    def _listen(self, other, line):
        try:
            while not self._over.is_set():
                said = line.read()
                if "lost" in said:
                    return self._lose(said["lost"])
                if said:
                    self._heard[other].put(said)
                if "end" in said:
                    self._gone[other].set()
        except TimeoutError:
            if not self._over.is_set():
                self._lose(f"Worker {other} was silent for {SILENCE:g} s.")
        except (OSError, ValueError):
            if not self._over.is_set() and not self._gone[other].is_set():
                self._lose(f"Worker {other} has ended: its connection is closed.")

    def _lose(self, what):
        self.lost = self.lost or what
        for line in self._lines.values():
            line.try_to_send({"lost": self.lost})
        for heard in self._heard.values():
            heard.put(None)

    def _beat(self):
        while not self._over.wait(BEAT):
            for line in self._lines.values():
                line.try_to_send({})

    def _say(self, other, what):
        try:
            self._lines[other].send(what)
        except OSError as error:
            if not self.wait_for_lost(SILENCE):
                self._lose(f"Worker {other} cannot be reached ({error}).")
            raise Lost(self.lost) from error

    def _hear(self, other):
        said = self._heard[other].get()
        if said is None:
            self._heard[other].put(None)
            raise Lost(self.lost)
        return said


class _Line:
    """A connection that carries lines of JSON."""

    def __init__(self, connection: socket.socket):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = connection
        self._file = connection.makefile("rb")
        self._lock = threading.Lock()

    def send(self, what: dict) -> None:
        with self._lock:
            self.socket.sendall(json.dumps(what).encode() + b"\n")

    def try_to_send(self, what: dict) -> None:
        with contextlib.suppress(OSError):
            self.send(what)

    def read(self) -> dict:
        line = self._file.readline(_LONGEST)
        if not line:
            raise ConnectionError("the connection is closed")
        said = json.loads(line)
        if not isinstance(said, dict):
            raise ValueError(said)
        return said

    def is_closed(self) -> bool:
        """Whether the other side has closed it; nothing else is to be read at the time."""
        try:
            self.socket.setblocking(False)
            return self.socket.recv(1, socket.MSG_PEEK) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True
        finally:
            self.socket.settimeout(SILENCE)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


def _listening(address):
    host, port = _split(address)
    try:
        if is_loopback(address):
            return socket.create_server((host, port))
        if socket.has_dualstack_ipv6():
            return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
        return socket.create_server(("", port))
    except OSError as error:
        raise TrainingError(
            f"Port {port} cannot be listened on ({error.strerror}). Another program may have it: "
            "end that, or use another port."
        ) from error


def is_loopback(address: str) -> bool:
    """Whether a "host:port" is one of this machine alone."""
    host = _split(address)[0]
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def _split(address):
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)
