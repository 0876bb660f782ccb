"""A cluster, its clouds and a cast of simulated phones over real sockets, for scenarios of calls.

The phones of one stage live side by side: each scenario calls its own number, so that a cluster is
set up once for many. When the stage is struck everything must have come to rest.
"""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, TypeVar

import anyio
import msgspec

from callctl.call.story import CallRecord
from callctl.cloud.record import PushRecord
from callctl.io.agent_shell import AgentShell
from callctl.io.cluster_shell import ClusterShell
from callctl.io.egress import Resolve
from callctl.io.lab import has_flow
from callctl.io.parties import Parties
from callctl.io.phone_setup import Manner
from callctl.io.phone_shell import PhoneShell
from callctl.model.build import PUSH_ON, desk_phone, make_cluster, make_node
from callctl.model.certificate_files import CertificateFiles
from callctl.model.cloud import CloudSettings
from callctl.model.device import Device
from callctl.model.line import Line
from callctl.model.service_parameter import ServiceParameters
from callctl.model.trunk import TrunkDestination
from callctl.phone.event import (
    CallAnswered,
    CallEnded,
    CallRinging,
    IncomingCall,
    Registered,
    UserAgentEvent,
)
from callctl.phone.phone_event import AppTerminated, PhoneAction, PushArrived, PushWithheld
from callctl.phone.settings import AnswerPlan, Registrar, UserAgentSettings
from helpers.free_ports import FIRST_PORT, on_free_ports
from helpers.node_rig import eventually
from sipstack.io.clock import MonotonicClock
from sipstack.io.entropy import OsEntropy
from sipstack.timing import MS, Instant
from sipstack.transaction.timers import TimerValues

T = TypeVar("T")

CALLER_DN: Final = "4930111001"  # numbers so long that nothing looks like them by chance
CALLER_NAME: Final = "Front Desk"
CALLER: Final = "SEPCALLER"
STREAM: Final = "TCP"  # over datagrams Timer D keeps a failed INVITE for 32 s, however small T1 is

PEER_HOST: Final = "127.0.0.2"

SCALED: Final = ServiceParameters(
    ring_back_s=1, drop_s=2, t1_ms=20, t2_ms=80, t4_ms=100, heartbeat_ms=50, node_suspect_ms=400
)
"""5 s and 13 s as 1 s and 2 s; SIP timers that let a call come to rest in seconds."""

PICKS_UP: Final = AnswerPlan(after_ns=60 * MS)
WAITS: Final = AnswerPlan()
IDLE: Final = frozenset({"streams", "connections", "push_idle", "remembered_rings", "wakes"})
"""May stay: open connections, what only remembers, and pushes to phones that sleep on."""


@dataclass(slots=True)
class Mobile:
    """A simulated phone, what it told, and what the clouds saw of it."""

    shell: PhoneShell
    told: list[tuple[Instant, PhoneAction | PushArrived]] = field(default_factory=list)

    def all(self, kind: type[T]) -> list[T]:
        return [event for _, event in self.told if isinstance(event, kind)]

    async def until(self, kind: type[T], count: int = 1) -> None:
        await eventually(lambda: len(self.all(kind)) >= count)

    @property
    def screen(self) -> list[str]:
        """What its owner saw since it was put away."""
        return self.shell.phone.screen.texts

    async def sees(self, text: str) -> None:
        """Wait until something that holds this text has been on the screen."""
        await eventually(lambda: any(text in seen for seen in self.screen))

    def forget(self) -> None:
        """From here on only what is new counts."""
        self.told.clear()
        self.shell.phone.screen.seen.clear()

    @property
    def registered_at(self) -> list[str]:
        """The nodes that took its registrations, in order; it may be asleep by now, and at none."""
        return [event.registrar.fqdn.partition(".")[0] for event in self.all(Registered)]


