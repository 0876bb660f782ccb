"""A SIP user agent without I/O: a desk phone, a caller, and the SIP part of a mobile phone.

RFC 3261 §8 (requests outside dialogs), §12 to §15 (calls), §10 (its registration).
"""

from __future__ import annotations

from typing import Final

from callctl.phone.event import (
    CallEnded,
    CallForgotten,
    EndCause,
    IncomingCall,
    MessageReceived,
    UserAgentAction,
)
from callctl.phone.keep_alive import Pinger
from callctl.phone.registration_client import RegistrationClient, RegistrationState
from callctl.phone.settings import Registrar, UserAgentSettings
from callctl.phone.uac_call import UacCall
from callctl.phone.uas_call import UasCall
from callctl.phone.user_agent_call import Call
from callctl.phone.user_agent_core import ALLOW, SDP, Out, UserAgentCore, peer_of
from sipstack.dialog.dialog import Dialog
from sipstack.entropy import Entropy
from sipstack.errors import SipSyntaxError
from sipstack.message.message import Request
from sipstack.stack import FlowEnded, KeepAliveReceived, Observer, Stack, StackOutput
from sipstack.timing import DeadlineQueue, Instant
from sipstack.transaction.events import (
    AckReceived,
    CancelReceived,
    Ignored,
    RequestReceived,
    ResponseReceived,
    TransactionEnded,
    TransactionFailed,
)
from sipstack.transaction.invite_server import InviteServer
from sipstack.transaction.machine import ClientTransaction, ServerTransaction
from sipstack.transport.flow import (
    UNCONNECTED,
    BytesReceived,
    CloseFlow,
    Flow,
    FlowClosed,
    Send,
    TransportEvent,
)

CALLS_MAX: Final = 8  # a busy line; the next caller gets 486
CALL_UUID_HEADER: Final = "x-push-call-uuid"  # OP-07: the call's name in every push
ANONYMOUS: Final = "Anonymous"
HIDING: Final = frozenset({"id", "user"})  # RFC 3325 §9.3, RFC 3323 §4.2
REQUIRABLE: Final = frozenset({"outbound"})  # extensions that change nothing for us

MergeKey = tuple[str | None, str, int, str]  # From tag, Call-ID, CSeq number and method


