"""The octets of a file from its beginning on, in pieces that fit memory."""

from __future__ import annotations

from typing import BinaryIO, Final

from callctl.capture.captured import CaptureError

CHUNK: Final = 1 << 20


class Source:
    """A window that moves over a file: `buffer[at:]` is what comes next."""

    __slots__ = ("_before", "_file", "at", "buffer", "name")

    def __init__(self, file: BinaryIO, name: str) -> None:
        """`file` is open for reading octets; `name` stands in errors."""
        self.name = name
        self.buffer = b""
        self.at = 0
        self._file = file
        self._before = 0  # octets of the file before the buffer

    @property
    def offset(self) -> int:
        """Of the next octet, in the file."""
        return self._before + self.at

    def has(self, count: int) -> bool:
        """Whether that many octets more are in the file; then they are in the buffer."""
        left = len(self.buffer) - self.at
        if left >= count:
            return True
        parts = [self.buffer[self.at :]]
        self._before += self.at
        while left < count and (chunk := self._file.read(max(CHUNK, count - left))):
            parts.append(chunk)
            left += len(chunk)
        self.buffer = b"".join(parts)
        self.at = 0
        return left >= count

    def at_end(self) -> bool:
        """Whether no octet is left."""
        return not self.has(1)

    def error(self, what: str, frame: int | None = None) -> CaptureError:
        """An error about what is at the next octet."""
        return CaptureError(self.name, what, frame=frame, offset=self.offset)
