"""One connection of HTTP/1.1 that carries one request at a time: one write and one parse for each.

Source: RFC 9112; CPNS-08.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, cast

import httptools

from callctl.cloud.http import HeaderList, HttpAnswer, HttpRequest
from callctl.push.events import LostReason
from sipstack.timing import Instant

ANSWER_MAX: Final = 65_536  # octets of an answer's body
HEAD_MAX: Final = 65_536  # octets of its header names and values


@dataclass(frozen=True, slots=True)
class Post:
    """One request on its way; `key` names it to the owner of the connection."""

    key: str
    octets: bytes = field(repr=False)  # request line, headers and body
    deadline: Instant | None  # lost if it has no connection by then
    again: bool = False  # it was sent and not answered: by another address of the proxy now


class Owner(Protocol):
    """Who a connection reports to."""

    def answered(self, connection: HttpConnection, key: str, answer: HttpAnswer) -> None:
        """The answer is complete."""

    def closed(self, connection: HttpConnection, key: str | None, reason: LostReason) -> None:
        """It is gone, and with it the answer to `key`."""


def request_octets(request: HttpRequest, authority: str) -> bytes:
    """`request` to the host `authority` as it goes on the wire."""
    head = f"{request.method} {request.path} HTTP/1.1\r\nHost: {authority}\r\n"
    fields = "".join([f"{name}: {value}\r\n" for name, value in request.headers])
    return f"{head}{fields}Content-Length: {len(request.body)}\r\n\r\n".encode() + request.body


class HttpConnection(asyncio.Protocol):
    """Sends a `Post`, and gives its owner the answer or the reason why there is none."""

    __slots__ = (
        "_answer_max",
        "_answers",
        "_body",
        "_closed",
        "_head",
        "_headers",
        "_owner",
        "_parser",
        "_post",
        "_status",
        "_transport",
        "idle_since",
        "peer",
        "reusable",
    )

    def __init__(self, owner: Owner, answer_max: int = ANSWER_MAX) -> None:
        self._owner = owner
        self._answer_max = answer_max
        self._transport: asyncio.Transport | None = None
        self._parser: Any = httptools.HttpResponseParser(self)
        self._post: Post | None = None
        self._headers: list[tuple[str, str]] = []
        self._head = 0
        self._body = bytearray()
        self._answers = 0
        self._closed = False
        self._status = 0
        self.idle_since = Instant(0)
        self.peer = ""  # the address it was connected to: of the proxy, where there is one
        self.reusable = True

    def send(self, post: Post) -> None:
        """Write a request."""
        assert self._post is None
        assert self._transport is not None
        self._post = post
        self._headers = []
        self._head = 0
        self._body = bytearray()
        self._transport.write(post.octets)

    @property
    def is_closed(self) -> bool:
        """True if nothing can be sent any more."""
        return self._closed

    def abort(self) -> None:
        """Close at once; the owner hears no more of it."""
        self._post = None
        self._closed = True
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        place = transport.get_extra_info("peername")
        self.peer = str(place[0]) if place else ""

    def data_received(self, data: bytes) -> None:
        if self._post is None:  # an answer to nothing
            self._fail("bad answer")
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._fail("bad answer")
            return
        post = self._post
        # Judged only now: octets behind the answer must not pass for the answer to the next post.
        if self._answers == 1 and post is not None:
            self._answers = 0
            self._post = None
            headers: HeaderList = tuple(self._headers)
            answer = HttpAnswer(self._status, headers, bytes(self._body))
            self._owner.answered(self, post.key, answer)
        elif self._answers > 1:
            self._fail("bad answer")

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail("closed")

    def on_header(self, name: bytes, value: bytes) -> None:
        """From the parser."""
        self._head += len(name) + len(value)
        if self._head > HEAD_MAX:
            self._fail("bad answer")
            return
        self._headers.append((name.decode("latin-1").lower(), value.decode("latin-1")))

    def on_body(self, body: bytes) -> None:
        """From the parser."""
        if len(self._body) + len(body) > self._answer_max:
            self._fail("bad answer")
            return
        self._body += body

    def on_message_complete(self) -> None:
        """From the parser."""
        status = self._parser.get_status_code()
        if status < 200:  # an interim answer, RFC 9110 §15.2
            self._headers = []
            self._head = 0
            return
        self._answers += 1
        self._status = status
        self.reusable = self._parser.should_keep_alive()

    def _fail(self, reason: LostReason) -> None:
        """Gone, or to be given up; tells the owner once."""
        if self._closed:
            return
        key = self._post.key if self._post is not None else None
        self.abort()
        self._owner.closed(self, key, reason)
