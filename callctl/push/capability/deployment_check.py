"""What works and yet should not stay: releases that do not go together, clients too old for push.

`callctl check` shows these as warnings. Nothing here stops a cluster from running as it is written:
old releases are there to be tested against.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from callctl.model.cluster import Cluster
from callctl.model.consistency import Mistake
from callctl.model.deployment import DeploymentType
from callctl.model.device import ClientType, Device, Platform
from callctl.model.release import ExpresswayVersion, Release, Since, Version
from callctl.push.capability.by_release import (
    PUSH_3_EXPRESSWAY,
    PUSH_3_SINCE,
    push_level_of,
)
from callctl.push.capability.capability import Capability, Switches, capability
from callctl.push.capability.minimums import (
    CALLING,
    CLIENT_NAMES,
    FCM,
    MINIMUM_ANDROID,
    MINIMUM_IOS_12,
    MINIMUM_IOS_13,
    Minimum,
)

BASIC_PUSH: Final = (MINIMUM_IOS_12, MINIMUM_IOS_13, MINIMUM_ANDROID)
"""The rows of Table C2 that a deployment needs; without the fourth it only has no local push."""

UPGRADE_SOURCE: Final = Release.parse("11.5(1)SU2")
FIRST_WITH_CALLS: Final = Release.parse("11.5(1)SU3")
FIRST_SUPPORTED: Final = Release.parse("11.5(1)SU4")
VOIP_SOCKET: Final = "EnableVoipSocket"

DEFECT_FREE_IM_AND_PRESENCE: Final = Release.parse("12.5(1)SU3")
DEFECT_FREE_EXPRESSWAY: Final = ExpresswayVersion.parse("X12.6")
DEFECT_FREE_JABBER: Final = Version.parse("12.9")

RELEASE: Final = ("release",)
IM_AND_PRESENCE: Final = ("deployment", "im_and_presence")
EXPRESSWAY: Final = ("deployment", "expressway")


@dataclass(slots=True)
class _Kind:
    """Devices that are alike in all that push asks about: one warning stands for them."""

    first: Device
    system: Version | None
    version: Version | None
    answer: Capability
    count: int = 0

    def remark(self, key: str, problem: str, expected: str) -> Mistake:
        """A warning, placed at the first of them; an empty key is the device as a whole."""
        others = self.count - 1
        more = f" ({others} more like it)" if others else ""
        place = ("devices", self.first.name, key) if key else ("devices", self.first.name)
        return Mistake(place, problem + more, expected)


def deployment_warnings(cluster: Cluster) -> Iterator[Mistake]:
    """What to warn of, each with its key path in the cluster file and its requirement."""
    yield from _upgrade_source(cluster)
    yield from _client_configuration(cluster)
    if cluster.deployment.type is DeploymentType.WEBEX_MESSENGER:
        problem = "the Webex Messenger cloud is retired since the end of 2020"
        yield Mistake(("deployment", "type"), problem, "on_premises (GEN-01)")
    if not cluster.cloud.push_enabled or cluster.unrestricted:
        return
    kinds = _kinds(cluster)
    rows = [row for row in BASIC_PUSH if any(_covered(row, kind) for kind in kinds)]
    for row in rows:
        yield from _below(row, cluster)
    yield from _early_calls(cluster)
    for kind in kinds:
        yield from _old_client(kind)
        yield from _old_system(kind)
        yield from _asleep(kind)
    yield from _known_defect(cluster, kinds)
    mixed = [*_mixed_levels(cluster)]
    yield from mixed
    yield from _upgrade_order(cluster, rows)
    if MINIMUM_IOS_13 in rows and (mixed or [*_below(MINIMUM_IOS_13, cluster)]):
        problem = "iOS users lose voice notifications as long as a part of the deployment is behind"
        everything = "CUCM, IM&P, Expressway, Jabber and Webex at the minimum of Table C2 (REL-05)"
        yield Mistake(RELEASE, problem, everything)


def _kinds(cluster: Cluster) -> list[_Kind]:
    switches = Switches.of(cluster.service_parameters)
    found: dict[tuple[object, ...], _Kind] = {}
    for device in cluster.devices.values():
        if not device.mobile:
            continue
        system, version = device.os_version or "", device.client_version or ""
        key = (device.platform, system, device.client, version, device.custom_region)
        kind = found.get(key)
        if kind is None:
            answer = capability(
                cluster.release,
                device.platform,
                system,
                device.client,
                version,
                custom_region=device.custom_region,
                switches=switches,
            )
            told = Version.told_by
            kind = found[key] = _Kind(device, told(system), told(version), answer)
        kind.count += 1
    return list(found.values())


def _covered(row: Minimum, kind: _Kind) -> bool:
    return row.covers(kind.first.platform, kind.system)


def _upgrade_source(cluster: Cluster) -> Iterator[Mistake]:
    order = "disable push, upgrade, onboard again (REL-10, Table C5)"
    for path, release in (
        (RELEASE, cluster.release),
        (IM_AND_PRESENCE, cluster.deployment.im_and_presence),
    ):
        if release == UPGRADE_SOURCE:
            yield Mistake(path, f"{release} is only there to be upgraded from", order)


def _client_configuration(cluster: Cluster) -> Iterator[Mistake]:
    """MODE-19. Without the section nothing is known of the clients, and nothing said."""
    parameters = cluster.jabber_client_configuration
    if not parameters:
        return
    expected = "false, else Jabber on iPhone and iPad gets no call push (MODE-19)"
    path = ("jabber_client_configuration", VOIP_SOCKET)
    value = parameters.get(VOIP_SOCKET)
    if value is None:
        yield Mistake(path, "is missing", expected)
    elif value.lower() != "false":
        yield Mistake(path, f"is {value!r}", expected)


def _below(row: Minimum, cluster: Cluster) -> Iterator[Mistake]:
    """Servers below a row of Table C2 (REL-02)."""
    deployment = cluster.deployment
    servers: tuple[tuple[tuple[str, ...], str, Release | None, Since | None], ...] = (
        (RELEASE, "CUCM", cluster.release, row.cucm),
        (IM_AND_PRESENCE, "IM&P", deployment.im_and_presence, row.im_and_presence),
    )
    for path, server, release, least in servers:
        upgrade = None if release is None or least is None else least.next_after(release)
        if upgrade is not None:
            yield _behind(path, f"{server} {release}", row, f"{upgrade} or later")
    version = deployment.expressway
    if version is not None and row.expressway is not None and version < row.expressway:
        yield _behind(EXPRESSWAY, f"Expressway {version}", row, f"{row.expressway} or later")


def _behind(path: tuple[str, ...], what: str, row: Minimum, expected: str) -> Mistake:
    return Mistake(
        path, f"{what} is below the minimum for {row.name}", f"{expected} (REL-02, Table C2)"
    )


def _early_calls(cluster: Cluster) -> Iterator[Mistake]:
    if FIRST_WITH_CALLS <= cluster.release < FIRST_SUPPORTED:
        problem = f"{cluster.release} pushes calls, but is not supported yet"
        yield Mistake(RELEASE, problem, f"{FIRST_SUPPORTED} or later (OP-60)")


def _old_client(kind: _Kind) -> Iterator[Mistake]:
    """Jabber by Table C2, the Webex app by Table C1, where C2 has no minimum for it."""
    device, version = kind.first, kind.version
    row = next((row for row in BASIC_PUSH if _covered(row, kind)), None)
    if row is None or version is None or device.client is ClientType.STANDARD:
        return
    service = FCM if device.platform is Platform.ANDROID else CALLING
    table, least = "C1", service.webex
    if device.client is ClientType.JABBER:
        table, least = "C2", row.jabber
    if least is not None and version < least:
        name = CLIENT_NAMES[device.client]
        yield kind.remark(
            "client_version",
            f"{name} {version} is below the minimum for {row.name}",
            f"{name} {least} or later (REL-02, Table {table})",
        )


def _old_system(kind: _Kind) -> Iterator[Mistake]:
    if _covered(MINIMUM_IOS_12, kind):
        problem = "iOS 12 is out of support (FN70555)"
        yield kind.remark("os_version", problem, "iOS 13 or later (REL-09)")


def _asleep(kind: _Kind) -> Iterator[Mistake]:
    """Devices that nothing wakes, whatever the cause."""
    if kind.answer.refused:
        expected = f"callctl capability --device {kind.first.name} has the tables"
        yield kind.remark("", f"no push wakes it for a call: {kind.answer.refused}", expected)


def _known_defect(cluster: Cluster, kinds: list[_Kind]) -> Iterator[Mistake]:
    """CSCvv12541 hits Jabber on Android unless three releases are deployed together (AND-07)."""
    deployment = cluster.deployment
    servers = deployment.im_and_presence, deployment.expressway
    jabbers = [
        kind
        for kind in kinds
        if kind.first.platform is Platform.ANDROID and kind.first.client is ClientType.JABBER
    ]
    if not jabbers or None in servers:
        return
    behind = [kind for kind in jabbers if kind.version and kind.version < DEFECT_FREE_JABBER]
    im_and_presence, expressway = servers
    late = im_and_presence is not None and im_and_presence >= DEFECT_FREE_IM_AND_PRESENCE
    if late and expressway is not None and expressway >= DEFECT_FREE_EXPRESSWAY and not behind:
        return
    together = (
        f"IM&P {DEFECT_FREE_IM_AND_PRESENCE}, Expressway {DEFECT_FREE_EXPRESSWAY} and Jabber "
        f"{DEFECT_FREE_JABBER} or later, together (AND-07)"
    )
    yield Mistake(("deployment",), "the defect CSCvv12541 can hit Jabber on Android", together)


def _mixed_levels(cluster: Cluster) -> Iterator[Mistake]:
    """An Expressway that speaks Push:3 with servers that do not (REL-03, Table C4)."""
    expressway = cluster.deployment.expressway
    if expressway is None or expressway < PUSH_3_EXPRESSWAY:
        return
    for path, server, release in (
        (RELEASE, "CUCM", cluster.release),
        (IM_AND_PRESENCE, "IM&P", cluster.deployment.im_and_presence),
    ):
        upgrade = None if release is None else PUSH_3_SINCE.next_after(release)
        if release is not None and upgrade is not None:
            problem = (
                f"APNs does not work: {server} {release} speaks Push:{push_level_of(release).level}"
                f" and Expressway {expressway} Push:3"
            )
            yield Mistake(path, problem, f"{upgrade} or later, at once (REL-03, Tables C4 and C5)")


def _upgrade_order(cluster: Cluster, rows: list[Minimum]) -> Iterator[Mistake]:
    """An Expressway that was upgraded before IM and Presence (REL-04, Table C5)."""
    deployment = cluster.deployment
    release, expressway = deployment.im_and_presence, deployment.expressway
    if release is None or expressway is None:
        return
    for row in rows:
        least = row.im_and_presence
        if row is MINIMUM_IOS_12 or least is None or row.expressway is None:
            continue
        if expressway >= row.expressway and not least.reached_by(release):
            problem = f"Expressway {expressway} was upgraded for {row.name} before IM&P {release}"
            yield Mistake(EXPRESSWAY, problem, "all IM&P clusters first (REL-04, Table C5)")
