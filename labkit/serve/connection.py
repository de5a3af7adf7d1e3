"""uvicorn, mended: how it ends, and connections that say nothing, slowly or without an end."""

import time

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from labkit.serve.limits import Limits

_FRUITLESS = 1 << 16  # bytes of which no request comes: a head longer than any client's


class Server(uvicorn.Server):
    """A server that answers what is under way and ends, without a trace of the signal.

    uvicorn raises it again, and on a second Ctrl-C leaves the application without an end.
    """

    def handle_exit(self, sig, frame):
        self.should_exit = True


class Connection(HttpToolsProtocol):
    """A client's connection, closed when it keeps the server waiting.

    Args:
        limits: how many connections may be idle, and how long.
        options: uvicorn's.
    """

    def __init__(self, *, limits: Limits, **options):
        super().__init__(**options)
        self._most = limits.connections
        self._patience = 2 * limits.seconds  # the guard, which can say why, comes first
        self._since = 0.0
        self._fruitless = 0
        self._is_asked = False
        self._timer = None

    @property
    def is_idle(self) -> bool:
        """Whether the server waits for the client, and not the client for the server."""
        return not self._is_asked or self.cycle.response_complete

    def connection_made(self, transport):
        super().connection_made(transport)
        self._wait()
        if len(self.connections) > self._most:
            others = [other for other in self.connections if other.is_idle and other is not self]
            if others:
                min(others, key=lambda other: other._since).transport.close()

    def connection_lost(self, exc):
        self._timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data):
        self._fruitless += len(data)
        super().data_received(data)
        if self._fruitless > _FRUITLESS and not self.transport.is_closing():
            self.send_400_response("The head of the request is too long.")

    def on_message_begin(self):
        super().on_message_begin()
        self._since, self._is_asked = time.monotonic(), False

    def on_body(self, body):
        self._fruitless = 0
        super().on_body(body)

    def on_message_complete(self):
        self._fruitless, self._is_asked = 0, True
        super().on_message_complete()

    def on_response_complete(self):
        self._since = time.monotonic()
        super().on_response_complete()

    def _wait(self):
        self._since = time.monotonic()
        self._timer = self.loop.call_later(self._patience, self._look)

    def _look(self):
        left = self._since + self._patience - time.monotonic()
        if not self.is_idle:
            left = self._patience
        elif left <= 0:
            return self.transport.close()
        self._timer = self.loop.call_later(left, self._look)
