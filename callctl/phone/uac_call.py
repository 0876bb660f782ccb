"""The calling end of a call: RFC 3261 §13.2, §9.1, §15, and what a fork brings."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

from callctl.phone.event import CallAnswered, CallRinging, EndCause
from callctl.phone.sdp_offer import offer
from callctl.phone.user_agent_call import Call
from callctl.phone.user_agent_core import ALLOW, SDP, Out, UserAgentCore
from sipstack.dialog.dialog import Dialog, DialogState
from sipstack.dialog.invite_client import (
    AckLost,
    Answered,
    InviteClientUsage,
    Progress,
)
from sipstack.entropy import token
from sipstack.errors import SipSyntaxError
from sipstack.message.message import Request, Response
from sipstack.timing import Instant
from sipstack.transaction.events import Ignored
from sipstack.transaction.invite_client import InviteClient
from sipstack.transaction.machine import ClientTransaction

INVITES_MAX: Final = 4  # of one call: the first, and those with credentials


class UacState(Enum):
    """What the caller hears."""

    CALLING = "CALLING"
    RINGING = "RINGING"
    CANCELLING = "CANCELLING"  # gave up; the final response has still to come
    UP = "UP"
    ENDED = "ENDED"


_S = UacState
MOVES: Final[Mapping[UacState, frozenset[UacState]]] = {
    _S.CALLING: frozenset({_S.RINGING, _S.CANCELLING, _S.UP, _S.ENDED}),
    _S.RINGING: frozenset({_S.CANCELLING, _S.UP, _S.ENDED}),
    _S.CANCELLING: frozenset({_S.ENDED}),
    _S.UP: frozenset({_S.ENDED}),
    _S.ENDED: frozenset(),
}


class UacCall(Call):
    """Calls `target` once; keeps the first dialog that is answered and ends every other."""

    __slots__ = (
        "_body",
        "_call_id",
        "_cseq",
        "_hang_up_after_ns",
        "_invite",
        "_invites",
        "_tag",
        "_target",
        "_usage",
        "dialog",
        "headers",
        "state",
    )

    def __init__(
        self,
        core: UserAgentCore,
        number: int,
        target: str,
        *,
        body: bytes | None = None,
        headers: tuple[tuple[str, str], ...] = (),
        hang_up_after_ns: int | None = None,
    ) -> None:
        """`target` is a URI. `body` is our SDP offer; None makes one."""
        super().__init__(core, number, core.first_flow())
        self.state = UacState.CALLING
        self.headers = headers  # more of them for the INVITE
        self.dialog: Dialog | None = None  # the one that is up
        self._target = target
        self._body = self.own_offer() if body is None else body
        self._hang_up_after_ns = hang_up_after_ns
        self._call_id = token(core.entropy)
        self._tag = token(core.entropy)
        self._cseq = 0
        self._invites = 0
        self._invite: ClientTransaction | None = None
        self._usage: InviteClientUsage | None = None

    @property
    def sip_call_id(self) -> str:
        """The Call-ID header of this call."""
        return self._call_id

    # Commands

    def start(self, now: Instant, out: Out) -> None:
        """Send the INVITE; again with credentials, if it was challenged."""
        core = self.core
        self._invites += 1
        self._cseq += 1
        headers = [("Contact", f"<{core.contact_uri()}>"), ("Allow", ALLOW)]
        headers += [("Supported", "outbound"), *self.headers]
        if self._body:
            headers.append(("Content-Type", SDP))
        request = core.request(
            "INVITE",
            self._target,
            self.flow,
            tag=self._tag,
            to=f"<{self._target}>",
            call_id=self._call_id,
            cseq=self._cseq,
            headers=tuple(headers),
            body=self._body,
        )
        if self.hang_up_at is None:
            self.hang_up_at = Instant(now + core.settings.patience_ns)
        self._usage = InviteClientUsage(request)
        self._invite = core.send(request, self.flow, self, now, out)
        self.transactions[self._invite] = None

    def hang_up(self, now: Instant, out: Out, reason: str | None = None) -> None:
        """CANCEL before the answer, BYE after it."""
        if self.state is UacState.UP:
            self._enter(UacState.ENDED)
            self._bye_all(now, out)
            self.end(EndCause.HUNG_UP, out)
        elif self.state in (UacState.CALLING, UacState.RINGING):
            self._enter(UacState.CANCELLING)
            assert isinstance(self._invite, InviteClient)
            self.core.take(self.core.stack.cancel(self._invite, now, reason), now, out)
        else:
            out.append(Ignored("nothing to hang up", self.state.name))

    # Events

    def receive_response(
        self, transaction: ClientTransaction, response: Response, now: Instant, out: Out
    ) -> None:
        """A response to one of our INVITEs, or to a BYE."""
        if transaction.request.method != "INVITE":
            super().receive_response(transaction, response, now, out)
            return
        usage = self._usage
        assert usage is not None
        try:
            _ = response.record_routes  # read before anything depends on it
            outcome = usage.receive(response)
        except SipSyntaxError as error:
            out.append(Ignored("response without a way back", str(error)))
            return
        if isinstance(outcome, Progress):
            self._progress(outcome, now, out)
        elif isinstance(outcome, Answered):
            self._answered(usage, outcome, now, out)
        elif isinstance(outcome, AckLost):
            if outcome.ack is not None:
                self._send_ack(outcome.dialog, outcome.ack, now, out)
        else:
            self._refused(transaction, response, now, out)

    def receive_failure(
        self, transaction: ClientTransaction, cause: str, now: Instant, out: Out
    ) -> None:
        """No final response to the INVITE, or none to a BYE."""
        if transaction.request.method != "INVITE":
            super().receive_failure(transaction, cause, now, out)
            return
        if self._usage is not None:
            self._usage.give_up()
        if self.state is UacState.CANCELLING:
            self._finish(EndCause.CANCELLED, out)
        elif self.state is not UacState.ENDED:
            timeout = cause == "timeout"
            status = 408 if timeout else 503  # RFC 3261 §8.1.3.1
            self._finish(EndCause.TIMEOUT if timeout else EndCause.TRANSPORT, out, status)

    def receive_bye(self, dialog: Dialog, bye: Request, now: Instant, out: Out) -> None:
        """The called side hung up; a fork that we left does not matter."""
        if dialog is not self.dialog:
            dialog.terminate()
            return
        if self.state is not UacState.ENDED:
            self._enter(UacState.ENDED)
        super().receive_bye(dialog, bye, now, out)

    def transaction_ended(self, transaction: ClientTransaction) -> None:
        """After that of the INVITE no more 2xx come: what is early ends (§13.2.2.4)."""
        super().transaction_ended(transaction)
        if transaction is self._invite and self._usage is not None:
            self._usage.give_up()

    def own_offer(self) -> bytes:
        """Audio at our address."""
        host, port, self.session_id = self.core.media()
        return offer(host, port, self.session_id)

    # Inside

    def _progress(self, progress: Progress, now: Instant, out: Out) -> None:
        dialog, status = progress.dialog, progress.response.status
        if dialog is not None and dialog not in self.dialogs:
            self.dialogs.append(dialog)
        if status == 100 or self.state not in (UacState.CALLING, UacState.RINGING):
            return
        if self.state is UacState.CALLING:
            self._enter(UacState.RINGING)
        tag = None if dialog is None else dialog.id.remote_tag
        out.append(CallRinging(self.number, status, tag))

    def _answered(
        self, usage: InviteClientUsage, answered: Answered, now: Instant, out: Out
    ) -> None:
        dialog = answered.dialog
        # The usage may have made a new dialog in place of an early one that had been given up.
        known = [other for other in self.dialogs if other.id != dialog.id]
        self.dialogs = [*known, dialog]
        flow = self.core.dialog_flow(dialog, self.flow)
        # The ACK carries the credentials of its INVITE (§22.1).
        sent = usage.request.headers
        names = ("Authorization", "Proxy-Authorization")
        credentials = tuple((name, value) for name in names for value in sent.all(name.lower()))
        ack = usage.acknowledge(dialog, self.core.via(flow), headers=credentials)
        self._send_ack(dialog, ack, now, out)
        if self.state in (UacState.CALLING, UacState.RINGING):
            self._enter(UacState.UP)
            self.dialog = dialog
            wait_ns = self._hang_up_after_ns
            self.hang_up_at = None if wait_ns is None else Instant(now + wait_ns)
            out.append(CallAnswered(self.number, answered.response.body))
            return
        # A second device that answered, or one that answered while we gave up (§9.1, §13.2.2.4).
        self.bye(dialog, now, out)
        if self.state is UacState.CANCELLING:
            self._finish(EndCause.CANCELLED, out)

    def _send_ack(self, dialog: Dialog, ack: Request, now: Instant, out: Out) -> None:
        core = self.core
        flow = core.dialog_flow(dialog, self.flow)
        core.take(core.stack.send_request_stateless(ack, flow, now), now, out)

    def _refused(
        self, transaction: ClientTransaction, response: Response, now: Instant, out: Out
    ) -> None:
        status = response.status
        if self.state is UacState.CANCELLING:
            self._finish(EndCause.CANCELLED, out, status)
            return
        if status in (401, 407) and self._invites < INVITES_MAX:
            core = self.core
            if core.credentials.learn(transaction.request, response, transaction.flow):
                self.start(now, out)
                return
        if self.state in (UacState.CALLING, UacState.RINGING):
            reason = response.headers.first("reason")
            self._finish(EndCause.REFUSED, out, status, reason)

    def _finish(
        self, cause: EndCause, out: Out, status: int | None = None, reason: str | None = None
    ) -> None:
        self._enter(UacState.ENDED)
        for dialog in self.dialogs:
            if dialog.state is DialogState.EARLY:
                dialog.terminate()
        self.end(cause, out, status, reason)

    def _enter(self, state: UacState) -> None:
        assert state in MOVES[self.state], (self.state, state)
        self.state = state
