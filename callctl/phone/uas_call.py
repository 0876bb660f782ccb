"""The called end of a call: RFC 3261 §13.3, §9.2, §15."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

from callctl.phone.event import CallAnswered, CallConfirmed, CallRinging, EndCause
from callctl.phone.sdp_offer import answer as sdp_answer
from callctl.phone.sdp_offer import offer
from callctl.phone.settings import AnswerPlan
from callctl.phone.user_agent_call import AcceptedTransaction, Call
from callctl.phone.user_agent_core import ALLOW, SDP, Out, UserAgentCore
from sipstack.dialog.dialog import Dialog
from sipstack.entropy import token
from sipstack.errors import SipSyntaxError
from sipstack.message.message import Request, Response
from sipstack.message.response import respond
from sipstack.timing import SECOND, Instant
from sipstack.transaction.events import Ignored
from sipstack.transaction.invite_server import InviteServer
from sipstack.transaction.machine import State

RING_AGAIN_NS: Final = 60 * SECOND  # proxies give a ringing call up otherwise (§13.3.1.1)


class UasState(Enum):
    """What the called phone does."""

    ARRIVED = "ARRIVED"
    RINGING = "RINGING"
    ACCEPTED = "ACCEPTED"  # 200 sent, ACK awaited
    UP = "UP"
    ENDED = "ENDED"


_S = UasState
MOVES: Final[Mapping[UasState, frozenset[UasState]]] = {
    _S.ARRIVED: frozenset({_S.RINGING, _S.ACCEPTED, _S.ENDED}),
    _S.RINGING: frozenset({_S.ACCEPTED, _S.ENDED}),
    _S.ACCEPTED: frozenset({_S.UP, _S.ENDED}),
    _S.UP: frozenset({_S.ENDED}),
    _S.ENDED: frozenset(),
}


class UasCall(Call):
    """One INVITE for us, answered by its plan or by its owner's command."""

    __slots__ = (
        "_answer_at",
        "_answer_sdp",
        "_give_up_at",
        "_hang_up_wanted",
        "_invite",
        "_plan",
        "_ring_at",
        "_ringing",
        "_tag",
        "state",
    )

    def __init__(
        self, core: UserAgentCore, number: int, invite: InviteServer, plan: AnswerPlan
    ) -> None:
        super().__init__(core, number, invite.flow)
        self.state = UasState.ARRIVED
        self._invite = invite
        self._plan = plan
        self._tag = token(core.entropy)
        self._answer_sdp = b""
        self._ringing: Response | None = None
        self._hang_up_wanted = False  # before the ACK that a BYE has to wait for (§15)
        self._answer_at: Instant | None = None
        self._ring_at: Instant | None = None  # the next 180
        self._give_up_at: Instant | None = None

    @property
    def sip_call_id(self) -> str:
        """The Call-ID header of this call."""
        return self._invite.request.call_id

    @property
    def request(self) -> Request:
        """The INVITE."""
        return self._invite.request

    @property
    def over(self) -> bool:
        """As for any call, and a failure has to have its ACK."""
        return super().over and self._invite.state is not State.COMPLETED

    @property
    def unfinished(self) -> bool:
        """As for any call; a failure without ACK may not have arrived."""
        return super().unfinished or self._invite.state is State.COMPLETED

    @property
    def pending(self) -> bool:
        """True while the INVITE has no final response."""
        return self.state in (UasState.ARRIVED, UasState.RINGING)

    # Commands

    def start(self, now: Instant, out: Out) -> None:
        """Judge the offer, and do what the plan says. A 100 has been sent."""
        core, request = self.core, self._invite.request
        host, port, self.session_id = core.media()
        try:
            if not request.contacts:
                raise SipSyntaxError("missing", header="Contact")
            _ = request.record_routes  # read before a dialog depends on it
            body = (
                sdp_answer(request.body, host, port, self.session_id)
                if request.body
                else self.own_offer()
            )
        except SipSyntaxError:
            self._refuse(400, now, out)
            return
        if body is None:
            self._refuse(488, now, out)
            return
        self._answer_sdp = body
        plan = self._plan
        self._give_up_at = Instant(now + core.settings.ring_limit_ns)
        if plan.ring:
            self._ring(now, out)
        if plan.after_ns is not None:
            self._answer_at = Instant(now + plan.after_ns)
            if plan.after_ns == 0:
                self._by_plan(now, out)

    def pick_up(self, now: Instant, out: Out) -> None:
        """Answer with 200."""
        if not self.pending:
            out.append(Ignored("nothing to answer", self.state.name))
            return
        headers = (*self._dialog_headers(), ("Content-Type", SDP))
        response = respond(
            self._invite.request, 200, to_tag=self._tag, headers=headers, body=self._answer_sdp
        )
        if self.dialogs:
            self.dialogs[0].confirm()
        else:
            self.dialogs.append(Dialog.of_server(self._invite.request, response))
        self._enter(UasState.ACCEPTED)
        self.accept(self._invite, response, now, out)
        if self._plan.hang_up_after_ns is not None:
            self.hang_up_at = Instant(now + self._plan.hang_up_after_ns)
        out.append(CallAnswered(self.number, self._invite.request.body))

    def decline(self, status: int, now: Instant, out: Out) -> None:
        """Refuse the call with 3xx to 6xx."""
        if self.pending:
            self._refuse(status, now, out)
        else:
            out.append(Ignored("nothing to decline", self.state.name))

    def hang_up(self, now: Instant, out: Out, reason: str | None = None) -> None:
        """BYE, as soon as it is allowed; before the answer it is a 603."""
        if self.pending:
            self._refuse(603, now, out)
        elif self.state is UasState.ACCEPTED:
            self._hang_up_wanted = True
        elif self.state is UasState.UP:
            self._enter(UasState.ENDED)
            self._bye_all(now, out)
            self.end(EndCause.HUNG_UP, out)
        else:
            out.append(Ignored("nothing to hang up", self.state.name))

    def let_go(self, now: Instant, out: Out) -> None:
        """Stop ringing without a word of the owner: the INVITE is to come by another flow.

        430 tells a proxy that this copy alone has failed (RFC 5626 §11.5), if it is still there.
        """
        if self.pending:
            self._finish_invite(430, now, out)
            self.end(EndCause.TRANSPORT, out)
        elif self.state is UasState.ACCEPTED:  # our answer went to where nobody is
            self._enter(UasState.ENDED)
            self.accepting.clear()
            self.dialogs[0].terminate()
            self.end(EndCause.TRANSPORT, out)

    # Events

    def cancelled(self, cancel: Request, now: Instant, out: Out) -> None:
        """The caller gave up; the CANCEL has been answered (§9.2)."""
        if self.pending:
            self._finish_invite(487, now, out)
            self.end(EndCause.CANCELLED, out, 487, cancel.headers.first("reason"))
        else:
            out.append(Ignored("late CANCEL", self.state.name))

    def receive_bye(self, dialog: Dialog, bye: Request, now: Instant, out: Out) -> None:
        """The caller hung up, perhaps while we ring (§15.1.2)."""
        if self.pending:
            self._finish_invite(487, now, out)
        elif self.state is not UasState.ENDED:
            self._enter(UasState.ENDED)
        super().receive_bye(dialog, bye, now, out)

    def acknowledged(self, ack: Request, now: Instant, out: Out) -> None:
        """The session is up."""
        if self.state is not UasState.ACCEPTED:
            return  # the ACK of a re-INVITE
        self._enter(UasState.UP)
        out.append(CallConfirmed(self.number, ack.body or self._invite.request.body))
        if self._hang_up_wanted:
            self.hang_up(now, out)

    def unacknowledged(self, waiting: AcceptedTransaction, now: Instant, out: Out) -> None:
        """Nobody is there: BYE, which is allowed now (§13.3.1.4)."""
        if self.state is not UasState.ENDED:
            self._enter(UasState.ENDED)
        super().unacknowledged(waiting, now, out)

    def advance(self, now: Instant, out: Out) -> None:
        """What is due: the answer of the plan, another 180, or the end of patience."""
        if self._answer_at is not None and now >= self._answer_at:
            self._by_plan(now, out)
        if self._give_up_at is not None and now >= self._give_up_at:
            self._refuse(480, now, out)
        if self._ring_at is not None and now >= self._ring_at and self._ringing is not None:
            self._ring_at = Instant(now + RING_AGAIN_NS)
            self.core.respond(self._invite, self._ringing, now, out)
        super().advance(now, out)

    def next_deadline(self) -> Instant | None:
        """When `advance` has something to do."""
        at = super().next_deadline()
        for other in (self._answer_at, self._give_up_at, self._ring_at):
            if other is not None and (at is None or other < at):
                at = other
        return at

    def own_offer(self) -> bytes:
        """Audio at our address."""
        host, port, self.session_id = self.core.media()
        return offer(host, port, self.session_id)

    # Inside

    def _ring(self, now: Instant, out: Out) -> None:
        request = self._invite.request
        response = respond(request, 180, to_tag=self._tag, headers=self._dialog_headers())
        self.dialogs.append(Dialog.of_server(request, response))
        self._ringing = response
        self._ring_at = Instant(now + RING_AGAIN_NS)
        self._enter(UasState.RINGING)
        self.core.respond(self._invite, response, now, out)
        out.append(CallRinging(self.number, 180))

    def _dialog_headers(self) -> tuple[tuple[str, str], ...]:
        """What makes a dialog of a response (§12.1.1)."""
        routes = self._invite.request.headers.all("record-route")
        contact = ("Contact", f"<{self.core.contact_uri()}>")
        return (*(("Record-Route", route) for route in routes), contact, ("Allow", ALLOW))

    def _by_plan(self, now: Instant, out: Out) -> None:
        self._answer_at = None
        if self._plan.status < 300:
            self.pick_up(now, out)
        else:
            self._refuse(self._plan.status, now, out)

    def _refuse(self, status: int, now: Instant, out: Out) -> None:
        self._finish_invite(status, now, out)
        self.end(EndCause.REFUSED, out, status)

    def _finish_invite(self, status: int, now: Instant, out: Out) -> None:
        """Give the INVITE a failure, which ends its early dialog."""
        self._enter(UasState.ENDED)
        for dialog in self.dialogs:
            dialog.terminate()
        self.core.answer(self._invite, status, now, out, tag=self._tag)

    def _enter(self, state: UasState) -> None:
        assert state in MOVES[self.state], (self.state, state)
        self.state = state
        if not self.pending:
            self._answer_at = self._ring_at = self._give_up_at = None
