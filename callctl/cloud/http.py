"""HTTP as the emulator cores see it: a request comes in, an answer goes out, each under a number.

An exchange is one request and its answer; the shell numbers exchanges and carries the octets.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypeAlias

import msgspec

from callctl.cloud.partner import Partner

HeaderList: TypeAlias = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request; header names in lower case."""

    method: str
    path: str  # without query
    headers: HeaderList = field(repr=False)  # may hold an access token
    body: bytes = field(default=b"", repr=False)

    def header(self, name: str) -> str | None:
        """The first header `name` (lower case), None if there is none."""
        for key, value in self.headers:
            if key == name:
                return value
        return None


@dataclass(frozen=True, slots=True)
class Manner:
    """How a shell puts an answer on the wire, where that is not all at once."""

    octet_every_ns: int = 0  # the body comes octet by octet
    break_after: int | None = None  # octets of the body, then the connection is reset


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """One answer; header names in lower case."""

    status: int
    headers: HeaderList = ()
    body: bytes = b""
    manner: Manner | None = None

    def header(self, name: str) -> str | None:
        """The first header `name` (lower case), None if there is none."""
        for key, value in self.headers:
            if key == name:
                return value
        return None

    def json(self) -> dict[str, Any]:
        """The body as an object; {} if it is none."""
        try:
            value = msgspec.json.decode(self.body)
        except (msgspec.DecodeError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}


def json_answer(status: int, fields: dict[str, Any], headers: HeaderList = ()) -> HttpAnswer:
    """An answer with a JSON object as its body."""
    typed = (("content-type", "application/json"), *headers)
    return HttpAnswer(status, typed, msgspec.json.encode(fields))


@dataclass(frozen=True, slots=True)
class RequestReceived:
    """A request arrived."""

    exchange: int
    request: HttpRequest


@dataclass(frozen=True, slots=True)
class SendAnswer:
    """Answer a request that came in."""

    exchange: int
    answer: HttpAnswer


@dataclass(frozen=True, slots=True)
class Forward:
    """Send a request to a partner cloud, and report `ForwardAnswered` or `ForwardFailed`."""

    forward: int
    partner: Partner
    request: HttpRequest


@dataclass(frozen=True, slots=True)
class ForwardAnswered:
    """A partner cloud answered."""

    forward: int
    answer: HttpAnswer


@dataclass(frozen=True, slots=True)
class ForwardFailed:
    """A partner cloud could not be reached, or broke the connection."""

    forward: int
    reason: str


@dataclass(frozen=True, slots=True)
class SayGoodbye:
    """Send GOAWAY on every connection; `unread`: what is open on them was not read, by its word."""

    unread: bool
    reason: str = "goodbye by fault"


@dataclass(frozen=True, slots=True)
class Deafen:
    """Play dead on the connection of this exchange: take octets, send none, never close."""

    exchange: int
    reason: str = "connection deaf by fault"


@dataclass(frozen=True, slots=True)
class Ignored:
    """Nothing is dropped in silence."""

    reason: str
    detail: str
