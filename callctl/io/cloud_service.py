"""One emulated service on sockets: its core behind TLS, with the faults of its connections."""

from __future__ import annotations

import contextlib
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from typing import Final, Protocol

from callctl.cloud.fault_orders import BadFault, CertificateFault, FaultOrder
from callctl.cloud.faults import FaultPlan
from callctl.cloud.http import HttpRequest
from callctl.cloud.known_faults import made
from callctl.cloud.reachability import PEER_ADDRESS
from callctl.cloud.record import PushLog
from callctl.cloud.wire_faults import WireFault, WirePlan
from callctl.io.core_runner import Core, CoreRunner
from callctl.io.fault_wire import FaultWire, serve_wire
from callctl.io.h2_server import ALPN, H2Server, serve_h2
from callctl.io.http_server import (
    AsgiApp,
    Receive,
    Scope,
    Send,
    read_request,
    send_answer,
    send_in_manner,
    serve,
    unless_disconnected,
)
from callctl.io.pki import CertificateAuthority
from callctl.io.shown_certificate import Certificates, ShownCertificate
from sipstack.entropy import Entropy
from sipstack.io.clock import MonotonicClock

CORE_FAULTS: Final = 2
"""Faults of the core have even numbers, this times their own; those of connections the next odd."""

CERTIFICATE_FAULT: Final = 1
"""The number of the one fault that the certificate can have."""


class ServiceCore(Core, Protocol):
    """A core that can be hosted."""

    @property
    def faults(self) -> FaultPlan: ...

    @property
    def log(self) -> PushLog: ...


@dataclass(frozen=True, slots=True)
class Hosting:
    """Where and how services are hosted."""

    host: str
    certificates: Certificates
    clock: MonotonicClock
    entropy: Entropy
    on_trace: Callable[[object], None]
    connection_faults: bool  # a stage in front of each server; else its connections are all well

    @property
    def url_host(self) -> str:
        """The host as it stands in a URL."""
        return f"[{self.host}]" if ":" in self.host else self.host


class CloudService:
    """A service, known by `name`; `url` is where it is reached once it runs."""

    def __init__(
        self, name: str, core: ServiceCore, authority: CertificateAuthority, hosting: Hosting
    ) -> None:
        self.name = name
        self.core = core
        self.authority = authority
        self.url = ""
        self.wire = WirePlan(hosting.entropy)
        self.certificate = ShownCertificate(authority, hosting.certificates, hosting.clock)
        self._hosting = hosting
        self._wires: list[FaultWire] = []

    # Faults.

    def add_fault(self, order: FaultOrder) -> int:
        """Put a fault in force. Returns: its number. Raises: BadFault."""
        fault = made(order, self._hosting.clock())
        if isinstance(fault, CertificateFault):
            self.certificate.fault = fault
            return CERTIFICATE_FAULT
        if isinstance(fault, WireFault):
            if not self._hosting.connection_faults:
                raise BadFault("this cloud runs without the stage that connection faults need")
            number = self.wire.add(fault)
            self._look()
            return CORE_FAULTS * number + 1
        return CORE_FAULTS * self.core.faults.add(fault)

    def remove_fault(self, number: int) -> bool:
        """End one fault; False if there is none with that number."""
        if number == CERTIFICATE_FAULT:
            was = self.certificate.in_force() is not None
            self.certificate.fault = None
            return was
        own, of_connections = divmod(number, CORE_FAULTS)
        return self.wire.remove(own) if of_connections else self.core.faults.remove(own)

    def clear_faults(self) -> None:
        """From now on all is well; a connection that is dead stays dead."""
        self.core.faults.clear()
        self.wire.clear()
        self.certificate.fault = None

    # What there is to see.

    @property
    def running(self) -> bool:
        """True while it can be reached."""
        return bool(self.url)

    @property
    def open_connections(self) -> int | None:
        """How many, None if nobody counts them: the stage of connection faults does."""
        if not self._hosting.connection_faults:
            return None
        return sum(len(wire) for wire in self._wires)

    def statuses(self) -> dict[int, int]:
        """How often each status was answered, as far as the log goes back."""
        counted = Counter(record.status for record in self.core.log)
        return dict(sorted(counted.items()))

    # Sockets.

    def runner(self, perform: Callable[[object], None] | None = None) -> CoreRunner:
        """What feeds the core; actions that are no answers go to `perform`, else to the trace."""
        return CoreRunner(self.core, self._hosting.clock, perform or self._hosting.on_trace)

    def app(self, runner: CoreRunner, body_max: int) -> AsgiApp:
        """Every request goes to the core; of its body as much as the core may want to refuse."""

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            await self.answer(runner, body_max, scope, receive, send)

        return answer

    async def answer(
        self, runner: CoreRunner, body_max: int, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Let the core answer one request."""
        request = await read_request(scope, receive, body_max)
        if request is None:
            return
        asked = runner.answer_to(self._with_peer(request, scope))
        answer = await unless_disconnected(receive, asked)
        if answer is None:
            return
        if answer.manner is not None:
            await send_in_manner(scope, receive, send, answer, answer.manner)
        else:
            await send_answer(send, answer)

    def _with_peer(self, request: HttpRequest, scope: Scope) -> HttpRequest:
        """The request with the address of who asks, and without what it says of that itself."""
        host, port = scope.get("client") or ("", 0)
        for wire in self._wires:
            host = wire.peers.get(port, host)
        kept = tuple(field for field in request.headers if field[0] != PEER_ADDRESS)
        return replace(request, headers=(*kept, (PEER_ADDRESS, host)))

    @contextlib.asynccontextmanager
    async def listen(
        self, app: AsgiApp, port: int, before_stop: Callable[[], None] = lambda: None
    ) -> AsyncIterator[str]:
        """Serve `app` over HTTP/1.1; gives the URL of the host. Raises: OSError."""
        inner = 0 if self._hosting.connection_faults else port
        tls = self.certificate.context()
        host = self._hosting.host
        async with (
            serve(app, tls, host=host, port=inner, before_stop=before_stop) as bound,
            self._staged(bound, port) as outer,
        ):
            yield f"https://{self._hosting.url_host}:{outer}"

    @contextlib.asynccontextmanager
    async def listen_h2(
        self, runner: CoreRunner, port: int, *, streams_at_first: int
    ) -> AsyncIterator[tuple[str, H2Server]]:
        """Serve the core over HTTP/2; gives the URL of the host, and the server. Raises: OSError"""
        inner = 0 if self._hosting.connection_faults else port
        tls: ssl.SSLContext = self.certificate.context(ALPN)
        async with (
            serve_h2(
                runner,
                tls,
                host=self._hosting.host,
                port=inner,
                streams_at_first=streams_at_first,
            ) as server,
            self._staged(server.port, port) as outer,
        ):
            yield f"https://{self._hosting.url_host}:{outer}", server

    @contextlib.asynccontextmanager
    async def _staged(self, inner: int, port: int) -> AsyncIterator[int]:
        if not self._hosting.connection_faults:
            yield inner
            return
        wire = FaultWire(self.wire, self._hosting.clock, self._hosting.host, inner)
        async with serve_wire(wire, port) as outer:
            self._wires.append(wire)
            try:
                yield outer
            finally:
                self._wires.remove(wire)

    def _look(self) -> None:
        for wire in self._wires:
            wire.faults_changed()
