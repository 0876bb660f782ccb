"""What befalls the clouds and the push services of the nodes, by the plan of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from callctl.cloud.faults import Fault
from callctl.sim.cloud_party import CloudParty
from callctl.sim.cloud_way import Way
from callctl.sim.node_party import NodeParty
from callctl.sim.scenario import Trouble, TroublePlan
from sipstack.timing import SECOND, Instant

MINUTE_NS: Final = 60 * SECOND


def befall(
    plan: TroublePlan, cloud: CloudParty, nodes: Mapping[str, NodeParty], now: Instant
) -> None:
    """Let it happen."""
    match plan.what:
        case Trouble.CPNS_STOP | Trouble.CPNS_START:
            nodes[plan.whom[0]].set_cpns(plan.what is Trouble.CPNS_START)
        case Trouble.CPNS_HANG | Trouble.CPNS_GO_ON:
            nodes[plan.whom[0]].hang_cpns(plan.what is Trouble.CPNS_HANG)
        case Trouble.CPNS_KILL:
            nodes[plan.whom[0]].kill_cpns()
        case Trouble.CLOUD_GONE:
            cloud.way.push_rest = Way(plan.whom[0])
        case Trouble.CLOUD_BACK:
            cloud.way.push_rest = Way.OPEN
        case Trouble.CI_GONE:
            cloud.way.ci = Way(plan.whom[0])
        case Trouble.CI_BACK:
            cloud.way.ci = Way.OPEN
        case Trouble.FIRST_ADDRESS_GONE:
            cloud.way.first_address = Way(plan.whom[0])
        case Trouble.FIRST_ADDRESS_BACK:
            cloud.way.first_address = Way.OPEN
        case Trouble.TOKENS_REVOKED:
            cloud.revoke()
        case Trouble.ACCOUNT_SUSPENDED | Trouble.ACCOUNT_RESUMED:
            cloud.suspend(plan.what is Trouble.ACCOUNT_SUSPENDED)
        case Trouble.PROVIDERS_DOWN:
            until = Instant(now + MINUTE_NS)
            cloud.spoil(Fault(status=503, reason="ServiceUnavailable", ends_at=until))
        case _:
            raise ValueError(f"{plan.what} is no trouble of the cloud")
