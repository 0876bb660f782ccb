"""What a request is, who may send it, and which part of the node answers for it.

Source: RFC 3261 §16.3 to §16.5 and §22 for the checks and their order; the design for who is
trusted: nobody outside a dialog without a password, but another node of the cluster and the peer of
a trunk. Such a peer reaches what is ours, never another peer.
"""

from __future__ import annotations

from typing import Final

from callctl.call.call import Call
from callctl.call.caller_identity import ANONYMOUS_HOST, ASSERTED, CLAIMS, caller_identity
from callctl.engine.call_control import CallControl
from callctl.engine.context import NodeContext, Out
from callctl.engine.delivery import caller_end
from callctl.engine.proxy import Proxy
from callctl.engine.registry import Registry
from callctl.engine.relay import Relay
from callctl.engine.route_token import HOP, RouteToken
from callctl.engine.trunk_peers import TrunkPeers
from callctl.model.hunt_pilot import HuntPilot
from callctl.model.line import Line
from callctl.model.trunk import RoutePattern, SipTrunk
from callctl.registration.authenticator import Authenticator, Challenged
from sipstack.errors import SipSyntaxError
from sipstack.message.message import Request
from sipstack.timing import Instant
from sipstack.transaction.machine import ServerTransaction
from sipstack.transport.flow import Flow

ALLOW: Final = (
    "INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER, MESSAGE, REFER, NOTIFY, INFO, UPDATE, PRACK, "
    "SUBSCRIBE, PUBLISH"
)
ALLOW_CALLS_ONLY: Final = "INVITE, ACK, CANCEL"  # what a hunt pilot or a trunk number takes
CLAIMED: Final = (*CLAIMS, "x-push-call-uuid")
"""Headers that only the cluster, or a trusted peer, may bring."""
SEPARATORS: Final = str.maketrans("", "", "-.() ")  # RFC 3966 §5.1.1
IN_DIALOG_ONLY: Final = frozenset({"BYE", "UPDATE", "PRACK", "INFO"})


