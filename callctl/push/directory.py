"""What the sign-in service needs to know of a cluster."""

from __future__ import annotations

from callctl.model.cluster import Cluster
from callctl.model.device import ClientType
from callctl.push.sign_in import ClusterFacts, LineFacts, NodeAddress, NodeFacts


class ClusterDirectory:
    """A `SignInDirectory` of a cluster's users and devices."""

    __slots__ = ("_cluster",)

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def password_of(self, user_id: str) -> str | None:
        """None for an unknown user."""
        user = self._cluster.users.get(user_id)
        return None if user is None else user.password.get_secret_value()

    def facts_for(self, user_id: str, device_name: str) -> ClusterFacts | None:
        """None unless this device belongs to this user and is one that signs in (OP-01)."""
        cluster = self._cluster
        device = cluster.devices.get(device_name)
        if device is None or device.owner != user_id or device.client is ClientType.STANDARD:
            return None
        group = cluster.group_of(device)
        return ClusterFacts(
            domain=cluster.domain,
            digest_user=user_id,
            nodes=tuple(
                NodeFacts(
                    name=name,
                    fqdn=cluster.nodes[name].fqdn,
                    role=group.role_of(name) or "primary",
                    addresses=tuple(
                        NodeAddress(listener.transport, listener.host, listener.port)
                        for listener in cluster.nodes[name].listeners
                    ),
                )
                for name in group.nodes
            ),
            lines=tuple(LineFacts(dn, cluster.lines[dn].display_name) for dn in device.lines),
        )
