"""Devices: what is registered, rings, and is woken by push."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final


class Platform(Enum):
    """What a device runs on; decides the partner cloud and the rules of push (MODE-08 to 12)."""

    IOS = "ios"
    ANDROID = "android"
    DESK = "desk"
    DESKTOP = "desktop"
    BROWSER = "browser"


class ClientType(Enum):
    """Whose app it is: a managed client signs in for push, a standard one speaks RFC 8599."""

    JABBER = "jabber"
    WEBEX = "webex"
    STANDARD = "standard"


class PushWay(Enum):
    """How pushes leave for the partner cloud of a device."""

    PUSH_REST = "push_rest"
    DIRECT = "direct"


MOBILE: Final = frozenset({Platform.IOS, Platform.ANDROID})
"""The only platforms that may ever get a push (GEN-04)."""

PLATFORMS_OF_PREFIX: Final[dict[str, tuple[Platform, ...]]] = {
    "TCT": (Platform.IOS,),
    "BOT": (Platform.ANDROID,),
    "TAB": (Platform.IOS, Platform.ANDROID),
    "CSF": (Platform.DESKTOP,),
    "SEP": (Platform.DESK,),
}
"""What the first three letters of a device name promise; any other prefix promises nothing."""

SUBSCRIBER_SERVICES: Final[dict[str, Platform]] = {
    "APNS": Platform.IOS,
    "APNS:beta": Platform.IOS,
    "APNS:dev": Platform.IOS,
    "APNS:test": Platform.IOS,
    "APNS:load": Platform.IOS,
    "FCM": Platform.ANDROID,
    "FCM:dev": Platform.ANDROID,
}
"""REG-07, and the platform that each serves."""


@dataclass(frozen=True, slots=True)
class Device:
    """One device as the administrator knows it; what it registers with is kept elsewhere (REG-03).

    Lean, because a cluster holds 100,000: names that repeat are one object, and no set or mapping.
    """

    name: str  # TCT..., BOT..., TAB..., CSF..., SEP... or any other name
    owner: str | None  # a user id
    lines: tuple[str, ...]  # directory numbers, the first is the primary one
    device_pool: str
    platform: Platform
    client: ClientType = ClientType.STANDARD
    os_version: str | None = None  # "16.5"; None if not known before the client signs in
    client_version: str | None = None  # "12.9.1"
    custom_region: bool = False  # no CallKit here: calls come as message notifications (CHN-01)
    instance: str | None = None  # "urn:uuid:..." of its +sip.instance, if fixed beforehand
    subscriber_service: str | None = None  # one of SUBSCRIBER_SERVICES
    sip_profile: str | None = None
    push_way: PushWay | None = None  # None: as the cluster does with its subscriber service

    @property
    def mobile(self) -> bool:
        """True if the platform can be woken by push."""
        return self.platform in MOBILE


def platforms_of_name(name: str) -> tuple[Platform, ...]:
    """The platforms that the prefix of a device name allows, best guess first; () if any."""
    return PLATFORMS_OF_PREFIX.get(name[:3], ())
