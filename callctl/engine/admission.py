"""What a request is, who may send it, and which part of the node answers for it.

Source: RFC 3261 §16.3 to §16.5 and §22 for the checks and their order; the design for who is
trusted: nobody outside a dialog without a password, but another node of the cluster.
"""

from __future__ import annotations

from typing import Final

from callctl.call.caller_identity import caller_identity
from callctl.engine.call_control import CallControl
from callctl.engine.context import NodeContext, Out
from callctl.engine.delivery import caller_end
from callctl.engine.proxy import Proxy
from callctl.engine.registry import Registry
from callctl.engine.route_token import HOP, RouteToken
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
IN_DIALOG_ONLY: Final = frozenset({"BYE", "UPDATE", "PRACK", "INFO"})


class Admission:
    """The door every request comes through."""

    __slots__ = ("_authenticator", "_calls", "_cluster", "_context", "_proxy", "_registry")

    def __init__(
        self, context: NodeContext, proxy: Proxy, calls: CallControl, registry: Registry
    ) -> None:
        self._context = context
        self._cluster = context.cluster
        self._proxy = proxy
        self._calls = calls
        self._registry = registry
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
        if token is None and self._context.book.names_us(request.uri):
            # Without our Route nothing tells that there is a dialog: a To tag alone must not get
            # a stranger past the password. A client that lost the Route is known by its flow.
            authenticated = self._authenticated_in_dialog(transaction, request, flow, now, out)
            if authenticated is None:
                return
            request = authenticated
        self._proxy.in_dialog(transaction, request, token, flow, now, out)

    def _initial(
        self,
        transaction: ServerTransaction,
        request: Request,
        flow: Flow,
        now: Instant,
        out: Out,
    ) -> None:
        """A request outside any dialog, from a client that we do not know yet."""
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
        authenticated = self._authenticated(transaction, request, now, out)
        if authenticated is None:
            return
        request = authenticated
        if not ours or request.headers.has("route"):
            # Nothing leaves the cluster on a stranger's wish: no open relay.
            answer(transaction, request, 403, (), now, out)
            return
        dn = self._dialled(request)
        if dn not in self._cluster.lines:
            answer(transaction, request, 404, (), now, out)
        elif request.method == "INVITE":
            self._calls.invite(transaction, request, dn, flow, now, out)
        else:
            bindings = tuple(b for b in context.table.of_dn(dn, now) if context.lives(b))
            end = caller_end(context, request, flow, now)
            identity = caller_identity(request, self._cluster).asserted(self._cluster.domain)
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
        stripped = request.copy()
        stripped.headers.remove("proxy-authorization")  # RFC 3261 §22.3
        if self._cluster.service_parameters.invite_challenge_code == 401:
            stripped.headers.remove("authorization")  # it was for us, not for the called side
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
        """True if From is a line of the authenticated user, or the user's own id."""
        sender = request.from_.uri.user_unescaped
        if sender == user_id:
            return True
        devices = self._cluster.devices_of_user.get(user_id, ())
        return any(sender in device.lines for device in devices)

    def _dialled(self, request: Request) -> str:
        """The directory number a Request-URI asks for; a GRUU or tel URI names one too."""
        number = request.uri.user_unescaped or ""
        if request.uri.scheme == "tel" or number not in self._cluster.lines:
            number = "".join(c for c in number if c not in "-.() ")
        return number

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
        if self._cluster.service_parameters.authentication == "digest":
            verdict = self._authenticator.check(request, now)
            if isinstance(verdict, Challenged):
                answer(transaction, request, verdict.status, (verdict.header,), now, out)
                return
            user_id = verdict.user_id
        self._registry.register(transaction, request, user_id, flow, now, out)
