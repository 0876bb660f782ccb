"""What both ends of a call have in common: dialogs, BYE both ways, and a quiet end.

A call outlives its conversation: it is there until every transaction of its own is over, so that
what comes late still finds it.
"""

from __future__ import annotations

from typing import Final

from callctl.phone.event import CallEnded, EndCause
from callctl.phone.sdp_offer import answer as sdp_answer
from callctl.phone.user_agent_core import ALLOW, SDP, Out, UserAgentCore
from sipstack.dialog.dialog import Dialog, DialogState
from sipstack.dialog.invite_server import AcceptedInvite, AckMissing, AckReceived, RepeatAccept
from sipstack.errors import SipSyntaxError
from sipstack.message.message import Request, Response
from sipstack.message.response import respond
from sipstack.timing import Instant, Timed
from sipstack.transaction.events import Ignored
from sipstack.transaction.invite_server import InviteServer
from sipstack.transaction.machine import ClientTransaction, ServerTransaction, State
from sipstack.transport.flow import Flow

WAITING: Final = frozenset({State.CALLING, State.TRYING, State.PROCEEDING})
"""States of a client transaction that has no final response yet."""


class AcceptedTransaction:
    """An INVITE we answered with 2xx, and its transaction, until the ACK."""

    __slots__ = ("accepted", "transaction")

    def __init__(self, accepted: AcceptedInvite, transaction: InviteServer) -> None:
        self.accepted = accepted
        self.transaction = transaction


