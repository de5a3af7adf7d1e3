"""Ports for servers that are killed and come back."""

import random
import socket


def free_port() -> int:
    """A free port of loopback that no outgoing connection is given while its server is away.

    Linux gives out 32768 and above, even to a client that looks for that very server: it then
    talks to itself, and the server finds its port taken.
    """
    while True:
        port = random.randrange(20_000, 30_000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port
