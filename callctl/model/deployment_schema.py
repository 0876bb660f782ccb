"""The parts of a cluster file that describe what stands beside the cluster."""

from __future__ import annotations

from typing import TypeAlias

from pydantic import Field

from callctl.model.certificate_schema import DeploymentCertificatesEntry
from callctl.model.deployment import Deployment, DeploymentType
from callctl.model.entry import Entry
from callctl.model.release import ExpresswayVersion, Release
from callctl.model.values import ExpresswayText, Name, ReleaseText, Text

ClientConfiguration: TypeAlias = dict[Name, Text]
"""Parameters of a client by name, as they stand in its configuration file."""


class DeploymentEntry(Entry):
    """The other servers. `callctl check` warns of what does not go together; nothing else asks."""

    im_and_presence: ReleaseText | None = Field(
        default=None, description="Release of the IM and Presence servers, if there are any."
    )
    im_and_presence_nodes: list[Name] = Field(
        default=[],
        max_length=30,
        description="Names of the IM and Presence servers, for the restarts that onboarding asks "
        "for there.",
    )
    expressway: ExpresswayText | None = Field(
        default=None, description="Version of Expressway, if devices come in through it (MRA)."
    )
    certificates: DeploymentCertificatesEntry | None = Field(
        default=None, description="Certificates of CUCM, IM&P and Expressway-C, for the checks."
    )
    type: DeploymentType = Field(
        default=DeploymentType.ON_PREMISES,
        description="Who carries messages: `webex_messenger` is the cloud that was retired at the "
        "end of 2020 (GEN-01).",
    )

    def record(self) -> Deployment:
        """What the checker works with."""
        return Deployment(
            None if self.im_and_presence is None else Release.parse(self.im_and_presence),
            None if self.expressway is None else ExpresswayVersion.parse(self.expressway),
            self.type,
            tuple(self.im_and_presence_nodes),
        )
