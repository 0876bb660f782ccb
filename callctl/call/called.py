"""A device that a call was for, as it was at that moment, and how calls get to such a device.

Kept with the call's record, because by the time somebody asks the device may have another version,
or may have signed out. It holds no token, key or name of a person.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from callctl.model.device import ClientType, Device, Platform
from callctl.model.release import Version
from callctl.push.features import Channel, PushFeatures
from callctl.registration.push_binding import PushBinding

IOS_13: Final = Version((13,))
SYSTEMS: Final = {Platform.IOS: "iOS", Platform.ANDROID: "Android"}
KINDS: Final = {
    Platform.IOS: "iPhone",
    Platform.ANDROID: "Android phone",
    Platform.DESK: "desk phone",
    Platform.DESKTOP: "softphone on a computer",
    Platform.BROWSER: "browser",
}
CLIENTS: Final = {
    ClientType.JABBER: "Jabber",
    ClientType.WEBEX: "Webex",
    ClientType.STANDARD: "standard client",
}


class CalledDevice(NamedTuple):
    """One device of a called line."""

    name: str
    dn: str
    platform: Platform
    os_version: str  # "" if not known
    client: ClientType
    client_version: str  # "" if not known
    custom_region: bool
    service: str  # subscriber service; "" for a device that has not signed in for push
    sealed: bool  # it gave a key, so that a push to it can have content
    features: PushFeatures | None  # None: it has not signed in for push
    refused: str  # why the release pushes no call to it; "" if it does

    @classmethod
    def of(
        cls,
        device: Device,
        dn: str,
        binding: PushBinding | None,
        features: PushFeatures | None,
        refused: str,
    ) -> CalledDevice:
        """A device, with what its client last said of itself where that is known."""
        if binding is None:
            return cls(
                device.name,
                dn,
                device.platform,
                device.os_version or "",
                device.client,
                device.client_version or "",
                device.custom_region,
                "",
                False,
                None,
                "",
            )
        return cls(
            device.name,
            dn,
            binding.platform,
            binding.os_version,
            binding.client,
            binding.client_version,
            binding.custom_region,
            binding.subscriber_service,
            binding.key is not None,
            features,
            refused,
        )

    @property
    def kind(self) -> str:
        """What it is: "iPhone (iOS 17.0, Jabber 14.3)"."""
        system = SYSTEMS.get(self.platform)
        if system is None:
            return KINDS[self.platform]
        client = f"{CLIENTS[self.client]} {self.client_version}".rstrip()
        # Before it has signed in, nobody has told a version.
        about = f"{system} {self.os_version}, {client}" if self.os_version else client
        region = ", custom region" if self.custom_region else ""
        return f"{KINDS[self.platform]} ({about}{region})"

    @property
    def second_push(self) -> bool:
        """True if it is told by push how a call ended that it was woken for.

        A push without content only wakes: a second one would ring for a call that is over.
        """
        return self.features is not None and self.features.second_push and self.sealed

    def rule(self, release: str) -> tuple[str, tuple[str, ...]]:
        """How a call wakes it and what the push says, with the reasons; "" if none can.

        Returns: the sentence, and the requirements it follows from.
        """
        features = self.features
        if features is None:
            return "", ()
        if self.refused:
            return self.refused, ("GEN-10",)
        way, way_id = self._way(features, release)
        content, content_ids = self._content(features, release)
        end, end_id = self._end(features, release)
        return f"{way} {content}; {end}", (way_id, *content_ids, end_id)

    def _way(self, features: PushFeatures, release: str) -> tuple[str, str]:
        if self.custom_region:
            return "message push to tap (the custom region has no CallKit)", "CHN-01"
        if features.call_channel is Channel.VOIP:
            return "VoIP push", "MODE-09"
        if self._ios_12:
            return "push over the one channel of iOS 12,", "MODE-08"
        return f"push over the one channel of release {release},", "REL-06"

    def _content(self, features: PushFeatures, release: str) -> tuple[str, tuple[str, ...]]:
        if not self.sealed:
            return "without content, as the client gave no key to seal it", ("OP-01",)
        if features.caller_id and features.active_node:
            return "with caller and node", ("CID-01", "CMG-05")
        if features.caller_id:
            return "with caller, without node", ("CID-01", "CMG-06")
        if self._ios_12:
            return "without caller and node", ("CMG-05",)
        if features.active_node:
            return "with node; the caller comes with the INVITE", ("CID-05", "CMG-05")
        return "without caller and node", ("CID-02", "CMG-06")

    def _end(self, features: PushFeatures, release: str) -> tuple[str, str]:
        if self.second_push:
            return "a second push if the call ends without it", "OP-70"
        if features.second_push:
            return "no second push, which would say nothing either", "OP-01"
        who = "iOS 12" if self._ios_12 else f"release {release}"
        return f"no second push with {who}", "OP-70"

    @property
    def _ios_12(self) -> bool:
        version = Version.told_by(self.os_version)
        return self.platform is Platform.IOS and version is not None and version < IOS_13
