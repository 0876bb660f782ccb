"""Tells SIP by its start line (RFC 3261 §7.1, §7.2), wherever it is found."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_TOKEN: Final = rb"[A-Za-z0-9\-.!%*_+`'~]"
_VERSION: Final = rb"(?i:SIP)/[0-9]++\.[0-9]++"
_STATUS: Final = _VERSION + rb"[ \t]++[0-9]{3}(?![0-9])[^\r\n]*+"
# What may be a URI is left open: a request with a wrong one is a request.
_REQUEST: Final = _TOKEN + rb"++[ \t]++[^\r\n]*?[ \t]" + _VERSION + rb"[ \t]*+"
_START: Final = re.compile(rb"[\r\n]*+((?:" + _STATUS + rb"|" + _REQUEST + rb")\r?\n)")

LINE_OCTETS_MAX: Final = 10_000  # of a request line that is looked for in a stream
_STATUS_OCTETS: Final = 300  # in which a status line ends
_HEADER_OCTETS: Final = 80  # in which the name of a header and its colon end

_SIGN: Final = b"SIP/2.0"
_AFTER_SIGN: Final = re.compile(rb" [1-6][0-9]{2} [^\r\n]{0,280}\r\n")
_BEFORE_SIGN: Final = re.compile(
    rb"(?:\A" + _TOKEN + rb"{1,64}|(?:INVITE|ACK|BYE|CANCEL|OPTIONS|REGISTER|PRACK|UPDATE|INFO"
    rb"|SUBSCRIBE|NOTIFY|REFER|MESSAGE|PUBLISH)) [^ \r]++ \Z"
)
_HEADER: Final = re.compile(_TOKEN + rb"{1,64}[ \t]*+:")


class Found(NamedTuple):
    """Result of a search in a stream."""

    start: int  # of the line; if it is none, or not whole yet, from where on to keep the octets
    whole: bool
    scanned: int  # where to go on with the search, if it is not whole


def message_start(octets: bytes | bytearray, at: int = 0, end: int | None = None) -> int:
    """Where SIP begins in `octets[at:end]`, which may begin with CRLFs; -1 if it is no SIP.

    The line is not checked further than to tell it from other protocols.
    """
    found = _START.match(octets, at, len(octets) if end is None else end)
    return found.start(1) if found else -1


def find_start(octets: bytes | bytearray, scanned: int = 0) -> Found:
    """Looks for a start line anywhere in a stream of which the beginning is not known.

    It is followed by the name of a header. A request of a method that is not known begins at the
    beginning of a line or of `octets`; others may follow the end of a body in the same line.

    `scanned` tells what an earlier search of the same octets has done, so that the time spent is
    linear in the octets however they come.
    """
    end = len(octets)
    at = octets.find(_SIGN, scanned)
    while at >= 0:
        after = at + len(_SIGN)
        start = line_end = -1
        if octets[after : after + 2] == b"\r\n":
            start, line_end = _request_start(octets, at), after + 2
        elif found := _AFTER_SIGN.match(octets, after):
            start, line_end = at, found.end()
        elif end - after < _STATUS_OCTETS and octets.find(b"\n", after) < 0:
            return Found(_line_start(octets, at), False, at)
        if start >= 0:
            if _HEADER.match(octets, line_end):
                return Found(start, True, end)
            if end - line_end < _HEADER_OCTETS:
                return Found(start, False, at)
        # Whatever this line holds before its last octets is too far from its end.
        line_end = octets.find(b"\r\n", after)
        at = octets.find(_SIGN, max(after, (end if line_end < 0 else line_end) - _STATUS_OCTETS))
    return Found(_line_start(octets, end), False, max(scanned, end - len(_SIGN) + 1))


def _request_start(octets: bytes | bytearray, sign_at: int) -> int:
    """Where the request line with this version begins; -1 if it is none."""
    line_at = _line_start(octets, sign_at)
    found = _BEFORE_SIGN.search(octets[line_at:sign_at])
    return line_at + found.start() if found else -1


def _line_start(octets: bytes | bytearray, at: int) -> int:
    return max(octets.rfind(b"\n", 0, at) + 1, at - LINE_OCTETS_MAX, 0)
