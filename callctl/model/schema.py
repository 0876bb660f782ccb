"""The cluster file as it is written: the shape of the YAML, with a description for every key.

Unknown keys are mistakes. Values arrive as text (see `document`), so `no` is a name where a name is
due and false where a switch is. The descriptions are the reference page; nothing else repeats them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from pydantic import AfterValidator, Field, create_model

from callctl.model.alarm_schema import AlarmsEntry
from callctl.model.certificate_schema import CertificatesEntry
from callctl.model.cloud_schema import CloudEntry
from callctl.model.deployment_schema import ClientConfiguration, DeploymentEntry
from callctl.model.device import ClientType, Platform, PushWay
from callctl.model.entry import Entry
from callctl.model.node import CM_GROUP_MAX
from callctl.model.routing_schema import (
    ExternalPresentationEntry,
    ForwardingEntry,
    HuntPilotEntry,
    RoutePatternEntry,
    SipProfileEntry,
    TrunkEntry,
)
from callctl.model.service_parameter import PARAMETERS, Parameter
from callctl.model.values import (
    Dn,
    Domain,
    FilePath,
    Instance,
    ListenerText,
    Name,
    OriginText,
    Password,
    PatternText,
    ReleaseText,
    SubscriberService,
    Text,
    UserId,
    VersionText,
    choice_of,
    wrong,
)


class NodeEntry(Entry):
    """One call-control server."""

    listeners: list[ListenerText] = Field(
        min_length=1,
        description="Where it takes SIP: `transport:address:port`, the transport `udp`, `tcp` or "
        "`tls`, and for browsers `ws` or `wss` beside one of those. The address is one that "
        "phones can reach; it goes into Via, Record-Route and pushes.",
    )
    fqdn: Domain | None = Field(
        default=None,
        description="Its name in DNS; without it, the node's name and the cluster's domain.",
    )
    publisher: bool = Field(
        default=False,
        description="Holds the master copy. One node at most; without any, the first.",
    )
    cpns_port: int | None = Field(
        default=None,
        ge=1,
        le=65_535,
        description="Where CallManager reaches the push service of this node (CPNS-04), on this "
        "machine only. Without it 9966, moved by as much as the first SIP port is from 5060.",
    )


class DevicePoolEntry(Entry):
    """Settings that a set of devices shares, for example those of one location."""

    cm_group: Name = Field(description="The CM group of its devices (CMG-03).")
    description: Text = Field(default="", description="For people.")


class UserEntry(Entry):
    """One person. All devices of a user register with the user's id and password."""

    password: Password | None = Field(
        default=None,
        description="In clear; digest authentication needs it. Either this or the next.",
    )
    password_file: FilePath | None = Field(
        default=None,
        description="File whose first line is the password, relative to the cluster file.",
    )
    display_name: Text = Field(default="", description="Name shown to others.")
    mobility_identity: Dn | None = Field(
        default=None,
        description="The user's mobile number, as dialled: takes the calls that the iPhone does "
        "not come in time for (MOB-02).",
    )


class LineEntry(Entry):
    """One directory number; shared as soon as two devices name it."""

    display_name: Text = Field(default="", description="Name shown to others.")
    external_presentation: ExternalPresentationEntry | None = Field(
        default=None, description="Name and number that others see instead."
    )
    description: Text = Field(default="", description="For people.")
    forwarding: ForwardingEntry = Field(
        default=ForwardingEntry(), description="Where calls go that nobody takes."
    )


class DeviceTraits(Entry):
    """What a device of the cluster file and a row of a bulk file have in common."""

    device_pool: Name | None = Field(
        default=None, description="May be left out if the cluster has exactly one device pool."
    )
    platform: Platform | None = Field(
        default=None,
        description="What it runs on. May be left out where the name tells: TCT is ios, BOT "
        "android, TAB ios (an Android tablet has to say android), CSF desktop, SEP desk.",
    )
    client: ClientType = Field(
        default=ClientType.STANDARD,
        description="`jabber` and `webex` sign in for push over HTTPS; `standard` clients bring "
        "their push parameters in the REGISTER (RFC 8599).",
    )
    os_version: VersionText | None = Field(
        default=None, description="Version of the operating system, until the client tells its own."
    )
    client_version: VersionText | None = Field(
        default=None, description="Version of the app, until the client tells its own."
    )
    custom_region: bool = Field(
        default=False,
        description="No CallKit: calls come as message notifications (CHN-01). iOS only.",
    )
    instance: Instance | None = Field(
        default=None,
        description="Its `+sip.instance`, `urn:uuid:...`, if it is to be known beforehand.",
    )
    subscriber_service: SubscriberService | None = Field(
        default=None,
        description="Push service it subscribes to, until the client tells its own (REG-07).",
    )
    sip_profile: Name | None = Field(default=None, description="SIP profile that it uses.")


class DeviceEntry(DeviceTraits):
    """One phone or app."""

    owner: UserId | None = Field(
        default=None, description="User whose id and password it registers with."
    )
    lines: list[Dn] = Field(
        min_length=1, max_length=100, description="Its directory numbers, the primary one first."
    )
    push_channel: PushWay | None = Field(
        default=None,
        description="How pushes to it leave: through Push REST or directly. Without it, as "
        "`cloud.direct.services` says.",
    )