class UserAgent:
    """One address of record at one local address, with several calls at once.

    Commands return the actions they cause, as the three doors do: what to send, and what happened.
    A call is named by a number of ours, because one who calls himself has two calls of one Call-ID.
    """

    __slots__ = (
        "_calls",
        "_core",
        "_deadlines",
        "_merging",
        "_numbers",
        "_pinger",
        "_registration",
        "plan",
    )

    def __init__(
        self, settings: UserAgentSettings, entropy: Entropy, observer: Observer | None = None
    ) -> None:
        self._core = UserAgentCore(settings, entropy, observer)
        self._core.take = self._take
        self._registration = RegistrationClient(self._core)
        self._pinger = Pinger(self._core)
        self._calls: dict[int, Call] = {}
        self.plan = settings.answer  # for the calls that come from now on
        self._numbers = 0
        self._merging: dict[MergeKey, ServerTransaction] = {}  # requests without a dialog
        self._deadlines: DeadlineQueue[Call | RegistrationClient | Pinger] = DeadlineQueue()

    @property
    def settings(self) -> UserAgentSettings:
        """Who this is."""
        return self._core.settings

    @property
    def registered(self) -> Registrar | None:
        """Where we are registered, None if nowhere."""
        state = self._registration.state
        held = state in (RegistrationState.REGISTERED, RegistrationState.REFRESHING)
        return self._registration.registrar if held else None

    @property
    def registering(self) -> bool:
        """True while a REGISTER waits for its answer."""
        return self._registration.under_way

    def use_registrars(self, registrars: tuple[Registrar, ...]) -> None:
        """Another order of registrars, from the next registration on."""
        self._core.registrars = registrars

    # The three doors

    def receive(self, event: TransportEvent, now: Instant) -> tuple[UserAgentAction, ...]:
        """What an event of the transport leads to."""
        out: Out = []
        streams = self._core.streams
        if type(event) is BytesReceived:
            flow = event.flow
            if flow.connection != UNCONNECTED:
                streams[peer_of(flow)] = flow
        elif type(event) is FlowClosed and streams.get(peer_of(event.flow)) == event.flow:
            del streams[peer_of(event.flow)]
        self._take(self._core.stack.receive(event, now), now, out)
        return self._settled(now, out)

    def advance(self, now: Instant) -> tuple[UserAgentAction, ...]:
        """What has become due by `now`."""
        out: Out = []
        self._take(self._core.stack.advance(now), now, out)
        for owner in self._deadlines.due(now):
            owner.advance(now, out)
            self._keep_time(owner)
        return self._settled(now, out)

    def next_deadline(self) -> Instant | None:
        """When `advance` has something to do."""
        first, second = self._core.stack.next_deadline(), self._deadlines.next_deadline()
        if first is None or (second is not None and second < first):
            return second
        return first

    # Commands

    def register(self, now: Instant, first: Registrar | None = None) -> tuple[UserAgentAction, ...]:
        """Register, at `first` before the others of the order; refresh, if we are there."""
        out: Out = []
        self._registration.register(first, now, out)
        return self._settled(now, out)

    def unregister(self, now: Instant) -> tuple[UserAgentAction, ...]:
        """Have our contact removed."""
        out: Out = []
        self._registration.unregister(now, out)
        return self._settled(now, out)

    def invite(
        self,
        target: str,
        now: Instant,
        sdp: bytes | None = None,
        *,
        headers: tuple[tuple[str, str], ...] = (),
        hang_up_after_ns: int | None = None,
    ) -> tuple[int, tuple[UserAgentAction, ...]]:
        """Call a URI, or a number of our domain.

        Args:
            sdp: our offer; None makes one, b"" leaves it to the other side.
            headers: further ones for the INVITE.
            hang_up_after_ns: from the answer to our BYE.
        Returns: the number of the call, and what to do.
        """
        uri = target if ":" in target else f"sip:{target}@{self._core.settings.domain}"
        call = UacCall(
            self._core,
            self._number(),
            uri,
            body=sdp,
            headers=headers,
            hang_up_after_ns=hang_up_after_ns,
        )
        self._calls[call.number] = call
        out: Out = []
        call.start(now, out)
        return call.number, self._settled(now, out)

    def cancel(
        self, call: int, now: Instant, reason: str | None = None
    ) -> tuple[UserAgentAction, ...]:
        """Give a call up before it is answered; a `bye` where the answer was faster.

        `reason` is the value of a Reason header for the CANCEL (RFC 3326).
        """
        return self._hang_up(call, now, reason)

    def bye(self, call: int, now: Instant) -> tuple[UserAgentAction, ...]:
        """Hang up; before the answer it is a CANCEL, or a 603."""
        return self._hang_up(call, now)

    def answer(self, call: int, now: Instant) -> tuple[UserAgentAction, ...]:
        """Pick up."""
        out: Out = []
        ringing = self._calls.get(call)
        if isinstance(ringing, UasCall):
            ringing.pick_up(now, out)
        else:
            out.append(Ignored("no such call", str(call)))
        return self._settled(now, out)

    def decline(self, call: int, now: Instant, status: int = 603) -> tuple[UserAgentAction, ...]:
        """Refuse a call with a status from 300 on."""
        out: Out = []
        ringing = self._calls.get(call)
        if isinstance(ringing, UasCall):
            ringing.decline(status, now, out)
        else:
            out.append(Ignored("no such call", str(call)))
        return self._settled(now, out)

    def flow_of(self, call: int) -> Flow | None:
        """The flow that the INVITE of a call came by; None if there is no such call."""
        called = self._calls.get(call)
        return called.flow if isinstance(called, UasCall) else None

    def let_go(self, call: int, now: Instant) -> tuple[UserAgentAction, ...]:
        """Its flow is gone, or its node: take the same INVITE again when it comes by another.

        Else it would be a merged request (RFC 3261 §8.2.2.2) for as long as its first copy lives.
        """
        out: Out = []
        ringing = self._calls.get(call)
        if isinstance(ringing, UasCall):
            self._merging.pop(_merge_key(ringing.request), None)
            ringing.let_go(now, out)
        return self._settled(now, out)

    def shut(self, now: Instant) -> tuple[UserAgentAction, ...]:
        """The sockets are taken away: every call, transaction and the registration are gone.

        Nothing is sent, so the other sides find out for themselves.
        """
        core = self._core
        out: Out = [CloseFlow(flow) for flow in core.streams.values()]
        core.streams.clear()
        for call in self._calls.values():
            if not call.ended:
                out.append(CallEnded(call.number, EndCause.TRANSPORT))
            out.append(CallForgotten(call.number))
            self._deadlines.set(call, None)
        self._calls.clear()
        self._merging.clear()
        self._registration.forget()
        core.stack = Stack(core.settings.timers, observer=core.observer)
        return self._settled(now, out)

    def counts(self) -> dict[str, int]:
        """What is alive; all zero at rest, but for idle `streams`."""
        return {
            **self._core.stack.counts(),
            "calls": len(self._calls),
            "merging": len(self._merging),
        }

    @property
    def unfinished(self) -> bool:
        """True while it rings, somebody talks, or the other side may not know how it ended."""
        return any(call.unfinished for call in self._calls.values())

    def calls(self) -> dict[int, str]:
        """SIP Call-ID of each call that is alive, by its number."""
        return {
            number: call.sip_call_id
            for number, call in self._calls.items()
            if isinstance(call, (UacCall, UasCall))
        }

    # What the stack says

    def _take(self, outputs: tuple[StackOutput, ...], now: Instant, out: Out) -> None:
        for output in outputs:
            match output:
                case Send() | CloseFlow() | Ignored():
                    out.append(output)
                case RequestReceived(transaction, request):
                    self._requested(transaction, request, now, out)
                case ResponseReceived(transaction, response):
                    owner = transaction.owner
                    if isinstance(owner, RegistrationClient):
                        owner.receive(transaction, response, now, out)
                    elif isinstance(owner, Call):
                        owner.receive_response(transaction, response, now, out)
                case TransactionFailed(transaction, cause):
                    owner = transaction.owner
                    if isinstance(owner, RegistrationClient):
                        owner.failed(transaction, cause, now, out)
                    elif isinstance(owner, Call):
                        owner.receive_failure(transaction, cause, now, out)
                case TransactionEnded(transaction):
                    self._transaction_ended(transaction)
                case AckReceived(request, _):
                    self._acknowledged(request, now, out)
                case CancelReceived(invite, request):
                    owner = invite.owner
                    if isinstance(owner, UasCall):
                        if flow_failed(request.headers.first("reason")):
                            self._merging.pop(_merge_key(invite.request), None)
                        owner.cancelled(request, now, out)
                case KeepAliveReceived(flow):
                    self._pinger.heard(flow, now)
                case FlowEnded(flow, reason):
                    self._registration.flow_ended(flow, reason, now, out)

    def _requested(
        self, transaction: ServerTransaction, request: Request, now: Instant, out: Out
    ) -> None:
        try:
            unknown = [tag for tag in request.require if tag not in REQUIRABLE]
            if unknown:
                unsupported = (("Unsupported", ", ".join(unknown)),)
                self._core.answer(transaction, 420, now, out, headers=unsupported)
            elif request.to_tag is not None:
                found = self._dialog_of(request)
                if found is None:
                    self._core.answer(transaction, 481, now, out)
                else:
                    call, dialog = found
                    call.receive_request(dialog, transaction, now, out)
            elif not self._refused(transaction, request, now, out):
                self._outside_dialog(transaction, request, now, out)
        except SipSyntaxError as error:
            if transaction.last_response is None or transaction.last_response.status < 200:
                self._core.answer(transaction, error.status, now, out)
            out.append(Ignored("syntax error", str(error)))

    def _refused(
        self, transaction: ServerTransaction, request: Request, now: Instant, out: Out
    ) -> bool:
        """The checks of a request outside any dialog (§8.2). True if it was refused by one."""
        core = self._core
        key = _merge_key(request)
        if key in self._merging:
            core.answer(transaction, 482, now, out)  # by another path, §8.2.2.2
            return True
        self._merging[key] = transaction
        if not request.uri.is_sip:
            core.answer(transaction, 416, now, out)
        elif request.method == "INVITE" and request.body and not _is_sdp(request):
            core.answer(transaction, 415, now, out, headers=(("Accept", SDP),))
        elif request.method not in ("INVITE", "MESSAGE", "OPTIONS"):
            status = 481 if request.method == "BYE" else 405
            core.answer(transaction, status, now, out, headers=(("Allow", ALLOW),))
        else:
            return False
        return True

    def _outside_dialog(
        self, transaction: ServerTransaction, request: Request, now: Instant, out: Out
    ) -> None:
        core = self._core
        if request.method == "MESSAGE":
            core.answer(transaction, 200, now, out)
            kind = request.headers.first("content-type") or "text/plain"
            out.append(MessageReceived(str(request.from_.uri), kind, request.body))
        elif request.method == "OPTIONS":
            able = (("Allow", ALLOW), ("Accept", SDP), ("Supported", "outbound"))
            core.answer(transaction, 200, now, out, headers=able)
        elif isinstance(transaction, InviteServer):
            self._invited(transaction, request, now, out)

    def _invited(self, transaction: InviteServer, request: Request, now: Instant, out: Out) -> None:
        core = self._core
        core.answer(transaction, 100, now, out)
        if sum(not call.ended for call in self._calls.values()) >= CALLS_MAX:
            core.answer(transaction, 486, now, out)
            return
        call = UasCall(core, self._number(), transaction, self.plan)
        transaction.owner = call
        self._calls[call.number] = call
        identity = _caller(request)
        out.append(
            IncomingCall(
                call.number,
                request.call_id,
                identity[0],
                identity[1],
                request.headers.first(CALL_UUID_HEADER),
                b"m=video" in request.body,
            )
        )
        call.start(now, out)

    def _acknowledged(self, request: Request, now: Instant, out: Out) -> None:
        found = self._dialog_of(request)
        if found is None:
            out.append(Ignored("ACK of nothing", request.call_id))
        else:
            call, dialog = found
            call.receive_ack(dialog, request, now, out)

    def _transaction_ended(self, transaction: object) -> None:
        if isinstance(transaction, ClientTransaction):
            owner = transaction.owner
            if isinstance(owner, Call):
                owner.transaction_ended(transaction)
        elif isinstance(transaction, ServerTransaction):
            request = transaction.request
            key = _merge_key(request)
            if self._merging.get(key) is transaction:
                del self._merging[key]

    # Inside

    def _dialog_of(self, request: Request) -> tuple[Call, Dialog] | None:
        wanted = (request.call_id, request.to_tag, request.from_tag or "")
        for call in self._calls.values():
            for dialog in call.dialogs:
                if dialog.id == wanted:
                    return call, dialog
        return None

    def _hang_up(
        self, number: int, now: Instant, reason: str | None = None
    ) -> tuple[UserAgentAction, ...]:
        out: Out = []
        call = self._calls.get(number)
        if call is None:
            out.append(Ignored("no such call", str(number)))
        else:
            call.hang_up(now, out, reason)
        return self._settled(now, out)

    def _settled(self, now: Instant, out: Out) -> tuple[UserAgentAction, ...]:
        """Book what every part has done to itself, and forget calls that are over."""
        for number, call in tuple(self._calls.items()):
            if call.over:
                del self._calls[number]
                out.append(CallForgotten(number))
                self._deadlines.set(call, None)
            else:
                self._keep_time(call)
        self._pinger.follow(self._core.flow, now)
        self._keep_time(self._registration)
        self._keep_time(self._pinger)
        return tuple(out)

    def _keep_time(self, owner: Call | RegistrationClient | Pinger) -> None:
        deadline = owner.next_deadline() if isinstance(owner, Call) else owner.until
        self._deadlines.set(owner, deadline)

    def _number(self) -> int:
        self._numbers += 1
        return self._numbers


def flow_failed(reason: str | None) -> bool:
    """True for the Reason of a CANCEL by a node that leaves: the INVITE may come by another."""
    return "cause=430" in (reason or "").replace(" ", "")


def _merge_key(request: Request) -> tuple[str | None, str, int, str]:
    """What two copies of one request have in common."""
    number, method = request.cseq
    return request.from_tag, request.call_id, number, method


def _is_sdp(request: Request) -> bool:
    kind = (request.headers.first("content-type") or SDP).partition(";")[0]
    return kind.strip().lower() == SDP


def _caller(request: Request) -> tuple[str, str]:
    """Name and number to show: the asserted identity, else the From (RFC 3325).

    A caller who asked for privacy is shown as nobody, whatever From says (RFC 3323 §4.2, CID-10).
    """
    wishes = ",".join(request.headers.values("privacy")).lower().replace(";", ",").split(",")
    if HIDING.intersection(wish.strip() for wish in wishes):
        return ANONYMOUS, ""
    asserted = request.headers.values("p-asserted-identity")
    try:
        identity = type(request.from_).parse(asserted[0]) if asserted else request.from_
    except SipSyntaxError:
        identity = request.from_
    return identity.display_name, identity.uri.user_unescaped or ""
