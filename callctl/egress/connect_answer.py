"""The head of a proxy's answer to CONNECT, read within limits (RFC 9112, RFC 9110 §9.3.6)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

HEAD_MAX: Final = 16_384  # octets of status line and headers, interim answers included
BODY_MAX: Final = 65_536  # of a 407 that is skipped; behind a longer one the connection is left

_STATUS_LINE: Final = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: [^\r\n\0]*)?")
_FIELD: Final = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([^\r\n\0]*?)[ \t]*")
_LENGTH: Final = re.compile(r"[0-9]{1,9}")
_BEGINNING: Final = b"HTTP/1."


class NotHttp(Exception):
    """What came is no answer of HTTP/1, or too long for one."""


@dataclass(frozen=True, slots=True)
class ConnectAnswer:
    """One answer without its body; header names in lower case."""

    status: int
    headers: tuple[tuple[str, str], ...]
    minor: int = 1  # of HTTP/1

    def values(self, name: str) -> tuple[str, ...]:
        """Each value of the header `name` (lower case), in order."""
        return tuple(value for key, value in self.headers if key == name)

    @property
    def body_to_skip(self) -> int | None:
        """Octets until the next answer; None if the connection cannot be used for another."""
        tokens = {
            word.strip().lower()
            for name in ("connection", "proxy-connection")
            for value in self.values(name)
            for word in value.split(",")
        }
        if "close" in tokens or (self.minor == 0 and "keep-alive" not in tokens):
            return None
        lengths = set(self.values("content-length"))
        if self.values("transfer-encoding") or len(lengths) != 1:
            return None
        length = lengths.pop()
        if _LENGTH.fullmatch(length) is None or int(length) > BODY_MAX:
            return None
        return int(length)


def read_head(octets: bytes) -> tuple[ConnectAnswer, int] | None:
    """The answer at the start of `octets` and the length of its head; None if it is not complete.

    Raises: NotHttp
    """
    if octets[: len(_BEGINNING)] != _BEGINNING[: len(octets)]:
        raise NotHttp("it speaks no HTTP")
    end = octets.find(b"\r\n\r\n")
    if end < 0:
        if len(octets) > HEAD_MAX:
            raise NotHttp("the head of its answer has no end")
        return None
    if end > HEAD_MAX:
        raise NotHttp("the head of its answer has no end")
    first, *lines = octets[:end].split(b"\r\n")
    status = _STATUS_LINE.fullmatch(first)
    if status is None:
        raise NotHttp("its status line is malformed")
    headers: list[tuple[str, str]] = []
    for line in lines:
        field = _FIELD.fullmatch(line)
        if field is None:
            raise NotHttp("a header of its answer is malformed")
        headers.append((field[1].decode().lower(), field[2].decode("utf-8", "replace")))
    return ConnectAnswer(int(status[2]), tuple(headers), int(status[1])), end + 4
