"""From the `cloud` part of a cluster file, and the key files it names, to the record."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from callctl.model.consistency import Mistake
from callctl.model.device import MOBILE, SUBSCRIBER_SERVICES, Device, Platform, PushWay
from callctl.model.direct_schema import ApnsEntry, DirectEntry, FcmEntry
from callctl.model.push_access import (
    ApnsAccess,
    DirectPush,
    FcmAccess,
    SigningKey,
    apns_private_key,
    service_account,
)

KEY_FILE_MAX: Final = 65_536  # octets
LAB_BUNDLE_ID: Final = "org.callctl.phone"
"""The app of simulated phones: what the emulated APNs serves where nothing else is said."""


def way_mistakes(devices: Iterable[Device], direct: DirectEntry | None) -> Iterable[Mistake]:
    """Devices that are to be pushed to directly where there is no way to do that."""
    for device in devices:
        path = ("devices", device.name, "push_channel")
        if device.push_way is not None and device.platform not in MOBILE:
            problem = f"is set for {device.platform.value}, which is never pushed to"
            yield Mistake(path, problem, "ios or android only (GEN-04)")
        elif device.push_way is PushWay.DIRECT:
            name = "apns" if device.platform is Platform.IOS else "fcm"
            if direct is None or getattr(direct, name) is None:
                yield Mistake(path, "is direct", f"cloud.direct.{name}, to say how")


def direct_push(
    entry: DirectEntry, emulator: bool, directory: Path, mistakes: list[Mistake]
) -> DirectPush:
    """The record; what is wrong is added to `mistakes`, and then left out."""
    for index, service in enumerate(entry.services):
        name = "apns" if SUBSCRIBER_SERVICES[service] is Platform.IOS else "fcm"
        if getattr(entry, name) is None:
            path = ("cloud", "direct", "services", index)
            mistakes.append(Mistake(path, f"is {service}", f"cloud.direct.{name}, to say how"))
    apns = None if entry.apns is None else _apns(entry.apns, emulator, directory, mistakes)
    fcm = None if entry.fcm is None else _fcm(entry.fcm, emulator, directory, mistakes)
    return DirectPush(frozenset(entry.services), apns, fcm)


def _apns(entry: ApnsEntry, emulator: bool, directory: Path, mistakes: list[Mistake]) -> ApnsAccess:
    path = ("cloud", "direct", "apns")
    needed = {"team_id": entry.team_id, "key_id": entry.key_id, "key_file": entry.key_file}
    given = [name for name, value in needed.items() if value is not None]
    if not emulator or given:
        missing = [name for name in needed if name not in given]
        mistakes += [Mistake((*path, name), "is missing", "a value") for name in missing]
    bundle_id = entry.bundle_id
    if bundle_id is None and not emulator:
        mistakes.append(Mistake((*path, "bundle_id"), "is missing", "a value"))
    key = None
    if entry.team_id and entry.key_id and entry.key_file:
        octets = _octets(directory, entry.key_file, (*path, "key_file"), mistakes)
        if octets is not None:
            try:
                key = SigningKey(entry.key_id, entry.team_id, apns_private_key(octets))
            except ValueError as error:
                problem = f"{entry.key_file} {error}"
                mistakes.append(
                    Mistake((*path, "key_file"), problem, "AuthKey_....p8, as Apple gives it out")
                )
    return ApnsAccess(bundle_id or LAB_BUNDLE_ID, key, entry.url, entry.sandbox_url)


def _fcm(entry: FcmEntry, emulator: bool, directory: Path, mistakes: list[Mistake]) -> FcmAccess:
    path = ("cloud", "direct", "fcm", "service_account_file")
    account = None
    if entry.service_account_file is None:
        if not emulator:
            mistakes.append(Mistake(path, "is missing", "a value"))
    else:
        octets = _octets(directory, entry.service_account_file, path, mistakes)
        if octets is not None:
            try:
                account = service_account(octets)
            except ValueError as error:
                problem = f"{entry.service_account_file} {error}"
                expected = "the JSON file that Google gives out for a service account"
                mistakes.append(Mistake(path, problem, expected))
    return FcmAccess(account, entry.url)


def _octets(
    directory: Path, name: str, path: tuple[str, ...], mistakes: list[Mistake]
) -> bytes | None:
    try:
        with (directory / name).open("rb") as file:
            octets = file.read(KEY_FILE_MAX + 1)
    except OSError as error:
        problem = f"{name} cannot be read: {error.strerror or type(error).__name__}"
        mistakes.append(Mistake(path, problem, "a file, relative to the cluster file"))
        return None
    if len(octets) > KEY_FILE_MAX:
        mistakes.append(Mistake(path, f"{name} is too long", f"at most {KEY_FILE_MAX} octets"))
        return None
    return octets
