"""What stands beside the cluster, and how its clients were set up: for the checker alone."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from callctl.model.release import ExpresswayVersion, Release


class DeploymentType(Enum):
    """Who carries the messages of the cluster's users (GEN-01)."""

    ON_PREMISES = "on_premises"
    WEBEX_MESSENGER = "webex_messenger"


@dataclass(frozen=True, slots=True)
class Deployment:
    """The other servers of a deployment; None where there is none, or nothing is known."""

    im_and_presence: Release | None = None
    expressway: ExpresswayVersion | None = None
    type: DeploymentType = DeploymentType.ON_PREMISES
    im_and_presence_nodes: tuple[str, ...] = ()


ALONE = Deployment()
"""Nothing but the cluster itself."""
