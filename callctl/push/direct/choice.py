"""Which channel the pushes of a device take, as the administrator has it."""

from __future__ import annotations

from typing import Final

from callctl.model.cluster import Cluster
from callctl.model.device import PushWay
from callctl.model.push_access import SANDBOX_SERVICE
from callctl.push.channel import PUSH_REST
from callctl.registration.push_binding import PushBinding

APNS: Final = "apns"
APNS_SANDBOX: Final = "apns sandbox"
FCM: Final = "fcm"


class ChannelChoice:
    """Push REST, unless the device or its subscriber service was given a direct channel.

    A device that is to be pushed to directly, and signs in with a service that has no way there, is
    given the name of a channel that does not exist: it is refused, and not sent the other way.
    Source: PUSH-02, CLOUD-10.
    """

    __slots__ = ("_devices", "_services")

    def __init__(self, cluster: Cluster) -> None:
        direct = cluster.cloud.direct
        self._devices = cluster.devices
        self._services = frozenset[str]() if direct is None else direct.services

    def __call__(self, binding: PushBinding) -> str:
        """The name of the channel."""
        service = binding.subscriber_service
        device = self._devices.get(binding.device_name)
        way = None if device is None else device.push_way
        if way is PushWay.PUSH_REST or (way is None and service not in self._services):
            return PUSH_REST
        if service == SANDBOX_SERVICE:
            return APNS_SANDBOX
        return FCM if service.startswith(FCM.upper()) else APNS