@dataclass(slots=True)
class Placed:
    """One call of the caller."""

    number: int
    stage: Stage
    dn: str
    known: int  # calls recorded before

    @property
    def events(self) -> list[UserAgentEvent]:
        found = self.stage.heard
        return [event for event in found if getattr(event, "call", None) == self.number]

    async def until(self, kind: type[T], within_s: float = 10.0) -> T:
        def found() -> list[T]:
            return [event for event in self.events if isinstance(event, kind)]

        await eventually(lambda: bool(found()), within_s=within_s)
        return found()[0]

    async def answered(self) -> None:
        await self.until(CallAnswered)

    async def ended(self) -> int | None:
        """Wait for its end. Returns: the status that ended it, None after a conversation."""
        return (await self.until(CallEnded)).status

    @property
    def rang(self) -> list[int]:
        return [event.status for event in self.events if isinstance(event, CallRinging)]

    def hang_up(self) -> None:
        self.stage.caller.bye(self.number)

    @property
    def record(self) -> CallRecord:
        """What the cluster keeps of it."""
        mine = [record for record in self.stage.shell.records() if record.dn == self.dn]
        return mine[self.known]

    @property
    def steps(self) -> list[str]:
        """The story that `callctl explain` tells, as codes with the device they are about."""
        assert all(step.sentence() for step in self.record.steps)
        return [f"{step.code} {step.device}".strip() for step in self.record.steps]


@dataclass(slots=True)
class Stage:
    """What runs."""

    shell: ClusterShell
    parties: Parties
    caller: AgentShell
    heard: list[UserAgentEvent]
    phones: dict[str, Mobile] = field(default_factory=dict)
    desks: dict[str, tuple[AgentShell, list[UserAgentEvent]]] = field(default_factory=dict)

    def call(self, dn: str, *, privacy: str | None = None, hang_up_ms: int | None = None) -> Placed:
        known = len([record for record in self.shell.records() if record.dn == dn])
        headers = () if privacy is None else (("Privacy", privacy),)
        hang_up_after_ns = None if hang_up_ms is None else hang_up_ms * MS
        number = self.caller.invite(dn, headers=headers, hang_up_after_ns=hang_up_after_ns)
        return Placed(number, self, dn, known)

    async def desk_answers(self, name: str) -> None:
        """Wait until a desk phone rings, and pick up."""
        desk, heard = self.desks[name]

        def rings() -> list[int]:
            return [event.call for event in heard if isinstance(event, IncomingCall)]

        await eventually(lambda: bool(rings()))
        desk.answer(rings()[-1])

    def desk_rang(self, name: str) -> int:
        return sum(isinstance(event, IncomingCall) for event in self.desks[name][1])

    async def outer(self, phone: Mobile, count: int = 1) -> list[dict[str, Any]]:
        """The requests that Push REST got for a phone, once it has answered so many.

        The phone is faster: it has a push before the service behind it has its answer.
        """
        await eventually(lambda: len(self._of(phone, "push_rest")) >= count)
        return [msgspec.json.decode(raw(it).body) for it in self._of(phone, "push_rest")]

    def at_partner(self, phone: Mobile) -> list[Mapping[str, str]]:
        """The header fields, with `body`, of what APNs or FCM got for a phone."""
        found: list[Mapping[str, str]] = []
        for record in (*self._of(phone, "apns"), *self._of(phone, "fcm")):
            request = raw(record)
            found.append({**dict(request.headers), "body": request.body.decode()})
        return found

    def _of(self, phone: Mobile, cloud: str) -> list[PushRecord]:
        identity = phone.shell.phone.identity
        tokens = (identity.voip_token, identity.message_token)
        log = getattr(self.shell.cloud, cloud).log
        return [record for record in log if record.target in tokens]

    def assert_clouds_know_nobody(self) -> None:
        """Nothing personal has left in the clear (SEC-03, CID-06)."""
        cloud, cluster = self.shell.cloud, self.shell.cluster
        assert cloud is not None
        words = [
            *(word for line in cluster.lines.values() for word in (line.dn, line.display_name))
        ]
        secrets = [*filter(None, words), *cluster.users]
        records = [*cloud.push_rest.log, *cloud.apns.log, *cloud.fcm.log]
        assert records
        for record in records:
            request = raw(record)
            seen = f"{record} {request.path} {request.headers} {request.body!r}"
            assert not [secret for secret in secrets if secret in seen]
        for record in cloud.push_rest.log:
            payload = msgspec.json.decode(raw(record).body)["payload"]
            assert set(payload) == {"enc", "kid", "iv", "ct", "tag"}

    def assert_apps_live(self) -> None:
        """No app was ended by its system, and none had a push withheld (MODE-11)."""
        for name, phone in self.phones.items():
            ended = [event for event in phone.all(AppTerminated) if event.by_system]
            assert not ended, name
            assert not phone.all(PushWithheld), name

    def left(self) -> dict[str, dict[str, int]]:
        """What is alive of calls anywhere; {} at rest."""
        counts = {
            **self.shell.counts(),
            **{name: phone.shell.phone.counts() for name, phone in self.phones.items()},
            **{name: desk.counts() for name, (desk, _) in self.desks.items()},
            CALLER: self.caller.counts(),
        }
        return {
            name: alive
            for name, found in counts.items()
            if (alive := {what: n for what, n in found.items() if n and what not in IDLE})
        }

    async def at_rest(self) -> None:
        """Wait until nothing is left of any call, in any node, phone or caller."""
        with anyio.move_on_after(10):
            while self.left():  # noqa: ASYNC110 (what is looked at sets no event)
                await anyio.sleep(0.01)
        left = self.left()
        assert not left, left

    # The cast.

    async def sleeper(self, name: str, manner: Manner) -> None:
        """Add a phone: signed in, registered, put away locked, and its app suspended."""
        phone = await self._phone(name, manner)
        phone.shell.suspend()
        await eventually(lambda: phone.shell.state == "suspended")
        await eventually(lambda: not has_flow(self.shell, name))
        phone.forget()

    async def watched(self, name: str, manner: Manner) -> None:
        """Add a phone whose owner looks at the app."""
        (await self._phone(name, manner)).forget()

    async def desk(self, name: str, manner: Manner) -> None:
        """Add a desk phone."""
        heard: list[UserAgentEvent] = []
        shell = await self.parties.add_desk_phone(
            name,
            transport=STREAM,
            manner=manner,
            on_event=lambda now, event: heard.append(event),
        )
        self.desks[name] = (shell, heard)
        await eventually(lambda: any(isinstance(event, Registered) for event in heard))

    async def _phone(self, name: str, manner: Manner) -> Mobile:
        told: list[tuple[Instant, PhoneAction | PushArrived]] = []
        shell = await self.parties.add_phone(
            name, manner=manner, on_event=lambda now, event: told.append((now, event))
        )
        phone = self.phones[name] = Mobile(shell, told)
        await eventually(lambda: shell.signed_in, within_s=10)
        await eventually(lambda: shell.phone.registered is not None, within_s=10)
        return phone


