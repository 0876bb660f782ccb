"""Traces: what each service writes down, at which level, where, and what never stands in them.

A line is `2026-11-22 06:15:00,123 INFO  ucm1 CPNS_0b6f... push accepted (200)`: time in UTC, level,
server, tracking id or `-`, text. Keys, user tokens and decrypted content have no way into a trace;
names and numbers go into `personal`, which is written at level Debug only.

Source: TRB-14, TRB-15, TRB-22, PUSH-06, OP-69.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum, IntEnum
from typing import Final

from callctl.serviceability.mask import masked_text
from sipstack.timing import Instant

SHOWN_MAX: Final = 6  # characters of a device token, OP-69
TEXT_MAX: Final = 2_000  # characters of a line's text
NO_ID: Final = "-"
CLOUD: Final = "cloud"  # the server of the emulated clouds

_ID: Final = re.compile(r"[!-~]{1,128}", re.ASCII)  # what can stand as one word in a line
_LINE: Final = re.compile(
    r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) (\w+) +(\S+) (\S+) (.*)", re.ASCII | re.DOTALL
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class TraceLevel(IntEnum):
    """From the most important to the least. A trace at one level has those before it too."""

    ERROR = 1
    WARN = 2
    INFO = 3  # the default, TRB-14 and TRB-15
    DEBUG = 4

    @classmethod
    def named(cls, name: str) -> TraceLevel:
        """The level with this name, in any case. Raises: ValueError."""
        found = cls.__members__.get(name.strip().upper())
        if found is None:
            known = ", ".join(level.label for level in cls)
            raise ValueError(f"there is no trace level {name!r}; there are {known}")
        return found

    @property
    def label(self) -> str:
        """The name as an administrator knows it."""
        return self.name.title()


class Source(Enum):
    """Who writes traces: name, folder and file. The emulated clouds have no server's folder."""

    CALL_MANAGER = ("CallManager", "var/log/active/cm/trace/ccm/sdl", "ccm.log")
    CPNS = ("CPNS", "var/log/active/cm/trace/ccmpns/log4j", "ccmpns.log")
    CMAS = ("CMAS", "var/log/active/cm/trace/cmas/log4j", "cmas.log")
    PUSH_REST = ("Push REST", "cloud/push-rest", "push-rest.log")
    APNS = ("APNs", "cloud/apns", "apns.log")
    FCM = ("FCM", "cloud/fcm", "fcm.log")

    def __init__(self, label: str, folder: str, file: str) -> None:
        self.label = label
        self.folder = folder  # below the root of its server
        self.file = file

    @classmethod
    def named(cls, name: str) -> Source:
        """The source with this label, in any case, `-` for a blank. Raises: ValueError."""
        wanted = name.strip().casefold().replace("-", " ")
        for source in cls:
            if source.label.casefold() == wanted:
                return source
        known = ", ".join(source.label for source in cls)
        raise ValueError(f"nothing named {name!r} writes traces; there are {known}")

    def servers(self, nodes: Sequence[str]) -> tuple[str, ...]:
        """Where it runs, in a cluster of these nodes."""
        return (CLOUD,) if self.folder.startswith(f"{CLOUD}/") else tuple(nodes)


@dataclass(frozen=True, slots=True)
class TraceRecord:
    """Something that one part did or saw."""

    source: Source
    node: str  # "cloud" for the emulated clouds
    at: Instant
    level: TraceLevel
    text: str  # never a key, a user's token, decrypted content, a name or a number
    tracking_id: str = ""  # of the push that it is about (PUSH-06)
    personal: str = field(default="", repr=False)  # device, name, number: at level Debug only


def shortened(token: str) -> str:
    """A device token as it may stand in a trace: its last six characters."""
    return f"...{token[-SHOWN_MAX:]}" if len(token) > SHOWN_MAX else "..."


class TraceLevels:
    """How much each part writes down; `INFO` unless set otherwise."""

    def __init__(self) -> None:
        self._levels: dict[tuple[Source, str], TraceLevel] = {}

    def set(self, source: Source, node: str, level: TraceLevel) -> None:
        """From now on `source` on `node` writes at `level`."""
        self._levels[source, node] = level

    def of(self, source: Source, node: str) -> TraceLevel:
        """The level of `source` on `node`."""
        return self._levels.get((source, node), TraceLevel.INFO)

    def wants(self, record: TraceRecord) -> bool:
        """True if the record is to be written."""
        return record.level <= self.of(record.source, record.node)

    def line(self, record: TraceRecord, unix_ns_at_zero: int) -> str:
        """The line of a record, without its end; only what its level lets through."""
        text = masked_text(record.text)  # its writer should not have given it such things
        if record.personal and self.of(record.source, record.node) is TraceLevel.DEBUG:
            text = f"{text} [{record.personal}]"
        when = _EPOCH + timedelta(microseconds=(unix_ns_at_zero + record.at) // 1_000)
        shown = when.strftime("%Y-%m-%d %H:%M:%S,") + f"{when.microsecond // 1_000:03d}"
        tracking_id = record.tracking_id if _ID.fullmatch(record.tracking_id) else NO_ID
        name = record.level.name
        return f"{shown} {name:<5} {_one_word(record.node)} {tracking_id} {_one_line(text)}"


@dataclass(frozen=True, slots=True)
class FoundLine:
    """A line of a trace, read again."""

    source: str  # as `Source.label`
    node: str
    at: str  # UTC, as it stands there
    level: str
    tracking_id: str
    text: str


def read_line(source: Source, line: str) -> FoundLine | None:
    """A line as it was written; None for one that nobody here has written."""
    match = _LINE.fullmatch(line.rstrip("\n"))
    if match is None:
        return None
    at, level, node, tracking_id, text = match.groups()
    return FoundLine(source.label, node, at, level, tracking_id, text)


def lines_about(tracking_id: str, source: Source, lines: Iterator[str]) -> Iterator[FoundLine]:
    """Those lines that carry this tracking id, or one that begins with it."""
    for line in lines:
        if tracking_id not in line:
            continue  # cheap, and true of nearly all
        found = read_line(source, line)
        if found is not None and found.tracking_id.startswith(tracking_id):
            yield found


def _one_line(text: str) -> str:
    """Text of others must not make lines of its own, nor colour a terminal."""
    cut = text if len(text) <= TEXT_MAX else text[: TEXT_MAX - 3] + "..."
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in cut)


def _one_word(text: str) -> str:
    return text if _ID.fullmatch(text) else NO_ID
