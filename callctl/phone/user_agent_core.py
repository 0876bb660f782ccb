"""What the parts of one user agent share: who it is, its stack, and how its messages begin."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias

from callctl.phone.credential_store import CredentialStore
from callctl.phone.event import UserAgentAction
from callctl.phone.settings import Registrar, UserAgentSettings
from sipstack.entropy import Entropy, token
from sipstack.errors import SipSyntaxError
from sipstack.message.grammar import quote
from sipstack.message.headers import Headers
from sipstack.message.message import Request, Response
from sipstack.message.response import respond
from sipstack.message.uri import Uri
from sipstack.stack import Observer, Stack, StackOutput
from sipstack.timing import Instant
from sipstack.transport.flow import UNCONNECTED, Flow
from sipstack.transport.rules import may_send_to

if TYPE_CHECKING:
    from sipstack.dialog.dialog import Dialog
    from sipstack.transaction.machine import ClientTransaction, ServerTransaction

Out: TypeAlias = list[UserAgentAction]
"""Actions of one door call, in order."""

Peer: TypeAlias = tuple[str, str, int]  # transport, remote host, remote port

ALLOW: Final = "INVITE, ACK, CANCEL, BYE, OPTIONS, MESSAGE"
COOKIE: Final = "z9hG4bK"
DEFAULT_PORTS: Final = {"UDP": 5060, "TCP": 5060, "TLS": 5061}
SDP: Final = "application/sdp"


class UserAgentCore:
    """One user agent's identity and tools. `take` is the agent's reaction to its stack."""

    __slots__ = (
        "credentials",
        "entropy",
        "flow",
        "observer",
        "registrars",
        "settings",
        "stack",
        "streams",
        "take",
    )

    def __init__(
        self, settings: UserAgentSettings, entropy: Entropy, observer: Observer | None
    ) -> None:
        self.settings = settings
        self.entropy = entropy
        self.observer = observer
        self.registrars = settings.registrars  # in the order they are tried
        self.stack = Stack(settings.timers, observer=observer)
        self.credentials = CredentialStore(settings.auth_user, settings.password, entropy)
        self.flow: Flow | None = None  # the one we are registered by
        self.streams: dict[Peer, Flow] = {}  # connections that brought something and are up
        self.take: Callable[[tuple[StackOutput, ...], Instant, Out], None] = _nobody

    # Addresses

    def flow_to(self, registrar: Registrar) -> Flow:
        """The way to a node."""
        settings = self.settings
        local = (settings.transport, settings.local_host, settings.local_port)
        return self.live(Flow(*local, registrar.host, registrar.port))

    def live(self, flow: Flow) -> Flow:
        """The connection that is up to the peer of `flow`, or `flow` where there is none."""
        return self.streams.get(peer_of(flow), flow)

    def first_flow(self) -> Flow:
        """Where a request outside a dialog goes: the node we are registered at, or the first."""
        return self.flow or self.flow_to(self.registrars[0])

    def dialog_flow(self, dialog: Dialog, known: Flow) -> Flow:
        """Where a request in a dialog goes.

        `known` is the flow the dialog came up on: a live connection is used again (RFC 5626 §4.3),
        else the first route or the remote target decides (RFC 3261 §8.1.2).
        """
        live = self.live(known)
        if live.connection != UNCONNECTED:
            if peer_of(live) in self.streams:
                return live
            known = known._replace(connection=UNCONNECTED)
        try:
            uri = Uri.parse(dialog.next_hop())
        except SipSyntaxError:
            return known
        host, port = uri.host_port()
        transport = (uri.transport or "udp").upper()
        if uri.scheme == "sips":
            transport = "TLS"
        port = port or DEFAULT_PORTS.get(transport, 5060)
        if transport != known.transport or not _numeric(host) or not may_send_to(host, port):
            return known
        return self.live(known._replace(remote_host=host, remote_port=port))

    def aor(self) -> str:
        """Our address of record, a URI."""
        return f"sip:{self.settings.user}@{self.settings.domain}"

    def contact_uri(self) -> str:
        """Where we can be reached."""
        settings = self.settings
        host = settings.local_host
        host = f"[{host}]" if ":" in host else host
        transport = settings.transport
        params = () if transport == "UDP" else (f"transport={transport.lower()}",)
        tail = "".join(f";{param}" for param in (*params, *settings.contact_uri_params))
        return f"sip:{settings.user}@{host}:{settings.local_port}{tail}"

    def local_party(self, tag: str) -> str:
        """Our From value."""
        name = self.settings.display_name
        return f"{quote(name) + ' ' if name else ''}<{self.aor()}>;tag={tag}"

    # Messages

    def via(self, flow: Flow) -> str:
        """A Via value with a fresh branch; it asks for rport (RFC 3581)."""
        host = self.settings.local_host
        host = f"[{host}]" if ":" in host else host
        branch = COOKIE + token(self.entropy)
        return f"SIP/2.0/{flow.transport} {host}:{self.settings.local_port};branch={branch};rport"

    def request(
        self,
        method: str,
        uri: str,
        flow: Flow,
        *,
        tag: str,
        to: str,
        call_id: str,
        cseq: int,
        headers: tuple[tuple[str, str], ...] = (),
        body: bytes = b"",
    ) -> Request:
        """A request outside any dialog (RFC 3261 §8.1.1), with credentials where they are known."""
        made = Headers()
        made.append("Via", self.via(flow))
        made.append("Max-Forwards", "70")
        made.append("From", self.local_party(tag))
        made.append("To", to)
        made.append("Call-ID", call_id)
        made.append("CSeq", f"{cseq} {method}")
        for name, value in headers:
            made.append(name, value)
        made.append("User-Agent", self.settings.user_agent)
        made.append("Content-Length", str(len(body)))
        request = Request(method, uri, made, body)
        self.credentials.authorize(request, flow)
        return request

    def send(
        self, request: Request, flow: Flow, owner: object, now: Instant, out: Out
    ) -> ClientTransaction:
        """Send a request in a transaction; `owner` hears what becomes of it."""
        transaction, outputs = self.stack.request(request, flow, now, owner)
        self.take(outputs, now, out)
        return transaction

    def respond(
        self, transaction: ServerTransaction, response: Response, now: Instant, out: Out
    ) -> None:
        """Send a response."""
        self.take(self.stack.respond(transaction, response, now), now, out)

    def answer(
        self,
        transaction: ServerTransaction,
        status: int,
        now: Instant,
        out: Out,
        *,
        tag: str | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        """Send a response that needs nothing but a status and perhaps headers."""
        if tag is None and status > 100:
            tag = token(self.entropy)
        made = respond(transaction.request, status, to_tag=tag, headers=headers)
        self.respond(transaction, made, now, out)

    def media(self) -> tuple[str, int, int]:
        """Host and port for our SDP, and a fresh session id."""
        settings = self.settings
        host = settings.media_host or settings.local_host
        return host, settings.media_port, self.entropy.below(2**31)


def peer_of(flow: Flow) -> Peer:
    """Who is at the other end of a flow, by whatever connection."""
    return flow.transport, flow.remote_host, flow.remote_port


def _nobody(outputs: tuple[StackOutput, ...], now: Instant, out: Out) -> None:
    raise AssertionError("no user agent")


def _numeric(host: str) -> bool:
    if ":" in host:
        return True
    parts = host.split(".")
    return len(parts) == 4 and all(p.isascii() and p.isdigit() and int(p) < 256 for p in parts)
