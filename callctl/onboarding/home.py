"""The cluster as onboarding sees it."""

from __future__ import annotations

from dataclasses import dataclass

from callctl.model.cluster import Cluster
from callctl.model.release import Release
from callctl.onboarding.licensing import EVALUATION_DAYS


@dataclass(frozen=True, slots=True)
class HomeCluster:
    """What an administrator cannot change on the page."""

    cluster_id: str
    release: Release
    publisher: str
    nodes: tuple[str, ...]  # of call processing, with the publisher
    im_and_presence_nodes: tuple[str, ...] = ()
    unrestricted: bool = False  # GEN-07
    local_push_only: bool = False  # no IM and Presence push is wanted: no restarts there (ONB-17)
    mobile_remote_access: bool = False
    evaluation_days: int = EVALUATION_DAYS
    tomcat_clears_boxes: bool = False  # both main boxes are found cleared afterwards (ONB-08)

    @classmethod
    def of(cls, cluster: Cluster, *, tomcat_clears_boxes: bool = False) -> HomeCluster:
        """That of a cluster file."""
        return cls(
            cluster.id,
            cluster.release,
            cluster.publisher.name,
            tuple(cluster.nodes),
            cluster.deployment.im_and_presence_nodes,
            cluster.unrestricted,
            mobile_remote_access=cluster.deployment.expressway is not None,
            tomcat_clears_boxes=tomcat_clears_boxes,
        )

    @property
    def all_nodes(self) -> tuple[str, ...]:
        """With those of IM and Presence."""
        return self.nodes + self.im_and_presence_nodes

    @property
    def message_nodes(self) -> tuple[str, ...]:
        """Those of IM and Presence that are to push."""
        return () if self.local_push_only else self.im_and_presence_nodes
