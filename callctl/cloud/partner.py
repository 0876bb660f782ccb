"""Partner clouds, and which of them serves which subscriber service."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from callctl.model.device import SUBSCRIBER_SERVICES, Platform


class Partner(Enum):
    """A cloud that reaches devices."""

    APNS = "APNS"
    FCM = "FCM"


@dataclass(frozen=True, slots=True)
class Route:
    """Where pushes of one subscriber service go."""

    partner: Partner
    app: str  # APNs: bundle id of the app; FCM: project id


DEFAULT_BUNDLE_ID: Final = "org.callctl.phone"
DEFAULT_PROJECT_ID: Final = "callctl-phone"


def default_routes() -> dict[str, Route]:
    """Every subscriber service, Apple's to APNs and Google's to FCM (PUSH-03, CLOUD-09)."""
    apns = Route(Partner.APNS, DEFAULT_BUNDLE_ID)
    fcm = Route(Partner.FCM, DEFAULT_PROJECT_ID)
    return {
        service: apns if platform is Platform.IOS else fcm
        for service, platform in SUBSCRIBER_SERVICES.items()
    }