async def in_service(shell: ClusterShell) -> None:
    """Wait until each node reaches its push service, which the end of onboarding restarts."""

    def all_in_service() -> bool:
        return all(node.engine.membership.in_service(node.name) for node in shell.nodes)

    await eventually(all_in_service)


def raw(record: PushRecord) -> Any:  # noqa: ANN401
    """The request of a record."""
    assert record.raw is not None
    return record.raw


def manner(
    answer: AnswerPlan = PICKS_UP, *, wake_ms: int = 20, tap_ms: int | None = None
) -> Manner:
    """How a phone and its owner behave, for people in a hurry."""
    tap_after_ns = None if tap_ms is None else tap_ms * MS
    return Manner(answer, wake_ms * MS, 10 * MS, tap_after_ns)


@dataclass(slots=True)
class Peer:
    """Somebody outside: the other end of a trunk."""

    shell: AgentShell
    heard: list[UserAgentEvent]

    @property
    def destination(self) -> TrunkDestination:
        settings = self.shell.settings
        return TrunkDestination(settings.transport, settings.local_host, settings.local_port)

    def calls(self) -> list[IncomingCall]:
        return [event for event in self.heard if isinstance(event, IncomingCall)]


@asynccontextmanager
async def peer(
    answer: AnswerPlan, *, name: str = "", number: str = "carrier"
) -> AsyncIterator[Peer]:
    """A peer at an address of its own, by which nodes know it; it answers whatever comes."""
    settings = UserAgentSettings(
        user=number,
        domain="carrier.example",
        registrars=(Registrar(PEER_HOST, 9),),
        local_host=PEER_HOST,
        local_port=0,
        transport=STREAM,
        display_name=name,
        answer=answer,
        timers=TimerValues(t1_ns=20 * MS, t2_ns=80 * MS, t4_ns=100 * MS),
    )
    heard: list[UserAgentEvent] = []
    shell = AgentShell(
        settings, MonotonicClock(), OsEntropy(), lambda now, event: heard.append(event)
    )
    async with anyio.create_task_group() as tasks:
        await tasks.start(shell.run)
        yield Peer(shell, heard)
        shell.close()


