"""Pushes of another registrar, over HTTP: whoever posts here wakes a phone.

Any request will do whose query, form or JSON body names the phone by the value of its `pn-prid`, as
it stood in the REGISTER, or by its user name. RFC 8599 leaves the way to the push service open, so
this takes what a script, an HTTP client module or a generic push gateway is able to send:

    POST /push  {"pn_prid": "..."}      POST /push  user=fleet00001      GET /push?token=...
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from callctl.cloud.http import json_answer
from callctl.io.http_server import Receive, Scope, Send, read_request, send_answer, serve
from callctl.model.device import Platform
from callctl.phone.phone_event import PushArrived
from callctl.phone.phone_settings import PhoneSettings
from callctl.phone.push_identity import PushIdentity
from callctl.push.envelope import CONTENT_FREE

BODY_MAX: Final = 64 * 1024
HOST: Final = "127.0.0.1"

OnPush = Callable[[PushArrived], None]


class PushEndpoint:
    """Finds out whom a request is for. `refused` counts those that are for nobody."""

    def __init__(self, on_push: OnPush) -> None:
        self.refused = 0
        self._on_push = on_push
        self._tokens: dict[str, tuple[str, str]] = {}  # VoIP token and push type, by name
        self._numbers = count(1)

    def know(self, settings: PhoneSettings, identity: PushIdentity) -> None:
        """A phone that can be woken."""
        kind = "voip" if settings.platform is Platform.IOS else "data"
        known = (identity.voip_token, kind)
        params = dict(param.partition("=")[::2] for param in identity.contact_uri_params())
        for name in (params["pn-prid"], identity.voip_token, settings.agent.user):
            self._tokens[name] = known

    def receive(self, query: str, body: bytes) -> bool:
        """One request. False if it names nobody."""
        for name in _values(query, body):
            known = self._tokens.get(name)
            if known is not None:
                token, kind = known
                payload = {"trackingId": str(next(self._numbers)), "payload": CONTENT_FREE}
                self._on_push(PushArrived(token, kind, payload))
                return True
        self.refused += 1
        return False

    @asynccontextmanager
    async def listening(self, port: int) -> AsyncGenerator[str]:
        """Take requests while the context lasts; gives its URL. Raises: OSError."""
        async with serve(self._app, None, host=HOST, port=port) as bound:
            yield f"http://{HOST}:{bound}/push"

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = await read_request(scope, receive, BODY_MAX)
        if request is None:
            return
        query = scope.get("query_string", b"").decode("latin-1")
        known = self.receive(query, request.body)
        answer = json_answer(200, {}) if known else json_answer(404, {"error": "NoSuchPhone"})
        await send_answer(send, answer)


def _values(query: str, body: bytes) -> Iterator[str]:
    """Every text that may be a name."""
    for _, value in parse_qsl(query):
        yield value
    try:
        yield from _texts(msgspec.json.decode(body))
    except msgspec.DecodeError:
        text = body.decode("utf-8", errors="replace").strip()
        yield text
        for _, value in parse_qsl(text):
            yield value


def _texts(value: Any) -> Iterator[str]:  # noqa: ANN401  (what JSON holds)
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
