"""A cluster over real sockets as a stage: the same words, on loopback, in real time."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import anyio
from anyio.abc import TaskGroup

from callctl.io.agent_shell import AgentShell
from callctl.io.cluster_shell import ClusterShell
from callctl.io.lab import has_flow
from callctl.io.parties import Parties
from callctl.io.phone_setup import Manner
from callctl.model.trunk import TrunkDestination
from callctl.phone.settings import AnswerPlan, Registrar, UserAgentSettings
from callctl.testing.casting import leads_to, peers_of, transport_of
from callctl.testing.fact import Fact
from callctl.testing.live_cluster import live_cluster
from callctl.testing.live_hands import LiveCloud, LiveDesk, LiveNetwork, LiveNode, LivePhone
from callctl.testing.live_recorder import Recorder
from callctl.testing.plan import Plan
from callctl.testing.play import SetUpError
from callctl.testing.recording import Recording
from callctl.testing.stage import Push, Story
from callctl.testing.story import newest_story, pushes_to
from callctl.testing.translation import Translator
from sipstack.timing import MS, SECOND, Instant
from sipstack.transaction.timers import TimerValues

WAKE_S: Final = 0.1
GRACE_NS: Final = 200 * MS  # from being put away to being suspended
PATIENCE_NS: Final = 15 * SECOND
READY_S: Final = 30.0  # for everybody to be in place
POLL_S: Final = 0.005
RINGS: Final = AnswerPlan()  # the test decides


@asynccontextmanager
async def live_stage(plan: Plan) -> AsyncIterator[LiveStage]:
    """A cluster and its people, up while the context lasts; no socket outlives it.

    Raises: SetUpError, ConfigError or ValueError if the plan cannot be played.
    """
    cluster = live_cluster(plan)
    shell = ClusterShell(cluster)
    parties = Parties(shell)
    async with anyio.create_task_group() as tasks:
        await tasks.start(shell.run)
        await tasks.start(parties.run)
        stage = LiveStage(plan, shell)
        with anyio.move_on_after(READY_S) as in_time:
            await stage.set(parties, tasks)
        if in_time.cancelled_caught:
            raise SetUpError(f"{stage.missing or 'somebody'} is not in place after {READY_S:g} s")
        yield stage
        tasks.cancel_scope.cancel()
    del shell, parties, stage
    gc.collect()  # so that what was left open warns here, not in a later test


class LiveStage:
    """One cluster that runs."""

    def __init__(self, plan: Plan, shell: ClusterShell) -> None:
        self._plan = plan
        self._shell = shell
        cluster = shell.cluster
        peers = peers_of(cluster)
        recording = Recording(tuple(cluster.nodes), (*plan.desks, *peers), tuple(plan.mobiles))
        self._recorder = Recorder(recording, shell.clock)
        self._nodes = {name: LiveNode(name, shell) for name in cluster.nodes}
        self._phones: dict[str, LivePhone] = {}
        self._desks: dict[str, LiveDesk] = {}
        assert shell.cloud is not None, "the cluster has emulated clouds"
        self.cloud = LiveCloud(shell.cloud, self._account_id)
        self.network = LiveNetwork()
        self.missing = ""  # what is waited for before the test begins

    # What a stage is.

    @property
    def facts(self) -> list[Fact]:
        """What came to pass, in order."""
        return self._recorder.facts

    @property
    def recording(self) -> Recording:
        """Every message of the nodes."""
        return self._recorder.recording

    @property
    def now(self) -> int:
        """ns since the curtain."""
        return self._recorder.now

    @property
    def patience_ns(self) -> int:
        """Long enough for a busy machine."""
        return PATIENCE_NS

    async def until(self, happened: Callable[[], bool], limit_ns: int) -> bool:
        """Wait, in real time."""
        with anyio.move_on_after(limit_ns / SECOND):
            while not happened():  # noqa: ASYNC110  (of any kind, so there is no event to wait for)
                await anyio.sleep(POLL_S)
        return happened()

    def note(self, who: str, text: str) -> None:
        """For ladder and capture."""
        self.recording.note(self.now, who, text)

    def phone(self, name: str) -> LivePhone:
        """A mobile phone."""
        return self._phones[name]

    def desk(self, name: str) -> LiveDesk:
        """A desk phone or peer."""
        return self._desks[name]

    def node(self, name: str) -> LiveNode:
        """A node."""
        return self._nodes[name]

    def leads_to(self, number: str) -> frozenset[str]:
        """All numbers and peers behind one."""
        return leads_to(self._shell.cluster, number)

    def story(self, call_id: str, caller: str, since: int) -> Story | None:
        """The newest that fits."""
        began = Instant(since + self._recorder.zero)
        shell = self._shell
        wall = shell.clock.wall
        return newest_story(shell.records(), shell.pushes(), wall, call_id, caller, began)

    def pushes(self, device: str) -> tuple[Push, ...]:
        """Of all lives of all nodes."""
        shell = self._shell
        return pushes_to(device, shell.records(), shell.pushes(), self._recorder.zero)

    def judge(self) -> list[str]:
        """Nobody watches over invariants here."""
        return []

    # Before the curtain.

    async def set(self, parties: Parties, tasks: TaskGroup) -> None:
        """Everybody comes, registers, and those who shall sleep do."""
        recorder, cluster = self._recorder, self._shell.cluster
        recorder.addresses.update(
            ((listener.host, listener.port), name)
            for name, node in cluster.nodes.items()
            for listener in node.listeners
        )
        self._shell.tap.add(recorder)
        for name in cluster.nodes:
            await self._until(f"{name} in service", partial(self._in_service, name))
        await self._until("the push service of every node", self._tokens_held)
        for name, destination in peers_of(cluster).items():
            await self._add_peer(name, destination, tasks)
        async with anyio.create_task_group() as coming:
            for name in self._plan.desks:
                coming.start_soon(self._add_desk, name, parties)
            for name in self._plan.mobiles:
                coming.start_soon(self._add_mobile, name, parties)
        recorder.begin()

    async def _add_mobile(self, name: str, parties: Parties) -> None:
        shell, part = self._shell, self._plan.mobiles[name]
        translator = self._translator(name, mobile=True)
        wake_s = WAKE_S if part.wakes_after_s is None else part.wakes_after_s
        phone = await parties.add_phone(
            name,
            transport=transport_of(shell.cluster, part.device),
            manner=Manner(RINGS, round(wake_s * SECOND), GRACE_NS),
            on_event=partial(self._recorder.phone_told, name, translator),
        )
        agent = phone.settings.agent
        self._recorder.addresses[agent.local_host, agent.local_port] = name
        assert shell.cloud is not None
        self._phones[name] = LivePhone(phone, shell.cloud)
        if phone.settings.managed:
            await self._until(f"{name} signed in", lambda: phone.signed_in)
        await self._until(f"{name} registered", lambda: phone.phone.registered is not None)
        if part.asleep:
            phone.suspend()
            await self._until(f"{name} asleep", lambda: self._phones[name].asleep)
            await self._until(f"{name} disconnected", lambda: not has_flow(shell, name))

    async def _add_desk(self, name: str, parties: Parties) -> None:
        part = self._plan.desks[name]
        translator = self._translator(name, mobile=False)
        desk = await parties.add_desk_phone(
            name,
            transport=transport_of(self._shell.cluster, part.device, part.transport),
            manner=Manner(RINGS),
            on_event=partial(self._recorder.told, translator),
        )
        settings = desk.settings
        self._recorder.addresses[settings.local_host, settings.local_port] = name
        self._desks[name] = LiveDesk(desk)
        await self._until(f"{name} registered", lambda: desk.agent.registered is not None)
        if not part.registered:
            desk.unregister()
            await self._until(f"{name} gone", lambda: desk.agent.registered is None)

    async def _add_peer(self, name: str, at: TrunkDestination, tasks: TaskGroup) -> None:
        shell = self._shell
        listeners = [node.listener(at.transport) for node in shell.cluster.nodes.values()]
        parameters = shell.cluster.service_parameters
        settings = UserAgentSettings(
            user=name,
            domain=shell.cluster.domain,
            registrars=tuple(Registrar(it.host, it.port) for it in listeners if it is not None),
            local_host=at.host,
            local_port=at.port,
            transport=at.transport,
            answer=RINGS,
            timers=TimerValues(
                t1_ns=parameters.t1_ms * MS,
                t2_ns=parameters.t2_ms * MS,
                t4_ns=parameters.t4_ms * MS,
            ),
        )
        translator = self._translator(name, mobile=False)
        peer = AgentShell(
            settings, shell.clock, shell.entropy, partial(self._recorder.told, translator)
        )
        await tasks.start(peer.run, name=name)
        self._recorder.addresses[at.host, at.port] = name
        self._desks[name] = LiveDesk(peer)

    async def _until(self, what: str, happened: Callable[[], bool]) -> None:
        self.missing = what
        while not happened():  # noqa: ASYNC110  (as above)
            await anyio.sleep(POLL_S)

    def _in_service(self, name: str) -> bool:
        return all(node.engine.membership.in_service(name) for node in self._shell.nodes)

    def _tokens_held(self) -> bool:
        return all(node.cpns.access_token is not None for node in self._shell.nodes)

    def _translator(self, name: str, *, mobile: bool) -> Translator:
        fqdns = {node.fqdn: each for each, node in self._shell.cluster.nodes.items()}
        return Translator(name, fqdns, mobile=mobile)

    def _account_id(self) -> str:
        accounts = self._shell.operations.accounts
        account = accounts.account(self._shell.cluster.publisher.name)
        if account is None:
            raise SetUpError("the cluster has no machine account")
        return account.account_id
