"""One request and its answer over a connection of its own, which is closed behind it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from callctl.cloud.http import HeaderList, HttpAnswer, HttpRequest
from callctl.egress.failure import ExchangeFailed
from callctl.io.dial import Service
from callctl.io.http_connection import HttpConnection, Post, request_octets
from callctl.push.events import LostReason

METHODS: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})

_TARGET: Final = re.compile(r"[!-~]+")
_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE: Final = re.compile(r"[\t -~\x80-\U0010ffff]*")

Connect: TypeAlias = Callable[[Callable[[], HttpConnection]], Awaitable[HttpConnection]]


def request_at(url: str, service: Service, method: str, headers: HeaderList, body: bytes) -> bytes:
    """The request as it goes on the wire.

    Raises: ValueError for what would not be one request.
    """
    parts = urlsplit(url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if method not in METHODS:
        raise ValueError(f"method {method!r}")
    if _TARGET.fullmatch(target) is None:
        raise ValueError("the URL has characters that have to be escaped")
    for name, value in headers:
        if _NAME.fullmatch(name) is None or _VALUE.fullmatch(value) is None:
            raise ValueError(f"header {name!r} is malformed")
    whole = (*headers, ("connection", "close"))
    return request_octets(HttpRequest(method, target, whole, body), service.authority)


async def one_exchange(connect: Connect, octets: bytes, host: str, answer_max: int) -> HttpAnswer:
    """Send `octets` over a new connection. Raises: ExchangeFailed"""
    waiting = _Waiting(host)
    connection = await connect(lambda: HttpConnection(waiting, answer_max))
    try:
        if not waiting.answer.done():
            connection.send(Post("", octets, None))
        return await waiting.answer
    finally:
        connection.abort()


class _Waiting:
    """Owns the one connection."""

    def __init__(self, host: str) -> None:
        self._host = host
        self.answer: asyncio.Future[HttpAnswer] = asyncio.get_running_loop().create_future()

    def answered(self, connection: HttpConnection, key: str, answer: HttpAnswer) -> None:
        if not self.answer.done():
            self.answer.set_result(answer)

    def closed(self, connection: HttpConnection, key: str | None, reason: LostReason) -> None:
        if self.answer.done():
            return
        why = "closed before the answer was complete"
        if reason == "bad answer":
            why = "what it answers is not HTTP, or too long"
        self.answer.set_exception(ExchangeFailed("http", f"{self._host}: {why}"))
