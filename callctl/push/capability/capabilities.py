"""The capability function at work in a node: asked for every call, worked out a few times."""

from __future__ import annotations

from typing import Final

from callctl.model.release import Release
from callctl.push.capability.capability import Capability, Switches, capability
from callctl.push.features import PushFeatures
from callctl.registration.push_binding import PushBinding

KNOWN_MAX: Final = 1024
"""Kinds of device that are remembered. Real clients are a handful, but their versions are text."""


class Capabilities:
    """What the release of one cluster can send to its devices."""

    __slots__ = ("_known", "_release", "_switches")

    def __init__(self, release: Release, switches: Switches) -> None:
        self._release = release
        self._switches = switches
        self._known: dict[tuple[object, ...], Capability] = {}

    def of(self, binding: PushBinding) -> Capability:
        """What may be sent to the device that signed in, or registered, with `binding`."""
        kind = (
            binding.platform,
            binding.os_version,
            binding.client,
            binding.client_version,
            binding.custom_region,
        )
        found = self._known.get(kind)
        if found is None:
            found = capability(
                self._release,
                binding.platform,
                binding.os_version,
                binding.client,
                binding.client_version,
                custom_region=binding.custom_region,
                switches=self._switches,
            )
            if len(self._known) >= KNOWN_MAX:
                self._known.clear()
            self._known[kind] = found
        return found

    @property
    def size(self) -> int:
        """Kinds of device that are remembered."""
        return len(self._known)

    def features(self, binding: PushBinding) -> PushFeatures:
        """The part of it that call processing and the push service need."""
        return self.of(binding).features
