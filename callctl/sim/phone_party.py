"""A mobile phone in the simulated world: the phone, its sockets, and its way to the cloud."""

from __future__ import annotations

from typing import Any, Final

from callctl.cloud.delivery import Delivery
from callctl.cloud.partner import DEFAULT_BUNDLE_ID, DEFAULT_PROJECT_ID, Partner
from callctl.model.build import password_of
from callctl.model.cluster import Cluster
from callctl.model.device import Platform
from callctl.phone.event import CallEnded, CallForgotten, IncomingCall
from callctl.phone.phone import Phone
from callctl.phone.phone_event import (
    AppSuspended,
    AppTerminated,
    AttachPush,
    DetachPush,
    PhoneAction,
    PushArrived,
    SignedIn,
    SignIn,
    SignInFailed,
    SignOut,
)
from callctl.phone.phone_settings import PhoneSettings
from callctl.phone.push_identity import TOKEN_OCTETS
from callctl.phone.settings import Registrar, UserAgentSettings
from callctl.sim.cloud_party import UNIX_MS_AT_ZERO, CloudParty
from callctl.sim.entropy import SeededEntropy
from callctl.sim.network import Network, Sockets
from callctl.sim.party import Party, Role
from callctl.sim.scenario import PhonePlan
from callctl.sim.sign_in_desk import SignInDesk
from callctl.sim.watch import Watch
from callctl.sim.world import World
from sipstack.entropy import token
from sipstack.timing import Instant
from sipstack.transaction.events import Ignored
from sipstack.transport.flow import CloseFlow, Send, TransportEvent

PORT: Final = 5060


