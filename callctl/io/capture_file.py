"""Writes a capture to a file while the parties run."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from callctl.capture.capture import Capture
from callctl.capture.pcapng import Direction
from sipstack.timing import Instant
from sipstack.transport.flow import Flow

BUFFER: Final = 256 * 1024  # octets written to the file at once
FILE_OCTETS_MAX: Final = 2 * 1024**3  # a capture that was forgotten must not fill the disk


class CaptureFile:
    """One pcapng file for any number of parties. A full disk ends the capture, never a call."""

    def __init__(
        self,
        path: Path,
        epoch_unix_ns: int,
        *,
        names: Iterable[tuple[str, str]] = (),
        mask_secrets: bool = True,
        octets_max: int = FILE_OCTETS_MAX,
    ) -> None:
        """`epoch_unix_ns` is the wall-clock time of instant 0; see `Capture` for the rest.

        Raises: OSError if the file cannot be made.
        """
        self.capture = Capture(epoch_unix_ns, mask_secrets=mask_secrets)
        self.failure: str | None = None
        """Why nothing more is written, None while all is well."""
        self._left = octets_max
        self._file = path.open("wb", buffering=BUFFER)
        self._write(self.capture.begin(names))

    def observer(self, party: str) -> PartyObserver:
        """What a stack hands its messages to, for them to appear as those of `party`."""
        return PartyObserver(self, party)

    def message(
        self, now: Instant, party: str, flow: Flow, direction: Direction, data: bytes
    ) -> None:
        """One message that `party` sent or received."""
        if self.failure is None:
            self._write(self.capture.message(now, party, flow, direction, data))

    def note(
        self,
        now: Instant,
        party: str,
        text: str,
        *,
        source: str | None = None,
        target: str | None = None,
    ) -> None:
        """Something that is no SIP message, between the numeric addresses it concerns."""
        if self.failure is None:
            self._write(self.capture.note(now, party, text, source=source, target=target))

    def flush(self) -> None:
        """Let a reader of the file see what was captured so far."""
        self._attempt(b"")

    def close(self) -> None:
        """Finish the file."""
        self._attempt(b"")
        try:
            self._file.close()
        except OSError as error:
            self.failure = self.failure or str(error)

    def _write(self, blocks: bytes) -> None:
        if len(blocks) > self._left:
            self.failure = "the capture has reached its largest size"
            return
        self._left -= len(blocks)
        self._attempt(blocks)

    def _attempt(self, blocks: bytes) -> None:
        try:
            if blocks:
                self._file.write(blocks)
            else:
                self._file.flush()
        except (OSError, ValueError) as error:  # ValueError: the file is closed
            self.failure = self.failure or str(error)


class PartyObserver:
    """An observer of one party's stack (`sipstack.stack.Observer`)."""

    __slots__ = ("_file", "_party")

    def __init__(self, file: CaptureFile, party: str) -> None:
        self._file = file
        self._party = party

    def received(self, now: Instant, flow: Flow, data: bytes) -> None:
        self._file.message(now, self._party, flow, Direction.RECEIVED, data)

    def sent(self, now: Instant, flow: Flow, data: bytes) -> None:
        self._file.message(now, self._party, flow, Direction.SENT, data)