class Admission:
    """The door every request comes through."""

    __slots__ = (
        "_authenticator",
        "_calls",
        "_cluster",
        "_context",
        "_peers",
        "_proxy",
        "_registry",
    )

    def __init__(
        self, context: NodeContext, proxy: Proxy, calls: CallControl, registry: Registry
    ) -> None:
        self._context = context
        self._cluster = context.cluster
        self._proxy = proxy
        self._calls = calls
        self._registry = registry
        self._peers = TrunkPeers(context)
        self._authenticator = Authenticator(
            context.cluster, context.name, context.entropy.octets(32)
        )

    def request(
        self, transaction: ServerTransaction, request: Request, now: Instant, out: Out
    ) -> None:
        """One new request: check it, find out who sent it, give it to the part it is for."""
        try:
            self._dispatch(transaction, request, now, out)
        except SipSyntaxError as error:
            # Read no further than needed before; the part that needed this header found it bad.
            self._proxy.answer(transaction, request, error.status, (), now, out)
            self._context.ignore("syntax error", str(error), out)
        except Exception as error:
            owner = transaction.owner
            if isinstance(owner, Call):
                self._calls.contain(owner, error, now, out)
            elif isinstance(owner, Relay):
                self._proxy.contain(owner, error, now, out)
            else:
                self._proxy.abandon(transaction, request, (), error, now, out)

    def _dispatch(
        self, transaction: ServerTransaction, request: Request, now: Instant, out: Out
    ) -> None:
        flow = transaction.flow
        answer = self._proxy.answer
        if request.uri.scheme not in ("sip", "sips", "tel"):
            answer(transaction, request, 416, (), now, out)
            return
        if request.max_forwards == 0 and request.method not in ("REGISTER", "OPTIONS"):
            answer(transaction, request, 483, (), now, out)
            return
        token: RouteToken | None = None
        if request.headers.has("route"):
            request = request.copy()
            token = self._proxy.own_routes(request)
        if request.proxy_require:
            unsupported = (("Unsupported", ", ".join(request.proxy_require)),)
            answer(transaction, request, 420, unsupported, now, out)
        elif self._context.forwarder.loops(request):
            answer(transaction, request, 482, (), now, out)
        elif token is not None and token.kind == HOP:
            self._proxy.hop(transaction, request, token, flow, now, out)
        elif request.to_tag is not None and request.method != "REGISTER":
            self._in_dialog(transaction, request, token, flow, now, out)
        elif request.method == "REGISTER":
            self._register(transaction, request, flow, now, out)
        else:
            self._initial(transaction, request, flow, now, out)

    def _in_dialog(
        self,
        transaction: ServerTransaction,
        request: Request,
        token: RouteToken | None,
        flow: Flow,
        now: Instant,
        out: Out,
    ) -> None:
        if request.method == "OPTIONS" and token is None and request.uri.user is None:
            self._options(transaction, request, now, out)
            return
        trunk = self._peers.trunk_of(flow, request.top_via.port)
        if token is None and self._context.book.names_us(request.uri):
            # Without our Route nothing tells that there is a dialog: a To tag alone must not get
            # a stranger past the password. A client that lost the Route is known by its flow.
            authenticated = (
                self._authenticated_in_dialog(transaction, request, flow, now, out)
                if trunk is None
                else self._peer_admitted(transaction, request, trunk, now, out)
            )
            if authenticated is None:
                return
            request = authenticated
        request = without_claims(request, trunk)
        self._proxy.in_dialog(transaction, request, token, flow, now, out)

    def _initial(
        self,
        transaction: ServerTransaction,
        request: Request,
        flow: Flow,
        now: Instant,
        out: Out,
    ) -> None:
        """A request outside any dialog, from a client or peer that we do not know yet."""
        context = self._context
        answer = self._proxy.answer
        uri = request.uri
        ours = uri.scheme == "tel" or context.book.dialled_here(uri)
        if ours and uri.user is None and uri.scheme != "tel":
            if request.method == "OPTIONS":
                self._options(transaction, request, now, out)
            else:
                answer(transaction, request, 405, (("Allow", ALLOW),), now, out)
            return
        if request.max_forwards == 0:
            answer(transaction, request, 483, (), now, out)
            return
        if request.method in IN_DIALOG_ONLY:
            answer(transaction, request, 481, (), now, out)
            return
        trunk = self._peers.trunk_of(flow, request.top_via.port)
        authenticated = (
            self._authenticated(transaction, request, now, out)
            if trunk is None
            else self._peer_admitted(transaction, request, trunk, now, out)
        )
        if authenticated is None:
            return
        request = without_claims(authenticated, trunk)
        if not ours or request.headers.has("route"):
            # Nothing leaves the cluster on a stranger's wish: no open relay.
            answer(transaction, request, 403, (), now, out)
            return
        number = self._dialled(request)
        destination = self._cluster.destination(number)
        if destination is None:
            answer(transaction, request, 404, (), now, out)
        elif trunk is not None and isinstance(destination, RoutePattern):
            # One peer's calls to another would be at our cost: no transit.
            answer(transaction, request, 403, (), now, out)
        elif request.method != "INVITE":
            self._message(transaction, request, destination, trunk, flow, now, out)
        elif trunk is None:
            self._calls.invite(transaction, request, number, flow, now, out)
        else:
            self._calls.invite(transaction, request, number, flow, now, out, trunk=trunk)

    def _message(
        self,
        transaction: ServerTransaction,
        request: Request,
        destination: Line | HuntPilot | RoutePattern,
        trunk: SipTrunk | None,
        flow: Flow,
        now: Instant,
        out: Out,
    ) -> None:
        """A request other than INVITE for a number: to the devices of a line, as they are now."""
        context, cluster = self._context, self._cluster
        if not isinstance(destination, Line):
            allow = (("Allow", ALLOW_CALLS_ONLY),)
            self._proxy.answer(transaction, request, 405, allow, now, out)
            return
        found = context.table.of_dn(destination.dn, now)
        bindings = tuple(binding for binding in found if context.lives(binding))
        end = caller_end(context, request, flow, now)
        identity = caller_identity(request, cluster, trunk).asserted(cluster.domain)
        asserted = () if identity is None else (("P-Asserted-Identity", identity),)
        self._proxy.to_bindings(transaction, request, bindings, end, flow, asserted, now, out)

    def _authenticated(
        self, transaction: ServerTransaction, request: Request, now: Instant, out: Out
    ) -> Request | None:
        """The request without the credentials that were for us; None if it has been refused."""
        if self._cluster.service_parameters.authentication == "none":
            return request
        answer = self._proxy.answer
        verdict = self._authenticator.check(request, now)
        if isinstance(verdict, Challenged):
            answer(transaction, request, verdict.status, (verdict.header,), now, out)
            return None
        if not self._may_speak_as(request, verdict.user_id):
            answer(transaction, request, 403, (), now, out)
            return None
        return self._without_credentials(request)

    def _peer_admitted(
        self,
        transaction: ServerTransaction,
        request: Request,
        trunk: SipTrunk,
        now: Instant,
        out: Out,
    ) -> Request | None:
        """The request of a trunk's peer; None if the peer has still to prove who it is."""
        challenged = self._peers.challenged(trunk, request, now)
        if challenged is not None:
            self._proxy.answer(
                transaction, request, challenged.status, (challenged.header,), now, out
            )
            return None
        return request if trunk.inbound is None else self._without_credentials(request)

    def _without_credentials(self, request: Request) -> Request:
        """A copy without what was for us, not for the called side (RFC 3261 §22.3)."""
        stripped = request.copy()
        stripped.headers.remove("proxy-authorization")
        if self._cluster.service_parameters.invite_challenge_code == 401:
            stripped.headers.remove("authorization")
        return stripped

    def _authenticated_in_dialog(
        self,
        transaction: ServerTransaction,
        request: Request,
        flow: Flow,
        now: Instant,
        out: Out,
    ) -> Request | None:
        sender = request.from_.uri.user_unescaped or ""
        for binding in self._context.table.of_dn(sender, now):
            if binding.flow == flow and binding.node == self._context.name:
                return request
        return self._authenticated(transaction, request, now, out)

    def _may_speak_as(self, request: Request, user_id: str) -> bool:
        """True if From is a line of the authenticated user, the user's own id, or nobody."""
        uri = request.from_.uri
        sender = uri.user_unescaped
        if sender == user_id or uri.host.lower() == ANONYMOUS_HOST:
            return True
        devices = self._cluster.devices_of_user.get(user_id, ())
        return any(sender in device.lines for device in devices)

    def _dialled(self, request: Request) -> str:
        """The number a Request-URI asks for; a GRUU or tel URI names one too. "" for a stranger's.

        A local number of a tel URI counts within its `phone-context` only (RFC 3966 §5.1.5).
        """
        uri = request.uri
        number = uri.user_unescaped or ""
        if uri.scheme != "tel" and self._cluster.destination(number) is not None:
            return number
        number = number.translate(SEPARATORS)
        scope = uri.params.get("phone-context") if uri.scheme == "tel" else None
        if scope is None or number.startswith("+") or scope.lower() == self._cluster.domain:
            return number
        return scope.translate(SEPARATORS) + number if scope.startswith("+") else ""

    def _options(
        self, transaction: ServerTransaction, request: Request, now: Instant, out: Out
    ) -> None:
        headers = (
            ("Allow", ALLOW),
            ("Accept", "*/*"),
            ("Supported", "path, outbound, gruu"),
        )
        self._proxy.answer(transaction, request, 200, headers, now, out)

    def ack(self, request: Request, flow: Flow, now: Instant, out: Out) -> None:
        token: RouteToken | None = None
        try:
            if request.headers.has("route"):
                token = self._proxy.own_routes(request)
            if request.max_forwards == 0:
                self._context.ignore("ACK out of hops", request.call_id, out)
                return
            if token is None and not request.uri.params.has("gr"):
                # The ACK of a 2xx comes with our Route. One without belongs to a failure whose
                # transaction is over, and such an ACK goes no further (I10).
                self._context.ignore("ACK without our Route", request.call_id, out)
                return
            self._proxy.in_dialog(None, request, token, flow, now, out)
        except SipSyntaxError as error:
            self._context.ignore("syntax error", str(error), out)

    def _register(
        self,
        transaction: ServerTransaction,
        request: Request,
        flow: Flow,
        now: Instant,
        out: Out,
    ) -> None:
        answer = self._proxy.answer
        if not self._context.book.dialled_here(request.uri):
            answer(transaction, request, 403, (), now, out)
            return
        user_id: str | None = None
        asked_at = now
        if self._cluster.service_parameters.authentication == "digest":
            verdict = self._authenticator.check(request, now)
            if isinstance(verdict, Challenged):
                answer(transaction, request, verdict.status, (verdict.header,), now, out)
                return
            user_id, asked_at = verdict.user_id, verdict.asked_at
        self._registry.register(transaction, request, user_id, flow, now, out, asked_at)


def without_claims(request: Request, trunk: SipTrunk | None) -> Request:
    """The request without what its sender may not say of itself (RFC 3325 §5).

    A trusted peer's P-Asserted-Identity stays; its other claims are no standard between networks.
    """
    believed = trunk is not None and trunk.trust_identity
    removed = [
        key for key in CLAIMED if request.headers.has(key) and not (believed and key == ASSERTED)
    ]
    if not removed:
        return request
    stripped = request.copy()
    for key in removed:
        stripped.headers.remove(key)
    return stripped
