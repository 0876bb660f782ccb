"""The directory in which a running cluster leaves what the command line needs to find it."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sipstack.entropy import Entropy

TOKEN_FILE: Final = "admin.token"
RUNNING_FILE: Final = "running.json"
TOKEN_OCTETS: Final = 32


@dataclass(frozen=True, slots=True)
class Running:
    """A cluster that runs, as it announced itself."""

    url: str  # of its admin API
    cluster: str
    pid: int


@dataclass(frozen=True, slots=True)
class StateDir:
    """One state directory, by default that of the user. It holds one cluster at a time."""

    path: Path = field(default_factory=lambda: default_path())

    def token(self) -> str | None:
        """The bearer token, None before the first start."""
        try:
            return (self.path / TOKEN_FILE).read_text("ascii").strip() or None
        except FileNotFoundError:
            return None

    def make_token(self, entropy: Entropy) -> str:
        """The bearer token, made now if there is none; only its owner can read the file.

        Raises: OSError if it cannot be written, or somebody else may read it.
        """
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = self.path / TOKEN_FILE
        with suppress(FileExistsError):
            # Made with its mode, so that there is no moment at which it can be read.
            handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w", encoding="ascii") as stream:
                stream.write(entropy.octets(TOKEN_OCTETS).hex() + "\n")
        if file.stat().st_mode & 0o077:
            raise PermissionError(f"{file} can be read by others; remove it, a new one is made")
        token = self.token()
        if token is None:
            raise PermissionError(f"{file} is empty; remove it, a new one is made")
        return token

    def announce(self, running: Running) -> None:
        """Say where the cluster is. Raises: OSError."""
        text = json.dumps({"url": running.url, "cluster": running.cluster, "pid": running.pid})
        fresh = self.path / f"{RUNNING_FILE}.{running.pid}"
        fresh.write_text(text + "\n", "utf-8")
        fresh.replace(self.path / RUNNING_FILE)

    def withdraw(self, running: Running) -> None:
        """The cluster stops: forget it, unless another one has taken its place."""
        if self.running() == running:
            (self.path / RUNNING_FILE).unlink(missing_ok=True)

    def running(self) -> Running | None:
        """The cluster that announced itself last; it may have died since."""
        try:
            text = (self.path / RUNNING_FILE).read_text("utf-8")
            found = json.loads(text)
            return Running(str(found["url"]), str(found["cluster"]), int(found["pid"]))
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None


def default_path() -> Path:
    """`callctl` in the state directory of the user (XDG base directories)."""
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "callctl"