class PhoneParty(Party):
    """One phone; `told` holds what it said, with the time. Each suspension ends a life of its app:
    the system takes the sockets and all that was under way."""

    __slots__ = ("_calls", "_cloud", "_desk", "_entropy", "_offline", "_watch", "phone", "told")

    def __init__(
        self,
        plan: PhonePlan,
        registrars: tuple[Registrar, ...],
        cluster: Cluster,
        world: World,
        network: Network,
        watch: Watch,
        cloud: CloudParty,
        desk: SignInDesk,
        entropy: SeededEntropy,
    ) -> None:
        super().__init__(plan.device.name, Role.PHONE, world, network)
        self.sockets = Sockets(self, plan.host, ((plan.transport, PORT),), self.take)
        self.phone = Phone(phone_settings(plan, registrars, cluster), entropy)
        self.told: list[tuple[Instant, Any]] = []
        self._calls: dict[int, str] = {}  # Call-IDs of what it has a leg of
        self._cloud = cloud
        self._desk = desk
        self._entropy = entropy
        self._offline = plan.wake_ns is None
        self._watch = watch
        network.start(self.sockets)
        self.up = True

    # Commands of the owner.

    def start(self) -> None:
        """Open the app for the first time and sign in."""
        self._perform(self.phone.start(self.world.now))

    def look(self, on_screen: bool) -> None:
        """The owner looks at the app, or puts the phone away."""
        self._watch.note(self, "on screen" if on_screen else "off screen")
        self._perform(self.phone.set_screen(self.world.now, off_screen=not on_screen))

    def lock(self, locked: bool = True) -> None:
        """The owner locks the phone, which goes dark, or unlocks it without opening the app."""
        self._watch.note(self, "locked" if locked else "unlocked")
        now = self.world.now
        self._perform(self.phone.set_screen(now, off_screen=True, locked=locked, screen_off=locked))

    def close_app(self) -> None:
        """The owner swipes the app away."""
        self._perform(self.phone.close_app(self.world.now))

    def allow_notifications(self, allowed: bool) -> None:
        """The owner lets the app show notifications, or not."""
        self._perform(self.phone.allow_notifications(self.world.now, allowed))

    def tap(self) -> None:
        """The owner taps the newest notification."""
        self._perform(self.phone.tap(self.world.now))

    def answer(self) -> None:
        """Pick up the newest call that shows."""
        self._perform(self.phone.answer(self.world.now))

    def decline(self, status: int = 603) -> None:
        """Decline the newest call that shows."""
        self._perform(self.phone.decline(self.world.now, status))

    def sign_out(self) -> None:
        """The owner logs out."""
        self._perform(self.phone.sign_out(self.world.now))

    def renew_key(self) -> None:
        """The app takes a new key (REG-05)."""
        self._perform(self.phone.renew_key(self.world.now))

    def take_new_targets(self) -> None:
        """The system gives the app new device tokens; who pushes to the old ones is told 410."""
        identity = self.phone.identity
        old = identity.attachments()
        identity.voip_token = token(self._entropy, TOKEN_OCTETS)
        if identity.message_token is not None:
            identity.message_token = token(self._entropy, TOKEN_OCTETS)
        self._perform((*identity.attachments(), SignIn(identity.sign_in())))
        for attached in old:
            self._cloud.unregister(_partner(attached.service), attached.token)

    def call(self, target: str, hang_up_after_ns: int | None = None) -> None:
        """Open the app and call a number."""
        now = self.world.now
        _, actions = self.phone.call(target, now, hang_up_after_ns=hang_up_after_ns)
        self._perform(actions)

    def hang_up(self) -> None:
        """End every call."""
        self._perform(self.phone.hang_up(self.world.now))

    # The three doors.

    def take(self, event: TransportEvent | PushArrived | SignedIn | SignInFailed) -> None:
        """Something came."""
        self._perform(self.phone.receive(event, self.world.now))

    def advance(self, now: Instant) -> None:
        """Fire what is due."""
        self._perform(self.phone.advance(now))

    def next_deadline(self) -> Instant | None:
        """When `advance` has something to do."""
        return self.phone.next_deadline()

    # What judges ask.

    def talking(self) -> tuple[str, ...]:
        """Call-IDs of the calls that are alive."""
        return tuple(self._calls.values())

    def counts(self) -> dict[str, int]:
        """What is alive."""
        return self.phone.counts()

    def events(self, kind: type) -> list[tuple[Instant, Any]]:
        """What it said of one kind, and when."""
        return [(at, event) for at, event in self.told if isinstance(event, kind)]

    # Inside.

    def _perform(self, actions: tuple[PhoneAction, ...]) -> None:
        for action in actions:
            if type(action) is Send:
                self.network.send(self.sockets, action)
            elif isinstance(action, CloseFlow):
                self.network.close(self.sockets, action.flow)
            elif isinstance(action, Ignored):
                self._watch.ignored(self, action.reason, action.detail)
            elif isinstance(action, SignIn | SignOut | AttachPush | DetachPush):
                self.world.plan(self.world.now, self._ask, action)
            else:
                self.told.append((self.world.now, action))
                self._watch.told(self, action)
                self._follow(action)
        self.world.watch(self)

    def _follow(self, action: object) -> None:
        if isinstance(action, IncomingCall):
            self._calls[action.call] = action.sip_call_id
        elif isinstance(action, CallEnded | CallForgotten):
            self._calls.pop(action.call, None)
        elif isinstance(action, AppSuspended | AppTerminated):
            self._watch.died(self)
            self._calls.clear()
            self.life += 1

    def _ask(self, wish: SignIn | SignOut | AttachPush | DetachPush) -> None:
        """What a phone wants done over HTTPS; outside the trouble of the SIP network."""
        now, host = self.world.now, self.sockets.host
        if isinstance(wish, AttachPush):
            self._cloud.attach(_partner(wish.service), wish.token, wish.app, self._pushed)
        elif isinstance(wish, DetachPush):
            self._cloud.detach(wish.token)
        elif isinstance(wish, SignOut):
            self._desk.sign_out(wish.request, host, now)
        else:
            answer = self._desk.sign_in(wish.request, host, now)
            self.take(SignInFailed(answer) if isinstance(answer, str) else SignedIn(answer))

    def _pushed(self, delivery: Delivery) -> None:
        if self._offline:
            self._watch.note(self, "is offline: a push does not reach it")
            return
        self._watch.note(self, f"gets a push: {delivery.push_type}")
        push_type, collapse_id = delivery.push_type, delivery.collapse_id
        self.take(PushArrived(delivery.token, push_type, delivery.payload, collapse_id))


def _partner(service: str) -> Partner:
    return Partner.FCM if service.startswith("FCM") else Partner.APNS


def phone_settings(
    plan: PhonePlan, registrars: tuple[Registrar, ...], cluster: Cluster
) -> PhoneSettings:
    """The settings of a phone by its plan."""
    device = plan.device
    owner = device.owner or ""
    ios = device.platform is Platform.IOS
    agent = UserAgentSettings(
        device.lines[0],
        cluster.domain,
        registrars,
        plan.host,
        PORT,
        plan.transport,
        auth_user=owner,
        password=password_of(owner),
        display_name=cluster.lines[device.lines[0]].display_name,
        device_name=device.name,
        answer=plan.answer,
    )
    return PhoneSettings(
        agent,
        device.platform,
        device.os_version or "17.0",
        device.client,
        device.client_version or "14.3",
        device.subscriber_service or ("APNS" if ios else "FCM"),
        DEFAULT_BUNDLE_ID if ios else DEFAULT_PROJECT_ID,
        device.custom_region,
        wake_delay_ns=plan.wake_ns or 0,
        tap_after_ns=plan.tap_ns,
        key_life_ns=plan.key_life_ns,
        unix_ms_at_zero=UNIX_MS_AT_ZERO,
    )
