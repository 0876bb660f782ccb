"""The cast of the lab: a desk phone that answers, and mobiles that sleep until they are pushed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import anyio

from callctl.io.agent_shell import AgentShell, OnAgentEvent
from callctl.io.cluster_shell import ClusterShell
from callctl.io.parties import Parties
from callctl.io.phone_setup import Manner
from callctl.io.phone_shell import OnPhoneEvent, PhoneShell
from callctl.model.cluster import Cluster
from callctl.phone.settings import AnswerPlan
from sipstack.timing import MS, SECOND

DESK_PHONE: Final = "SEP001122334404"
MOBILES: Final = ("TCT1005", "BOT1006", "TCT1006")

READY_S: Final = 15.0  # for all of them to sign in, register and fall asleep
POLL_S: Final = 0.02
QUICKER: Final = 16  # times, where nobody wants to wait for SIP's timers

MANNER: Final = Manner(answer=AnswerPlan(after_ns=1 * SECOND), grace_ns=200 * MS)
"""Picks up a second after the phone showed the call, and sleeps soon after it was put away."""


class NotReady(TimeoutError):
    """Something did not come to pass; the text says what."""


@dataclass(frozen=True, slots=True)
class Cast:
    """Who takes part."""

    desk_phone: AgentShell
    mobiles: dict[str, PhoneShell]  # by device name


async def raise_cast(
    cluster: ClusterShell,
    parties: Parties,
    *,
    on_desk_event: OnAgentEvent = lambda now, event: None,
    on_phone_event: Callable[[str], OnPhoneEvent] = lambda name: lambda now, event: None,
) -> Cast:
    """Add the phones of the lab: registered, signed in, and the mobiles asleep again.

    Raises: NotReady
    """
    desk = await parties.add_desk_phone(DESK_PHONE, manner=MANNER, on_event=on_desk_event)
    mobiles = {
        name: await parties.add_phone(name, manner=MANNER, on_event=on_phone_event(name))
        for name in MOBILES
    }
    await until(lambda: desk.agent.registered is not None, f"{DESK_PHONE} does not register")
    for name, phone in mobiles.items():
        await _put_to_sleep(cluster, name, phone)
    return Cast(desk, mobiles)


async def _put_to_sleep(cluster: ClusterShell, name: str, phone: PhoneShell) -> None:
    await until(lambda: phone.signed_in, f"{name} cannot sign in")
    await until(lambda: phone.phone.registered is not None, f"{name} does not register")
    phone.suspend()
    await until(lambda: phone.state == "suspended", f"{name} does not fall asleep")
    await until(lambda: not has_flow(cluster, name), f"the flow of {name} stays up")


async def until(
    condition: Callable[[], bool], otherwise: str, *, within_s: float = READY_S
) -> None:
    """Wait for a condition. Raises: NotReady with the text `otherwise`."""
    with anyio.move_on_after(within_s):
        while not condition():  # noqa: ASYNC110  (of any kind, so there is no event to wait for)
            await anyio.sleep(POLL_S)
        return
    raise NotReady(otherwise)


def has_flow(cluster: ClusterShell, device_name: str) -> bool:
    """True if some running node believes that the device is connected."""
    return any(
        binding.flow is not None
        for node in cluster.nodes
        for binding in node.engine.bindings
        if binding.device_name == device_name
    )


def with_quick_timers(cluster: Cluster) -> Cluster:
    """The cluster with T1, T2 and T4 a sixteenth of the standard's.

    The last of a call is gone 64*T1 after its answer: 32 s is long to watch.
    """
    parameters = cluster.service_parameters
    quick = replace(
        parameters,
        t1_ms=parameters.t1_ms // QUICKER,
        t2_ms=parameters.t2_ms // QUICKER,
        t4_ms=parameters.t4_ms // QUICKER,
    )
    return replace(cluster, service_parameters=quick)
