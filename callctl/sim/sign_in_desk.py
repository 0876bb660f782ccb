"""Where the phones of the simulated world sign in: the real service, beside a node that runs."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from callctl.model.build import password_of
from callctl.model.cluster import Cluster
from callctl.model.node import ROLES
from callctl.push.sign_in import (
    ClientSignedIn,
    ClusterFacts,
    LineFacts,
    NodeAddress,
    NodeFacts,
    SignInRequest,
    SignInService,
    SignOutRequest,
)
from callctl.sim.node_party import NodeParty
from callctl.sim.watch import Watch
from sipstack.timing import Instant


class Directory:
    """What a cluster that was made in code tells its clients."""

    __slots__ = ("_cluster",)

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def password_of(self, user_id: str) -> str | None:
        """None for an unknown user."""
        return password_of(user_id) if user_id in self._cluster.users else None

    def facts_for(self, user_id: str, device_name: str) -> ClusterFacts | None:
        """None unless this device belongs to this user."""
        cluster = self._cluster
        device = cluster.devices.get(device_name)
        if device is None or device.owner != user_id:
            return None
        nodes = tuple(
            NodeFacts(
                name,
                cluster.nodes[name].fqdn,
                ROLES[place],
                tuple(
                    NodeAddress(listener.transport, listener.host, listener.port)
                    for listener in cluster.nodes[name].listeners
                ),
            )
            for place, name in enumerate(cluster.group_of(device).nodes)
        )
        lines = tuple(LineFacts(dn, cluster.lines[dn].display_name) for dn in device.lines)
        return ClusterFacts(cluster.domain, user_id, nodes, lines)


class SignInDesk:
    """Takes sign-ins, and tells the first node that runs. None runs: nobody answers."""

    __slots__ = ("_nodes", "_service", "_watch")

    def __init__(self, cluster: Cluster, nodes: Sequence[NodeParty], watch: Watch) -> None:
        self._service = SignInService(Directory(cluster))
        self._nodes = nodes
        self._watch = watch

    def sign_in(self, request: SignInRequest, address: str, now: Instant) -> ClusterFacts | str:
        """What the cluster tells, or why it refuses."""
        node = self._node()
        if node is None:
            return "NobodyThere"
        answer = self._service.sign_in(msgspec.json.encode(request), address, now)
        if answer.facts is None or not isinstance(answer.event, ClientSignedIn):
            return answer.reason
        self._watch.signed_in(answer.event.binding)
        node.sign_in(answer.event.binding)
        return answer.facts

    def sign_out(self, request: SignOutRequest, address: str, now: Instant) -> None:
        """No more pushes for this device."""
        node = self._node()
        answer = self._service.sign_out(msgspec.json.encode(request), address, now)
        if node is not None and answer.status == 200:
            self._watch.signed_out(request.device_name)
            node.sign_out(request.device_name)

    def _node(self) -> NodeParty | None:
        return next((node for node in self._nodes if node.up), None)
