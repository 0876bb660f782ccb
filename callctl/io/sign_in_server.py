"""The sign-in service of managed clients, over HTTPS: `POST /sign-in` and `POST /sign-out`."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Final, TypeAlias

import anyio
import msgspec
from anyio.abc import TaskStatus

from callctl.cloud.http import HeaderList, HttpAnswer, json_answer
from callctl.io.http_server import Receive, Scope, Send, read_request, send_answer, serve
from callctl.push.sign_in import SignInAnswer, SignInDirectory, SignInEvent, SignInService
from sipstack.timing import Instant

SIGN_IN_PATH: Final = "/sign-in"
SIGN_OUT_PATH: Final = "/sign-out"
BODY_MAX: Final = 16_384  # octets

OnSignIn: TypeAlias = Callable[[SignInEvent], None]


class SignInServer:
    """Hands each accepted sign-in or sign-out to `on_event` before the client has its answer."""

    def __init__(
        self,
        directory: SignInDirectory,
        tls: ssl.SSLContext,
        clock: Callable[[], Instant],
        on_event: OnSignIn,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.url = ""  # known once it runs
        self._service = SignInService(directory)
        self._tls = tls
        self._clock = clock
        self._on_event = on_event
        self._host = host
        self._port = port

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled."""
        async with serve(self._app, self._tls, host=self._host, port=self._port) as port:
            host = f"[{self._host}]" if ":" in self._host else self._host
            self.url = f"https://{host}:{port}"
            task_status.started()
            await anyio.sleep_forever()

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = await read_request(scope, receive, BODY_MAX)
        if request is None:
            return
        judge = {SIGN_IN_PATH: self._service.sign_in, SIGN_OUT_PATH: self._service.sign_out}.get(
            request.path
        )
        if judge is None:
            await send_answer(send, json_answer(404, {"error": "NotFound"}))
        elif request.method != "POST":
            await send_answer(send, json_answer(405, {"error": "MethodNotAllowed"}))
        elif len(request.body) > BODY_MAX:
            await send_answer(send, json_answer(413, {"error": "PayloadTooLarge"}))
        else:
            address = scope["client"][0] if scope["client"] else ""
            judged = judge(request.body, address, self._clock())
            if judged.event is not None:
                self._on_event(judged.event)
            await send_answer(send, _http(judged))


def _http(judged: SignInAnswer) -> HttpAnswer:
    private: HeaderList = (("cache-control", "no-store"),)
    if judged.facts is not None:
        typed = (("content-type", "application/json"), *private)
        return HttpAnswer(judged.status, typed, msgspec.json.encode(judged.facts))
    headers = private
    if judged.retry_after_s is not None:
        headers = (*headers, ("retry-after", str(judged.retry_after_s)))
    fields = {"error": judged.reason} if judged.reason else {}
    return json_answer(judged.status, fields, headers)
