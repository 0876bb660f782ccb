"""The one function that says what a device can be sent (GEN-10).

Every behaviour that depends on the release of the cluster, the platform, the versions of system and
client, the region or the way in is decided here, by the tables of the catalogue.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from callctl.model.device import MOBILE, ClientType, Platform
from callctl.model.release import Release, Version
from callctl.model.service_parameter import ServiceParameters
from callctl.push.capability.asked_device import AskedDevice
from callctl.push.capability.by_release import (
    SU3_OF_12_5,
    Feature,
    PushLevel,
    push_level_of,
    row_of,
)
from callctl.push.capability.experience import (
    SUSPENDED_CALL,
    SUSPENDED_CALL_REGION,
    Behaviour,
    Screens,
    compatible_row,
    screens_of,
)
from callctl.push.capability.minimums import (
    CALLING,
    CALLKIT,
    CUSTOM_REGION,
    FCM,
    LOCAL_PUSH,
    MESSAGING,
    Support,
)
from callctl.push.capability.table import Source
from callctl.push.features import Channel, PushFeatures


class AccessPath(Enum):
    """How a device comes in; only local push asks (GEN-03, LPNS-04)."""

    ENTERPRISE = "enterprise"
    MRA = "mra"  # through Expressway, from outside


@dataclass(frozen=True, slots=True)
class Switches:
    """The service parameters of the same names."""

    android_caller_id: bool = False  # OP-17
    strict_matrix: bool = False  # OP-61

    @classmethod
    def of(cls, parameters: ServiceParameters) -> Switches:
        """As they are in force in a cluster."""
        return cls(parameters.android_caller_id, parameters.strict_matrix)


BY_THE_BOOK: Final = Switches()


@dataclass(frozen=True, slots=True)
class Capability:
    """What one kind of device can be sent by one release, and where that is written.

    A field that is about pushes which are not offered is False, or the channel they would go over.
    """

    features: PushFeatures
    refused: str  # why there is no call push; "" if there is
    message_push: bool  # for instant messages
    message_refused: str
    local_push: bool  # calls over the WebSocket of the local network first (LPNS-06)
    local_refused: str
    callkit: bool  # the client shows CallKit as the call push arrives (MODE-11, MODE-21)
    screens: Screens | None  # of calls on iOS 13 and later, None elsewhere (MODE-20)
    behaviour: str  # what a call does while the app is suspended; "" where `screens` tell it
    push_level: PushLevel
    sources: dict[str, tuple[Source, ...]]  # by the name of the field, those of features too


def capability(
    release: Release,
    platform: Platform,
    os_version: str,
    client: ClientType,
    client_version: str,
    *,
    custom_region: bool = False,
    path: AccessPath = AccessPath.ENTERPRISE,
    switches: Switches = BY_THE_BOOK,
) -> Capability:
    """What `release` can send to such a device.

    Versions are text as clients give it; one that cannot be read counts as current. Standard
    clients (RFC 8599) have no least version. The release of IM and Presence is taken to be that of
    the cluster.
    Source: Tables A1 to C4; GEN-03 to GEN-05, GEN-08, MODE-08, MODE-09, OP-60 to OP-63.
    """
    device = AskedDevice(
        release, platform, Version.told_by(os_version), client, Version.told_by(client_version)
    )
    level = push_level_of(release)
    if platform not in MOBILE:
        return _nothing(f"no push to a {platform.value} (GEN-04)", level)
    cell, cell_sources = _cell(device, switches)
    service = FCM if platform is Platform.ANDROID else CALLING
    if not device.lacks(CALLKIT):
        service = CALLKIT
    refused = _call_refusal(device, service, cell, custom_region=custom_region)
    message_refused = _message_refusal(device, cell)
    local_refused = refused or _local_refusal(device, path)
    features = _features(
        device,
        cell,
        switches,
        calls=not refused,
        messages=not message_refused,
        custom_region=custom_region,
    )
    screens = None
    if device.ios_13 and not refused and not custom_region:
        screens = screens_of(client, device.version)
    behaviour = SUSPENDED_CALL_REGION if custom_region else SUSPENDED_CALL
    return Capability(
        features=features,
        refused=refused,
        message_push=not message_refused,
        message_refused=message_refused,
        local_push=not local_refused,
        local_refused=local_refused,
        callkit=screens is not None and screens.callkit,
        screens=screens,
        behaviour=_in_column(behaviour, device) if not refused and screens is None else "",
        push_level=level,
        sources=_sources(device, service, cell_sources, switches, level, screens, behaviour),
    )


def _cell(device: AskedDevice, switches: Switches) -> tuple[frozenset[Feature], tuple[Source, ...]]:
    """What Table C3 lists for the device."""
    row = row_of(device.release)
    if row is None:
        return frozenset(), ()
    own = Source("C3", row.name, device.column, row.rule_for(device.release))
    if device.platform is Platform.ANDROID:
        return frozenset(row.android), (own,)
    if not device.ios_13:
        return frozenset(row.ios_12), (own,)
    newest = device.ios_16_5
    features = row.ios_13
    sources: tuple[Source, ...] = (own,)
    if not features and (newest or not switches.strict_matrix):
        # The row only means that there is no local push below iOS 16.5; of the cloud pushes
        # nothing was taken away (OP-61, REL-06).
        features = SU3_OF_12_5.ios_13
        sources = (Source("C3", SU3_OF_12_5.name, device.column, "OP-61"),)
    if newest and Feature.BASIC in row.ios_16_5:  # else it says that there is no local push
        features += row.ios_16_5
        sources += (replace(own, column="iOS 16.5"),)
    return frozenset(features), sources


def _call_refusal(
    device: AskedDevice, service: Support, cell: frozenset[Feature], *, custom_region: bool
) -> str:
    lacks = device.lacks(service)
    if lacks:
        return f"call push {lacks}"
    if Feature.BASIC not in cell:
        return _not_listed(device)
    if custom_region and (lacks := device.lacks(CUSTOM_REGION)):
        # Nothing else is left for it: a push over another channel would have to show CallKit.
        return f"call push in the custom region {lacks} (CHN-09)"
    return ""


def _message_refusal(device: AskedDevice, cell: frozenset[Feature]) -> str:
    if device.client is not ClientType.JABBER:
        return "only Jabber has messages here (GEN-08)"
    lacks = device.lacks(FCM if device.platform is Platform.ANDROID else MESSAGING)
    if lacks:
        return f"message push {lacks}"
    # The release that began with messages has no row of its own.
    listed = Feature.BASIC in cell or row_of(device.release) is None
    return "" if listed else _not_listed(device)


def _not_listed(device: AskedDevice) -> str:
    why = "OP-61" if device.ios_13 else "REL-09"
    return f"release {device.release} pushes nothing to {device.column} ({why})"


def _in_column(behaviour: Behaviour, device: AskedDevice) -> str:
    if device.platform is Platform.ANDROID:
        return behaviour.android
    return behaviour.ios_13 if device.ios_13 else behaviour.ios_12


def _local_refusal(device: AskedDevice, path: AccessPath) -> str:
    lacks = device.lacks(LOCAL_PUSH)
    if lacks:
        return f"local push {lacks}"
    if path is AccessPath.MRA:
        return "no local push over MRA (LPNS-04)"
    return "standard clients know no local push" if device.client is ClientType.STANDARD else ""


def _features(
    device: AskedDevice,
    cell: frozenset[Feature],
    switches: Switches,
    *,
    calls: bool,
    messages: bool,
    custom_region: bool,
) -> PushFeatures:
    separate = Feature.SEPARATE_CHANNELS in cell and (calls or messages)
    # Whoever shows the caller in pushes shows the same one as in the INVITE (CID-09).
    to_android = device.platform is Platform.ANDROID and switches.android_caller_id
    call_channel = Channel.VOIP if separate else Channel.DEFAULT
    return PushFeatures(
        call_push=calls,
        separate_channels=separate,
        # Never over another channel, whatever else holds (CHN-09, SHL-06).
        call_channel=Channel.MESSAGE if custom_region else call_channel,
        message_channel=Channel.MESSAGE if separate else Channel.DEFAULT,
        caller_id=calls and (Feature.CALLER_ID in cell or to_android),
        external_presentation=calls and (Feature.EXTERNAL_PRESENTATION in cell or to_android),
        active_node=calls and Feature.ACTIVE_NODE in cell,
        second_push=calls and separate,  # OP-70 names the same releases and systems
        custom_region=calls and not device.lacks(CUSTOM_REGION),
    )


def _nothing(why: str, level: PushLevel) -> Capability:
    """For a platform that Tables B1 and B2 do not name."""
    return Capability(
        features=PushFeatures(),
        refused=why,
        message_push=False,
        message_refused=why,
        local_push=False,
        local_refused=why,
        callkit=False,
        screens=None,
        behaviour="",
        push_level=level,
        sources={"push_level": (Source("C4", level.name),)},
    )


def _sources(
    device: AskedDevice,
    service: Support,
    cell: tuple[Source, ...],
    switches: Switches,
    level: PushLevel,
    screens: Screens | None,
    behaviour: Behaviour,
) -> dict[str, tuple[Source, ...]]:
    android = device.platform is Platform.ANDROID
    region = Source("C1", CUSTOM_REGION.name)
    in_region = (region,) if behaviour is SUSPENDED_CALL_REGION else ()
    calls = Source("B2", compatible_row(device.platform, messages=False).name)
    messages = Source("B2", compatible_row(device.platform, messages=True).name)
    row = row_of(device.release)
    local = () if row is None or android else (Source("C3", row.name, "iOS 16.5"),)
    caller = _by(cell, "OP-17") if android and switches.android_caller_id else cell
    screen = (Source("A2", screens.name),) if screens is not None else ()
    return {
        "call_push": (Source("C1", service.name), *in_region, *cell, calls),
        "separate_channels": cell,
        "call_channel": (*in_region, *cell),
        "message_channel": cell,
        "caller_id": caller,
        "external_presentation": caller,
        "active_node": cell,
        "second_push": _by(cell, "OP-70"),
        "custom_region": (region,),
        "message_push": (Source("C1", (FCM if android else MESSAGING).name), *cell, messages),
        "local_push": (Source("C1", LOCAL_PUSH.name), *local, calls),
        "callkit": screen,
        "screens": screen,
        "behaviour": (Source("A1", behaviour.name, device.column),),
        "push_level": (Source("C4", level.name),),
    }


def _by(sources: tuple[Source, ...], rule: str) -> tuple[Source, ...]:
    """The same rows, read by one more rule."""
    return tuple(
        replace(source, rule=f"{source.rule}, {rule}" if source.rule else rule)
        for source in sources
    )
