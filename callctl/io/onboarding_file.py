"""The file that keeps a cluster's onboarding while it is down; nobody else can read it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from callctl.onboarding.snapshot import Snapshot, SnapshotError, decode

FILE: Final = "onboarding.json"
SIZE_MAX: Final = 4 * 1024 * 1024  # octets


@dataclass(frozen=True, slots=True)
class OnboardingFile:
    """`onboarding.json` in a state directory."""

    directory: Path

    @property
    def path(self) -> Path:
        """Where it is."""
        return self.directory / FILE

    def read(self) -> Snapshot | None:
        """None if there is no file yet.

        Raises: SnapshotError if it holds something else; OSError if it cannot be read, or somebody
        else may read it.
        """
        try:
            with self.path.open("rb") as stream:
                if os.fstat(stream.fileno()).st_mode & 0o077:
                    raise PermissionError(f"{self.path} can be read by others: chmod 600")
                document = stream.read(SIZE_MAX + 1)
        except FileNotFoundError:
            return None
        try:
            return decode(document[:SIZE_MAX])
        except SnapshotError as error:
            raise SnapshotError(f"{self.path}: {error}") from error

    def write(self, document: bytes) -> None:
        """Put it there, whole or not at all. Raises: OSError."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = self.path.with_suffix(".new")
        made.unlink(missing_ok=True)
        # Made with its mode, so that there is no moment at which it can be read.
        handle = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as stream:
            stream.write(document)
            stream.flush()
            os.fsync(stream.fileno())
        made.replace(self.path)
