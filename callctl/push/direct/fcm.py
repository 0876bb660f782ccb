"""The channel straight to FCM: the HTTP v1 API of Google.

Source: OP-12, OP-13, OP-20; Google, "projects.messages.send" and "FcmError", "ErrorCode".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from callctl.model.push_access import ServiceAccount
from callctl.push.channel import (
    WHOLE,
    Holds,
    Outgoing,
    Readiness,
    TokenEvent,
    Verdict,
    bearer_of,
    json_object,
    outcome_of,
    retry_after_ns,
    target_key,
    unix_s,
)
from callctl.push.direct.grant import grant_request, granted
from callctl.push.events import (
    AbandonFetch,
    ChannelAction,
    FetchToken,
    Outcome,
    PostPush,
    PushAnswered,
    TokenFetched,
    TokenFetchLost,
)
from callctl.push.token_gate import FETCH_AGAIN_NS, TokenGate
from sipstack.timing import SECOND, Instant

INVALID_TARGETS: Final = frozenset({"SENDER_ID_MISMATCH", "INVALID_ARGUMENT message.token"})
EXPIRED_TARGETS: Final = frozenset({"UNREGISTERED"})
"""Words of FCM for a token that no push reaches any more (OP-20)."""

QUOTA_WAIT_NS: Final = 60 * SECOND  # after a 429 that does not say how long


def fcm_path(project_id: str) -> str:
    """Where messages of a project are sent to."""
    return f"/v1/projects/{project_id}/messages:send"


def fcm_message(
    target: str,
    *,
    high: bool,
    ttl_s: int,
    collapse_key: str | None,
    tracking_id: str,
    channel: str,
    payload: Mapping[str, Any],
) -> bytes:
    """A data message, so that the app itself is woken; its data is flat text."""
    android = {"priority": "HIGH" if high else "NORMAL", "ttl": f"{ttl_s}s"}
    if collapse_key is not None:
        android["collapse_key"] = collapse_key
    data = {"trackingId": tracking_id, "channel": channel, **payload}
    return msgspec.json.encode({"message": {"token": target, "data": data, "android": android}})


@dataclass(frozen=True, slots=True)
class FcmSettings:
    """Where FCM is, and who sends."""

    url: str  # without a path
    account: ServiceAccount


class DirectFcm:
    """Writes requests to FCM and reads its answers.

    Its access token is fetched when the first push wants it, and before its end when a push goes
    by; nothing is fetched for nobody. Pushes that come while there is none wait for the one fetch.
    """

    def __init__(self, name: str, settings: FcmSettings, unix_ms_at_zero: int, room: int) -> None:
        self.name = name
        self.room = room
        self.holds = Holds()
        self._settings = settings
        self._unix_ms_at_zero = unix_ms_at_zero
        self._gate = TokenGate()

    def prepare(self, now: Instant) -> tuple[Readiness, tuple[ChannelAction, ...]]:
        """Fetch a token if it is time to."""
        actions: tuple[ChannelAction, ...] = ()
        if self._gate.fetch_is_due(now):
            self._gate.began(now)
            account = self._settings.account
            form = grant_request(account, unix_s(self._unix_ms_at_zero, now))
            actions = (FetchToken(self.name, account.token_url, form),)
        return self._gate.readiness(now), actions

    def post(self, push: Outgoing, now: Instant) -> PostPush:
        """The request."""
        settings = self._settings
        headers = (
            ("authorization", f"Bearer {self._gate.token(now)}"),
            ("content-type", "application/json"),
        )
        body = fcm_message(
            push.target,
            high=push.call,
            ttl_s=push.ttl_s,
            collapse_key=push.collapse_id,
            tracking_id=push.tracking_id,
            channel=push.channel.value,
            payload=push.payload,
        )
        path = fcm_path(settings.account.project_id)
        return PostPush(
            push.tracking_id, settings.url, headers, body, push.deadline, self.name, path
        )

    def judge(self, push: Outgoing, post: PostPush, answer: PushAnswered, now: Instant) -> Verdict:
        """What the answer means (OP-20)."""
        status = answer.status
        if status == 200:
            return Verdict(Outcome.ACCEPTED)
        reason = fcm_reason(json_object(answer.body))
        if reason in INVALID_TARGETS or reason in EXPIRED_TARGETS:
            return Verdict(Outcome.REFUSED_TOKEN, reason)
        shown = reason or f"status {status}"
        if status == 401 and reason != "THIRD_PARTY_AUTH_ERROR":
            self._gate.refused(bearer_of(post), now)
            return Verdict(Outcome.REFUSED, shown, again=True)
        if status == 410:  # no answer of FCM: nothing is known of the device
            return Verdict(Outcome.REFUSED, shown)
        wait_ns = retry_after_ns(answer.retry_after, unix_s(self._unix_ms_at_zero, now))
        if status == 429:
            # The quota may be the device's or the project's. If it is the project's, the next
            # device learns it by itself; the other way round nobody else need suffer.
            wait_ns = QUOTA_WAIT_NS if wait_ns is None else wait_ns
            self.holds.set(target_key(push.target), Instant(now + wait_ns), now)
        elif status == 503 and wait_ns:
            self.holds.set(WHOLE, Instant(now + wait_ns), now)
        return Verdict(outcome_of(status), shown)

    def receive(self, event: TokenEvent, now: Instant) -> None:
        """The token endpoint answered, or did not."""
        gate = self._gate
        if gate.fetch_ends_at is None:
            return  # too late: it was given up
        match event:
            case TokenFetched(_, 200, body):
                token = granted(json_object(body))
                if token is None:
                    gate.failed(now)
                else:
                    gate.got(token[0], now, token[1] * SECOND)
            case TokenFetched(_, _, _, retry_after):
                now_unix_s = unix_s(self._unix_ms_at_zero, now)
                gate.failed(now, retry_after_ns(retry_after, now_unix_s) or FETCH_AGAIN_NS)
            case TokenFetchLost():
                gate.failed(now)

    def advance(self, now: Instant) -> tuple[ChannelAction, ...]:
        """Give up a fetch that takes too long."""
        if self._gate.fetch_ends_at is None or now < self._gate.fetch_ends_at:
            return ()
        self._gate.failed(now)
        return (AbandonFetch(self.name),)

    def next_deadline(self) -> Instant | None:
        """When a fetch has taken too long."""
        return self._gate.fetch_ends_at

    def start(self, now: Instant) -> tuple[ChannelAction, ...]:
        """Nothing to do before the first push."""
        return ()

    def stop(self) -> tuple[ChannelAction, ...]:
        """Nobody waits for a token any more."""
        if self._gate.fetch_ends_at is None:
            return ()
        self._gate.fetch_ends_at = None
        return (AbandonFetch(self.name),)


def fcm_reason(body: Mapping[str, Any]) -> str:
    """`FcmError.errorCode`, with the field at fault behind it if that is the token."""
    error = body.get("error")
    details = error.get("details") if isinstance(error, dict) else None
    code, at_token = "", False
    for detail in details if isinstance(details, list) else ():
        if not isinstance(detail, dict):
            continue
        named = detail.get("errorCode")
        code = code or (named if isinstance(named, str) else "")
        violations = detail.get("fieldViolations")
        for violation in violations if isinstance(violations, list) else ():
            at_token |= isinstance(violation, dict) and violation.get("field") == "message.token"
    return f"{code} message.token" if at_token else code
