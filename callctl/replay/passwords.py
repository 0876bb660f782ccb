"""The passwords that parties outside have."""

from __future__ import annotations

from callctl.model.cluster import Cluster
from callctl.replay.rewrite import Passwords


def passwords_of(cluster: Cluster) -> Passwords:
    """Those of users, and of peers behind trunks that the cluster asks for credentials."""
    known = {user.user_id: user.password for user in cluster.users.values()}
    for trunk in cluster.trunks.values():
        if trunk.inbound is not None:
            known.setdefault(trunk.inbound.username, trunk.inbound.password)

    def password(username: str) -> str | None:
        found = known.get(username)
        return None if found is None else found.get_secret_value()

    return password
