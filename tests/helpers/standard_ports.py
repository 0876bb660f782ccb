"""One at a time: who starts a cluster at the first ports that are free, in whichever process."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import gettempdir


@contextmanager
def standard_ports() -> Iterator[None]:
    """Nobody else looks for ports while the context lasts: what is free stays free."""
    with Path(gettempdir(), f"callctl-tests-{os.getuid()}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # let go when the file is closed
        yield
