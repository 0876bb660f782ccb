"""A network of its own for programs that insist on a port: nothing in it but loopback."""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

CLONE_NEWNET: Final = 0x40000000  # <linux/sched.h>
SIOCSIFFLAGS: Final = 0x8914  # <linux/sockios.h>
IFF_UP: Final = 1  # <linux/if.h>
HERE: Final = Path("/proc/thread-self/ns/net")


@contextmanager
def own_network() -> Iterator[None]:
    """Sockets that this thread opens, and programs that it starts, are in the new network.

    The thread goes back on leaving. Raises: PermissionError without root's rights.
    """
    with HERE.open("rb") as before:
        _check(_libc().unshare(CLONE_NEWNET))
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
                fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
            yield
        finally:
            _check(_libc().setns(before.fileno(), CLONE_NEWNET))


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _check(result: int) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
