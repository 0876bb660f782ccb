"""What the nodes of one process share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from callctl.io.bus import Bus
from callctl.io.pki import CertificateAuthority
from callctl.io.push_route import RouteInForce
from callctl.io.tap import Tap
from callctl.model.cluster import Cluster
from callctl.model.machine_account import MachineAccount
from callctl.serviceability.condition import Condition
from callctl.serviceability.tracing import TraceRecord
from sipstack.entropy import Entropy
from sipstack.io.clock import MonotonicClock
from sipstack.io.entropy import OsEntropy


def _unwatched(_: Condition | TraceRecord | MachineAccount) -> None:
    """A node that is run alone, as a benchmark does, has nobody to tell."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The cluster, the ways between its nodes and out of it, and who wants to hear of them."""

    cluster: Cluster
    key: bytes = field(repr=False)  # of the cluster: seals Record-Route
    bus: Bus
    clock: MonotonicClock
    entropy: Entropy = field(default_factory=OsEntropy)
    authority: CertificateAuthority | None = None  # for TLS listeners and connections
    route: RouteInForce = lambda node: None  # how pushes leave
    push_on: Callable[[], bool] | None = None  # None: as the cluster file says (GEN-02)
    tap: Tap | None = None  # None: nobody can ever watch, and nothing is spent on it
    on_condition: Callable[[Condition], None] = _unwatched
    trace: Callable[[TraceRecord], None] = _unwatched
    on_account_renewed: Callable[[MachineAccount], None] = _unwatched