@asynccontextmanager
async def staged(
    *,
    sleepers: Mapping[Device, Manner],
    watched: Mapping[Device, Manner] | None = None,
    desks: Mapping[Device, Manner] | None = None,
    lines: Sequence[Line] = (),
    release: str = "15",
    nodes: int = 1,
    parameters: ServiceParameters = SCALED,
    cloud: CloudSettings = PUSH_ON,
    tomcat_trust: Sequence[Path] = (),
    resolve: Resolve | None = None,
    later: Sequence[Device] = (),
    pushes: bool = True,
    rests: bool = True,
    **more: Any,  # noqa: ANN401
) -> AsyncIterator[Stage]:
    """A stage, the cast on it, and everything at rest at its end.

    Phones are in the CM group ucm1, ucm2, ...; desk phones and the caller at the last node alone.
    `tomcat_trust`: certificates that the administrator has uploaded. `resolve`: as for `Egress`.
    `later`: devices whose phones come during the play. `pushes`: some have left at its end.
    `rests`: what is left of calls is waited for, which takes timers of SIP their time.
    `more`: what else `make_cluster` takes, such as hunt pilots and trunks.
    """
    names = [f"ucm{number}" for number in range(1, nodes + 1)]
    watched, desks = watched or {}, desks or {}
    cluster = make_cluster(
        nodes=[
            make_node(name, number, host="127.0.0.1", port=FIRST_PORT + 2 * number)
            for number, name in enumerate(names, 1)
        ],
        cm_groups={"default": names, "desks": names[-1:]},
        device_pools={"default": "default", "desks": "desks"},
        devices=[
            desk_phone(CALLER_DN, name=CALLER, device_pool="desks"),
            *sleepers,
            *watched,
            *desks,
            *later,
        ],
        lines=[Line(CALLER_DN, CALLER_NAME), *lines],
        release=release,
        cloud=cloud,
        parameters=parameters,
        **more,
    )
    cluster = replace(cluster, certificate_files=CertificateFiles(tomcat_trust=tuple(tomcat_trust)))
    shell = ClusterShell(on_free_ports(cluster), resolve=resolve)
    parties = Parties(shell)
    async with anyio.create_task_group() as tasks:
        await tasks.start(shell.run)
        await tasks.start(parties.run)
        await in_service(shell)
        heard: list[UserAgentEvent] = []
        caller = await parties.add_desk_phone(
            CALLER, transport=STREAM, on_event=lambda now, event: heard.append(event)
        )
        stage = Stage(shell, parties, caller, heard)
        assert shell.cloud is not None
        for log in (shell.cloud.push_rest.log, shell.cloud.apns.log, shell.cloud.fcm.log):
            log.keeps_raw = True
        async with anyio.create_task_group() as cast:
            for device, how in sleepers.items():
                cast.start_soon(stage.sleeper, device.name, how)
            for device, how in watched.items():
                cast.start_soon(stage.watched, device.name, how)
            for device, how in desks.items():
                cast.start_soon(stage.desk, device.name, how)
        await eventually(lambda: caller.agent.registered is not None)
        yield stage
        if rests:
            await stage.at_rest()
        if pushes:
            stage.assert_clouds_know_nobody()
        stage.assert_apps_live()
        tasks.cancel_scope.cancel()
    del shell, parties, stage
    gc.collect()  # so that what was left open warns here, not in the next test
