"""`callctl capability`: what a device can be sent by a release, and the table row that says so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from cyclopts import Parameter

from callctl.cli.errors import Refused, Usage
from callctl.cli.lab_file import LAB_FILE
from callctl.cli.output import print_json, print_line, print_table
from callctl.errors import ConfigError
from callctl.model.device import MOBILE, ClientType, Platform
from callctl.model.release import Release, Version
from callctl.push.capability.capability import AccessPath, Capability, Switches
from callctl.push.capability.capability import capability as capability_of
from callctl.push.capability.minimums import CLIENT_NAMES, SYSTEM_NAMES
from callctl.push.capability.table import Table
from callctl.push.capability.tables import TABLES

if TYPE_CHECKING:
    from callctl.model.cluster import Cluster

NEWEST: Final = "15"  # of the catalogue; what a cluster file without a release stands for

Region = Literal["custom", "other"]
PlatformName = Literal["ios", "android", "desk", "desktop", "browser"]
ClientName = Literal["jabber", "webex", "standard"]
PathName = Literal["enterprise", "mra"]


@dataclass(frozen=True, slots=True)
class _Asked:
    """The inputs of the capability function, as they were given or found."""

    device: str | None = None
    release: str = NEWEST
    platform: str = Platform.IOS.value
    os_version: str = ""
    client: str = ClientType.JABBER.value
    client_version: str = ""
    custom_region: bool = False
    path: str = AccessPath.ENTERPRISE.value
    android_caller_id: bool = False
    strict_matrix: bool = False

    def answer(self) -> Capability:
        """Raises: Usage for what is no release or version."""
        for version in (self.os_version, self.client_version):
            if version and Version.told_by(version) is None:
                raise Usage(f"{version!r} is not a version such as 12.9.1 or 16.5")
        try:
            release = Release.parse(self.release)
        except ValueError as error:
            raise Usage(str(error)) from error
        return capability_of(
            release,
            Platform(self.platform),
            self.os_version,
            ClientType(self.client),
            self.client_version,
            custom_region=self.custom_region,
            path=AccessPath(self.path),
            switches=Switches(self.android_caller_id, self.strict_matrix),
        )


@dataclass(frozen=True, slots=True)
class _Answer:
    """One line of what is printed."""

    name: str  # of the field, for scripts
    label: str
    value: bool | str
    why: str = ""


def capability(
    *,
    release: Annotated[str | None, Parameter(help="Such as 12.5(1)SU3; else the file's.")] = None,
    device: Annotated[str | None, Parameter(help="A device of the cluster file.")] = None,
    cluster: Annotated[
        Path | None, Parameter(help="The cluster file; else that of the lab.")
    ] = None,
    platform: Annotated[PlatformName | None, Parameter(help="Instead of a device's.")] = None,
    os: Annotated[str | None, Parameter(help="Version of its system.")] = None,
    client: Annotated[ClientName | None, Parameter(help="Its app.")] = None,
    client_version: Annotated[str | None, Parameter(help="Version of the app.")] = None,
    region: Annotated[
        Region | None, Parameter(help="custom: mainland China, without CallKit.")
    ] = None,
    path: Annotated[PathName, Parameter(help="mra: through Expressway.")] = "enterprise",
    android_caller_id: Annotated[
        bool | None, Parameter(negative="", help="As the service parameter (OP-17).")
    ] = None,
    strict_matrix: Annotated[
        bool | None, Parameter(negative="", help="As the service parameter (OP-61).")
    ] = None,
    table: Annotated[str | None, Parameter(help="Print a table instead, such as C3.")] = None,
    json: Annotated[bool, Parameter(negative="", help="Print JSON, for scripts.")] = False,
) -> int:
    """What a device can be sent, over which channel and with what in it, and where that is written.

    Asks no cluster: the device is one of a cluster file, or is described by options. A version that
    is left out counts as current.
    """
    if table is not None:
        return _print_table(table, json=json)
    if device is None and platform is None:
        raise Usage("name a --device of a cluster file, or a --platform (or a --table)")
    asked = _asked(device, cluster)
    given: dict[str, Any] = {
        "release": release,
        "platform": platform,
        "os_version": os,
        "client": client,
        "client_version": client_version,
        "custom_region": None if region is None else region == "custom",
        "path": path,
        "android_caller_id": android_caller_id,
        "strict_matrix": strict_matrix,
    }
    asked = replace(asked, **{name: it for name, it in given.items() if it is not None})
    answer = asked.answer()
    if json:
        print_json(_report(asked, answer))
    else:
        _print(asked, answer)
    return 0


def _asked(device_name: str | None, file: Path | None) -> _Asked:
    """What the cluster file says, before options have their say."""
    if device_name is None and file is None:
        return _Asked()
    cluster, file = _cluster(file)
    parameters = cluster.service_parameters
    asked = _Asked(
        device_name,
        str(cluster.release),
        android_caller_id=parameters.android_caller_id,
        strict_matrix=parameters.strict_matrix,
    )
    if device_name is None:
        return asked
    device = cluster.devices.get(device_name)
    if device is None:
        raise Usage(f"there is no device {device_name} in {file}")
    return replace(
        asked,
        platform=device.platform.value,
        os_version=device.os_version or "",
        client=device.client.value,
        client_version=device.client_version or "",
        custom_region=device.custom_region,
    )


def _cluster(file: Path | None) -> tuple[Cluster, Path]:
    from callctl.model.load import load_cluster

    path = LAB_FILE if file is None else file
    if not path.is_file():
        raise Usage(f"{path} is not a file")
    try:
        return load_cluster(path), path
    except ConfigError as error:
        raise Refused(f"{error.findings[0]} (callctl check {path} has all)") from error


def _answers(answer: Capability, *, custom_region: bool) -> Iterator[_Answer]:
    features = answer.features
    yield _Answer("call_push", "call push", features.call_push, answer.refused)
    if features.call_push:
        yield _Answer("call_channel", "its channel", features.call_channel.value)
        yield _Answer("caller_id", "caller ID in it", features.caller_id)
        yield _Answer(
            "external_presentation", "external presentation", features.external_presentation
        )
        yield _Answer("active_node", "node to register at in it", features.active_node)
        yield _Answer("second_push", "second push", features.second_push)
        if not custom_region:
            yield _Answer("custom_region", "could be in the custom region", features.custom_region)
    yield _Answer("local_push", "local push first", answer.local_push, answer.local_refused)
    yield _Answer("message_push", "message push", answer.message_push, answer.message_refused)
    if answer.message_push:
        yield _Answer("message_channel", "its channel", features.message_channel.value)
    if answer.screens is not None:
        yield _Answer("callkit", "client shows CallKit", answer.callkit)
        yield _Answer("screens", "screen when locked", answer.screens.locked)
        yield _Answer("screens", "screen when unlocked", answer.screens.unlocked)
    if answer.behaviour:
        yield _Answer("behaviour", "while suspended", answer.behaviour)
    yield _Answer("push_level", "spoken with the cloud", f"Push:{answer.push_level.level}")


def _print(asked: _Asked, answer: Capability) -> None:
    system = SYSTEM_NAMES.get(Platform(asked.platform), asked.platform)
    client = CLIENT_NAMES[ClientType(asked.client)]
    parts = [
        f"{client} {asked.client_version or '(current)'}",
        f"{system} {asked.os_version or '(current)'}",
        "custom region" if asked.custom_region else "",
        "over MRA" if asked.path == AccessPath.MRA.value else "",
        f"release {asked.release}",
    ]
    print_line((asked.device or "Device", "bold"), ": " + ", ".join(filter(None, parts)))
    print_table(
        ("WHAT", "ANSWER", "FROM"),
        [
            (it.label, _shown(it), "; ".join(map(str, answer.sources.get(it.name, ()))))
            for it in _answers(answer, custom_region=asked.custom_region)
        ],
        none="",
    )
    if asked.client == ClientType.STANDARD.value and Platform(asked.platform) not in MOBILE:
        print_line(
            "A standard client that registers with RFC 8599 parameters counts as the platform of "
            "its push provider: ask with --platform ios or android."
        )


def _shown(answer: _Answer) -> str:
    if isinstance(answer.value, str):
        return answer.value
    text = "yes" if answer.value else "no"
    return f"{text}: {answer.why}" if answer.why else text


def _report(asked: _Asked, answer: Capability) -> dict[str, object]:
    features = answer.features
    values: dict[str, object] = {
        **{name: getattr(features, name) for name in answer.sources if hasattr(features, name)},
        "call_channel": features.call_channel.value,
        "message_channel": features.message_channel.value,
        "message_push": answer.message_push,
        "local_push": answer.local_push,
        "callkit": answer.callkit,
        "screens": None if answer.screens is None else asdict(answer.screens),
        "behaviour": answer.behaviour or None,
        "push_level": answer.push_level.level,
        "call_push": features.call_push,
    }
    why = {
        "call_push": answer.refused,
        "message_push": answer.message_refused,
        "local_push": answer.local_refused,
    }
    return {
        "asked": asdict(asked),
        "answers": {
            name: {
                "value": value,
                "why": why.get(name) or None,
                "from": [asdict(source) for source in answer.sources.get(name, ())],
            }
            for name, value in values.items()
        },
    }


def _print_table(name: str, *, json: bool) -> int:
    table: Table | None = TABLES.get(name.upper())
    if table is None:
        raise Usage(f"there is no table {name}; there are {', '.join(TABLES)}")
    if json:
        rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
        print_json({"table": table.name, "title": table.title, "rows": rows})
        return 0
    print_line((f"{table.name}  {table.title}", "bold"))
    print_table(table.columns, table.rows, none="")
    return 0
