"""Between Push REST and the partner clouds: requests one way, answers the other way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Final

import msgspec

from callctl.cloud.apns import VOIP_SUFFIX
from callctl.cloud.fcm import TTL_MAX_S
from callctl.cloud.http import HeaderList, HttpAnswer, HttpRequest
from callctl.cloud.partner import Partner
from callctl.push.kind import Channel

TRACKING_ID_MAX: Final = 128  # characters
TARGET_MAX: Final = 4096  # characters; FCM sets no limit, RFC 8599 parameters have this one

# Both become part of a path; the tokens and app identifiers of both clouds need no more than this.
_Target = Annotated[str, msgspec.Meta(max_length=TARGET_MAX, pattern="^[A-Za-z0-9_.:=~-]+$")]
_App = Annotated[str, msgspec.Meta(max_length=256, pattern="^[A-Za-z0-9_.-]+$")]

# The app shows this when it cannot open the push by itself; the words are in the app (CHN-04).
_ALERT: Final = {"alert": {"loc-key": "PUSH"}, "sound": "default", "mutable-content": 1}


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
    topic = push.topic or bundle_id
    headers: HeaderList = (
        ("authorization", f"bearer {bearer}"),
        ("apns-priority", "10" if push.priority == "high" else "5"),
        ("apns-expiration", str(expires_unix_s)),
    )
    if push.channel is Channel.MESSAGE:
        topic = topic.removesuffix(VOIP_SUFFIX)
        headers = (*headers, ("apns-push-type", "alert"), ("apns-topic", topic))
    else:
        topic = topic if topic.endswith(VOIP_SUFFIX) else topic + VOIP_SUFFIX
        headers = (*headers, ("apns-push-type", "voip"), ("apns-topic", topic))
    if push.collapse_id is not None:
        headers = (*headers, ("apns-collapse-id", push.collapse_id))
    body = {
        "aps": _ALERT if push.channel is Channel.MESSAGE else {},
        "trackingId": push.tracking_id,
        "payload": push.payload,
    }
    return HttpRequest("POST", f"/3/device/{push.target}", headers, msgspec.json.encode(body))


def fcm_request(push: OuterRequest, project: str, access_token: str, ttl_s: int) -> HttpRequest:
    """The request to FCM: a data message, so that the app itself is woken (OP-12)."""
    android = {"priority": "HIGH" if push.priority == "high" else "NORMAL", "ttl": f"{ttl_s}s"}
    if push.collapse_id is not None:
        android["collapse_key"] = push.collapse_id
    data = {"trackingId": push.tracking_id, "channel": push.channel.value, **push.payload}
    message = {"token": push.target, "data": data, "android": android}
    headers = (("authorization", f"Bearer {access_token}"), ("content-type", "application/json"))
    body = msgspec.json.encode({"message": message})
    return HttpRequest("POST", f"/v1/projects/{push.topic or project}/messages:send", headers, body)


def verdict_of(partner: Partner, answer: HttpAnswer) -> Verdict:
    """What a partner's answer means to CPNS.

    410 stands for every target that needs a new token, whatever the partner calls it (OP-20). A
    refusal that only Push REST itself can have caused is its own fault: 502.
    """
    if answer.status == 200:
        return Verdict(200, "", 200)
    body = answer.json()
    reason = _apns_reason(body) if partner is Partner.APNS else _fcm_reason(body)
    status, ours = _OF_REASON.get((partner, reason)) or _OF_STATUS.get(
        answer.status, (502, "PartnerRefused")
    )
    return Verdict(status, ours, answer.status, reason, answer.header("retry-after"))


_INVALID: Final = (410, "TargetInvalid")
_EXPIRED: Final = (410, "TargetExpired")
_OF_REASON: Final[dict[tuple[Partner, str], tuple[int, str]]] = {
    (Partner.APNS, "BadDeviceToken"): _INVALID,
    (Partner.APNS, "DeviceTokenNotForTopic"): _INVALID,
    (Partner.APNS, "Unregistered"): _EXPIRED,
    (Partner.APNS, "ExpiredToken"): _EXPIRED,
    (Partner.FCM, "INVALID_ARGUMENT message.token"): _INVALID,
    (Partner.FCM, "SENDER_ID_MISMATCH"): _INVALID,
    (Partner.FCM, "UNREGISTERED"): _EXPIRED,
}
_OF_STATUS: Final[dict[int, tuple[int, str]]] = {
    410: _EXPIRED,
    413: (413, "PayloadTooLarge"),
    429: (429, "TooManyRequests"),
    500: (500, "PartnerError"),
    503: (503, "PartnerUnavailable"),
}


def _apns_reason(body: dict[str, Any]) -> str:
    reason = body.get("reason")
    return reason if isinstance(reason, str) else ""


def _fcm_reason(body: dict[str, Any]) -> str:
    """`FcmError.errorCode`, with the field at fault behind it if that is the token."""
    error = body.get("error")
    details = error.get("details") if isinstance(error, dict) else None
    code, at_token = "", False
    for detail in details if isinstance(details, list) else ():
        if isinstance(detail, dict):
            code = code or str(detail.get("errorCode", ""))
            violations = detail.get("fieldViolations", ())
            at_token = at_token or any(v.get("field") == "message.token" for v in violations)
    return f"{code} message.token" if at_token else code
