"""What a call sees of its clouds, and what they and the alarm board see of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

import anyio

from callctl.cloud.fault_orders import PUSH_REST, FaultOrder
from callctl.cloud.faults import fingerprint_of
from callctl.io.emulators import PushCloud
from callctl.io.lab import has_flow
from callctl.model.service_parameter import ServiceParameters
from callctl.phone.event import CallAnswered, CallEnded
from callctl.push.history import PushEntry
from callctl.push.kind import PushKind
from helpers.node_rig import eventually
from helpers.stage import Mobile, Placed, Stage

QUICK: Final = ServiceParameters(
    ring_back_s=1,
    drop_s=2,
    push_response_timeout_s=1,
    second_push_wait_s=1,
    t1_ms=20,
    t2_ms=80,
    t4_ms=100,
    heartbeat_ms=50,
    node_suspect_ms=400,
)
"""13 s and 5 s as 2 s and 1 s."""

NEVER_MS: Final = 60_000
"""Of a phone that a push does not wake in time."""

AT_ONCE_S: Final = 0.9
"""Less than any wait of `QUICK`."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What came to a caller, and when."""

    status: int  # 200: somebody answered
    after_s: float

    @property
    def at_once(self) -> bool:
        return self.after_s < AT_ONCE_S


async def heard(placed: Placed, within_s: float = 20.0) -> Heard:
    """Wait for the answer to a call that has just been placed."""
    began = anyio.current_time()

    def ends() -> list[int]:
        found = []
        for event in placed.events:
            if isinstance(event, CallAnswered):
                found.append(200)
            elif isinstance(event, CallEnded):
                found.append(event.status or 0)
        return found

    await eventually(lambda: bool(ends()), within_s=within_s)
    return Heard(ends()[0], anyio.current_time() - began)


async def talk(stage: Stage, dn: str, within_s: float = 20.0) -> Heard:
    """Call; if somebody answers hang up, and wait until the phones of the cast sleep again."""
    placed = stage.call(dn)
    answer = await heard(placed, within_s)
    if answer.status == 200:
        placed.hang_up()
        await placed.until(CallEnded)
        await asleep(stage)
    return answer


async def asleep(stage: Stage) -> None:
    """Wait until no phone that was put away has a connection left."""

    def all_asleep() -> bool:
        away = [name for name, phone in stage.phones.items() if phone.shell.state != "foreground"]
        states = {stage.phones[name].shell.state for name in away}
        return states <= {"suspended"} and not any(has_flow(stage.shell, name) for name in away)

    await eventually(all_asleep)


def cloud_of(stage: Stage) -> PushCloud:
    assert stage.shell.cloud is not None
    return stage.shell.cloud


def order(stage: Stage, service: str, name: str, **how: Any) -> int:  # noqa: ANN401
    """Put a fault in force. Returns: its number."""
    return cloud_of(stage).services[service].add_fault(FaultOrder(service, name, **how))


def clear(stage: Stage) -> None:
    """All is well again, everywhere."""
    for service in cloud_of(stage).services.values():
        service.clear_faults()


async def cut(stage: Stage, service: str = PUSH_REST) -> None:
    """Reset every connection to a service that is open, so that the next push needs a new one."""
    at = cloud_of(stage).services[service]
    number = order(stage, service, "reset")
    await eventually(lambda: not at.open_connections)
    at.remove_fault(number)
    await eventually(lambda: not any(node.counts()["push_idle"] for node in stage.shell.nodes))


def mark(phone: Mobile) -> str:
    """What names the token for calls of a phone where the token itself must not stand."""
    token = phone.shell.phone.identity.voip_token or phone.shell.phone.identity.message_token
    assert token is not None
    return fingerprint_of(token)[:16]


def active(stage: Stage) -> list[str]:
    """The names of the alarms that are active, each as often as it is there, in order."""
    return sorted(alarm.definition.name for alarm in stage.shell.operations.alarms.board.active)


def occurrences(stage: Stage, name: str) -> list[int]:
    """How often the condition of each active alarm of this name was told."""
    board = stage.shell.operations.alarms.board
    return [alarm.occurrences for alarm in board.active if alarm.definition.name == name]


def rings(stage: Stage, dn: str) -> list[PushEntry]:
    """The ring pushes to the devices of a line that any node was asked for, oldest first."""
    names = {device.name for device in stage.shell.cluster.devices_of_line.get(dn, ())}
    found = [entry for _, entry in stage.shell.pushes() if entry.device_name in names]
    return [entry for entry in found if entry.kind is PushKind.INCOMING]


def posts(stage: Stage) -> Counter[str]:
    """How many requests Push REST had of each tracking id."""
    log = cloud_of(stage).push_rest.log
    return Counter(record.tracking_id for record in log if record.tracking_id is not None)


async def restart(stage: Stage) -> None:
    """The push service of each node begins anew (CPNS-11)."""
    for node in stage.shell.nodes:
        await stage.shell.stop_cpns(node.name)
    await eventually(lambda: not any(_reached(stage)))
    for node in stage.shell.nodes:
        await stage.shell.start_cpns(node.name)
    await eventually(lambda: all(_reached(stage)))


def _reached(stage: Stage) -> list[bool]:
    return [node.engine.membership.in_service(node.name) for node in stage.shell.nodes]


async def lost(stage: Stage, dn: str) -> tuple[Placed, PushEntry]:
    """Place a call, and wait for the end of its push; the call goes on."""
    known = len(rings(stage, dn))
    placed = stage.call(dn)
    await eventually(lambda: len(rings(stage, dn)) > known)
    ring = rings(stage, dn)[-1]
    await eventually(lambda: ring.ended_at is not None)
    return placed, ring


def fetches(stage: Stage) -> int:
    """How often CI was asked for a token."""
    return len(cloud_of(stage).cisco.ci.log)
