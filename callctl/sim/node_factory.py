"""Makes the two processes of a node's life as a cluster that was onboarded has them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tenacity.wait import wait_fixed

from callctl.engine.engine import Engine
from callctl.engine.node_core import NodeCore
from callctl.model.cluster import Cluster
from callctl.model.machine_account import MachineAccount
from callctl.push.channel import Channels
from callctl.push.cpns import Cpns, CpnsSettings
from callctl.push.machine_token import MachineToken, MachineTokenSettings
from callctl.push.rest import PushRestChannel
from callctl.sim.entropy import Streams
from callctl.sim.node_processes import MakeCpns, NodeProcesses
from callctl.sim.scenario import CloudPlan
from sipstack.entropy import Entropy
from sipstack.timing import SECOND

CLUSTER_KEY: Final = b"simulated cluster key, 32 octets"
PUSH_URL: Final = "https://push.sim.example/push/v1/notifications"


@dataclass(frozen=True, slots=True)
class Onboarded:
    """How the nodes of a cluster come to the cloud."""

    account: Callable[[], MachineAccount]  # as it is in the database now
    plan: CloudPlan
    unix_ms_at_zero: int


class NodeFactory:
    """Planted faults come in by making another one."""

    engine: type[Engine] = Engine
    cpns: type[Cpns] = Cpns

    def processes(
        self, cluster: Cluster, name: str, streams: Streams, life: int, onboarded: Onboarded
    ) -> NodeProcesses:
        """A node that has not started."""
        entropy = streams.entropy(f"node {name} {life}")
        engine = self.engine(cluster, name, entropy, key=CLUSTER_KEY, incarnation=life)
        parameters = cluster.service_parameters
        settings = CpnsSettings(
            PUSH_URL,
            second_push_wait_ns=parameters.second_push_wait_s * SECOND,
            response_timeout_ns=parameters.push_response_timeout_s * SECOND,
            unix_ms_at_zero=onboarded.unix_ms_at_zero,
            next_address=onboarded.plan.proxy,
        )
        machine = MachineTokenSettings(
            name,
            again=wait_fixed(onboarded.plan.token_again_s),
            unix_ms_at_zero=onboarded.unix_ms_at_zero,
        )

        def channels() -> Channels:
            return Channels(
                PushRestChannel(
                    settings.url,
                    MachineToken(machine, onboarded.account()),
                    room=settings.in_flight_max,
                    unix_ms_at_zero=settings.unix_ms_at_zero,
                )
            )

        return NodeProcesses(NodeCore(engine), self.cpns_maker(settings, entropy, engine, channels))

    def cpns_maker(
        self,
        settings: CpnsSettings,
        entropy: Entropy,
        engine: Engine,
        channels: Callable[[], Channels],
    ) -> MakeCpns:
        """Gives the push service of each of its starts."""
        return lambda: self.cpns(
            settings, entropy, engine.push_binding, engine.features, channels()
        )
