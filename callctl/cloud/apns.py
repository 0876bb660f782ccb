"""An emulated APNs: the provider API of Apple over HTTP/2, without the HTTP/2.

Source: CLOUD-13, OP-12; Apple, "Sending notification requests to APNs" and "Handling notification
responses from APNs".
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
from callctl.cloud.faults import NO_FAULT, Fault, FaultPlan, Goodbye, spoiled
from callctl.cloud.http import (
    Deafen,
    HeaderList,
    HttpAnswer,
    HttpRequest,
    Ignored,
    RequestReceived,
    SayGoodbye,
    SendAnswer,
    json_answer,
)
from callctl.cloud.partner import Partner
from callctl.cloud.provider_token import ProviderTokenError, ProviderTokenVerifier
from callctl.cloud.record import SILENT, PushLog
from callctl.push.direct.apns import VOIP_SUFFIX
from sipstack.entropy import Entropy, uuid4
from sipstack.timing import MS, Instant

VOIP_MAX: Final = 5120  # octets of payload
OTHERS_MAX: Final = 4096
COLLAPSE_ID_MAX: Final = 64  # octets

# APNs keeps one push per app for a device that is away: the newest.
APNS_STORED_MAX: Final = 1

_PATH: Final = "/3/device/"
_PUSH_TYPES: Final = frozenset({"voip", "alert", "background"})
_PRIORITIES: Final = frozenset({None, "10", "5", "1"})
_EXPIRATION_DIGITS_MAX: Final = 10

ApnsEvent: TypeAlias = RequestReceived | DeviceEvent
ApnsAction: TypeAlias = SendAnswer | DeliveryAction | SayGoodbye | Deafen | Ignored


class _Refusal(Exception):
    """A request that the documented rules refuse."""

    def __init__(
        self,
        status: int,
        reason: str,
        *,
        timestamp_ms: int | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.timestamp_ms = timestamp_ms  # of a 410: since when the token is dead, Unix time
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class _Notification:
    """One request, read."""

    token: str
    push_type: str
    topic: str
    collapse_id: str | None
    expires: Instant | None
    payload: dict[str, Any]


class Apns:
    """Answers providers and hands their pushes to devices.

    `unix_ms_at_zero`: wall-clock time at Instant 0, for expirations and provider tokens.
    """

    def __init__(
        self, verifier: ProviderTokenVerifier, entropy: Entropy, unix_ms_at_zero: int
    ) -> None:
        self.faults = FaultPlan(entropy)
        self.log = PushLog()
        self.desk = DeliveryDesk(APNS_STORED_MAX)
        self._verifier = verifier
        self._entropy = entropy
        self._unix_ms_at_zero = unix_ms_at_zero

    def receive(self, event: ApnsEvent, now: Instant) -> tuple[ApnsAction, ...]:
        """Take what happened."""
        match event:
            case RequestReceived(exchange, request):
                return self._requested(exchange, request, now)
            case DeviceAttached() | DeviceDetached() | DeviceUnregistered():
                return self.desk.receive(event, now)

    def advance(self, now: Instant) -> tuple[ApnsAction, ...]:
        """Do what is due at `now`."""
        return self.desk.advance(now)

    def next_deadline(self) -> Instant | None:
        """When `advance` has something to do."""
        return self.desk.next_deadline()

    def _requested(
        self, exchange: int, request: HttpRequest, now: Instant
    ) -> tuple[ApnsAction, ...]:
        apns_id = request.header("apns-id") or uuid4(self._entropy)
        fault = NO_FAULT
        try:
            notification = self._read(request, now)
            fault = self.faults.take(notification.token, now, notification.topic)
            if fault.silent or fault.deaf or fault.goodbye is Goodbye.UNREAD:
                self.log.add(request, now, status=SILENT, target=notification.token)
                return _unanswered(fault, exchange, apns_id)
            if fault.status is not None:
                raise self._faulty(fault, now)
            self._check_token(notification, fault, now)
        except _Refusal as refusal:
            token = request.path.removeprefix(_PATH)
            self.log.add(request, now, status=refusal.status, reason=refusal.reason, target=token)
            no = SendAnswer(exchange, spoiled(_refusal(refusal, apns_id), fault))
            return (no, *_farewell(fault))
        tracking_id = notification.payload.get("trackingId")
        self.log.add(
            request,
            now,
            status=200,
            tracking_id=tracking_id if isinstance(tracking_id, str) else None,
            target=notification.token,
        )
        delivery = Delivery(
            Partner.APNS,
            notification.token,
            apns_id,
            notification.push_type,
            notification.topic,
            notification.payload,
            notification.collapse_id,
            notification.expires,
        )
        answer = HttpAnswer(200, (("apns-id", apns_id),))
        yes = SendAnswer(exchange, spoiled(answer, fault))
        return (*_farewell(fault), yes, *self.desk.send(delivery, fault, now))

    def _faulty(self, fault: Fault, now: Instant) -> _Refusal:
        """The answer that a fault asks for."""
        timestamp_ms: int | None = None
        if fault.dead_for_ns is not None:
            timestamp_ms = self._unix_ms_at_zero + (now - fault.dead_for_ns) // MS
        return _Refusal(
            fault.status or 0,
            fault.reason,
            timestamp_ms=timestamp_ms,
            retry_after_s=fault.retry_after_s,
        )

    def _read(self, request: HttpRequest, now: Instant) -> _Notification:
        """The notification in `request`. Raises: _Refusal."""
        if not request.path.startswith(_PATH):
            raise _Refusal(404, "BadPath")
        if request.method != "POST":
            raise _Refusal(405, "MethodNotAllowed")
        names = [name for name, _ in request.headers if name.startswith("apns-")]
        if len(set(names)) != len(names):
            raise _Refusal(400, "DuplicateHeaders")
        self._authenticate(request.header("authorization"), now)
        token = request.path.removeprefix(_PATH)
        if not token:
            raise _Refusal(400, "MissingDeviceToken")
        apns_id = request.header("apns-id")
        if apns_id is not None and not _is_uuid(apns_id):
            raise _Refusal(400, "BadMessageId")
        push_type = request.header("apns-push-type")
        if push_type not in _PUSH_TYPES:  # required since iOS 13
            raise _Refusal(400, "InvalidPushType")
        topic = request.header("apns-topic")
        if not topic:
            raise _Refusal(400, "MissingTopic")
        if topic.endswith(VOIP_SUFFIX) != (push_type == "voip"):
            raise _Refusal(400, "BadTopic")
        priority = request.header("apns-priority")
        if priority not in _PRIORITIES or (push_type == "background" and priority != "5"):
            raise _Refusal(400, "BadPriority")
        collapse_id = request.header("apns-collapse-id")
        if collapse_id is not None and len(collapse_id.encode()) > COLLAPSE_ID_MAX:
            raise _Refusal(400, "BadCollapseId")
        expires = self._expiry(request.header("apns-expiration"))
        payload = _payload(request.body, VOIP_MAX if push_type == "voip" else OTHERS_MAX)
        return _Notification(token, push_type, topic, collapse_id, expires, payload)

    def _authenticate(self, authorization: str | None, now: Instant) -> None:
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise _Refusal(403, "MissingProviderToken")
        try:
            self._verifier.check(token, (self._unix_ms_at_zero + now // MS) // 1000)
        except ProviderTokenError as error:
            raise _Refusal(error.status, str(error)) from error

    def _check_token(self, notification: _Notification, fault: Fault, now: Instant) -> None:
        state = self.desk.tokens.get(notification.token)
        if state is None:
            raise _Refusal(400, "BadDeviceToken")
        if state.unregistered_at is not None and state.is_dead(fault, now):
            since_ms = self._unix_ms_at_zero + state.unregistered_at // MS
            raise _Refusal(410, "Unregistered", timestamp_ms=since_ms)
        if state.app != notification.topic:
            raise _Refusal(400, "DeviceTokenNotForTopic")

    def _expiry(self, text: str | None) -> Instant | None:
        """`apns-expiration`: seconds of Unix time; 0, as without one, is now or never."""
        if text is None or text == "0":
            return None
        if not (text.isascii() and text.isdigit() and len(text) <= _EXPIRATION_DIGITS_MAX):
            raise _Refusal(400, "BadExpirationDate")
        return Instant((int(text) * 1000 - self._unix_ms_at_zero) * MS)


def _unanswered(fault: Fault, exchange: int, apns_id: str) -> tuple[ApnsAction, ...]:
    """What comes of a push that a fault leaves without an answer."""
    if fault.deaf:
        return (Deafen(exchange),)
    if fault.goodbye is Goodbye.UNREAD:
        return (SayGoodbye(unread=True),)
    return (Ignored("silent by fault", apns_id),)


def _farewell(fault: Fault) -> tuple[ApnsAction, ...]:
    """The goodbye to all who are connected, if a fault asks for one."""
    return () if fault.goodbye is None else (SayGoodbye(unread=False),)


def _payload(body: bytes, limit: int) -> dict[str, Any]:
    if len(body) > limit:
        raise _Refusal(413, "PayloadTooLarge")
    try:
        payload = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        payload = None
    if not isinstance(payload, dict) or not payload:
        raise _Refusal(400, "PayloadEmpty")
    return payload


def _refusal(refusal: _Refusal, apns_id: str) -> HttpAnswer:
    headers: HeaderList = (("apns-id", apns_id),)
    if refusal.retry_after_s is not None:
        headers = (*headers, ("retry-after", str(refusal.retry_after_s)))
    fields: dict[str, Any] = {"reason": refusal.reason}
    if refusal.timestamp_ms is not None:
        fields["timestamp"] = refusal.timestamp_ms
    return json_answer(refusal.status, fields, headers)


def _is_uuid(text: str) -> bool:
    """Canonical form: 32 hexadecimal digits in groups of 8-4-4-4-12."""
    groups = text.split("-")
    if [len(group) for group in groups] != [8, 4, 4, 4, 12]:
        return False
    return all(digit in "0123456789abcdefABCDEF" for group in groups for digit in group)
