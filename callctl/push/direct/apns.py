"""The channel straight to APNs: the provider API of Apple.

Source: OP-12, OP-13, OP-20; Apple, "Sending notification requests to APNs" and "Handling
notification responses from APNs".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

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
from callctl.push.direct.provider_token import EXPIRED, TOO_MANY, ProviderTokens
from callctl.push.events import ChannelAction, Outcome, PostPush, PushAnswered
from callctl.push.kind import Channel
from sipstack.timing import MS, Instant

ROOM: Final = 500  # streams at once; APNs announces 1,000
VOIP_SUFFIX: Final = ".voip"  # a VoIP push goes to the bundle id with this behind it

INVALID_TARGETS: Final = frozenset({"BadDeviceToken", "DeviceTokenNotForTopic"})
EXPIRED_TARGETS: Final = frozenset({"Unregistered", "ExpiredToken"})
"""Words of APNs for a token that no push reaches any more (OP-20)."""

_VISIBLE: Final = {"alert": {"loc-key": "PUSH"}, "sound": "default", "mutable-content": 1}


@dataclass(frozen=True, slots=True)
class ApnsRequest:
    """One request to APNs."""

    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


def apns_request(
    push_type: str,
    target: str,
    *,
    bundle_id: str,
    bearer: str,
    high: bool,
    expires_unix_s: int,
    collapse_id: str | None,
    tracking_id: str,
    payload: Mapping[str, Any],
) -> ApnsRequest:
    """A push of the type "voip" or "alert"; `expires_unix_s` 0 is now or never.

    An alert is what the app shows if it cannot open the push: its words are in the app (CHN-04).
    """
    voip = push_type == "voip"
    headers: tuple[tuple[str, str], ...] = (
        ("authorization", f"bearer {bearer}"),
        ("apns-push-type", push_type),
        ("apns-topic", bundle_id + VOIP_SUFFIX if voip else bundle_id),
        ("apns-priority", "10" if high else "5"),
        ("apns-expiration", str(expires_unix_s)),
    )
    if collapse_id is not None:
        headers = (*headers, ("apns-collapse-id", collapse_id))
    body = {"aps": {} if voip else _VISIBLE, "trackingId": tracking_id, "payload": payload}
    return ApnsRequest(f"/3/device/{target}", headers, msgspec.json.encode(body))


@dataclass(frozen=True, slots=True)
class ApnsSettings:
    """Where APNs is, and whose app it serves."""

    url: str  # of the provider API, without a path
    bundle_id: str  # of the app, where the client does not say


class DirectApns:
    """Writes requests to APNs and reads its answers.

    The provider token is made here, so a push never waits for one.
    """

    def __init__(
        self, name: str, settings: ApnsSettings, tokens: ProviderTokens, unix_ms_at_zero: int
    ) -> None:
        """`tokens` may be shared: production and sandbox count one key's tokens together."""
        self.name = name
        self.room = ROOM
        self.holds = Holds()
        self._settings = settings
        self._tokens = tokens
        self._unix_ms_at_zero = unix_ms_at_zero

    def prepare(self, now: Instant) -> tuple[Readiness, tuple[ChannelAction, ...]]:
        """Always READY."""
        return Readiness.READY, ()

    def post(self, push: Outgoing, now: Instant) -> PostPush:
        """The request."""
        settings, now_unix_s = self._settings, unix_s(self._unix_ms_at_zero, now)
        made = apns_request(
            "alert" if push.channel is Channel.MESSAGE else "voip",
            push.target,
            bundle_id=(push.topic or settings.bundle_id).removesuffix(VOIP_SUFFIX),
            bearer=self._tokens.bearer(now_unix_s),
            high=push.call,
            expires_unix_s=now_unix_s + push.ttl_s if push.ttl_s else 0,
            collapse_id=push.collapse_id,
            tracking_id=push.tracking_id,
            payload=push.payload,
        )
        return PostPush(
            push.tracking_id,
            settings.url,
            made.headers,
            made.body,
            push.deadline,
            self.name,
            made.path,
        )

    def judge(self, push: Outgoing, post: PostPush, answer: PushAnswered, now: Instant) -> Verdict:
        """What the answer means (OP-20)."""
        status, body = answer.status, json_object(answer.body)
        if status == 200:
            return Verdict(Outcome.ACCEPTED)
        reason = apns_reason(body)
        now_unix_s = unix_s(self._unix_ms_at_zero, now)
        if reason in (EXPIRED, TOO_MANY):
            again = self._tokens.refused(bearer_of(post), reason, now_unix_s)
            return Verdict(Outcome.REFUSED, reason, again)
        if status == 410 or reason in INVALID_TARGETS:
            return self._target_refused(push, body, reason)
        wait_ns = retry_after_ns(answer.retry_after, now_unix_s)
        if wait_ns and status in (429, 503):
            key = target_key(push.target) if status == 429 else WHOLE  # 429 is about one device
            self.holds.set(key, Instant(now + wait_ns), now)
        return Verdict(outcome_of(status), reason or f"status {status}")

    def receive(self, event: TokenEvent, now: Instant) -> None:
        """There is no news: the token is our own."""

    def advance(self, now: Instant) -> tuple[ChannelAction, ...]:
        """Nothing is ever due."""
        return ()

    def next_deadline(self) -> Instant | None:
        """There is none."""
        return None

    def start(self, now: Instant) -> tuple[ChannelAction, ...]:
        """Nothing to do before the first push."""
        return ()

    def stop(self) -> tuple[ChannelAction, ...]:
        """There is nothing to stop."""
        return ()

    def _target_refused(self, push: Outgoing, body: Mapping[str, Any], reason: str) -> Verdict:
        """A 410 tells since when the token is dead: one that was given later lives (REG-06)."""
        dead_since_ms = body.get("timestamp")
        if isinstance(dead_since_ms, int):
            stored_at_ms = self._unix_ms_at_zero + push.stored_at // MS
            if dead_since_ms < stored_at_ms:
                return Verdict(Outcome.FAILED, f"{reason}, but the token is newer")
        return Verdict(Outcome.REFUSED_TOKEN, reason)


def apns_reason(body: Mapping[str, Any]) -> str:
    """The word that APNs gives with every answer but 200."""
    reason = body.get("reason")
    return reason if isinstance(reason, str) else ""
