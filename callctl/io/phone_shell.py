"""A simulated mobile phone over real sockets: SIP, sign-in, and its way to the partner cloud."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

import anyio
import httpx2
from anyio.abc import TaskGroup, TaskStatus

from callctl.cloud.partner import Partner, default_routes
from callctl.io.agent_shell import EPHEMERAL, LISTENS_BY
from callctl.io.pump import Pump
from callctl.io.push_receiver import PushReceiver, ReceivedPush
from callctl.io.sign_in_client import SignInClient, SignInRefused
from callctl.phone.phone import Phone
from callctl.phone.phone_event import (
    AttachPush,
    DetachPush,
    PhoneAction,
    PhoneEvent,
    PushArrived,
    SignedIn,
    SignIn,
    SignInFailed,
    SignOut,
)
from callctl.phone.phone_settings import PhoneSettings
from sipstack.entropy import Entropy
from sipstack.errors import LocalProtocolError
from sipstack.io.clock import MonotonicClock
from sipstack.io.endpoint import Listener, SipEndpoint
from sipstack.stack import Observer
from sipstack.timing import Instant
from sipstack.transaction.events import Ignored
from sipstack.transport.flow import CloseFlow, Send

OnPhoneEvent: TypeAlias = Callable[[Instant, PhoneAction | PushArrived], None]


@dataclass(frozen=True, slots=True)
class PhoneWorld:
    """What phones of one process share, and how they reach the services of a cluster."""

    clock: MonotonicClock
    entropy: Entropy
    tls: ssl.SSLContext | None = None  # to trust the cluster and the clouds by
    sign_in: SignInClient | None = None  # None: sign-ins fail
    attach_urls: Mapping[Partner, str] | None = None  # None: no push can arrive


class PhoneShell:
    """One phone. It is run once; commands take effect while it runs.

    `on_event` hears what happens in order, and must not give commands from inside.
    """

    def __init__(
        self,
        settings: PhoneSettings,
        world: PhoneWorld,
        on_event: OnPhoneEvent = lambda now, event: None,
        *,
        observer: Observer | None = None,
    ) -> None:
        """`settings.agent.local_port` 0 is any free port. Over TLS and WebSocket it only dials
        out.
        """
        self.settings = settings
        self._world = world
        self._on_event = on_event
        self._observer = observer
        self._ended = anyio.Event()
        self._pump: Pump | None = None
        self._tasks: TaskGroup | None = None
        self._receivers: dict[str, anyio.CancelScope] = {}  # by device token
        self._accepted = False
        self._signing = anyio.Lock()  # what was said last to the sign-in service counts
        self.attached: set[str] = set()
        """Device tokens that the partner cloud has heard of: pushes to them arrive."""

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Live until closed or cancelled. Raises: OSError if the address cannot be had."""
        agent, listeners = self.settings.agent, []
        if agent.transport in LISTENS_BY:
            listeners.append(Listener(agent.transport, agent.local_host, agent.local_port))
        self._endpoint = SipEndpoint(listeners, self._feed, client_tls=self._world.tls)
        try:
            await self._endpoint.start()
            bound = self._endpoint.listeners
            first, count = EPHEMERAL
            port = bound[0].port if bound else first + self._world.entropy.below(count)
            self.settings = replace(self.settings, agent=replace(agent, local_port=port))
            self.phone = Phone(self.settings, self._world.entropy, self._observer)
            self._pump = Pump(self.phone, self._world.clock, self._carry_out)
            async with anyio.create_task_group() as tasks:
                self._tasks = tasks
                self._pump.start()
                task_status.started()
                await self._ended.wait()
                tasks.cancel_scope.cancel()
        finally:
            self.close()
            with anyio.CancelScope(shield=True):
                await self._endpoint.aclose()

    def close(self) -> None:
        """Be gone, without a word to anybody."""
        if self._pump is not None:
            self._pump.stop()
        self._tasks = None
        self._ended.set()

    # Commands of the owner.

    def start(self) -> None:
        """Open the app and sign in: from here on the phone can be reached."""
        self._do(lambda now: self.phone.start(now))

    def suspend(self) -> None:
        """Put the phone away, locked and dark; its system suspends the app a little later."""
        self._do(
            lambda now: self.phone.set_screen(now, off_screen=True, locked=True, screen_off=True)
        )

    def resume(self) -> None:
        """Take the phone up again, the app on the screen."""
        self._do(
            lambda now: self.phone.set_screen(now, off_screen=False, locked=False, screen_off=False)
        )

    def lock(self, locked: bool = True) -> None:
        """Lock the phone, which goes dark, or unlock it without opening the app."""
        self._do(
            lambda now: self.phone.set_screen(
                now, off_screen=True, locked=locked, screen_off=locked
            )
        )

    def close_app(self) -> None:
        """Swipe the app away; pushes still reach the phone (MODE-23)."""
        self._do(lambda now: self.phone.close_app(now))

    def allow_notifications(self, allowed: bool) -> None:
        """Let the app show notifications, or not (MODE-17)."""
        self._do(lambda now: self.phone.allow_notifications(now, allowed))

    def tap(self) -> None:
        """Tap the newest notification: the app opens, and fetches its call (CHN-05)."""
        self._do(lambda now: self.phone.tap(now))

    def renew_key(self) -> None:
        """Take a new key, and tell the cluster (REG-05)."""
        self._do(lambda now: self.phone.renew_key(now))

    def sign_out(self) -> None:
        """Log out: no more pushes."""
        self._do(lambda now: self.phone.sign_out(now))

    def answer(self) -> None:
        """Pick up the newest call."""
        self._do(lambda now: self.phone.answer(now))

    def decline(self, status: int = 603) -> None:
        """Decline the newest call."""
        self._do(lambda now: self.phone.decline(now, status))

    def hang_up(self) -> None:
        """End every call."""
        self._do(lambda now: self.phone.hang_up(now))

    def call(self, target: str, *, hang_up_after_ns: int | None = None) -> None:
        """Call a number or a URI."""
        self._do(lambda now: self.phone.call(target, now, hang_up_after_ns=hang_up_after_ns)[1])

    @property
    def state(self) -> str:
        """What the app does, in a word or two."""
        if self._pump is None:
            return "off"
        return self.phone.system.state.value.lower().replace("_", " ")

    @property
    def signed_in(self) -> bool:
        """True once the cluster knows its tokens and the partner cloud would find it."""
        wanted = {attached.token for attached in self.phone.identity.attachments()}
        return self._accepted and wanted <= self.attached

    # Inside.

    def _do(self, command: Callable[[Instant], Iterable[PhoneAction]]) -> None:
        if self._pump is None:
            raise LocalProtocolError("the phone does not run yet")
        self._pump.do(command)

    def _feed(self, event: PhoneEvent) -> None:
        if self._pump is not None:
            self._pump.feed(event)

    def _carry_out(self, actions: Iterable[PhoneAction]) -> None:
        for action in actions:
            if isinstance(action, Send | CloseFlow):
                self._endpoint.perform(action)
            elif not isinstance(action, Ignored):
                self._carry_out_rare(action)

    def _carry_out_rare(self, action: PhoneAction) -> None:
        tasks = self._tasks
        match action:
            case SignIn() | SignOut() if tasks is not None:
                tasks.start_soon(self._sign, action)
            case AttachPush() if tasks is not None:
                self._detach(action.token)
                scope = self._receivers[action.token] = anyio.CancelScope()
                tasks.start_soon(self._attach, action, scope)
            case DetachPush(token):
                self._detach(token)
        self._on_event(self._world.clock(), action)

    def _detach(self, token: str) -> None:
        scope = self._receivers.pop(token, None)
        if scope is not None:
            scope.cancel()

    async def _sign(self, action: SignIn | SignOut) -> None:
        async with self._signing:
            await self._sign_next(action)

    async def _sign_next(self, action: SignIn | SignOut) -> None:
        client = self._world.sign_in
        try:
            if client is None:
                raise SignInRefused(503, "no sign-in service is known", None)
            if isinstance(action, SignOut):
                await client.sign_out(action.request)
                self._accepted = False
                return
            facts = await client.sign_in(action.request)
        except (SignInRefused, httpx2.HTTPError) as error:
            self._feed(SignInFailed(str(error) or type(error).__name__))
        else:
            self._accepted = True
            self._feed(SignedIn(facts))

    async def _attach(self, action: AttachPush, scope: anyio.CancelScope) -> None:
        urls, tls = self._world.attach_urls, self._world.tls
        route = default_routes().get(action.service)
        if urls is None or tls is None or route is None:
            return

        def arrived(push: ReceivedPush) -> None:
            event = PushArrived(action.token, push.push_type, push.payload, push.collapse_id)
            self._on_event(self._world.clock(), event)
            self._feed(event)

        receiver = PushReceiver(urls[route.partner], tls, action.token, action.app, arrived)
        with scope:
            async with anyio.create_task_group() as tasks:
                await tasks.start(receiver.run)
                self.attached.add(action.token)
        self.attached.discard(action.token)
