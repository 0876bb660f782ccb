"""The admin API of a running cluster: FastAPI, described at /docs. Handlers only look and ask.

Imported only by what serves it: FastAPI takes longer to import than the command line to run.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from hmac import compare_digest
from importlib.metadata import version
from itertools import islice
from typing import Annotated, Any, ClassVar, Final, TypeAlias

from fastapi import Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from callctl.io.admin_view import (
    CallStory,
    CallView,
    DeviceView,
    HealthView,
    NewCall,
    NodeView,
    PhoneFacts,
    PlacedCall,
    PushView,
    RegistrationView,
    Views,
)
from callctl.io.cluster_shell import ClusterShell, Conflict, NotFound
from callctl.io.operation_api import operation_routers
from callctl.io.parties import Parties
from callctl.io.trace_stream import TraceStream
from sipstack.timing import Instant

DESCRIPTION: Final = """\
Looks into a running cluster and works its nodes and simulated phones. Every request but
`/health` needs the bearer token that the cluster made at its first start.
"""
Handler: TypeAlias = Callable[..., Awaitable[Any]]

LIST_MAX: Final = 2_000

Seconds = Annotated[float | None, Query(gt=0, le=86_400, description="End after so long.")]
Limit = Annotated[int, Query(ge=1, le=LIST_MAX, description="The newest so many.")]


BEARER: Final = HTTPBearer(
    auto_error=False, description="What `admin.token` in the state directory holds."
)


class _Authorize:
    """Lets through who knows the token. Raises: HTTPException (401)."""

    def __init__(self, token: str) -> None:
        self._token = token.encode()

    def __call__(
        self, given: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]
    ) -> None:
        if given is None or not compare_digest(given.credentials.encode(), self._token):
            raise HTTPException(401, "bearer token needed", {"WWW-Authenticate": "Bearer"})


class AdminApi:
    """The API of one cluster; `app` is what an ASGI server serves."""

    _document: ClassVar[dict[str, Any] | None] = None  # OpenAPI; the same for every cluster

    def __init__(self, shell: ClusterShell, parties: Parties, token: str) -> None:
        self._shell = shell
        self._parties = parties
        self._views = Views(shell, parties)
        self._token = token
        self._traces: dict[TraceStream, None] = {}
        self._version = version("callctl")
        self.app = FastAPI(
            title="callctl admin API",
            version=self._version,
            description=DESCRIPTION,
            redoc_url=None,
        )
        self.app.add_exception_handler(NotFound, _refused(404))
        self.app.add_exception_handler(Conflict, _refused(409))
        self._add_routes()
        # Now, because making it later would hold up the calls of that moment.
        AdminApi._document = self.app.openapi_schema = AdminApi._document or self.app.openapi()

    def close(self) -> None:
        """End what would keep connections busy."""
        for trace in self._traces:
            trace.close()

    def _add_routes(self) -> None:
        self.app.get("/health", tags=["cluster"])(self.health)
        get, post = self._route("GET"), self._route("POST")
        get("/counters", self.counters, "cluster")
        get("/nodes", self.nodes, "nodes")
        get("/registrations", self.registrations, "devices")
        get("/devices", self.devices, "devices")
        get("/devices/{name}/setup", self.phone_facts, "devices")
        get("/calls", self.calls, "calls")
        get("/calls/placed/{call_id:path}", self.placed, "calls")
        get("/calls/{which:path}", self.call, "calls")
        get("/pushes", self.pushes, "pushes")
        post("/nodes/{name}/start", self.start_node, "nodes")
        post("/nodes/{name}/stop", self.stop_node, "nodes")
        post("/nodes/{name}/kill", self.kill_node, "nodes")
        post("/nodes/{name}/cpns/start", self.start_cpns, "nodes")
        post("/nodes/{name}/cpns/stop", self.stop_cpns, "nodes")
        post("/devices/{name}/suspend", self.suspend, "devices")
        post("/devices/{name}/resume", self.resume, "devices")
        post("/calls", self.place_call, "calls", status_code=201)
        post("/calls/placed/{call_id:path}/hang-up", self.hang_up, "calls")
        pcapng: dict[int | str, dict[str, Any]] = {200: {"content": {"application/x-pcapng": {}}}}
        get("/trace", self.trace, "cluster", response_class=StreamingResponse, responses=pcapng)
        authorized = [Depends(_Authorize(self._token))]
        for router in operation_routers(self._shell):
            self.app.include_router(router, dependencies=authorized)

    def _route(self, method: str) -> Callable[..., None]:
        authorized = [Depends(_Authorize(self._token))]

        def add(path: str, handler: Handler, tag: str, **more: Any) -> None:  # noqa: ANN401
            self.app.add_api_route(
                path, handler, methods=[method], tags=[tag], dependencies=authorized, **more
            )

        return add

    # Cluster.

    async def health(self) -> HealthView:
        """How the cluster is, in one word."""
        return self._views.health(self._version)

    async def counters(self) -> dict[str, dict[str, int]]:
        """What is alive in each running node, and what each has ignored, by reason."""
        counts = self._shell.counts()
        for node in self._shell.nodes:
            ignored = node.engine.ignored
            counts[node.name] |= {f"ignored: {why}": ignored[why] for why in sorted(ignored)}
        return counts

    async def trace(self, seconds: Seconds = None, mask_secrets: bool = True) -> StreamingResponse:
        """A pcapng file that grows until the client leaves: SIP, and pushes as comments."""
        epoch = self._shell.clock.unix_ns(Instant(0))
        stream = TraceStream(self._shell.tap, epoch, mask_secrets=mask_secrets)
        return StreamingResponse(self._traced(stream, seconds), media_type="application/x-pcapng")

    async def _traced(self, stream: TraceStream, seconds: float | None) -> AsyncIterator[bytes]:
        self._traces[stream] = None
        if seconds is not None:
            asyncio.get_running_loop().call_later(seconds, stream.close)
        try:
            async for piece in stream.octets():
                yield piece
        finally:
            self._traces.pop(stream, None)

    # Nodes.

    async def nodes(self) -> list[NodeView]:
        """Every node, whether it runs or not."""
        return [self._views.node(name) for name in self._shell.node_names]

    async def start_node(self, name: str) -> NodeView:
        """Bring a node into service."""
        try:
            await self._shell.start_node(name)
        except OSError as error:
            raise Conflict(f"{name} cannot start: {error}") from error
        return self._views.node(name)

    async def stop_node(self, name: str) -> NodeView:
        """Take a node out of service in order: the others know at once."""
        self._shell.stop_node(name)
        return self._views.node(name)

    async def kill_node(self, name: str) -> NodeView:
        """Let a node die: the others have to find out by its missing heartbeats."""
        self._shell.kill_node(name)
        return self._views.node(name)

    async def start_cpns(self, name: str) -> NodeView:
        """Start the push service of a node."""
        await self._shell.start_cpns(name)
        return self._views.node(name)

    async def stop_cpns(self, name: str) -> NodeView:
        """Stop the push service of a node: its pushes are refused, and no other node's helps."""
        await self._shell.stop_cpns(name)
        return self._views.node(name)

    # Devices.

    async def registrations(self) -> list[RegistrationView]:
        """Every contact of the cluster that has not expired."""
        now = self._shell.clock()
        bindings = [b for b in self._shell.view.engine.bindings if b.lives(now)]
        return [self._views.registration(binding, now) for binding in bindings]

    async def devices(self, all: bool = False, limit: Limit = 200) -> list[DeviceView]:
        """Devices that are registered, can be pushed to or are simulated here; or all."""
        views = (self._views.device(name) for name in self._shell.cluster.devices)
        wanted = (v for v in views if all or v.registrations or v.push != "none" or v.phone)
        return list(islice(wanted, limit))

    async def phone_facts(self, name: str) -> PhoneFacts:
        """What a simulated phone needs to be this device, except the password of its owner."""
        return self._views.phone_facts(name)

    async def suspend(self, name: str) -> DeviceView:
        """The system of a simulated phone suspends the app: its connections are gone."""
        self._parties.phone(name).suspend()
        return self._views.device(name)

    async def resume(self, name: str) -> DeviceView:
        """The user brings the app of a simulated phone to the screen."""
        self._parties.phone(name).resume()
        return self._views.device(name)

    # Calls and pushes.

    async def calls(self, limit: Limit = 50) -> list[CallView]:
        """Calls under way and the last ones, newest first."""
        return [self._views.call(record) for record in reversed(self._shell.records()[-limit:])]

    async def call(self, which: str) -> CallStory:
        """One call step by step; by UUID, the start of one, Call-ID, or `last`."""
        return self._views.story(self._shell.record(which))

    async def place_call(self, new: NewCall) -> PlacedCall:
        """Let a simulated caller call. Follow the call at `/calls/placed/{call_id}`."""
        caller = await self._parties.place_call(new.wish())
        return self._views.placed(caller)

    async def hang_up(self, call_id: str) -> PlacedCall:
        """Let the caller of a placed call hang up, or give up."""
        caller = self._parties.caller(call_id)
        caller.hang_up()
        return self._views.placed(caller)

    async def placed(self, call_id: str) -> PlacedCall:
        """How a placed call goes, as its caller sees it."""
        return self._views.placed(self._parties.caller(call_id))

    async def pushes(self, limit: Limit = 50) -> list[PushView]:
        """Pushes under way and the last ones, newest first."""
        newest = reversed(self._shell.pushes()[-limit:])
        return [self._views.push(node, entry) for node, entry in newest]


def _refused(status: int) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def answer(request: Request, error: Exception) -> Response:
        return JSONResponse({"detail": str(error)}, status)

    return answer
