"""The clouds of the simulated world, and the way there, as a test breaks and mends them."""

from __future__ import annotations

from typing import Final

from callctl.sim.cloud_party import CloudParty
from callctl.sim.cloud_way import Way
from callctl.testing.cloud_hands import FaultHands
from callctl.testing.stage import CloudName, Trouble

WAYS: Final[dict[Trouble, Way]] = {
    "refused": Way.CONNECT,
    "tls": Way.TLS,
    "proxy": Way.PROXY,
    "black hole": Way.BLACK_HOLE,
}


class VirtualCloud(FaultHands):
    """The clouds, and the way to them."""

    def __init__(self, cloud: CloudParty) -> None:
        super().__init__(
            {"push_rest": cloud.push_rest, "apns": cloud.apns, "fcm": cloud.fcm, "ci": cloud.ci}
        )
        self._cloud = cloud

    def be_unreachable(self, cloud: CloudName, trouble: Trouble) -> None:
        """No new connection comes through."""
        self._set_way(cloud, WAYS[trouble])

    def revoke_tokens(self) -> None:
        """401 from now on."""
        self._cloud.revoke()

    def suspend_account(self, suspended: bool) -> None:
        """403 from now on, or no more."""
        self._cloud.suspend(suspended)

    def recover(self, cloud: CloudName) -> None:
        """All is well there."""
        self.clear(cloud)
        self._set_way(cloud, Way.OPEN)
        if cloud == "ci":
            self.suspend_account(False)

    def _set_way(self, cloud: CloudName, way: Way) -> None:
        if cloud == "push_rest":
            self._cloud.way.push_rest = way
        elif cloud == "ci":
            self._cloud.way.ci = way