class WebSocketEntry(Entry):
    """Who may connect to `ws` and `wss` listeners (RFC 7118)."""

    origins: list[OriginText] = Field(
        default=[],
        max_length=100,
        description="Web pages that may connect, by origin: `https://phone.example`, "
        "`http://127.0.0.1:*` for every port, or `any`. Without any, no browser is let in.",
    )
    origin_required: bool = Field(
        default=False, description="Refuse clients that send no Origin: those that are no browsers."
    )


def _parameter_field(parameter: Parameter) -> Any:  # noqa: ANN401  (what create_model asks for)
    requirement = f"{parameter.text} {_sentence(parameter.allowed)} ({parameter.requirement})."
    if parameter.choices:
        return choice_of(parameter), Field(parameter.default, description=requirement)
    if parameter.low is None:
        return bool, Field(parameter.default, description=requirement)
    bounds = Field(ge=parameter.low, le=parameter.high)
    return Annotated[int, bounds], Field(parameter.default, description=requirement)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


if TYPE_CHECKING:
    ServiceParametersEntry = Entry
else:  # made at run time, so that a parameter is described in one place
    ServiceParametersEntry = create_model(
        "ServiceParametersEntry",
        __base__=Entry,
        __doc__="Numbers of call processing, the same on every node.",
        **{name: _parameter_field(parameter) for name, parameter in PARAMETERS.items()},
    )


def _group(nodes: list[str]) -> list[str]:
    if not 1 <= len(nodes) <= CM_GROUP_MAX:
        raise wrong(f"names {len(nodes)} nodes", "1 to 3 nodes: primary, backup, tertiary (CMG-01)")
    if len(set(nodes)) != len(nodes):
        raise wrong("names a node twice", "each node once")
    return nodes


GroupEntry: TypeAlias = Annotated[list[Name], AfterValidator(_group)]


class ClusterFile(Entry):
    """The whole file."""

    id: Name = Field(description="Name of the cluster, in traces and metrics.")
    domain: Domain = Field(description="SIP domain of every user.")
    release: ReleaseText = Field(
        default="15",
        description="Software release that the cluster behaves as; decides what pushes carry.",
    )
    unrestricted: bool = Field(
        default=False, description="Export-unrestricted software: push cannot be enabled (GEN-07)."
    )
    nodes: dict[Name, NodeEntry] = Field(default={}, description="At least one.")
    cm_groups: dict[Name, GroupEntry] = Field(
        default={},
        description="Lists of 1 to 3 nodes, the order is their priority: primary, backup, "
        "tertiary (CMG-01, CMG-02). At least one group.",
    )
    device_pools: dict[Name, DevicePoolEntry] = Field(default={}, description="By name.")
    users: dict[UserId, UserEntry] = Field(default={}, description="By user id.")
    lines: dict[Dn, LineEntry] = Field(default={}, description="By directory number.")
    devices: dict[Name, DeviceEntry] = Field(default={}, description="By device name.")
    hunt_pilots: dict[Dn, HuntPilotEntry] = Field(
        default={}, description="By directory number, which is no line's."
    )
    trunks: dict[Name, TrunkEntry] = Field(default={}, description="By name.")
    route_patterns: dict[PatternText, RoutePatternEntry] = Field(
        default={}, description="By pattern."
    )
    sip_profiles: dict[Name, SipProfileEntry] = Field(default={}, description="By name.")
    bulk: list[FilePath] = Field(
        default=[],
        max_length=100,
        description="CSV or JSON lines files of users with a line and a device each, relative to "
        "this file.",
    )
    service_parameters: ServiceParametersEntry = Field(
        ServiceParametersEntry(), description="Where the defaults do not fit."
    )
    cloud: CloudEntry = Field(default=CloudEntry(), description="The push clouds.")
    certificates: CertificatesEntry = Field(
        default=CertificatesEntry(), description="Whom the cluster trusts at TLS."
    )
    alarms: AlarmsEntry = Field(
        default=AlarmsEntry(), description="The log, and who is sent alarms by syslog."
    )
    websocket: WebSocketEntry = Field(
        default=WebSocketEntry(), description="Who may connect to `ws` and `wss` listeners."
    )
    deployment: DeploymentEntry = Field(
        default=DeploymentEntry(), description="The servers beside the cluster, for the checker."
    )
    jabber_client_configuration: ClientConfiguration = Field(
        default={},
        description="Parameters of the UC service of type Jabber client configuration, for the "
        "checker: `EnableVoipSocket: false` is what push needs (MODE-19).",
    )


class BulkRow(DeviceTraits):
    """One row of a bulk file: a user, a line and a device that belong together."""

    user: UserId = Field(description="User id. May come again: one user with several devices.")
    password: Password | None = Field(
        default=None, description="Needed the first time a user comes; later the same, or left out."
    )
    display_name: Text = Field(default="", description="Name of the user and of the line.")
    line: Dn | None = Field(
        default=None,
        description="Directory number; the user id if left out. May come again: shared line.",
    )
    device: Name = Field(description="Device name.")
    mobility_identity: Dn | None = Field(
        default=None,
        description="The user's mobile number, in the first row of the user (MOB-02).",
    )
