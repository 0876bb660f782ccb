"""The device that the capability function is asked about, as Tables C1 and C3 see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from callctl.model.device import ClientType, Platform
from callctl.model.release import Release, Version
from callctl.push.capability.minimums import CLIENT_NAMES, SYSTEM_NAMES, Support

IOS_13: Final = Version.parse("13")
IOS_16_5: Final = Version.parse("16.5")


@dataclass(frozen=True, slots=True)
class AskedDevice:
    """The device that is asked about. A version of None is unknown, and counts as current."""

    release: Release
    platform: Platform
    system: Version | None
    client: ClientType
    version: Version | None

    @property
    def ios_13(self) -> bool:
        """True for iOS 13 and later."""
        return self.platform is Platform.IOS and _reaches(self.system, IOS_13)

    @property
    def ios_16_5(self) -> bool:
        """True for iOS 16.5 and later."""
        return self.platform is Platform.IOS and _reaches(self.system, IOS_16_5)

    @property
    def column(self) -> str:
        """Its column in Tables A1 and C3."""
        if self.platform is Platform.ANDROID:
            return "Android"
        return "iOS 13 and later" if self.ios_13 else "iOS 12"

    def lacks(self, service: Support) -> str:
        """What it, or the release, lacks for a service of Table C1; "" if nothing."""
        system = SYSTEM_NAMES[service.platform]
        if self.platform is not service.platform:
            return f"needs {system}"
        upgrade = service.cucm.next_after(self.release)
        if upgrade is not None:
            return f"needs release {upgrade} or later"
        if not _reaches(self.system, service.system):
            return f"needs {system} {service.system}"
        least = service.client_minimum(self.client)
        if least is not None and not _reaches(self.version, least):
            return f"needs {CLIENT_NAMES[self.client]} {least}"
        return ""


def _reaches(version: Version | None, least: Version) -> bool:
    return version is None or version >= least
