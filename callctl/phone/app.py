"""The app of a mobile phone: it reads pushes, registers, and brings push and INVITE together.

Source: MODE-10 to MODE-12, CMG-06, CMG-08, CALL-14, CALL-17, OP-05 to OP-08.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from callctl.phone.app_call import GONE, VIEW_ENDS, AppCall, Phase, view_end
from callctl.phone.call_view import CallView
from callctl.phone.event import (
    CallAnswered,
    CallConfirmed,
    CallEnded,
    CallRinging,
    EndCause,
    IncomingCall,
    Registered,
    RegistrationFailed,
    RegistrationLost,
    UserAgentAction,
)
from callctl.phone.operating_system import AppState, OperatingSystem
from callctl.phone.phone_event import (
    ActiveNodeUnusable,
    PhoneAnswered,
    PhoneOut,
    PhoneRang,
    PushArrived,
    PushRejected,
    ViewEnd,
)
from callctl.phone.phone_settings import NO_INVITE_NS, PhoneSettings
from callctl.phone.push_identity import PushIdentity
from callctl.phone.settings import Registrar
from callctl.phone.user_agent import UserAgent, flow_failed
from callctl.push.content import ActiveNode, CallContent
from callctl.push.kind import PushKind
from sipstack.entropy import Entropy, uuid4
from sipstack.timing import Instant
from sipstack.transaction.events import Ignored

PAST_MAX: Final = 200  # calls that are over and whose UUID is remembered
DECLINED: Final = 603


class App:
    """Lives from launch to termination. What has to outlive it is handed in.

    Every method appends to `out`; the actions of the user agent pass through `take`.
    """

    __slots__ = (
        "_agent",
        "_entropy",
        "_identity",
        "_past",
        "_registrars",
        "_settings",
        "_system",
        "_view",
        "calls",
    )

    def __init__(
        self,
        settings: PhoneSettings,
        agent: UserAgent,
        system: OperatingSystem,
        view: CallView,
        identity: PushIdentity,
        entropy: Entropy,
    ) -> None:
        self._settings = settings
        self._agent = agent
        self._system = system
        self._view = view
        self._identity = identity
        self._entropy = entropy
        self._registrars = settings.agent.registrars
        self._past: OrderedDict[str, ViewEnd] = OrderedDict()
        self.calls: dict[str, AppCall] = {}

    @property
    def busy(self) -> bool:
        """True while the operating system should let the app run."""
        return bool(self.calls or self._agent.unfinished or self._agent.registering)

    def use_registrars(self, registrars: tuple[Registrar, ...]) -> None:
        """The CM group, in its order."""
        self._registrars = registrars
        self._agent.use_registrars(registrars)

    # Pushes

    def receive_push(self, push: PushArrived, now: Instant, out: PhoneOut) -> None:
        """A push that runs the app's code: VoIP on iOS, data on Android."""
        read = self._identity.open(push, now, out)
        if read is None:
            self._flash_failed(now, out)
        elif read.content is None:
            call = AppCall(uuid4(self._entropy), "", "")
            call.named = False
            self._announced(call, None, now, out)
        elif not self.receive_content(read.content, now, out):
            # A message on the one channel of an old system or of FCM is shown, and no more
            # (MODE-14). On the VoIP channel of iOS 13 it is a mistake that the app covers.
            self._view.message(read.content, push.collapse_id, now, out)
            self._flash_failed(now, out)

    def receive_content(self, content: CallContent, now: Instant, out: PhoneOut) -> bool:
        """Act on a push about a call. False if it is about something else."""
        if content.event is PushKind.INCOMING:
            self._ring_push(content, now, out)
        elif content.event in VIEW_ENDS:
            self._second_push(content, now, out)
        else:
            return False
        return True

    def _flash_failed(self, now: Instant, out: PhoneOut) -> None:
        self._view.flash(AppCall(uuid4(self._entropy), "", ""), ViewEnd.FAILED, now, out)

    def open_call(self, content: CallContent, now: Instant, out: PhoneOut) -> None:
        """The owner tapped the message about a call (CHN-05)."""
        if content.call_uuid not in self.calls:
            self._ring_push(content, now, out)

    def _ring_push(self, content: CallContent, now: Instant, out: PhoneOut) -> None:
        uuid = content.call_uuid
        known = self.calls.get(uuid)
        if known is None and uuid in self._past:
            # Late: it was answered or over before the cloud was that far (CALL-17).
            self._view.flash(AppCall.of(content), self._past[uuid], now, out)
            out.append(PushRejected("duplicate", uuid))
        elif known is None:
            self._announced(AppCall.of(content), content.active_node, now, out)
        else:
            self._view.show(known, now, out)
            node = content.active_node
            if node is not None and node != known.node and not known.confirmed:
                # The node of the push before has gone out of service meanwhile.
                known.node = node
                if known.phase is Phase.WAITING or not self._registered_at(node, out):
                    self._let_go(known, now, out)
                    self._reach(node, now, out)
            elif known.pushed:
                out.append(PushRejected("duplicate", uuid))
            known.pushed = True

    def _announced(
        self, call: AppCall, node: ActiveNode | None, now: Instant, out: PhoneOut
    ) -> None:
        """The first that is heard of a call is a push: show it, and fetch its INVITE."""
        call.pushed = True
        call.node = node
        self.calls[call.uuid] = call
        self._show(call, now, out)
        self._reach(node, now, out)

    def _second_push(self, content: CallContent, now: Instant, out: PhoneOut) -> None:
        uuid, reason = content.call_uuid, VIEW_ENDS[content.event]
        call = self.calls.get(uuid)
        if call is None:
            before = self._past.get(uuid, ViewEnd.FAILED)  # given up, or never heard of
            call = AppCall.of(content)
            told = before is not ViewEnd.FAILED
            self._view.flash(call, before if told else reason, now, out)
            if not told:
                self._past[uuid] = reason
                self._note_missed(call, reason, now, out)
            elif reason is not ViewEnd.UNANSWERED:
                self._view.not_missed(uuid, out)  # as a CANCEL without a reason had it
            return
        self._view.show(call, now, out)
        if call.phase is Phase.ANSWERED:
            out.append(Ignored("second push of our own call", uuid))
            return
        if call.hidden is None:
            self._note_missed(call, reason, now, out)
        self._view.hide(call, reason, now, out)
        call.answer_at = None
        if call.phase is Phase.WAITING:
            self._finish(call)
        # A ringing one is ended by its CANCEL; the push only takes it off the screen.

    def _note_missed(self, call: AppCall, reason: ViewEnd, now: Instant, out: PhoneOut) -> None:
        if reason is ViewEnd.UNANSWERED:
            self._view.missed(call, now, out)

    # Registration

    def register(self, now: Instant, out: PhoneOut) -> None:
        """The app came to the front, or has signed in: be reachable."""
        if self._agent.registered is None and not self._agent.registering:
            self.take(self._agent.register(now), now, out)

    def _reach(self, node: ActiveNode | None, now: Instant, out: PhoneOut) -> None:
        """Be registered where the INVITE is: at the active node, else as before (CMG-08)."""
        first = None if node is None else self._registrar_of(node, out)
        seen = self._system.state is AppState.FOREGROUND
        if seen and self._agent.registered and first in (None, self._agent.registered):
            # The INVITE is on its way over the live channel (MODE-05).
            self._wait_for_invites(now)
            return
        self.take(self._agent.register(now, first), now, out)

    def _registered_at(self, node: ActiveNode, out: PhoneOut) -> bool:
        registered = self._agent.registered
        return registered is not None and registered == self._registrar_of(node, out)

    def _registrar_of(self, node: ActiveNode, out: PhoneOut) -> Registrar | None:
        """The address of a node by the one transport that we speak."""
        transport = self._settings.agent.transport
        if node.transport.upper() == transport:
            for registrar in self._registrars:
                if (registrar.host, registrar.port) == (node.ip, node.port):
                    return registrar
            return Registrar(node.ip, node.port, node.fqdn)
        for registrar in self._registrars:
            if registrar.fqdn and registrar.fqdn.lower() == node.fqdn.lower():
                return registrar
        out.append(ActiveNodeUnusable(node.fqdn, node.transport))
        return None

    def _let_go(self, call: AppCall, now: Instant, out: PhoneOut) -> None:
        """Its INVITE will come by another flow; its owner goes on seeing it ring."""
        if call.phase is not Phase.WAITING and call.sip_call is not None:
            if call.phase is Phase.ANSWERED:
                call.wish = 200
            sip_call, call.sip_call = call.sip_call, None
            call.enter(Phase.WAITING)
            self.take(self._agent.let_go(sip_call, now), now, out)

    def _moved_to(self, registered: Registered, now: Instant, out: PhoneOut) -> None:
        """We are at another node now: a call that rings by the one before comes by this one."""
        for call in tuple(self.calls.values()):
            if call.sip_call is None or call.confirmed or call.phase is Phase.WAITING:
                continue
            flow = self._agent.flow_of(call.sip_call)
            if flow is not None and flow.remote_host != registered.flow.remote_host:
                self._let_go(call, now, out)

    def _flow_lost(self, now: Instant, out: PhoneOut) -> None:
        """The way to the node is gone: calls that ring by it have to be fetched by another."""
        calls = [c for c in self.calls.values() if c.pushed and not c.confirmed]
        for call in calls:
            self._let_go(call, now, out)
        if calls:
            self._reach(None, now, out)

    def _wait_for_invites(self, now: Instant) -> None:
        for call in self.calls.values():
            if call.phase is Phase.WAITING:
                call.no_invite_at = Instant(now + NO_INVITE_NS)

    # The owner

    def answer(self, call: AppCall, now: Instant, out: PhoneOut) -> None:
        """Pick up, as soon as the INVITE is here; on an unlocked phone the app opens (Table A2)."""
        call.answer_at = None
        if call.phase is Phase.WAITING:
            call.wish = 200
        elif call.phase is not Phase.RINGING or call.sip_call is None:
            return
        self._view.answered(call, now)
        if not self._system.closed:
            self._system.come_forward(out, by_itself=False)
        if call.sip_call is not None:
            self.take(self._agent.answer(call.sip_call, now), now, out)

    def decline(self, call: AppCall, status: int, now: Instant, out: PhoneOut) -> None:
        """Decline; the refusal goes out as soon as the INVITE is here (CALL-14, OP-05)."""
        call.answer_at = None
        if call.phase is Phase.WAITING:
            call.wish = status
            self._view.hide(call, ViewEnd.OWNER, now, out)
        elif call.phase is Phase.RINGING and call.sip_call is not None:
            self._view.hide(call, ViewEnd.OWNER, now, out)
            self.take(self._agent.decline(call.sip_call, now, status), now, out)

    def hang_up(self, call: AppCall, now: Instant, out: PhoneOut) -> None:
        """End a call in whatever phase."""
        if call.phase is Phase.ANSWERED and call.sip_call is not None:
            self._view.hide(call, ViewEnd.OWNER, now, out)
            self.take(self._agent.bye(call.sip_call, now), now, out)
        else:
            self.decline(call, DECLINED, now, out)

    def _show(self, call: AppCall, now: Instant, out: PhoneOut) -> None:
        """Let the owner know. When the owner will act counts from the moment the call is shown."""
        self._view.show(call, now, out)
        after_ns = self._settings.agent.answer.after_ns
        if call.shown and after_ns is not None:
            call.answer_at = Instant(now + after_ns)

    def _act(self, call: AppCall, status: int, now: Instant, out: PhoneOut) -> None:
        if status < 300:
            self.answer(call, now, out)
        else:
            self.decline(call, status, now, out)

    # What the user agent says

    def take(self, actions: tuple[UserAgentAction, ...], now: Instant, out: PhoneOut) -> None:
        """Pass on what the user agent wants done, and react to what it tells."""
        out.extend(actions)
        for action in actions:
            match action:
                case Registered():
                    self._moved_to(action, now, out)
                    self._wait_for_invites(now)
                case RegistrationLost():
                    self._flow_lost(now, out)
                case RegistrationFailed():
                    self._no_invite(tuple(self.calls.values()), now, out)
                case IncomingCall():
                    self._invited(action, now, out)
                case CallRinging(number):
                    call = self._by_number(number)
                    if call is not None and call.hidden is None:
                        out.append(PhoneRang(call.uuid, number))
                case CallAnswered(number):
                    call = self._by_number(number)
                    if call is not None:
                        call.enter(Phase.ANSWERED)
                        out.append(PhoneAnswered(call.uuid, number))
                case CallConfirmed(number):
                    call = self._by_number(number)
                    if call is not None:
                        call.confirmed = True
                case CallEnded():
                    self._call_ended(action, now, out)

    def _invited(self, invite: IncomingCall, now: Instant, out: PhoneOut) -> None:
        """The INVITE of a call that a push announced, or of one that is news."""
        uuid = invite.call_uuid
        call = None if uuid is None else self.calls.get(uuid)
        if call is None:
            call = self._unnamed(invite)
        if call is None and uuid is not None and uuid in self._past:
            self.take(self._agent.decline(invite.call, now, GONE), now, out)
            return
        if call is None:
            call = AppCall(uuid or uuid4(self._entropy), invite.caller_name, invite.caller_number)
            self.calls[call.uuid] = call
        elif call.sip_call is not None:
            self.take(self._agent.decline(invite.call, now, 482), now, out)
            return
        call.sip_call = invite.call
        call.enter(Phase.RINGING)
        if not (call.caller_name or call.caller_number):
            # The push did not say, as before CID-01 and on Android; the INVITE does.
            call.caller_name, call.caller_number = invite.caller_name, invite.caller_number
            self._view.name(call, out)
        if self._settings.comes_to_front:
            self._system.come_forward(out, by_itself=True)
        if not call.shown:
            self._show(call, now, out)
        if call.wish is not None:
            self._act(call, call.wish, now, out)

    def _unnamed(self, invite: IncomingCall) -> AppCall | None:
        """The oldest call that a content-free push announced; now it has a caller."""
        for call in self.calls.values():
            if not call.named and call.phase is Phase.WAITING:
                return call
        return None

    def _call_ended(self, ended: CallEnded, now: Instant, out: PhoneOut) -> None:
        call = self._by_number(ended.call)
        if call is None:
            return
        if call.pushed and ended.cause is EndCause.CANCELLED and flow_failed(ended.reason):
            call.sip_call = None  # its node leaves; the flow ends next, and brings us elsewhere
            call.enter(Phase.WAITING)
            return
        reason = view_end(ended, answered=call.phase is Phase.ANSWERED)
        if call.hidden is None:
            self._note_missed(call, reason, now, out)
        self._view.hide(call, reason, now, out)
        self._finish(call)

    def _by_number(self, number: int) -> AppCall | None:
        for call in self.calls.values():
            if call.sip_call == number:
                return call
        return None

    def give_up_announced(self, now: Instant, out: PhoneOut) -> None:
        """The owner signs out: calls that were announced and have no INVITE will get none."""
        self._no_invite(tuple(self.calls.values()), now, out)

    def _no_invite(self, calls: tuple[AppCall, ...], now: Instant, out: PhoneOut) -> None:
        """Calls whose INVITE will not come (OP-06)."""
        for call in calls:
            if call.phase is Phase.WAITING:
                self._view.hide(call, ViewEnd.FAILED, now, out)
                self._finish(call)

    def _finish(self, call: AppCall) -> None:
        call.enter(Phase.OVER)
        del self.calls[call.uuid]
        self._past[call.uuid] = call.hidden or ViewEnd.FAILED
        if len(self._past) > PAST_MAX:
            self._past.popitem(last=False)

    # Time

    def advance(self, now: Instant, out: PhoneOut) -> None:
        """What is due: the owner's act, or the end of waiting for an INVITE."""
        for call in tuple(self.calls.values()):
            if call.answer_at is not None and now >= call.answer_at:
                self._act(call, self._settings.agent.answer.status, now, out)
            if call.no_invite_at is not None and now >= call.no_invite_at:
                self._no_invite((call,), now, out)

    def next_deadline(self) -> Instant | None:
        """When `advance` has something to do."""
        times = [call.next_deadline() for call in self.calls.values()]
        return min((at for at in times if at is not None), default=None)
