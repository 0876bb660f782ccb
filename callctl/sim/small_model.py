"""The small model: one caller, a desk phone and a sleeping phone on one line, two nodes.

Each plot says what its people do, to the instant; nothing is left to chance. The caller is at one
node and the called phone at the other, so that every message between them crosses the cluster.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from callctl.model.build import desk_phone, iphone, make_cluster
from callctl.model.service_parameter import ServiceParameters
from callctl.phone.settings import AnswerPlan
from callctl.sim.scenario import CALLS_FROM_NS, AgentPlan, CallPlan, PhonePlan, Scenario
from sipstack.timing import SECOND

LOSSES_MAX: Final = 2
CALLER: Final = "SEPCALLER"
DESK: Final = "SEPDESK"
PHONE: Final = "TCTPHONE"
PHONES: Final = "phones"
DESKS: Final = "desks"
DN: Final = "2001"

RINGS_ON: Final = AnswerPlan(after_ns=None)
AWAY_NS: Final = 8 * SECOND  # when the phone is put away; it sleeps long before the call
WAKES_NS: Final = 1 * SECOND
LOSSES_UNTIL_NS: Final = CALLS_FROM_NS + 60 * SECOND
"""Nothing is lost any more: long after the call, and after what is sent again because of it."""

PARAMETERS: Final = ServiceParameters(heartbeat_ms=5_000, node_suspect_ms=12_000)
"""As few heartbeats as there may be: they take more time than the call, and none is ever lost."""


@dataclass(frozen=True, slots=True)
class Plot:
    """Who does what. Times in ns: of an answer from the ringing, of a caller from the INVITE."""

    name: str
    what: str
    desk: AnswerPlan = RINGS_ON
    phone: AnswerPlan = RINGS_ON
    give_up_ns: int | None = None
    hang_up_ns: int | None = 4 * SECOND

    def scenario(self) -> Scenario:
        """The whole run, without a loss."""
        caller = desk_phone("caller", "1001", name=CALLER, device_pool=DESKS)
        desk = desk_phone("owner", DN, name=DESK, device_pool=DESKS)
        phone = iphone("owner", DN, name=PHONE, device_pool=PHONES)
        cluster = make_cluster(
            nodes=("ucm1", "ucm2"),
            cm_groups={PHONES: ("ucm1", "ucm2"), DESKS: ("ucm2", "ucm1")},
            device_pools={PHONES: PHONES, DESKS: DESKS},
            devices=(caller, desk, phone),
            parameters=PARAMETERS,
        )
        return Scenario(
            1,
            cluster,
            (
                AgentPlan(caller, "203.0.113.1", "UDP", AnswerPlan()),
                AgentPlan(desk, "203.0.113.2", "UDP", self.desk),
            ),
            (PhonePlan(phone, "198.51.100.1", "TLS", self.phone, WAKES_NS, ((AWAY_NS, False),)),),
            calls=(CallPlan(CALLS_FROM_NS, CALLER, DN, self.give_up_ns, self.hang_up_ns),),
            faults_until=LOSSES_UNTIL_NS,
        )


def _after(seconds: float, status: int = 200, hang_up_after_ns: int | None = None) -> AnswerPlan:
    return AnswerPlan(True, round(seconds * SECOND), status, hang_up_after_ns)


_ALL: Final = (
    Plot(
        "phone-answers",
        "the phone is woken and answers, the desk phone is cancelled",
        phone=_after(2),
    ),
    Plot(
        "desk-answers",
        "the desk phone answers before the phone is awake",
        desk=_after(0.5),
    ),
    Plot(
        "both-answer",
        "both answer at nearly the same time",
        desk=_after(4),
        phone=_after(2.9),
    ),
    Plot(
        "phone-declines",
        "the phone declines, the desk phone answers later",
        desk=_after(5),
        phone=_after(1, 603),
    ),
    Plot(
        "desk-is-busy",
        "the desk phone is busy, the phone answers and hangs up",
        desk=_after(0, 486),
        phone=_after(1, hang_up_after_ns=3 * SECOND),
        hang_up_ns=None,
    ),
    Plot(
        "gives-up-early",
        "the caller gives up while the phone wakes",
        give_up_ns=SECOND // 2,
    ),
    Plot(
        "gives-up-late",
        "the caller gives up while both ring",
        give_up_ns=6 * SECOND,
    ),
)
PLOTS: Final = {plot.name: plot for plot in _ALL}
"""What is explored, by name."""
