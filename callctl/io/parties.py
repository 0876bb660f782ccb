"""The simulated phones and callers that live in the process of a cluster."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

import anyio
from anyio.abc import TaskGroup, TaskStatus

from callctl.io.agent_shell import AgentShell, OnAgentEvent
from callctl.io.caller import Caller, Wish
from callctl.io.cluster_shell import ClusterShell, Conflict, NotFound
from callctl.io.phone_setup import (
    DEFAULT_MANNER,
    Manner,
    NoSuchPhone,
    PhoneSetup,
    agent_settings,
    phone_settings,
    setup_of,
)
from callctl.io.phone_shell import OnPhoneEvent, PhoneShell, PhoneWorld
from callctl.io.sign_in_client import SignInClient
from sipstack.timing import MS, Instant

CALLERS_KEPT: Final = 500
CALLING_MAX: Final = 200  # at once; this is for people, load comes from elsewhere


class Parties:
    """Adds phones and callers to a running cluster, and finds them again."""

    def __init__(self, cluster: ClusterShell) -> None:
        self._cluster = cluster
        self._callers: OrderedDict[str, Caller] = OrderedDict()  # by Call-ID
        self._calling = 0
        self._phones: dict[str, PhoneShell] = {}  # by device name
        self._desk_phones: dict[str, AgentShell] = {}
        self._world: PhoneWorld | None = None
        self._tasks: TaskGroup | None = None

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Host them until cancelled. The cluster must run."""
        cluster = self._cluster
        tls, sign_in = cluster.authority.client_context(), None
        if cluster.sign_in is not None:
            sign_in = SignInClient(cluster.sign_in.url, tls)
        urls = cluster.cloud.attach_urls if cluster.cloud is not None else None
        self._world = PhoneWorld(cluster.clock, cluster.entropy, tls, sign_in, urls)
        try:
            async with anyio.create_task_group() as tasks:
                self._tasks = tasks
                task_status.started()
                await anyio.sleep_forever()
        finally:
            self._tasks = None
            if sign_in is not None:
                with anyio.CancelScope(shield=True):
                    await sign_in.aclose()

    # Phones.

    async def add_phone(
        self,
        device_name: str,
        *,
        transport: str = "TLS",
        manner: Manner = DEFAULT_MANNER,
        on_event: OnPhoneEvent = lambda now, event: None,
        observe: bool = False,
    ) -> PhoneShell:
        """A simulated mobile of this device, signed in and on the screen.

        `observe`: what it sends and receives shows in traces too.

        Raises: NotFound, NoSuchPhone; Conflict if there is one.
        """
        tasks, setup = self._running(), self._setup(device_name)
        if self._world is None:
            raise Conflict("the cluster does not run")
        cluster = self._cluster
        unix_ms_at_zero = cluster.clock.unix_ns(Instant(0)) // MS
        password = self._password(setup)
        settings = phone_settings(setup, password, transport, manner, unix_ms_at_zero)
        observer = cluster.tap.observer(device_name) if observe else None
        phone = PhoneShell(settings, self._world, on_event, observer=observer)
        await tasks.start(phone.run, name=device_name)
        self._phones[device_name] = phone
        phone.start()
        return phone

    async def add_desk_phone(
        self,
        device_name: str,
        *,
        transport: str = "UDP",
        manner: Manner = DEFAULT_MANNER,
        on_event: OnAgentEvent = lambda now, event: None,
    ) -> AgentShell:
        """A simulated phone of this device that never sleeps, about to register.

        Raises: as `add_phone`.
        """
        tasks, setup = self._running(), self._setup(device_name)
        cluster = self._cluster
        settings = agent_settings(setup, self._password(setup), transport, manner.answer)
        phone = AgentShell(
            settings,
            cluster.clock,
            cluster.entropy,
            on_event,
            client_tls=cluster.authority.client_context(),
        )
        await tasks.start(phone.run, name=device_name)
        self._desk_phones[device_name] = phone
        phone.register()
        return phone

    def setup(self, device_name: str) -> PhoneSetup:
        """How to set up a phone as this device, wherever it runs. Raises: NotFound."""
        try:
            return setup_of(self._cluster.cluster, device_name)
        except NoSuchPhone as error:
            raise NotFound(str(error)) from error

    def phone(self, device_name: str) -> PhoneShell:
        """The simulated mobile of a device. Raises: NotFound if this process has none."""
        phone = self._phones.get(device_name)
        if phone is None:
            raise NotFound(f"{device_name} is no mobile that this cluster simulates")
        return phone

    def phone_state(self, device_name: str) -> str | None:
        """What the simulated phone of a device does, in a word; None if there is none."""
        if device_name in self._desk_phones:
            return "awake"
        phone = self._phones.get(device_name)
        return None if phone is None else phone.state

    # Calls.

    async def place_call(self, wish: Wish) -> Caller:
        """Let a new caller call. Raises: NotFound, Conflict, as `Caller`."""
        tasks = self._running()
        if self._calling >= CALLING_MAX:
            raise Conflict(f"{CALLING_MAX} simulated callers are calling already")
        caller = Caller(self._cluster, wish)
        await tasks.start(self._call, caller)
        self._callers[caller.call_id] = caller
        while len(self._callers) > CALLERS_KEPT:
            self._callers.popitem(last=False)
        return caller

    def caller(self, call_id: str) -> Caller:
        """The caller of a call that was placed here. Raises: NotFound."""
        try:
            return self._callers[call_id]
        except KeyError:
            raise NotFound(f"no call {call_id} was placed here") from None

    async def _call(
        self, caller: Caller, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED
    ) -> None:
        self._calling += 1
        try:
            await caller.run(task_status=task_status)
        finally:
            self._calling -= 1

    def _setup(self, device_name: str) -> PhoneSetup:
        if device_name in self._phones or device_name in self._desk_phones:
            raise Conflict(f"{device_name} is simulated already")
        return self.setup(device_name)

    def _password(self, setup: PhoneSetup) -> str:
        return self._cluster.cluster.users[setup.user_id].password.get_secret_value()

    def _running(self) -> TaskGroup:
        if self._tasks is None:
            raise Conflict("the cluster does not run")
        return self._tasks
