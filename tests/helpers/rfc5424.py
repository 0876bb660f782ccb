"""A strict reader of syslog messages, for tests of what we send. Source: RFC 5424 §6, RFC 6587."""

from __future__ import annotations

import re
from dataclasses import dataclass

BOM = b"\xef\xbb\xbf"

# The ABNF of §6, octet for octet, with no more liberty than it gives.
_HEADER = re.compile(
    rb"<(0|[1-9][0-9]{0,2})>([1-9][0-9]{0,2})"
    rb" (-|\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d"
    rb"(?:\.\d{1,6})?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d))"
    rb" ([!-~]{1,255}) ([!-~]{1,48}) ([!-~]{1,128}) ([!-~]{1,32}) "
)
_SD_NAME = rb"[!#-<>-\\^-~]{1,32}"  # visible ASCII but `=`, `]` and `"`
_PARAM = re.compile(rb" (" + _SD_NAME + rb')="((?:[^"\\\]]|\\["\\\]])*)"')
_SD_ID = re.compile(rb"\[(" + _SD_NAME + rb")")


@dataclass(frozen=True)
class Syslog:
    """One message that is as it must be."""

    facility: int
    severity: int
    timestamp: str
    host: str
    app: str
    process: str
    msg_id: str
    data: dict[str, dict[str, str]]
    text: str


def read_syslog(octets: bytes) -> Syslog:
    """Raises: ValueError for anything that RFC 5424 does not allow."""
    header = _HEADER.match(octets)
    if header is None:
        raise ValueError(f"no header: {octets[:80]!r}")
    priority = int(header[1])
    if priority > 191 or header[2] != b"1":
        raise ValueError("no such priority or version")
    data, rest = _structured_data(octets[header.end() :])
    if rest and not rest.startswith(b" "):
        raise ValueError(f"no space before the text: {rest[:20]!r}")
    rest = rest[1:]
    text = rest.removeprefix(BOM).decode()
    if not text.isascii() and not rest.startswith(BOM):
        raise ValueError("UTF-8 without a byte order mark")
    if any(ord(each) < 32 or ord(each) == 127 for each in text):
        raise ValueError("control characters in the text")
    names = [header[at].decode() for at in range(3, 8)]
    return Syslog(
        priority // 8, priority % 8, names[0], names[1], names[2], names[3], names[4], data, text
    )


def _structured_data(octets: bytes) -> tuple[dict[str, dict[str, str]], bytes]:
    if octets.startswith(b"-"):
        return {}, octets[1:]
    elements: dict[str, dict[str, str]] = {}
    at = 0
    while found := _SD_ID.match(octets, at):
        at = found.end()
        values: dict[str, str] = {}
        while param := _PARAM.match(octets, at):
            at = param.end()
            name = param[1].decode()
            if name in values:
                raise ValueError(f"{name} twice")
            values[name] = re.sub(rb'\\(["\\\]])', rb"\1", param[2]).decode()
        if octets[at : at + 1] != b"]":
            raise ValueError(f"element does not end: {octets[at : at + 20]!r}")
        at += 1
        if found[1].decode() in elements:
            raise ValueError("the same element twice")
        elements[found[1].decode()] = values
    if not elements:
        raise ValueError("no structured data")
    return elements, octets[at:]


def unframed(octets: bytes) -> tuple[list[bytes], bytes]:
    """The messages of a stream by their counts, and the rest that is not whole yet.

    Raises: ValueError for a count that is none.
    """
    messages: list[bytes] = []
    while octets:
        count = re.match(rb"([1-9][0-9]{0,5}) ", octets)
        if count is None:
            if re.fullmatch(rb"[1-9][0-9]{0,5}", octets):
                break
            raise ValueError(f"no count: {octets[:20]!r}")
        end = count.end() + int(count[1])
        if len(octets) < end:
            break
        messages.append(octets[count.end() : end])
        octets = octets[end:]
    return messages, octets
