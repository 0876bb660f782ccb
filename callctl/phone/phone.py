"""A mobile phone without I/O: a user agent inside an app, inside an operating system.

The shell attaches its tokens to the partner cloud, signs it in, carries its messages and gives it
the time; the rest happens here, over sockets as in virtual time.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from callctl.phone.app import App
from callctl.phone.app_call import AppCall
from callctl.phone.call_view import CallView
from callctl.phone.callkit import CallKit
from callctl.phone.lock_screen import LockScreen
from callctl.phone.message_tray import MessageTray
from callctl.phone.operating_system import AppState, OperatingSystem
from callctl.phone.phone_event import (
    AppForegrounded,
    AppSuspended,
    AppTerminated,
    CallHidden,
    DetachPush,
    PhoneAction,
    PhoneEvent,
    PhoneOut,
    PushArrived,
    SignedIn,
    SignIn,
    SignInFailed,
    SignOut,
    ViewEnd,
)
from callctl.phone.phone_settings import LOG_MAX, PhoneSettings
from callctl.phone.push_identity import PushIdentity
from callctl.phone.screen_record import ScreenRecord
from callctl.phone.settings import Registrar
from callctl.phone.user_agent import UserAgent
from callctl.push.sign_in import ClusterFacts
from sipstack.entropy import Entropy, uuid4
from sipstack.stack import Observer
from sipstack.timing import Instant
from sipstack.transaction.events import Ignored
from sipstack.transport.flow import UNCONNECTED, BytesReceived, CloseFlow, FlowClosed, Send


class Phone:
    """One phone and its owner. Commands return the actions they cause, as the doors do.

    Whatever is no octets for the wire is also kept in `log`, with its time; what its owner saw of
    it is in `screen`.
    """

    __slots__ = (
        "_agent",
        "_app",
        "_entropy",
        "_key_due",
        "_may_register",
        "_observer",
        "_registrars",
        "_settings",
        "_signed_in",
        "_tray",
        "_view",
        "callkit",
        "identity",
        "lock_screen",
        "log",
        "screen",
        "system",
    )

    def __init__(
        self, settings: PhoneSettings, entropy: Entropy, observer: Observer | None = None
    ) -> None:
        self._entropy = entropy
        self._observer = observer
        self.identity = PushIdentity(settings, entropy)
        agent = settings.agent
        # A phone that is to be called over the flow it registered by needs an instance (RFC 5626).
        agent = replace(agent, instance=agent.instance or f"urn:uuid:{uuid4(entropy)}")
        if not settings.managed:
            params = (*agent.contact_uri_params, *self.identity.contact_uri_params())
            agent = replace(agent, contact_uri_params=params)
        self._settings = replace(settings, agent=agent)
        self._registrars = agent.registrars
        self.system = OperatingSystem(self._settings)
        self.callkit = CallKit()
        self.lock_screen = LockScreen()
        self.log: deque[tuple[Instant, PhoneAction]] = deque(maxlen=LOG_MAX)
        self.screen = ScreenRecord()
        self._view = CallView(self._settings, self.system, self.callkit, self.lock_screen)
        self._tray = MessageTray(self._view, settings.tap_after_ns)
        self._signed_in = False  # pushes are wanted
        self._may_register = False  # a managed client signs in first
        self._key_due: Instant | None = None  # the key is to be renewed (REG-05)
        self._launch()

    @property
    def settings(self) -> PhoneSettings:
        """What it is, with the instance it was given."""
        return self._settings

    @property
    def suspended(self) -> bool:
        """The mode of the client (MODE-02)."""
        return self.system.suspended

    @property
    def registered(self) -> Registrar | None:
        """Where the app is registered, None if nowhere."""
        return self._agent.registered

    @property
    def calls(self) -> tuple[AppCall, ...]:
        """Calls that ring, or are announced, or talk."""
        return tuple(self._app.calls.values())

    # Commands of the owner

    def start(self, now: Instant) -> tuple[PhoneAction, ...]:
        """Open the app and sign in: from here on the phone can be reached (MODE-03)."""
        out: PhoneOut = [*self.identity.attachments()]
        self._signed_in = True
        if self._settings.managed:
            self._sign_in(now, out)
        else:
            self._may_register = True
        self._open_app(now, out)
        return self._settled(now, out)

    def sign_out(self, now: Instant) -> tuple[PhoneAction, ...]:
        """Log out: no more pushes until the next start (MODE-18)."""
        out: PhoneOut = []
        self._signed_in = self._may_register = False
        self._key_due = None
        self._app.give_up_announced(now, out)
        self._app.take(self._agent.unregister(now), now, out)
        if self._settings.managed:
            out.append(SignOut(self.identity.sign_out()))
        out.extend(DetachPush(attached.token) for attached in self.identity.attachments())
        return self._settled(now, out)

    def renew_key(self, now: Instant) -> tuple[PhoneAction, ...]:
        """Take a new key, and tell the cluster if we are signed in there (REG-05, SEC-02)."""
        out: PhoneOut = []
        self._renew_key(now, out)
        return self._settled(now, out)

    def allow_notifications(self, now: Instant, allowed: bool) -> tuple[PhoneAction, ...]:
        """Let the app show notifications, or not (MODE-17). Calls by CallKit are none."""
        self.lock_screen.allowed = allowed
        return self._settled(now, [])

    def set_screen(
        self,
        now: Instant,
        *,
        off_screen: bool | None = None,
        locked: bool | None = None,
        screen_off: bool | None = None,
    ) -> tuple[PhoneAction, ...]:
        """Move some of the three switches (MODE-02)."""
        out: PhoneOut = []
        told: PhoneOut = []
        self.system.set_screen(off_screen, locked, screen_off, now, told)
        self._obey(told, now, out)
        return self._settled(now, out)

    def close_app(self, now: Instant) -> tuple[PhoneAction, ...]:
        """Swipe the app away; pushes still reach it (MODE-23)."""
        out: PhoneOut = []
        told: PhoneOut = []
        self.system.close_app("closed by owner", told)
        self._obey(told, now, out)
        return self._settled(now, out)

    def tap(self, now: Instant) -> tuple[PhoneAction, ...]:
        """Tap the newest notification: the app opens, and fetches its call (CHN-05, MODE-14)."""
        out: PhoneOut = []
        self._tap(now, out)
        return self._settled(now, out)

    def answer(self, now: Instant, call_uuid: str | None = None) -> tuple[PhoneAction, ...]:
        """Pick up a call, the newest one if none is named."""
        out: PhoneOut = []
        call = self._chosen(call_uuid, out)
        if call is not None:
            self._app.answer(call, now, out)
        return self._settled(now, out)

    def decline(
        self, now: Instant, status: int = 603, call_uuid: str | None = None
    ) -> tuple[PhoneAction, ...]:
        """Decline a call, the newest one if none is named."""
        out: PhoneOut = []
        call = self._chosen(call_uuid, out)
        if call is not None:
            self._app.decline(call, status, now, out)
        return self._settled(now, out)

    def hang_up(self, now: Instant, call_uuid: str | None = None) -> tuple[PhoneAction, ...]:
        """End every call, or the one that is named."""
        out: PhoneOut = []
        if call_uuid is not None:
            call = self._chosen(call_uuid, out)
            if call is not None:
                self._app.hang_up(call, now, out)
            return self._settled(now, out)
        for call in self.calls:
            self._app.hang_up(call, now, out)
        for number in tuple(self._agent.calls()):
            self._app.take(self._agent.bye(number, now), now, out)
        return self._settled(now, out)

    def call(
        self, target: str, now: Instant, *, hang_up_after_ns: int | None = None
    ) -> tuple[int, tuple[PhoneAction, ...]]:
        """Call somebody. The app is opened for it.

        Returns: the number of the call in the user agent's events, and what to do.
        """
        out: PhoneOut = []
        self._open_app(now, out)
        number, actions = self._agent.invite(target, now, hang_up_after_ns=hang_up_after_ns)
        self._app.take(actions, now, out)
        return number, self._settled(now, out)

    # The three doors

    def receive(self, event: PhoneEvent, now: Instant) -> tuple[PhoneAction, ...]:
        """What happened to the phone."""
        out: PhoneOut = []
        match event:
            case BytesReceived() | FlowClosed():
                if self.system.running:
                    self._app.take(self._agent.receive(event, now), now, out)
                else:
                    self._deaf(event, out)
            case PushArrived():
                self._push(event, now, out)
            case SignedIn(facts):
                self._use(facts)
                self._may_register = self._signed_in
                self._register(now, out)
            case SignInFailed(reason):
                # Without push, but in the foreground it can be called all the same.
                out.append(Ignored("sign-in failed", reason))
                self._may_register = self._signed_in
                self._register(now, out)
        return self._settled(now, out)

    def advance(self, now: Instant) -> tuple[PhoneAction, ...]:
        """What is due."""
        out: PhoneOut = []
        if self.system.running:
            self._app.take(self._agent.advance(now), now, out)
            self._app.advance(now, out)
            if self._key_due is not None and now >= self._key_due:
                self._renew_key(now, out)
        self.system.occupy(self._app.busy, now)
        told: PhoneOut = []
        self.system.advance(now, told)
        self._obey(told, now, out)
        if self._tray.tap_at is not None and now >= self._tray.tap_at:
            self._tap(now, out)
        return self._settled(now, out)

    def next_deadline(self) -> Instant | None:
        """When `advance` has something to do. A frozen app has no timers."""
        times = [self.system.next_deadline(), self._tray.tap_at]
        if self.system.running:
            times += [self._agent.next_deadline(), self._app.next_deadline(), self._key_due]
        return min((at for at in times if at is not None), default=None)

    def counts(self) -> dict[str, int]:
        """What is alive; all zero at rest, but for idle `streams`."""
        return {
            **self._agent.counts(),
            **self.system.counts(),
            "app_calls": len(self._app.calls),
            "callkit_calls": sum(call.active for call in self.callkit.calls),
        }

    # Inside

    def _launch(self) -> None:
        """A fresh process: nothing of the one before is left in memory."""
        # What the owner does is the app's to carry out; the user agent only rings.
        plan = replace(self._settings.agent.answer, after_ns=None, status=200)
        agent = replace(self._settings.agent, answer=plan)
        self._agent = UserAgent(agent, self._entropy, self._observer)
        self._app = App(
            self._settings, self._agent, self.system, self._view, self.identity, self._entropy
        )
        self._app.use_registrars(self._registrars)

    def _push(self, push: PushArrived, now: Instant, out: PhoneOut) -> None:
        if not self._signed_in:
            out.append(Ignored("push after sign-out", push.push_type))
        elif push.push_type == "alert":
            self._alert(push, now, out)
        else:
            self.system.receive(push, now, out)

    def _alert(self, push: PushArrived, now: Instant, out: PhoneOut) -> None:
        """A message: shown by the system, opened by the app's extension, the app stays asleep.

        An app that is on the screen gets it for itself, and the owner no notification.
        """
        read = self.identity.open(push, now, out)
        if read is None or read.content is None:
            return
        if self.system.state is not AppState.FOREGROUND:
            self._tray.receive(read.content, push.collapse_id, now, out)
        elif not self._app.receive_content(read.content, now, out):
            out.append(Ignored("message push in the foreground", read.content.event.value))

    def _tap(self, now: Instant, out: PhoneOut) -> None:
        content = self._tray.tap()
        told: PhoneOut = []
        self.system.open_app(now, told)
        if content is not None:
            # First, so that the app registers at the node that the message names.
            self._app.open_call(content, now, out)
        self._obey(told, now, out)

    def _open_app(self, now: Instant, out: PhoneOut) -> None:
        told: PhoneOut = []
        self.system.open_app(now, told)
        self._obey(told, now, out)

    def _obey(self, told: PhoneOut, now: Instant, out: PhoneOut) -> None:
        """What the operating system does to the app has its consequences."""
        for action in told:
            out.append(action)
            match action:
                case AppForegrounded():
                    self._register(now, out)
                case AppSuspended():
                    self._app.take(self._agent.shut(now), now, out)
                case AppTerminated():
                    out.extend(self._agent.shut(now))
                    for uuid in self.callkit.end_all(ViewEnd.FAILED, now):
                        out.append(CallHidden(uuid, ViewEnd.FAILED))
                    self._launch()

    def _register(self, now: Instant, out: PhoneOut) -> None:
        if self._may_register and self.system.running:
            self._app.register(now, out)

    def _renew_key(self, now: Instant, out: PhoneOut) -> None:
        self.identity.renew_key()
        if self._signed_in and self._settings.managed:
            self._sign_in(now, out)

    def _sign_in(self, now: Instant, out: PhoneOut) -> None:
        """Tell the cluster our tokens and the newest key; some time later there is another."""
        out.append(SignIn(self.identity.sign_in()))
        life_ns = self._settings.key_life_ns
        self._key_due = None if life_ns is None else Instant(now + life_ns)

    def _use(self, facts: ClusterFacts | None) -> None:
        """Take over the CM group that the sign-in told, by the transport that we speak."""
        if facts is None:
            return
        transport = self._settings.agent.transport
        registrars = tuple(
            Registrar(address.host, address.port, node.fqdn)
            for node in facts.nodes
            for address in node.addresses
            if address.transport.upper() == transport
        )
        if registrars:
            self._registrars = registrars
            self._app.use_registrars(registrars)

    def _deaf(self, event: BytesReceived | FlowClosed, out: PhoneOut) -> None:
        """Something comes for an app that does not run: its sockets are not there."""
        out.append(Ignored("asleep", type(event).__name__))
        if isinstance(event, BytesReceived) and event.flow.connection != UNCONNECTED:
            out.append(CloseFlow(event.flow))

    def _chosen(self, call_uuid: str | None, out: PhoneOut) -> AppCall | None:
        """The call that is named, else the newest one that the owner can see."""
        calls = self._app.calls
        if call_uuid is not None:
            call = calls.get(call_uuid)
        else:
            call = next((it for it in reversed(calls.values()) if it.on_screen), None)
        if call is None:
            out.append(Ignored("no such call", call_uuid or "none"))
        return call

    def _settled(self, now: Instant, out: PhoneOut) -> tuple[PhoneAction, ...]:
        """Let the app read its pushes, tell the system if it is busy, and keep the log."""
        pushes = self.system.handed_over
        while pushes:
            self._app.receive_push(pushes.pop(0), now, out)
        self.system.occupy(self._app.busy, now)
        for action in out:
            if not isinstance(action, Send):
                self.log.append((now, action))
                self.screen.watch(action, now)
        return tuple(out)
