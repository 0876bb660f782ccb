"""One phone of the fleet and its owner: sleeps, is woken, answers, moves through networks."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any, Final, Protocol

from callctl.fleet.call_track import CallTrack
from callctl.fleet.clockwork import Alarm, Clockwork, Party
from callctl.fleet.plan import Wish
from callctl.fleet.quantity import Distribution
from callctl.fleet.wires import Wires
from callctl.phone.event import IncomingCall, Registered, RegistrationFailed
from callctl.phone.operating_system import AppState
from callctl.phone.phone import Phone
from callctl.phone.phone_event import (
    AppSuspended,
    AppTerminated,
    CallHidden,
    CallShown,
    PhoneAnswered,
    PhoneRang,
    PushArrived,
    PushOpened,
    PushRejected,
    SignIn,
    SignInFailed,
)
from callctl.push.kind import PushKind
from sipstack.timing import Instant
from sipstack.transport.flow import Send

ALERT: Final = "alert"  # the push type that the system shows by itself, and that wakes no app


@dataclass(slots=True)
class PhoneCounts:
    """What all phones together heard and did."""

    pushes: int = 0
    pushes_slept_through: int = 0  # by phones that no push wakes
    pushes_waited: int = 0  # for a phone that had no network
    wakes: int = 0
    registers: int = 0
    registrations_failed: int = 0
    sign_ins_failed: int = 0
    apps_ended_by_system: int = 0  # iOS: a VoIP push without a call
    invites_unexpected: int = 0  # of calls that are over, or not ours
    pushes_rejected: dict[str, int] = field(default_factory=dict)  # by reason


class Following(Protocol):
    """Who wants to know of a phone. Commands to it are given later, not from inside."""

    def phone_ready(self, handset: Handset) -> None:
        """It can be called: asleep, or awake and registered, and without a call."""

    def phone_registered(self, handset: Handset) -> None:
        """A registrar accepted it."""

    def phone_wants(self, handset: Handset, action: SignIn) -> None:
        """It is to be signed in."""


@dataclass(frozen=True, slots=True)
class Manners:
    """How phones of a run behave, as far as it is not in the phone itself."""

    wake_delay: Distribution
    random: Random
    counts: PhoneCounts


class Handset:
    """`track` is the call that it is meant to get now."""

    __slots__ = (
        "_act",
        "_act_on",
        "_arrived",
        "_clockwork",
        "_following",
        "_manners",
        "_pushes",
        "_registering",
        "_wake",
        "awake",
        "device",
        "dn",
        "never_wakes",
        "party",
        "phone",
        "track",
        "wires",
    )

    def __init__(
        self,
        phone: Phone,
        wires: Wires,
        clockwork: Clockwork,
        manners: Manners,
        following: Following,
        *,
        awake: bool,
        never_wakes: bool,
    ) -> None:
        agent = phone.settings.agent
        self.phone = phone
        self.device = agent.device_name or agent.user
        self.dn = agent.user
        self.awake = awake
        self.never_wakes = never_wakes
        self.track: CallTrack | None = None
        self.party = Party(clockwork, self)
        self.wires = wires
        wires.feed = self.party.feed
        self._clockwork = clockwork
        self._manners = manners
        self._following = following
        self._arrived: dict[str, Instant] = {}  # pushes that the app has not read, by tracking id
        self._pushes: list[PushArrived] = []  # on their way into the app, or waiting for a network
        self._wake: Alarm | None = None
        self._act: Alarm | None = None  # what the owner is about to do
        self._act_on = ""  # UUID of the call that this is about
        self._registering = False  # a REGISTER of this registration is out

    @property
    def machine(self) -> Phone:
        """For the clockwork."""
        return self.phone

    @property
    def asleep(self) -> bool:
        """True if it takes a push to reach it."""
        return not self.phone.system.running

    def put_away(self) -> None:
        """Lock it, dark; it sleeps a little later."""
        self.party.do(
            lambda now: self.phone.set_screen(now, off_screen=True, locked=True, screen_off=True)
        )

    # Pushes.

    def receive_push(self, push: PushArrived, now: Instant) -> None:
        """From the partner cloud."""
        counts = self._manners.counts
        counts.pushes += 1
        if self.never_wakes:
            counts.pushes_slept_through += 1
            if self.track is not None and self.track.pushed_at is None:
                self.track.pushed_at = now
        elif not self.wires.up:
            counts.pushes_waited += 1
            self._pushes.append(push)
        else:
            self._hand_over(push, now)

    def _hand_over(self, push: PushArrived, now: Instant) -> None:
        self._arrived[str(push.payload.get("trackingId"))] = now
        if push.push_type == ALERT or (self.phone.system.running and not self._pushes):
            self.party.feed(push)
            return
        self._pushes.append(push)
        if self._wake is None:
            wait_ns = self._manners.wake_delay.draw(self._manners.random)
            self._wake = self._clockwork.after(wait_ns, self._woken)

    def _woken(self, now: Instant) -> None:
        self._wake = None
        if not self.wires.up:
            return  # they wait for the network now
        self._manners.counts.wakes += 1
        pushes, self._pushes = self._pushes, []
        for push in pushes:
            self.party.feed(push)

    # The network.

    def lose_network(self) -> None:
        """Nothing reaches it, and it reaches nobody."""
        self._note_move()
        self.wires.lose()

    def find_network(self, local_host: str) -> None:
        """Connected again, perhaps by another address; what waited for it arrives."""
        self._note_move()
        self.wires.find(local_host)
        if self._pushes and self._wake is None:
            pushes, self._pushes = self._pushes, []
            now = self._clockwork.clock()
            for push in pushes:
                self._hand_over(push, now)

    def _note_move(self) -> None:
        if self.track is not None:
            self.track.moved = True

    # What the phone says.

    def hear(self, action: Any, now: Instant) -> None:  # noqa: ANN401  (a phone has many)
        """For the clockwork."""
        if isinstance(action, Send):
            if not self._registering and action.data.startswith(b"REGISTER"):
                self._registers(now)
            return
        match action:
            case Registered():
                self._registering = False
                if self.track is not None and self.track.registered_at is None:
                    self.track.registered_at = now
                self._following.phone_registered(self)
                if self.awake:
                    self._may_be_ready()
            case RegistrationFailed():
                self._registering = False
                self._manners.counts.registrations_failed += 1
            case IncomingCall(sip_call_id=call_id):
                self._offered(call_id, now)
            case PushOpened(tracking_id, kind):
                self._opened(tracking_id, kind)
            case CallShown(uuid):
                self._shown(uuid)
            case PhoneRang(uuid):
                self._rang(uuid, now)
            case PhoneAnswered(uuid):
                self._answered(uuid, now)
            case AppSuspended():
                self._registering = False
                self._may_be_ready()
            case AppTerminated(by_system=by_system):
                self._registering = False
                self._manners.counts.apps_ended_by_system += by_system
                self._may_be_ready()
            case CallHidden():
                if self.awake:
                    self._may_be_ready()
            case PushRejected(reason):
                rejected = self._manners.counts.pushes_rejected
                rejected[reason] = rejected.get(reason, 0) + 1
            case SignIn():
                self._following.phone_wants(self, action)
            case SignInFailed():
                self._manners.counts.sign_ins_failed += 1

    def _registers(self, now: Instant) -> None:
        self._registering = True
        self._manners.counts.registers += 1
        track = self.track
        if track is not None and track.register_at is None and track.asleep:
            track.register_at = now

    def _opened(self, tracking_id: str, kind: PushKind | None) -> None:
        """Only now is it known whether it was a ring push; a content-free one is taken for one."""
        arrived = self._arrived.pop(tracking_id, None)
        track = self.track
        if track is not None and track.pushed_at is None and kind in (None, PushKind.INCOMING):
            track.pushed_at = arrived

    def _offered(self, call_id: str, now: Instant) -> None:
        track = self.track
        if track is None or track.call_id != call_id:
            self._manners.counts.invites_unexpected += 1
        elif track.offered_at is None:
            track.offered_at = now

    def _shown(self, uuid: str) -> None:
        """The owner sees the call, and will do what the plan has for it."""
        track = self.track
        if track is None or self._act is not None or track.call_uuid:
            return
        track.call_uuid = self._act_on = uuid
        if track.plan.wish is not Wish.NO_ANSWER:
            self._act = self._clockwork.after(track.plan.answer_after_ns, self._do_as_planned)

    def _do_as_planned(self, now: Instant) -> None:
        self._act = None
        track, uuid = self.track, self._act_on
        if track is None:
            return
        track.acted_at = now
        match track.plan.wish:
            case Wish.ANSWER:
                self.party.do(lambda now: self.phone.answer(now, uuid))
            case Wish.DECLINE:
                self.party.do(lambda now: self.phone.decline(now, 603, uuid))
            case Wish.BUSY:
                self.party.do(lambda now: self.phone.decline(now, 486, uuid))

    def _rang(self, uuid: str, now: Instant) -> None:
        track = self.track
        if track is not None and track.rang_at is None:
            track.rang_at = now
            track.call_uuid = track.call_uuid or uuid

    def _answered(self, uuid: str, now: Instant) -> None:
        track = self.track
        if track is None or track.picked_up_at is not None:
            return
        track.picked_up_at = now
        if track.plan.callee_hangs_up:
            self._act_on = uuid
            self._act = self._clockwork.after(track.plan.talk_ns, self._hang_up)

    def _hang_up(self, now: Instant) -> None:
        self._act = None
        uuid = self._act_on
        self.party.do(lambda now: self.phone.hang_up(now, uuid))

    # Its calls.

    def expect(self, track: CallTrack) -> None:
        """A call for it is placed now."""
        self.track = track

    def call_over(self) -> None:
        """The caller is done with its call."""
        self.track = None
        self._arrived.clear()
        if self._act is not None:
            self._act.cancel()
            self._act = None
        if not self.awake and self.phone.system.state is AppState.FOREGROUND:
            self.put_away()
        self._may_be_ready()

    def _may_be_ready(self) -> None:
        system = self.phone.system
        if self.track is not None or (self.phone.calls and not self.asleep):
            return
        if not system.running or (self.awake and self.phone.registered is not None):
            self._following.phone_ready(self)
