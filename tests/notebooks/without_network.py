"""Run a command in a network namespace of its own, where only loopback is up (Linux).

    python tests/notebooks/without_network.py COMMAND ...

Exit status 77: this system does not let us make one.
"""

import ctypes
import fcntl
import os
import socket
import struct
import sys

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
SIOCSIFFLAGS, IFF_UP = 0x8914, 0x1


def cut_off():
    """Leave this process, and all that it starts, with loopback alone."""
    libc = ctypes.CDLL(None, use_errno=True)
    flags = CLONE_NEWNET if os.geteuid() == 0 else CLONE_NEWUSER | CLONE_NEWNET
    if libc.unshare(flags):
        raise OSError(ctypes.get_errno(), "unshare")
    with socket.socket() as handle:  # Jupyter talks to its kernels over loopback
        fcntl.ioctl(handle, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))


if __name__ == "__main__":
    try:
        cut_off()
    except (OSError, AttributeError) as error:
        sys.exit(print(f"no network namespace: {error}", file=sys.stderr) or 77)
    os.execvp(sys.argv[1], sys.argv[1:])
