"""Between Push REST and the partner clouds: requests one way, answers the other way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final

import msgspec

from callctl.cloud.fcm import TTL_MAX_S
from callctl.cloud.http import HttpAnswer, HttpRequest
from callctl.cloud.partner import Partner
from callctl.push.direct import apns, fcm
from callctl.push.kind import Channel

TRACKING_ID_MAX: Final = 128  # characters
TARGET_MAX: Final = 4096  # characters; FCM sets no limit, RFC 8599 parameters have this one

# Both become part of a path; the tokens and app identifiers of both clouds need no more than this.
_Target = Annotated[str, msgspec.Meta(max_length=TARGET_MAX, pattern="^[A-Za-z0-9_.:=~-]+$")]
_App = Annotated[str, msgspec.Meta(max_length=256, pattern="^[A-Za-z0-9_.-]+$")]


class OuterRequest(msgspec.Struct, forbid_unknown_fields=True, rename="camel", frozen=True):
    """The request of OP-10. An unknown member is refused: clear text could hide in it."""

    tracking_id: Annotated[str, msgspec.Meta(min_length=1, max_length=TRACKING_ID_MAX)]
    service: str
    target: _Target
    channel: Channel
    priority: Annotated[str, msgspec.Meta(pattern="^(high|normal)$")]
    ttl: Annotated[int, msgspec.Meta(ge=0, le=TTL_MAX_S)]  # seconds
    payload: dict[str, Any]
    topic: _App | None = None
    collapse_id: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{1,64}$")] | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What Push REST answers to CPNS, and why."""

    status: int
    reason: str = ""
    partner_status: int | None = None
    partner_reason: str = ""
    retry_after: str | None = None


def apns_request(
    push: OuterRequest, bundle_id: str, bearer: str, expires_unix_s: int
) -> HttpRequest:
    """The request to APNs; `expires_unix_s` 0 is now or never.

    The shared channel of iOS 12 is a VoIP push: it must wake the app.
    Source: OP-12, OP-63, MODE-10.
    """
    made = apns.apns_request(
        "alert" if push.channel is Channel.MESSAGE else "voip",
        push.target,
        bundle_id=(push.topic or bundle_id).removesuffix(apns.VOIP_SUFFIX),
        bearer=bearer,
        high=push.priority == "high",
        expires_unix_s=expires_unix_s,
        collapse_id=push.collapse_id,
        tracking_id=push.tracking_id,
        payload=push.payload,
    )
    return HttpRequest("POST", made.path, made.headers, made.body)


def fcm_request(push: OuterRequest, project: str, access_token: str, ttl_s: int) -> HttpRequest:
    """The request to FCM: a data message, so that the app itself is woken (OP-12)."""
    body = fcm.fcm_message(
        push.target,
        high=push.priority == "high",
        ttl_s=ttl_s,
        collapse_key=push.collapse_id,
        tracking_id=push.tracking_id,
        channel=push.channel.value,
        payload=push.payload,
    )
    headers = (("authorization", f"Bearer {access_token}"), ("content-type", "application/json"))
    return HttpRequest("POST", fcm.fcm_path(push.topic or project), headers, body)


def verdict_of(partner: Partner, answer: HttpAnswer) -> Verdict:
    """What a partner's answer means to CPNS.

    410 stands for every target that needs a new token, whatever the partner calls it (OP-20). A
    refusal that only Push REST itself can have caused is its own fault: 502.
    """
    if answer.status == 200:
        return Verdict(200, "", 200)
    body = answer.json()
    reason = apns.apns_reason(body) if partner is Partner.APNS else fcm.fcm_reason(body)
    status, ours = _OF_REASON.get((partner, reason)) or _OF_STATUS.get(
        answer.status, (502, "PartnerRefused")
    )
    return Verdict(status, ours, answer.status, reason, answer.header("retry-after"))


_INVALID: Final = (410, "TargetInvalid")
_EXPIRED: Final = (410, "TargetExpired")
_OF_REASON: Final[dict[tuple[Partner, str], tuple[int, str]]] = {
    **{(Partner.APNS, reason): _INVALID for reason in apns.INVALID_TARGETS},
    **{(Partner.APNS, reason): _EXPIRED for reason in apns.EXPIRED_TARGETS},
    **{(Partner.FCM, reason): _INVALID for reason in fcm.INVALID_TARGETS},
    **{(Partner.FCM, reason): _EXPIRED for reason in fcm.EXPIRED_TARGETS},
}
_OF_STATUS: Final[dict[int, tuple[int, str]]] = {
    410: _EXPIRED,
    413: (413, "PayloadTooLarge"),
    429: (429, "TooManyRequests"),
    500: (500, "PartnerError"),
    503: (503, "PartnerUnavailable"),
}
