"""One run of a fleet, from an empty machine to the end of its last call."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import anyio
from anyio.abc import TaskGroup

from callctl.fleet.admin import Admin, NoAnswer
from callctl.fleet.attach import Attachments, CannotAttach
from callctl.fleet.build import Workshop
from callctl.fleet.churn import Churn
from callctl.fleet.clockwork import Clockwork
from callctl.fleet.conductor import Conductor, Idle
from callctl.fleet.enrol import Enrolment
from callctl.fleet.explainer import Explainer
from callctl.fleet.ground import (
    Ground,
    NoGround,
    cluster_ground,
    is_loopback,
    own_ground,
    registrar_ground,
)
from callctl.fleet.handset import Handset, Manners, PhoneCounts
from callctl.fleet.kills import Timetable
from callctl.fleet.own_cluster import ClusterFailed, OwnCluster, own_cluster
from callctl.fleet.plan import Plan
from callctl.fleet.population import PhoneTraits, draw_phones
from callctl.fleet.push_endpoint import PushEndpoint
from callctl.fleet.schedule import schedule
from callctl.fleet.tally import Tally
from callctl.fleet.watch import Watch, open_as_many_files_as_allowed
from callctl.fleet.wires import WireCounts
from callctl.io.host import first_of
from callctl.io.process import settled_memory
from callctl.io.sign_in_client import SignInClient
from callctl.phone.phone_event import PushArrived
from callctl.sim.entropy import Streams
from sipstack.io.clock import MonotonicClock
from sipstack.io.entropy import OsEntropy
from sipstack.timing import MS, SECOND, Instant

DRAIN_S: Final = (10.0, 60.0)  # least and longest wait for calls to end by themselves
LAST_WORDS_S: Final = 3.0  # for what is hung up at the end
LOOK_S: Final = 0.25
FAULTS_KEPT: Final = 20
NO_RUN: Final = (NoAnswer, NoGround, ClusterFailed, CannotAttach)


class Elsewhere(Exception):
    """The target is beyond this machine, and that was not allowed."""


class CannotRun(Exception):
    """There is no run; the text says why."""


class Phase(Enum):
    """How far a run is."""

    STARTING = "starting"
    ENROLLING = "phones come into service"
    CALLING = "calls"
    DRAINING = "the last calls end"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class RunSettings:
    """What is not part of the plan."""

    allow_network: bool = False
    directory: Path | None = None  # for the own cluster, to be kept; None: a temporary one


class Fleet:
    """One run. What it knows so far can be looked at all the time."""

    def __init__(self, plan: Plan, settings: RunSettings) -> None:
        """To be made in the event loop that it runs in."""
        self.plan = plan
        self.phase = Phase.STARTING
        self.clock = MonotonicClock()
        self.clockwork = Clockwork(self.clock)
        self.tally = Tally()
        self.watch = Watch(self.clock)
        self.phone_counts = PhoneCounts()
        self.wire_counts = WireCounts()
        self.started_at: datetime = self.clock.wall(self.clock()).astimezone()
        self.ground: Ground | None = None
        self.notes: list[str] = []
        self.handsets: list[Handset] = []
        self.ready = 0
        self.enrolled_s = 0.0
        self.placed_s = 0.0  # how long calls were placed
        self.ended_early = ""
        self.faults: list[str] = []
        """What went wrong inside the fleet itself."""
        self.enrolment: Enrolment | None = None
        self.attachments: Attachments | None = None
        self.endpoint: PushEndpoint | None = None
        self.explainer: Explainer | None = None
        self.timetable: Timetable | None = None
        self.churn: Churn | None = None
        self._settings = settings
        self._streams = Streams(plan.seed)
        self._ending = anyio.Event()
        self._by_token: dict[str, Handset] = {}

    def end(self, why: str) -> None:
        """End early: no more calls, those under way are ended."""
        if not self.ended_early and self.phase is not Phase.DONE:
            self.ended_early = why
            self._ending.set()

    async def run(self) -> None:
        """Everything.

        Raises: Elsewhere, CannotRun; OSError, alone or in a group, if an address cannot be had.
        """
        open_as_many_files_as_allowed()
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._note_fault)
        try:
            async with AsyncExitStack() as stack:
                await self._run(stack)
        except (BaseExceptionGroup, *NO_RUN) as error:
            known = first_of(error, NO_RUN)
            if known is None:
                raise
            raise CannotRun(str(known)) from error
        finally:
            self.phase = Phase.DONE
            self.clockwork.stop()
            loop.set_exception_handler(None)

    async def _run(self, stack: AsyncExitStack) -> None:
        plan = self.plan
        traits = list(draw_phones(plan.phones, self._streams.random("phones")))
        own, admin, ground = await self._find_ground(stack, traits)
        self._refuse_elsewhere(ground.loopback)
        self.ground = ground
        self.notes += ground.notes
        self.watch.add(ground.processes)
        tasks = await stack.enter_async_context(_task_group())
        tasks.start_soon(self.watch.run)
        if own is not None:
            tasks.start_soon(self._look_after, own)
        self.explainer = Explainer(admin, tasks)
        self.timetable = Timetable(plan.kills, self.clockwork, tasks)
        workshop = Workshop(self.clockwork, OsEntropy(), self.wire_counts, ground.tls)
        idle = Idle(self._streams.random("idle"))
        came = await self._enrol(stack, tasks, ground, workshop, idle)
        if self._ending.is_set():
            return
        if not came:
            raise CannotRun(f"no phone came into service: {self._troubles()}")
        planned = schedule(plan.calls, self._streams.random("calls"))
        conductor = Conductor(self.clockwork, planned, idle, self.tally, self.explainer.failed)
        conductor.callers = await workshop.callers(ground, conductor.ended)
        for caller in conductor.callers:
            stack.push_async_callback(caller.wires.aclose)
        stack.callback(self.clockwork.stop)
        self.churn = Churn(self.clockwork, plan.networks, came, self._streams.random("networks"))
        with settled_memory():
            await self._call(conductor, admin)
        await self.explainer.wait()

    async def _find_ground(
        self, stack: AsyncExitStack, traits: list[PhoneTraits]
    ) -> tuple[OwnCluster | None, Admin | None, Ground]:
        """Where the fleet is to stand, and who can be asked there."""
        plan, target = self.plan, self.plan.target
        unix_ms_at_zero = self.clock.unix_ns(Instant(0)) // MS
        if target.registrar is not None:
            self._refuse_elsewhere(is_loopback(target.registrar.host))
            return None, None, registrar_ground(plan, traits, unix_ms_at_zero)
        if target.state is not None:
            admin = await stack.enter_async_context(Admin(target.state))
            self._refuse_elsewhere(is_loopback(admin.host))
            return None, admin, await cluster_ground(plan, traits, admin, unix_ms_at_zero)
        directory = stack.enter_context(_directory(self._settings.directory))
        own = await stack.enter_async_context(own_cluster(plan, traits, directory))
        admin = await stack.enter_async_context(Admin(own.state))
        return own, admin, await own_ground(plan, traits, admin, unix_ms_at_zero)

    def _refuse_elsewhere(self, loopback: bool) -> None:
        if not (loopback or self._settings.allow_network):
            raise Elsewhere("the target is not on this machine; --allow-network allows it")

    # Phones come into service.

    async def _enrol(
        self,
        stack: AsyncExitStack,
        tasks: TaskGroup,
        ground: Ground,
        workshop: Workshop,
        idle: Idle,
    ) -> list[Handset]:
        self.phase = Phase.ENROLLING
        began = self.clock()
        client = None
        if ground.sign_in_url is not None and ground.tls is not None:
            client = SignInClient(ground.sign_in_url, ground.tls)
            stack.push_async_callback(client.aclose)
        enrolment = self.enrolment = Enrolment(idle, client, tasks)
        random = self._streams.random("wakes")
        manners = Manners(self.plan.phones.wake_delay, random, self.phone_counts)
        for seat in ground.phones:
            handset = await workshop.handset(seat, manners, enrolment)
            stack.push_async_callback(handset.wires.aclose)
            self.handsets.append(handset)
            for attached in handset.phone.identity.attachments():
                self._by_token[attached.token] = handset
        if ground.attach_urls and ground.tls is not None:
            urls, tls = ground.attach_urls, ground.tls
            self.attachments = Attachments(urls, tls, tasks, self._pushed)
        await self._listen_for_pushes(stack)
        came: list[Handset] = []

        async def enrol() -> None:
            grace_s = self.plan.phones.grace_ns / SECOND
            came.extend(await enrolment.enrol(self.handsets, self.attachments, grace_s))
            scope.cancel()

        async with anyio.create_task_group() as enrolling:
            scope = enrolling.cancel_scope
            enrolling.start_soon(enrol)
            await self._ending.wait()
            scope.cancel()
        self.ready = len(came)
        self.enrolled_s = (self.clock() - began) / SECOND
        return came

    async def _listen_for_pushes(self, stack: AsyncExitStack) -> None:
        port = self.plan.target.push_endpoint
        if port is None:
            return
        endpoint = self.endpoint = PushEndpoint(self._pushed)
        for handset in self.handsets:
            endpoint.know(handset.phone.settings, handset.phone.identity)
        url = await stack.enter_async_context(endpoint.listening(port))
        self.notes.append(f"pushes are taken at {url}")

    def _pushed(self, push: PushArrived) -> None:
        handset = self._by_token.get(push.token)
        if handset is not None:
            handset.receive_push(push, self.clock())

    def _troubles(self) -> str:
        assert self.enrolment is not None
        return ", ".join(f"{why} ({n})" for why, n in self.enrolment.troubles.most_common(3))

    # Calls.

    async def _call(self, conductor: Conductor, admin: Admin | None) -> None:
        assert self.timetable is not None
        assert self.churn is not None
        self.phase = Phase.CALLING
        self.watch.restart()
        began = conductor.begin()
        if admin is not None:
            self.timetable.begin(began, admin)
        self.churn.begin()
        end = began + self.plan.calls.duration_ns
        while (conductor.placing or self.clock() < end) and not self._ending.is_set():
            with anyio.move_on_after(LOOK_S):
                await self._ending.wait()
        self.placed_s = max(self.clock() - began, 0) / SECOND
        self.churn.stop()
        self.phase = Phase.DRAINING
        if not self._ending.is_set():
            await self._drain(conductor)
        conductor.end_all()
        with anyio.move_on_after(LAST_WORDS_S):
            await conductor.over.wait()
        conductor.abandon()

    async def _drain(self, conductor: Conductor) -> None:
        """Let the calls under way end by themselves, as far as that does not take too long."""
        calls = self.plan.calls
        longest_s = (calls.give_up_after.longest_ns + calls.answer_after.longest_ns) / SECOND
        least_s, most_s = DRAIN_S
        with anyio.move_on_after(min(max(longest_s, least_s), most_s)):
            while not (conductor.over.is_set() or self._ending.is_set()):
                with anyio.move_on_after(LOOK_S):
                    await conductor.over.wait()

    # What goes wrong.

    async def _look_after(self, own: OwnCluster) -> None:
        await own.process.wait()
        words = own.last_words().splitlines()
        self.end(f"the cluster has ended{f': {words[-1]}' if words else ''}")

    def _note_fault(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """A callback failed: one phone's trouble, and a fault of this program."""
        if len(self.faults) < FAULTS_KEPT:
            self.faults.append(f"{context.get('message')}: {context.get('exception')!r}")


@asynccontextmanager
async def _task_group() -> AsyncGenerator[TaskGroup]:
    """Tasks that end with the context."""
    async with anyio.create_task_group() as tasks:
        yield tasks
        tasks.cancel_scope.cancel()


@contextmanager
def _directory(kept: Path | None) -> Iterator[Path]:
    """Where the own cluster lives. Raises: OSError."""
    if kept is not None:
        kept.mkdir(mode=0o700, parents=True, exist_ok=True)
        yield kept
        return
    with TemporaryDirectory(prefix="callctl-fleet-") as directory:
        yield Path(directory)