class Call(Timed):
    """One call of a user agent, by its number. `UacCall` and `UasCall` are its two ends."""

    __slots__ = (
        "accepting",
        "core",
        "dialogs",
        "ended",
        "flow",
        "hang_up_at",
        "number",
        "session_id",
        "transactions",
    )

    def __init__(self, core: UserAgentCore, number: int, flow: Flow) -> None:
        super().__init__()
        self.core = core
        self.number = number
        self.flow = flow  # where the dialog came up
        self.dialogs: list[Dialog] = []
        self.transactions: dict[ClientTransaction, None] = {}  # ours that are alive
        self.accepting: list[AcceptedTransaction] = []  # 2xx of ours that lack their ACK
        self.ended = False
        self.hang_up_at: Instant | None = None
        self.session_id = 0  # of our SDP

    @property
    def over(self) -> bool:
        """True if nothing more can come of it."""
        return self.ended and not self.transactions and not self.accepting

    @property
    def unfinished(self) -> bool:
        """True while the other side may not know yet what became of the call."""
        waiting = any(transaction.state in WAITING for transaction in self.transactions)
        return waiting or not self.ended or bool(self.accepting)

    # Commands

    def hang_up(self, now: Instant, out: Out, reason: str | None = None) -> None:
        """End the call, whatever its state; `reason` goes with a CANCEL (RFC 3326)."""
        raise NotImplementedError

    # Events

    def receive_response(
        self, transaction: ClientTransaction, response: Response, now: Instant, out: Out
    ) -> None:
        """A response to a BYE of ours; a `UacCall` takes those to its INVITE before."""
        if response.status in (401, 407):
            self._authorize_bye(transaction, response, now, out)

    def receive_failure(
        self, transaction: ClientTransaction, cause: str, now: Instant, out: Out
    ) -> None:
        """No answer to a BYE of ours: the conversation is over all the same (§15.1.1)."""
        out.append(Ignored("BYE without answer", cause))

    def receive_request(
        self, dialog: Dialog, transaction: ServerTransaction, now: Instant, out: Out
    ) -> None:
        """A request of the other side within a dialog of this call."""
        request = transaction.request
        # A BYE that crosses ours finds the dialog terminated; 200 is as good, and friendlier.
        status = None if request.method == "BYE" else dialog.receive_request(request)
        if status is not None:
            self.core.answer(transaction, status, now, out)
        elif request.method == "BYE":
            self.core.answer(transaction, 200, now, out)
            self.receive_bye(dialog, request, now, out)
        elif request.method == "INVITE" and isinstance(transaction, InviteServer):
            self._receive_reinvite(dialog, transaction, now, out)
        elif request.method == "OPTIONS":
            self.core.answer(transaction, 200, now, out, headers=(("Allow", ALLOW),))
        else:
            self.core.answer(transaction, 405, now, out, headers=(("Allow", ALLOW),))

    def receive_bye(self, dialog: Dialog, bye: Request, now: Instant, out: Out) -> None:
        """The other side hung up; its BYE has been answered."""
        dialog.terminate()
        self.accepting.clear()
        self.end(EndCause.REMOTE_HUNG_UP, out, reason=bye.headers.first("reason"))

    def receive_ack(self, dialog: Dialog, ack: Request, now: Instant, out: Out) -> None:
        """An ACK within a dialog of this call."""
        dialog.receive_request(ack)
        for waiting in self.accepting:
            for output in waiting.accepted.receive(ack, now):
                if isinstance(output, AckReceived):
                    self.accepting.remove(waiting)
                    self.acknowledged(ack, now, out)
                    return
        out.append(Ignored("ACK of nothing", ack.call_id))

    def acknowledged(self, ack: Request, now: Instant, out: Out) -> None:
        """A 2xx of ours has its ACK."""

    def unacknowledged(self, waiting: AcceptedTransaction, now: Instant, out: Out) -> None:
        """A 2xx of ours never got its ACK: the session is to be ended (§13.3.1.4)."""
        self._bye_all(now, out)
        self.end(EndCause.NO_ACK, out)

    def transaction_ended(self, transaction: ClientTransaction) -> None:
        """A transaction of ours is over."""
        self.transactions.pop(transaction, None)

    def advance(self, now: Instant, out: Out) -> None:
        """What is due."""
        for waiting in tuple(self.accepting):
            for output in waiting.accepted.advance(now):
                if isinstance(output, RepeatAccept):
                    self.core.respond(waiting.transaction, output.response, now, out)
                elif isinstance(output, AckMissing):
                    self.accepting.remove(waiting)
                    self.unacknowledged(waiting, now, out)
        if self.hang_up_at is not None and now >= self.hang_up_at:
            self.hang_up_at = None
            self.hang_up(now, out)

    def next_deadline(self) -> Instant | None:
        """When `advance` has something to do."""
        at = self.hang_up_at
        for waiting in self.accepting:
            repeat_at = waiting.accepted.next_deadline()
            if repeat_at is not None and (at is None or repeat_at < at):
                at = repeat_at
        return at

    # For the two ends

    def end(
        self, cause: EndCause, out: Out, status: int | None = None, reason: str | None = None
    ) -> None:
        """The conversation is over, or there never was one; said once."""
        self.hang_up_at = None
        if not self.ended:
            self.ended = True
            out.append(CallEnded(self.number, cause, status, reason))

    def bye(self, dialog: Dialog, now: Instant, out: Out) -> None:
        """Send BYE in a dialog that is up, and end it (§15.1.1)."""
        core = self.core
        flow = core.dialog_flow(dialog, self.flow)
        request = dialog.request("BYE", core.via(flow))
        dialog.terminate()
        self.transactions[core.send(request, flow, self, now, out)] = None

    def _bye_all(self, now: Instant, out: Out) -> None:
        for dialog in self.dialogs:
            if dialog.state is DialogState.CONFIRMED:
                self.bye(dialog, now, out)

    def _authorize_bye(
        self, transaction: ClientTransaction, response: Response, now: Instant, out: Out
    ) -> None:
        """Send a BYE once more, with credentials."""
        core, sent, flow = self.core, transaction.request, transaction.flow
        known = core.credentials.learn(sent, response, flow)
        if not known or sent.cseq.method != "BYE" or sent.headers.has("proxy-authorization"):
            out.append(Ignored("BYE refused", str(response.status)))
            return
        again = sent.copy()
        again.headers.set("Via", core.via(flow))
        again.headers.set("CSeq", f"{sent.cseq.number + 1} BYE")
        core.credentials.authorize(again, flow)
        self.transactions[core.send(again, flow, self, now, out)] = None

    def _receive_reinvite(
        self, dialog: Dialog, transaction: InviteServer, now: Instant, out: Out
    ) -> None:
        """Agree to a change of the session, such as hold (§14.2)."""
        core, request = self.core, transaction.request
        if self.accepting:
            # Our 2xx to the INVITE before is not acknowledged yet.
            wait_s = str(core.entropy.below(11))
            core.answer(transaction, 500, now, out, headers=(("Retry-After", wait_s),))
            return
        host, port, _ = core.media()
        try:
            body = (
                sdp_answer(request.body, host, port, self.session_id)
                if request.body
                else self.own_offer()
            )
        except SipSyntaxError:
            core.answer(transaction, 400, now, out)
            return
        if body is None:
            core.answer(transaction, 488, now, out)
            return
        headers = (("Contact", dialog.contact), ("Allow", ALLOW), ("Content-Type", SDP))
        self.accept(transaction, respond(request, 200, headers=headers, body=body), now, out)

    def own_offer(self) -> bytes:
        """Our SDP where the other side made no offer."""
        raise NotImplementedError

    def accept(self, transaction: InviteServer, response: Response, now: Instant, out: Out) -> None:
        """Send a 2xx to an INVITE and go on sending it until its ACK (§13.3.1.4)."""
        accepted = AcceptedInvite(response, now, self.core.settings.timers)
        self.accepting.append(AcceptedTransaction(accepted, transaction))
        self.core.respond(transaction, response, now, out)
