"""An emulated Push REST: takes sealed pushes from the cluster, hands them to the partner clouds.

`POST /push/v1/notifications` with a bearer token and the JSON of OP-10. The header `TrackingID` is
that of the body and comes back in the answer, whose body is `{"trackingId": ..., "error": ...}`.
Who may push is asked of CI for each request. `GET /ping` says that it is there.

Source: CLOUD-03, CLOUD-04, CLOUD-05, OP-10, OP-11, OP-13, OP-20; PUSH-02, PUSH-03, SEC-03, SEC-05.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, TypeAlias

import msgspec

from callctl.cloud.access import AccessTable, FixedTokens, Standing, bearer
from callctl.cloud.faults import NO_FAULT, Fault, FaultPlan, spoiled
from callctl.cloud.http import (
    Forward,
    ForwardAnswered,
    ForwardFailed,
    HeaderList,
    HttpAnswer,
    HttpRequest,
    Ignored,
    RequestReceived,
    SendAnswer,
    json_answer,
)
from callctl.cloud.partner import Partner, Route, default_routes
from callctl.cloud.reachability import BLOCKED, PING_PATH, BlockList, ping_answer
from callctl.cloud.record import SILENT, PushLog
from callctl.cloud.translate import (
    TRACKING_ID_MAX,
    OuterRequest,
    Verdict,
    apns_request,
    fcm_request,
    verdict_of,
)
from callctl.model.push_access import SigningKey
from callctl.push.direct.provider_token import ProviderTokens
from callctl.push.envelope import EnvelopeError, parse_payload
from sipstack.entropy import Entropy
from sipstack.timing import MS, SECOND, DeadlineQueue, Instant, Timed

PUSH_PATH: Final = "/push/v1/notifications"
BODY_MAX: Final = 16_384  # octets; longer than any sealed push that a partner takes
PARTNER_TIMEOUT_NS: Final = 10 * SECOND
OPEN_MAX: Final = 20_000  # pushes that wait for a partner; past it 429

PushRestEvent: TypeAlias = RequestReceived | ForwardAnswered | ForwardFailed
PushRestAction: TypeAlias = SendAnswer | Forward | Ignored


@dataclass(frozen=True, slots=True)
class PushRestSettings:
    """Who may push, and with what the partners know this service."""

    access_tokens: tuple[str, ...] = field(repr=False)  # good for ever, for rigs without CI
    signing_key: SigningKey = field(repr=False)  # for APNs
    fcm_access_tokens: dict[str, str] = field(repr=False)  # by project id
    routes: dict[str, Route] = field(default_factory=default_routes)  # by subscriber service
    unix_ms_at_zero: int = 0  # wall-clock time at Instant 0
    access: AccessTable | None = None  # CI's table of the tokens it gave out
    block_list: BlockList = field(default_factory=BlockList)  # CI's, too


class _Refusal(Exception):
    """A request that goes no further."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.verdict = Verdict(status, reason)


class _Open(Timed):
    """A push that has no answer yet. Its deadline is the end of a delay, then of our patience."""

    __slots__ = ("exchange", "fault", "forward", "push", "received_at", "request", "route")

    def __init__(
        self,
        exchange: int,
        request: HttpRequest,
        push: OuterRequest,
        route: Route,
        fault: Fault,
        received_at: Instant,
    ) -> None:
        super().__init__()
        self.received_at = received_at
        self.exchange = exchange
        self.request = request
        self.push = push
        self.route = route
        self.fault = fault
        self.forward: int | None = None  # number of the request to the partner, once it has left


