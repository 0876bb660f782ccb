"""The password of an entry of the cluster file: written there, or in a file of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Protocol

from callctl.model.consistency import Mistake
from callctl.model.consistency import Path as KeyPath

PASSWORD_FILE_MAX: Final = 4096  # octets read; a password has at most 256 characters


class PasswordEntry(Protocol):
    """What has a password, in one of the two ways."""

    @property
    def password(self) -> str | None: ...

    @property
    def password_file(self) -> str | None: ...


def password_in_entry(entry: PasswordEntry, path: KeyPath, directory: Path) -> str | Mistake:
    """The password that an entry gives, itself or in a file."""
    if entry.password is not None and entry.password_file is not None:
        return Mistake(path, "has a password and a file of it", "password or password_file")
    if entry.password is not None:
        return entry.password
    if entry.password_file is None:
        return Mistake(path, "has no password", "password or password_file")
    try:
        return _password_in(directory / entry.password_file)
    except (OSError, ValueError) as error:
        problem = f"{entry.password_file} gives no password: {_reason(error)}"
        return Mistake((*path, "password_file"), problem, "its first line a password")


def _password_in(path: Path) -> str:
    if not path.is_file():
        raise ValueError("there is no such file")
    with path.open("rb") as file:
        lines = file.read(PASSWORD_FILE_MAX).decode().splitlines()
    if not lines or not 1 <= len(lines[0]) <= 256 or not lines[0].isprintable():
        raise ValueError("its first line is empty, too long or not printable")
    return lines[0]


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8"
    return (error.strerror or "it cannot be read") if isinstance(error, OSError) else str(error)
