"""What people and scripts ask for when they want a fault, and of which service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from callctl.cloud.faults import Fault
from callctl.cloud.wire_faults import WireFault
from sipstack.timing import Instant

PUSH_REST: Final = "push-rest"
APNS: Final = "apns"
FCM: Final = "fcm"
FCM_TOKENS: Final = "fcm-tokens"
FOS: Final = "fos"
CI: Final = "ci"
PLM: Final = "plm"
CSSM: Final = "cssm"
ALARM_UPLOAD: Final = "alarm-upload"
SERVICES: Final = (PUSH_REST, APNS, FCM, FCM_TOKENS, FOS, CI, PLM, CSSM, ALARM_UPLOAD)


class BadFault(ValueError):
    """An order that cannot be meant like this; the text says what is known instead."""


@dataclass(frozen=True, slots=True)
class FaultOrder:
    """What is asked for. What a fault has no use for must be left as it is."""

    service: str
    name: str
    status: int | None = None
    reason: str = ""
    retry_after_s: int | None = None
    location: str = ""
    delay_ms: int | None = None
    octets: int | None = None
    target: str = ""  # the start of a device token's fingerprint
    subscriber_service: str = ""
    times: int | None = None
    percent: float = 100.0
    for_s: float | None = None


@dataclass(frozen=True, slots=True)
class CertificateFault:
    """What is wrong with the certificate that new connections see."""

    what: str  # one of CERTIFICATE_FAULTS
    ends_at: Instant | None = None


OrderedFault: TypeAlias = Fault | WireFault | CertificateFault
