"""The push binding of a device: how to wake it. It outlives every SIP contact (REG-03)."""

from __future__ import annotations

from dataclasses import dataclass, field

from callctl.model.device import ClientType, Platform
from sipstack.timing import Instant


@dataclass(frozen=True, slots=True)
class PushBinding:
    """What is needed to push to one device, as its client last gave it.

    It comes from the sign-in of a managed client, or from the RFC 8599 parameters of a REGISTER;
    then there is no key, and only content-free pushes are possible (OP-01).
    Source: REG-03, REG-04, REG-05, REG-07.
    """

    device_name: str
    platform: Platform
    os_version: str
    client: ClientType
    client_version: str
    subscriber_service: str  # "APNS", "APNS:dev", "FCM", ...: chosen by the client (CLOUD-10)
    voip_token: str | None  # target of the VoIP channel; Android has one token for both
    message_token: str | None  # target of the Message channel
    key_id: str | None = None
    key: bytes | None = field(default=None, repr=False)  # AES, 32 octets, made by the client
    custom_region: bool = False  # mainland China: message pushes only, CHN-01
    local_push: bool = False  # may be woken by local push, LPNS-04
    topic: str | None = None  # app identifier the provider wants, from `pn-param`
    managed: bool = True  # False: from RFC 8599, ends when its contact is removed
    stamp: tuple[Instant, str] = (Instant(0), "")  # newest wins when nodes differ

    @property
    def can_ring(self) -> bool:
        """True if there is a target for a call push."""
        return bool(self.message_token if self.custom_region else self.voip_token)
