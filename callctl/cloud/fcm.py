"""An emulated FCM: the HTTP v1 API of Google.

Source: CLOUD-13, OP-12; Google, "projects.messages.send" and "FcmError", "ErrorCode".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import msgspec

from callctl.cloud.delivery import (
    Delivery,
    DeliveryAction,
    DeliveryDesk,
    DeviceAttached,
    DeviceDetached,
    DeviceEvent,
    DeviceUnregistered,
)
from callctl.cloud.faults import NO_FAULT, Fault, FaultPlan, spoiled
from callctl.cloud.http import (
    HeaderList,
    HttpAnswer,
    HttpRequest,
    Ignored,
    RequestReceived,
    SendAnswer,
    json_answer,
)
from callctl.cloud.oauth import AccessTokens
from callctl.cloud.partner import Partner
from callctl.cloud.record import SILENT, PushLog
from sipstack.entropy import Entropy, token
from sipstack.timing import SECOND, Instant

DATA_MAX: Final = 4096  # octets of all keys and values of `data`
TTL_MAX_S: Final = 2_419_200  # four weeks, the default too

_FCM_ERROR: Final = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
_BAD_REQUEST: Final = "type.googleapis.com/google.rpc.BadRequest"
_NAMES: Final = {  # of google.rpc.Code, by HTTP status
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}
_RESERVED: Final = ("google", "gcm")
_PRIORITIES: Final = frozenset({"HIGH", "NORMAL"})
_MESSAGE_FIELDS: Final = frozenset(
    {"name", "data", "notification", "android", "webpush", "apns", "fcm_options", "token"}
)
_ANDROID_FIELDS: Final = frozenset(
    {
        "collapse_key",
        "priority",
        "ttl",
        "restricted_package_name",
        "data",
        "notification",
        "fcm_options",
        "direct_boot_ok",
    }
)

FcmEvent: TypeAlias = RequestReceived | DeviceEvent
FcmAction: TypeAlias = SendAnswer | DeliveryAction | Ignored


class _Refusal(Exception):
    """A request that the documented rules refuse."""

    def __init__(
        self, status: int, message: str, code: str | None = None, field: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code  # FcmError.errorCode
        self.field = field  # the field of the request that is at fault


@dataclass(frozen=True, slots=True)
class _Message:
    """One `Message` resource, read."""

    token: str
    data: dict[str, str]
    ttl_s: int
    collapse_key: str | None
    validate_only: bool


class Fcm:
    """Answers senders and hands their data messages to devices.

    `projects`: an OAuth 2.0 access token that may always send for each project id. `tokens` are
    those that a token endpoint gives out.
    """

    def __init__(
        self, projects: dict[str, str], entropy: Entropy, tokens: AccessTokens | None = None
    ) -> None:
        self.faults = FaultPlan(entropy)
        self.log = PushLog()
        self.desk = DeliveryDesk()
        self._tokens = tokens or AccessTokens(entropy)
        self._always = {access_token: project for project, access_token in projects.items()}
        self._entropy = entropy

    def receive(self, event: FcmEvent, now: Instant) -> tuple[FcmAction, ...]:
        """Take what happened."""
        match event:
            case RequestReceived(exchange, request):
                return self._requested(exchange, request, now)
            case DeviceAttached() | DeviceDetached() | DeviceUnregistered():
                return self.desk.receive(event, now)

    def advance(self, now: Instant) -> tuple[FcmAction, ...]:
        """Do what is due at `now`."""
        return self.desk.advance(now)

    def next_deadline(self) -> Instant | None:
        """When `advance` has something to do."""
        return self.desk.next_deadline()

    def _requested(
        self, exchange: int, request: HttpRequest, now: Instant
    ) -> tuple[FcmAction, ...]:
        target: str | None = None
        fault = NO_FAULT
        try:
            project = self._authenticate(request, now)
            message = _read(request.body)
            target = message.token
            fault = self.faults.take(target, now, project)
            if fault.silent:
                self.log.add(request, now, status=SILENT, target=target)
                return (Ignored("silent by fault", "FCM"),)
            if fault.status is not None:
                raise _Refusal(fault.status, fault.reason, code=fault.reason or None)
            self._check_token(target, project, fault, now)
        except _Refusal as refusal:
            reason = refusal.code or refusal.message
            self.log.add(request, now, status=refusal.status, reason=reason, target=target)
            answer = _refusal(refusal, fault.retry_after_s)
            return (SendAnswer(exchange, spoiled(answer, fault)),)
        message_id = f"0:{token(self._entropy, 16)}"
        tracking_id = message.data.get("trackingId")
        self.log.add(request, now, status=200, tracking_id=tracking_id, target=target)
        name = f"projects/{project}/messages/{message_id}"
        yes = SendAnswer(exchange, spoiled(json_answer(200, {"name": name}), fault))
        if message.validate_only:
            return (yes,)
        delivery = Delivery(
            Partner.FCM,
            target,
            message_id,
            "data",
            project,
            message.data,
            message.collapse_key,
            Instant(now + message.ttl_s * SECOND) if message.ttl_s else None,
        )
        return (yes, *self.desk.send(delivery, fault, now))

    def _authenticate(self, request: HttpRequest, now: Instant) -> str:
        """The project id that the request may send for. Raises: _Refusal."""
        parts = request.path.split("/")
        if len(parts) != 5 or parts[1:3] != ["v1", "projects"] or parts[4] != "messages:send":
            raise _Refusal(404, "Requested entity was not found.")
        if request.method != "POST":
            raise _Refusal(405, "Method not allowed.")
        scheme, _, access_token = (request.header("authorization") or "").partition(" ")
        good_for = self._always.get(access_token) or self._tokens.project_of(access_token, now)
        if scheme.lower() != "bearer" or good_for is None:
            raise _Refusal(401, "Request had invalid authentication credentials.")
        project = parts[3]
        if good_for != project:
            raise _Refusal(403, "The caller may not send for this project.")
        return project

    def _check_token(self, target: str, project: str, fault: Fault, now: Instant) -> None:
        state = self.desk.tokens.get(target)
        if state is None or state.is_dead(fault, now):
            raise _Refusal(404, "Requested entity was not found.", "UNREGISTERED")
        if state.app != project:
            raise _Refusal(403, "SenderId mismatch", "SENDER_ID_MISMATCH")


def _read(body: bytes) -> _Message:
    """Raises: _Refusal."""
    try:
        request = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise _invalid("Invalid JSON payload received.") from error
    request = _object(request, "")
    message = _object(request.get("message"), "message")
    _known(message, _MESSAGE_FIELDS, "message")
    target = message.get("token")
    if not isinstance(target, str) or not target:
        raise _invalid("The registration token is not valid.", "message.token")
    data = _object(message.get("data", {}), "message.data")
    for key, value in data.items():
        if not isinstance(value, str):
            raise _invalid("Data values are strings.", "message.data")
        if key == "from" or key == "message_type" or key.startswith(_RESERVED):
            raise _invalid("A data key is reserved.", "message.data")
    if sum(len(key.encode()) + len(value.encode()) for key, value in data.items()) > DATA_MAX:
        raise _invalid("Android message is too big", "message.data")
    android = _object(message.get("android", {}), "message.android")
    _known(android, _ANDROID_FIELDS, "message.android")
    if android.get("priority", "NORMAL") not in _PRIORITIES:
        raise _invalid("Unknown priority.", "message.android.priority")
    collapse_key = android.get("collapse_key")
    if collapse_key is not None and not isinstance(collapse_key, str):
        raise _invalid("Not a string.", "message.android.collapse_key")
    ttl_s = _ttl_s(android.get("ttl"))
    return _Message(target, data, ttl_s, collapse_key, request.get("validate_only") is True)


def _ttl_s(value: object) -> int:
    """`ttl`: seconds with an `s` behind them; fractions are allowed and cut off."""
    if value is None:
        return TTL_MAX_S
    if isinstance(value, str) and value.endswith("s"):
        whole, _, fraction = value[:-1].partition(".")
        digits = whole + fraction
        number = bool(whole) and digits.isascii() and digits.isdigit() and len(digits) <= 16
        if number and int(whole) <= TTL_MAX_S:
            return int(whole)
    raise _invalid("Invalid TTL.", "message.android.ttl")


def _object(value: object, field: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _invalid("Not an object.", field)
    return value


def _known(fields: dict[str, Any], names: frozenset[str], field: str) -> None:
    for name in fields:
        if name not in names:
            raise _invalid(f"Invalid JSON payload received. Unknown name at '{field}'.", field)


def _invalid(message: str, field: str | None = None) -> _Refusal:
    return _Refusal(400, message, "INVALID_ARGUMENT", field)


def _refusal(refusal: _Refusal, retry_after_s: int | None) -> HttpAnswer:
    details: list[dict[str, Any]] = []
    if refusal.code is not None:
        details.append({"@type": _FCM_ERROR, "errorCode": refusal.code})
    if refusal.field is not None:
        violation = {"field": refusal.field, "description": refusal.message}
        details.append({"@type": _BAD_REQUEST, "fieldViolations": [violation]})
    error = {
        "code": refusal.status,
        "message": refusal.message,
        "status": _NAMES.get(refusal.status, "UNKNOWN"),
        "details": details,
    }
    headers: HeaderList = ()
    if retry_after_s is not None:
        headers = (("retry-after", str(retry_after_s)),)
    return json_answer(refusal.status, {"error": error}, headers)
