"""Runs the onboarding of one cluster: its questions to the outside, its deadline, its file."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Final

import anyio
from anyio.abc import TaskGroup, TaskStatus

from callctl.io.onboarding_client import Clock, OnboardingClient
from callctl.model.release import Release
from callctl.onboarding.event import (
    CertificateReport,
    CheckCertificates,
    CheckCloud,
    FetchVoucher,
    LicenseManagerFailed,
    OnboardingAction,
    OnboardingEvent,
    PageLoaded,
    PageSaved,
    PrerequisitesSeen,
    Refused,
    RequestSubscription,
    ServiceRestarted,
    SynchroniseLicenses,
    VoucherRequested,
)
from callctl.onboarding.guide import Step, StepKind, next_step
from callctl.onboarding.licensing import Manager
from callctl.onboarding.onboarding import Onboarding
from callctl.onboarding.page import PageChange
from callctl.onboarding.restarts import XCP_CONFIG_MANAGER, XCP_ROUTER
from callctl.onboarding.snapshot import encode, taken
from callctl.onboarding.state import State
from callctl.onboarding.tasks import Prerequisites
from sipstack.io.timer import DeadlineTimer
from sipstack.timing import Instant

STEPS_MAX: Final = 32  # of one run; a whole onboarding takes eight


async def _nothing_missing() -> tuple[str, ...]:
    return ()


async def _nothing_seen() -> Prerequisites:
    return Prerequisites()


async def _no_service(service: str, node: str) -> None:
    """Nothing runs here that could be restarted."""


@dataclass(frozen=True, slots=True)
class OnboardingHooks:
    """What the rest of the product does for onboarding."""

    on_action: Callable[[OnboardingAction], None] = lambda _: None  # every one, in order
    missing_certificates: Callable[[], Awaitable[tuple[str, ...]]] = _nothing_missing
    look_around: Callable[[], Awaitable[Prerequisites]] = _nothing_seen
    restart: Callable[[str, str], Awaitable[None]] = _no_service  # service, node; raises OSError
    keep: Callable[[bytes], None] = lambda _: None  # a snapshot that differs from the last


@dataclass(slots=True)
class StepTaken:
    """One step of a run, and how it ended."""

    step: Step
    outcome: str = ""  # "" while it is under way


@dataclass(slots=True)
class GuidedRun:
    """All steps, done one after another."""

    steps: list[StepTaken] = field(default_factory=list)
    ended: str | None = None  # None while it goes on; "" if the cluster is onboarded
    finished: anyio.Event = field(default_factory=anyio.Event)


class OnboardingShell:
    """Feeds the machine and carries out its questions. `run` must be running."""

    def __init__(
        self,
        onboarding: Onboarding,
        client: OnboardingClient,
        clock: Clock,
        hooks: OnboardingHooks | None = None,
        *,
        unix_ms_at_zero: int = 0,
        since: Release | None = None,
    ) -> None:
        """`since` is what `restore` gave, if the machine was restored."""
        self.onboarding = onboarding
        self.guided: GuidedRun | None = None
        self.not_kept = ""  # why the last snapshot could not be kept
        self._client = client
        self._clock = clock
        self._hooks = hooks or OnboardingHooks()
        self._unix_ms_at_zero = unix_ms_at_zero
        self._since = since
        self._kept = b""
        self._changed = anyio.Event()
        self._tasks: TaskGroup | None = None
        self._timer: DeadlineTimer | None = None

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Work until cancelled."""
        self._timer = DeadlineTimer(asyncio.get_running_loop(), self._clock, self._due)
        try:
            async with anyio.create_task_group() as self._tasks:
                now = self._clock()
                self._carry_out(self.onboarding.start(now, self._since))
                self._timer.follow(self.onboarding.next_deadline())
                task_status.started()
                await anyio.sleep_forever()
        finally:
            self._timer.cancel()
            self._tasks = self._timer = None

    def feed(self, event: OnboardingEvent) -> Refused | None:
        """Something happened now. Returns: why not, if the machine refuses it."""
        now = self._clock()
        self._carry_out(self.onboarding.advance(now))
        actions = self.onboarding.receive(event, now)
        self._carry_out(actions)
        if self._timer is not None:
            self._timer.follow(self.onboarding.next_deadline())
        return next((action for action in actions if isinstance(action, Refused)), None)

    async def until(self, condition: Callable[[Onboarding], bool]) -> None:
        """Wait until `condition` holds."""
        while not condition(self.onboarding):
            self._changed = anyio.Event() if self._changed.is_set() else self._changed
            await self._changed.wait()

    def now(self) -> Instant:
        """By the clock of the cluster."""
        return self._clock()

    async def load_page(self) -> None:
        """What the page does while it loads: look at certificates, cloud and prerequisites."""
        await self._look_around()
        onboarding = self.onboarding
        onboarding.cloud_check = onboarding.certificates_missing = None
        self.feed(PageLoaded())
        await self.until(
            lambda it: it.cloud_check is not None and it.certificates_missing is not None
        )

    async def save(self, change: PageChange, node: str | None = None) -> Refused | None:
        """Click Save on `node`, by default the publisher. Returns: why not."""
        await self._look_around()
        return self.feed(PageSaved(change, node or self.onboarding.home.publisher))

    async def register(self, manager: Manager, token: str = "") -> Refused | None:
        """Register with a smart license manager. Returns: why not."""
        home = self.onboarding.home
        if not self.onboarding.licensing.smart or manager is Manager.PLM:
            problem = f"{home.release} and {manager.value} do not go together"
            return self.feed(LicenseManagerFailed(problem))
        proxy = self.onboarding.page.proxy
        return self.feed(
            await self._client.register(manager, token, home.cluster_id, str(home.release), proxy)
        )

    async def synchronise(self) -> Refused | None:
        """Let the licence manager take note of the cluster (LIC-01). Returns: why not."""
        manager = self.onboarding.licensing.voucher_manager
        if manager is None:
            return self.feed(LicenseManagerFailed("not registered"))
        return self.feed(await self._synchronised(manager))

    async def onboard_by_itself(
        self,
        change: PageChange,
        *,
        manager: Manager = Manager.CSSM,
        token: str = "",
    ) -> str:
        """Take every step that an administrator would take, as `next_step` names it.

        Returns: "" once pushes flow, else what stands in the way.
        """
        run = self.guided = GuidedRun()
        try:
            run.ended = await self._guide(run, replace(change, push_enabled=True), manager, token)
        except OSError as error:  # a service that cannot be started
            run.ended = str(error)
        finally:
            if run.ended is None:
                run.ended = "broken off"
            run.finished.set()
        return run.ended

    def start_run(self, change: PageChange, manager: Manager, token: str) -> bool:
        """The same, in the background. Returns: False if one is under way."""
        assert self._tasks is not None, "the shell does not run"
        if self.guided is not None and self.guided.ended is None:
            return False
        self.guided = GuidedRun()  # nobody starts another before this one's first step

        async def onboard() -> None:
            await self.onboard_by_itself(change, manager=manager, token=token)

        self._tasks.start_soon(onboard)
        return True

    async def _guide(self, run: GuidedRun, change: PageChange, manager: Manager, token: str) -> str:
        saved_twice = False
        for _ in range(STEPS_MAX):
            onboarding = self.onboarding
            step = next_step(onboarding)
            if step.kind is StepKind.NONE:
                return ""
            if saved_twice and onboarding.state is State.FAILED:
                return _told(onboarding)
            run.steps.append(taken_now := StepTaken(step))
            saved_twice |= (
                step.kind is StepKind.SAVE and onboarding.state is not State.VOUCHER_READY
            )
            refused = await self._take(step, change, manager, token)
            if refused is not None:
                taken_now.outcome = f"refused: {refused.problem}"
                return refused.problem
            taken_now.outcome = onboarding.status or onboarding.state.value
        return f"no end after {STEPS_MAX} steps"

    async def _take(
        self, step: Step, change: PageChange, manager: Manager, token: str
    ) -> Refused | None:
        match step.kind:
            case StepKind.REGISTER:
                return await self.register(manager, token)
            case StepKind.VOUCHER:
                refused = self.feed(VoucherRequested(self.onboarding.home.publisher))
                if refused is not None:
                    return refused
                await self.until(lambda it: not it.desk.fetching)
                return self.onboarding.refusal
            case StepKind.SAVE:
                refused = await self.save(change)
                await self.until(lambda it: it.state is not State.REQUESTING)
                return refused
            case StepKind.RESTART if step.service == XCP_CONFIG_MANAGER:
                for node in step.nodes:  # on every node one after the other (ONB-12)
                    await self._restart(XCP_CONFIG_MANAGER, node)
                    await self._restart(XCP_ROUTER, node)
            case StepKind.RESTART:
                for node in step.nodes:
                    await self._restart(step.service, node)
            case StepKind.WAIT:
                await self.until(lambda it: next_step(it).kind is not StepKind.WAIT)
        return None

    async def _restart(self, service: str, node: str) -> None:
        await self._hooks.restart(service, node)
        self.feed(ServiceRestarted(service, node))

    async def _look_around(self) -> None:
        self.feed(PrerequisitesSeen(await self._hooks.look_around()))

    def _due(self, now: Instant) -> None:
        self._carry_out(self.onboarding.advance(now))
        if self._timer is not None:
            self._timer.follow(self.onboarding.next_deadline())

    def _carry_out(self, actions: tuple[OnboardingAction, ...]) -> None:
        for action in actions:
            self._hooks.on_action(action)
            match action:
                case SynchroniseLicenses(manager):
                    self._ask(self._synchronised(manager))
                case FetchVoucher(manager):
                    self._ask(self._fetched(manager))
                case RequestSubscription():
                    self._ask(self._client.subscribe(action))
                case CheckCertificates():
                    self._ask(self._certificates())
                case CheckCloud(proxy):
                    self._ask(self._client.check_cloud(proxy))
        self._keep()
        self._changed.set()

    def _ask(self, question: Awaitable[OnboardingEvent]) -> None:
        assert self._tasks is not None, "the shell does not run"

        async def answered() -> None:
            self.feed(await question)

        self._tasks.start_soon(answered)

    async def _synchronised(self, manager: Manager) -> OnboardingEvent:
        home, proxy = self.onboarding.home, self.onboarding.page.proxy
        return await self._client.synchronise(manager, home.cluster_id, str(home.release), proxy)

    async def _fetched(self, manager: Manager) -> OnboardingEvent:
        home, proxy = self.onboarding.home, self.onboarding.page.proxy
        return await self._client.fetch_voucher(manager, home.cluster_id, str(home.release), proxy)

    async def _certificates(self) -> OnboardingEvent:
        return CertificateReport(await self._hooks.missing_certificates())

    def _keep(self) -> None:
        document = encode(taken(self.onboarding, self._unix_ms_at_zero))
        if document == self._kept:
            return
        try:
            self._hooks.keep(document)
        except OSError as error:  # a full disk is no reason to stop; the next change tries again
            self.not_kept = error.strerror or type(error).__name__
        else:
            self._kept, self.not_kept = document, ""


def _told(onboarding: Onboarding) -> str:
    """The failure with what is known about it."""
    detail = "" if onboarding.failure is None else onboarding.failure.detail
    return f"{onboarding.status} ({detail})" if detail else onboarding.status