class PushRest:
    """Passes pushes through. A payload is held only until its partner has answered."""

    def __init__(self, settings: PushRestSettings, entropy: Entropy) -> None:
        self.settings = settings
        self.faults = FaultPlan(entropy)
        self.log = PushLog()
        self._open: dict[int, _Open] = {}  # by forward number
        self._delayed = 0
        self._forwards = 0
        self._provider_tokens = ProviderTokens(settings.signing_key)
        self._deadlines: DeadlineQueue[_Open] = DeadlineQueue()

    def receive(self, event: PushRestEvent, now: Instant) -> tuple[PushRestAction, ...]:
        """Take what happened."""
        match event:
            case RequestReceived(exchange, request):
                return self._requested(exchange, request, now)
            case ForwardAnswered(forward, answer):
                waiting = self._open.pop(forward, None)
                if waiting is None:
                    return (Ignored("stray partner answer", str(forward)),)
                return self._finish(waiting, verdict_of(waiting.route.partner, answer), now)
            case ForwardFailed(forward, reason):
                waiting = self._open.pop(forward, None)
                if waiting is None:
                    return (Ignored("stray partner failure", str(forward)),)
                verdict = Verdict(503, "PartnerUnavailable", partner_reason=reason)
                return self._finish(waiting, verdict, now)

    def advance(self, now: Instant) -> tuple[PushRestAction, ...]:
        """Do what is due at `now`."""
        out: list[PushRestAction] = []
        for waiting in self._deadlines.due(now):
            if waiting.forward is None:
                self._delayed -= 1
                out += self._forward(waiting, now)
            else:
                del self._open[waiting.forward]
                out += self._finish(waiting, Verdict(504, "PartnerTimeout"), now)
        return tuple(out)

    def next_deadline(self) -> Instant | None:
        """When `advance` has something to do."""
        return self._deadlines.next_deadline()

    def counts(self) -> dict[str, int]:
        """What is held; at rest each is 0."""
        return {"open": len(self._open), "delayed": self._delayed}

    def _requested(
        self, exchange: int, request: HttpRequest, now: Instant
    ) -> tuple[PushRestAction, ...]:
        try:
            if self.settings.block_list.refuses(request):
                raise _Refusal(403, BLOCKED)
            if request.path == PING_PATH and request.method == "GET":
                return (SendAnswer(exchange, ping_answer("Push REST")),)
            self._authenticate(request, now)
            push = _read(request)
            route = self.settings.routes.get(push.service)
            if route is None:
                raise _Refusal(400, "UnknownService")
            if len(self._open) + self._delayed >= OPEN_MAX:
                raise _Refusal(429, "TooManyRequests")
        except _Refusal as refusal:
            tracking_id = (request.header("trackingid") or "")[:TRACKING_ID_MAX] or None
            return self._answer(
                exchange, request, refusal.verdict, tracking_id, None, NO_FAULT, now
            )
        fault = self.faults.take(push.target, now, push.service)
        waiting = _Open(exchange, request, push, route, fault, now)
        if fault.silent:
            self.log.add(
                request, now, status=SILENT, tracking_id=push.tracking_id, target=push.target
            )
            return (Ignored("silent by fault", push.tracking_id),)
        if fault.status is not None:
            retry = None if fault.retry_after_s is None else str(fault.retry_after_s)
            verdict = Verdict(fault.status, fault.reason, retry_after=retry)
            return self._finish(waiting, verdict, now)
        if fault.delay_ns:
            self._delayed += 1
            self._deadlines.set(waiting, Instant(now + fault.delay_ns))
            return ()
        return self._forward(waiting, now)

    def _authenticate(self, request: HttpRequest, now: Instant) -> None:
        """Raises: _Refusal."""
        if request.path != PUSH_PATH:
            raise _Refusal(404, "NotFound")
        if request.method != "POST":
            raise _Refusal(405, "MethodNotAllowed")
        standing = self._standing(bearer(request), now)
        if standing is Standing.FORBIDDEN:
            raise _Refusal(403, "AccountForbidden")
        if standing is not Standing.GOOD:
            raise _Refusal(401, "InvalidAccessToken")

    def _standing(self, access_token: str, now: Instant) -> Standing:
        settings = self.settings
        fixed = FixedTokens(settings.access_tokens).standing(access_token, now)
        if fixed is Standing.GOOD or settings.access is None:
            return fixed
        return settings.access.standing(access_token, now)

    def _forward(self, waiting: _Open, now: Instant) -> tuple[PushRestAction, ...]:
        if waiting.fault.lose:
            return self._finish(waiting, Verdict(200), now)
        waited_s = (now - waiting.received_at) // SECOND
        if 0 < waiting.push.ttl <= waited_s:
            return self._finish(waiting, Verdict(504, "Expired"), now)
        request = self._partner_request(waiting, max(0, waiting.push.ttl - waited_s), now)
        out: list[PushRestAction] = []
        for _ in range(2 if waiting.fault.duplicate else 1):
            self._forwards += 1
            out.append(Forward(self._forwards, waiting.route.partner, request))
        waiting.forward = self._forwards
        self._open[waiting.forward] = waiting
        self._deadlines.set(waiting, Instant(now + PARTNER_TIMEOUT_NS))
        return tuple(out)

    def _partner_request(self, waiting: _Open, ttl_s: int, now: Instant) -> HttpRequest:
        push, app = waiting.push, waiting.route.app
        if waiting.route.partner is Partner.FCM:
            access_token = self.settings.fcm_access_tokens.get(push.topic or app, "")
            return fcm_request(push, app, access_token, ttl_s)
        now_unix_s = (self.settings.unix_ms_at_zero + now // MS) // 1000
        expires_unix_s = now_unix_s + ttl_s if ttl_s else 0
        bearer = self._provider_tokens.bearer(now_unix_s)
        return apns_request(push, app, bearer, expires_unix_s)

    def _finish(self, waiting: _Open, verdict: Verdict, now: Instant) -> tuple[PushRestAction, ...]:
        self._deadlines.set(waiting, None)
        push = waiting.push
        return self._answer(
            waiting.exchange,
            waiting.request,
            verdict,
            push.tracking_id,
            push.target,
            waiting.fault,
            now,
        )

    def _answer(
        self,
        exchange: int,
        request: HttpRequest,
        verdict: Verdict,
        tracking_id: str | None,
        target: str | None,
        fault: Fault,
        now: Instant,
    ) -> tuple[PushRestAction, ...]:
        self.log.add(
            request,
            now,
            status=verdict.status,
            reason=verdict.reason,
            tracking_id=tracking_id,
            target=target,
        )
        return (SendAnswer(exchange, spoiled(_answer_of(verdict, tracking_id), fault)),)


def _read(request: HttpRequest) -> OuterRequest:
    """Raises: _Refusal, above all for a payload that is not encrypted (SEC-03)."""
    if len(request.body) > BODY_MAX:
        raise _Refusal(413, "PayloadTooLarge")
    try:
        push = msgspec.json.decode(request.body, type=OuterRequest)
    except (msgspec.DecodeError, RecursionError) as error:  # not echoed: it may be personal
        raise _Refusal(400, "Malformed") from error
    if request.header("trackingid") != push.tracking_id:
        raise _Refusal(400, "TrackingIdMismatch")
    try:
        parse_payload(push.payload)
    except EnvelopeError as error:
        raise _Refusal(400, "NotEncrypted") from error
    return push


def _answer_of(verdict: Verdict, tracking_id: str | None) -> HttpAnswer:
    fields: dict[str, str | int] = {}
    headers: HeaderList = ()
    if tracking_id is not None:
        fields["trackingId"] = tracking_id
        headers = (("trackingid", tracking_id),)
    if verdict.status == 401:
        headers = (*headers, ("www-authenticate", "Bearer"))
    if verdict.retry_after is not None:
        headers = (*headers, ("retry-after", verdict.retry_after))
    if verdict.reason:
        fields["error"] = verdict.reason
    if verdict.partner_status is not None:
        fields["partnerStatus"] = verdict.partner_status
    if verdict.partner_reason:
        fields["partnerReason"] = verdict.partner_reason
    return json_answer(verdict.status, fields, headers)
