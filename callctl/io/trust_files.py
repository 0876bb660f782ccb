"""The trust store on disk: one PEM file for each certificate, and an index that counts.

A file that the index does not name is not trusted; a file that is not what the index says stops the
start, because somebody has changed whom we trust.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from callctl.certificate.certificate import CertificateSyntaxError, parse_certificates
from callctl.certificate.cloud_roots import PURPOSE
from callctl.certificate.fingerprint import Fingerprint
from callctl.certificate.trust_store import Origin, Trusted

INDEX: Final = "index.json"
SEQUENCE: Final = "bundle.sequence"


class TrustFilesError(OSError):
    """The store on disk is not as we left it. The text names the file."""


class _Entry(msgspec.Struct):
    fingerprint: str
    origin: Origin
    added_at: int  # unix time


@dataclass(frozen=True, slots=True)
class TrustFiles:
    """`tomcat-trust` in a state directory."""

    state: Path

    @property
    def directory(self) -> Path:
        return self.state / PURPOSE

    def load(self) -> tuple[Trusted, ...]:
        """What was kept; nothing before the first time. Raises: TrustFilesError, OSError."""
        index = self.directory / INDEX
        try:
            listed = msgspec.json.decode(index.read_bytes(), type=list[_Entry])
        except FileNotFoundError:
            return ()
        except msgspec.DecodeError as error:
            raise TrustFilesError(f"{index}: {error}") from error
        return tuple(self._read(entry) for entry in listed)

    def save(self, entries: tuple[Trusted, ...]) -> None:
        """Keep these and no others. Raises: OSError; what was kept before is then still whole."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for entry in entries:
            file = self._file(entry.certificate.fingerprint)
            if not file.exists():
                _write(file, entry.certificate.pem.encode("ascii"))
        listed = [
            _Entry(str(each.certificate.fingerprint), each.origin, each.added_at_s)
            for each in entries
        ]
        text = msgspec.json.format(msgspec.json.encode(listed))
        _write(self.directory / INDEX, text + b"\n")
        named = {self._file(each.certificate.fingerprint) for each in entries}
        for file in self.directory.glob("*.pem"):
            if file not in named:
                file.unlink(missing_ok=True)

    def sequence(self) -> int:
        """Number of the last trust bundle that was believed, 0 before the first.

        Raises: TrustFilesError, OSError.
        """
        file = self.directory / SEQUENCE
        try:
            return int(file.read_text("ascii"))
        except FileNotFoundError:
            return 0
        except ValueError as error:
            raise TrustFilesError(f"{file} holds no number") from error

    def keep_sequence(self, sequence: int) -> None:
        """So that no older bundle is taken after a restart either. Raises: OSError."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(self.directory / SEQUENCE, f"{sequence}\n".encode("ascii"))

    def _file(self, fingerprint: Fingerprint) -> Path:
        return self.directory / f"{fingerprint.word}.pem"

    def _read(self, entry: _Entry) -> Trusted:
        index = self.directory / INDEX
        try:
            fingerprint = Fingerprint.parse(entry.fingerprint)
        except ValueError as error:
            raise TrustFilesError(f"{index}: {error}") from error
        file = self._file(fingerprint)
        try:
            (certificate,) = parse_certificates(file.read_bytes())
        except FileNotFoundError:
            raise TrustFilesError(f"{file} is not there, and {index} names it") from None
        except (CertificateSyntaxError, ValueError) as error:
            raise TrustFilesError(f"{file}: {error}") from error
        if certificate.fingerprint != fingerprint:
            raise TrustFilesError(f"{file} is another certificate: {certificate.fingerprint}")
        return Trusted(certificate, entry.origin, entry.added_at)


def _write(file: Path, data: bytes) -> None:
    """All of it or nothing, also if the power fails."""
    fresh = file.with_name(f"{file.name}.{os.getpid()}")
    try:
        with fresh.open("wb") as stream:
            os.fchmod(stream.fileno(), 0o600)
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        fresh.replace(file)
    finally:
        fresh.unlink(missing_ok=True)
