"""The cluster as its nodes use it: frozen, complete, every reference known to resolve."""

from __future__ import annotations

from dataclasses import dataclass, field

from callctl.model.alarm_settings import NOBODY_TOLD, AlarmSettings
from callctl.model.certificate_files import NO_FILES, CertificateFiles
from callctl.model.cloud import CloudSettings
from callctl.model.deployment import ALONE, Deployment
from callctl.model.device import Device
from callctl.model.hunt_pilot import HuntPilot
from callctl.model.line import Line
from callctl.model.node import CmGroup, DevicePool, Node
from callctl.model.release import Release
from callctl.model.service_parameter import ServiceParameters
from callctl.model.trunk import RoutePattern, SipProfile, SipTrunk
from callctl.model.user import User
from sipstack.transport.websocket import OriginPolicy


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Cluster:
    """Everything the administrator has configured. Made by `load_cluster` or `make_cluster`.

    Mappings keep the order of the file. They are not to be changed: every node of a process shares
    the one object, and the indices are made once.
    """

    id: str
    domain: str  # the SIP domain of every AOR
    release: Release
    nodes: dict[str, Node]
    cm_groups: dict[str, CmGroup]
    device_pools: dict[str, DevicePool]
    users: dict[str, User]  # by user id
    lines: dict[str, Line]  # by DN
    devices: dict[str, Device]
    service_parameters: ServiceParameters = field(default_factory=ServiceParameters)
    cloud: CloudSettings = field(default_factory=CloudSettings)
    certificate_files: CertificateFiles = NO_FILES
    alarms: AlarmSettings = NOBODY_TOLD
    websocket: OriginPolicy = field(default_factory=OriginPolicy)  # of all ws and wss listeners
    unrestricted: bool = False  # export-unrestricted software: no push (GEN-07)
    deployment: Deployment = ALONE
    jabber_client_configuration: dict[str, str] = field(default_factory=dict)  # MODE-19
    hunt_pilots: dict[str, HuntPilot] = field(default_factory=dict)  # by DN
    trunks: dict[str, SipTrunk] = field(default_factory=dict)
    route_patterns: tuple[RoutePattern, ...] = ()  # the best match first
    sip_profiles: dict[str, SipProfile] = field(default_factory=dict)
    devices_of_line: dict[str, tuple[Device, ...]] = field(init=False)
    devices_of_user: dict[str, tuple[Device, ...]] = field(init=False)

    def __post_init__(self) -> None:
        of_line: dict[str, tuple[Device, ...]] = {}
        of_user: dict[str, tuple[Device, ...]] = {}
        for device in self.devices.values():
            alone = (device,)  # nearly every device is alone on its line and with its user
            for dn in device.lines:
                of_line[dn] = of_line[dn] + alone if dn in of_line else alone
            if device.owner is not None:
                owned = of_user.get(device.owner)
                of_user[device.owner] = alone if owned is None else owned + alone
        object.__setattr__(self, "devices_of_line", of_line)
        object.__setattr__(self, "devices_of_user", of_user)

    def group_of(self, device: Device) -> CmGroup:
        """The CM group of a device, known only through its device pool (CMG-03)."""
        return self.cm_groups[self.device_pools[device.device_pool].cm_group]

    def destination(self, number: str) -> Line | HuntPilot | RoutePattern | None:
        """What a dialled number is for: a line first, then a hunt pilot, then a way out."""
        found = self.lines.get(number) or self.hunt_pilots.get(number)
        if found is not None:
            return found
        for pattern in self.route_patterns:
            if pattern.matches(number):
                return pattern
        return None

    @property
    def publisher(self) -> Node:
        """The node that holds the master copy: the one so marked."""
        return next(node for node in self.nodes.values() if node.publisher)

    def __repr__(self) -> str:
        sizes = f"{len(self.nodes)} nodes, {len(self.users)} users, {len(self.devices)} devices"
        return f"<Cluster {self.id}: {sizes}>"
