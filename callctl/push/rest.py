"""The channel through Push REST: the default, and the only one to the Cisco cloud (PUSH-02)."""

from __future__ import annotations

from typing import Any, Final, Protocol

import msgspec

from callctl.push.channel import (
    PUSH_REST,
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
    service_key,
    target_key,
    unix_s,
)
from callctl.push.events import ChannelAction, Outcome, PostPush, PushAnswered
from callctl.push.handed_token import HandedToken
from sipstack.timing import Instant

HIGH: Final = "high"  # at once, even if it costs battery: every call push (CALL-12, PUSH-04)
NORMAL: Final = "normal"

_REASON_MAX: Final = 200  # octets of an error answer kept for the trace


class Credential(Protocol):
    """The access token for Push REST, wherever it comes from."""

    def token(self, now: Instant) -> str | None:
        """The token, None if there is none that is good."""

    def prepare(self, now: Instant) -> tuple[Readiness, tuple[ChannelAction, ...]]:
        """Whether a push can leave, and what to do for it."""

    def receive(self, event: TokenEvent, now: Instant) -> tuple[ChannelAction, ...]:
        """News of the token."""

    def refused(self, token: str, now: Instant) -> tuple[ChannelAction, ...]:
        """Push REST does not take `token`."""

    def accepted(self, token: str, now: Instant) -> tuple[ChannelAction, ...]:
        """Push REST did not object to `token`."""

    def advance(self, now: Instant) -> tuple[ChannelAction, ...]:
        """Do what is due."""

    def next_deadline(self) -> Instant | None:
        """When `advance` has something to do."""

    def start(self, now: Instant) -> tuple[ChannelAction, ...]:
        """The push service starts."""

    def stop(self) -> tuple[ChannelAction, ...]:
        """The push service stops."""


class PushRestChannel:
    """Writes the outer request of OP-10 and reads the answers of OP-13.

    Its access token is the machine token (`MachineToken`), or one that is handed in. One that is
    refused is dropped, and a new one is asked for once, however many pushes were refused with it.
    """

    def __init__(
        self,
        url: str,
        credential: Credential | None = None,
        *,
        room: int = 64,
        unix_ms_at_zero: int = 0,
    ) -> None:
        self.name = PUSH_REST
        self.room = room
        self.holds = Holds()
        self._url = url
        self._unix_ms_at_zero = unix_ms_at_zero
        self._credential: Credential = HandedToken() if credential is None else credential
        self._said: list[ChannelAction] = []  # to be handed out by the next door that can
        self._said_at = Instant(0)

    def prepare(self, now: Instant) -> tuple[Readiness, tuple[ChannelAction, ...]]:
        """Whether a push can leave."""
        readiness, actions = self._credential.prepare(now)
        return readiness, (*self._handed_out(), *actions)

    def post(self, push: Outgoing, now: Instant) -> PostPush:
        """The request."""
        headers = (
            ("Authorization", f"Bearer {self._credential.token(now)}"),
            ("Content-Type", "application/json"),
            ("TrackingID", push.tracking_id),
        )
        return PostPush(push.tracking_id, self._url, headers, outer_request(push), push.deadline)

    def judge(self, push: Outgoing, post: PostPush, answer: PushAnswered, now: Instant) -> Verdict:
        """What the answer means (OP-13, OP-20)."""
        status = answer.status
        reason = "" if status == 200 else answer.body[:_REASON_MAX].decode(errors="replace")
        if status in (401, 403):
            self._say(self._credential.refused(bearer_of(post), now), now)
            return Verdict(Outcome.REFUSED, reason, again=True)
        self._say(self._credential.accepted(bearer_of(post), now), now)
        wait_ns = retry_after_ns(answer.retry_after, unix_s(self._unix_ms_at_zero, now))
        if wait_ns and status in (429, 503):
            # Where the partner cloud speaks through it, one device or one service is meant.
            partner = json_object(answer.body).get("partnerStatus")
            key = WHOLE
            if partner is not None:
                key = target_key(push.target) if partner == 429 else service_key(push.service)
            self.holds.set(key, Instant(now + wait_ns), now)
        return Verdict(outcome_of(status), reason)

    def receive(self, event: TokenEvent, now: Instant) -> None:
        """News of the token (CPNS-05)."""
        self._say(self._credential.receive(event, now), now)

    def advance(self, now: Instant) -> tuple[ChannelAction, ...]:
        """Do what is due for the token."""
        return (*self._handed_out(), *self._credential.advance(now))

    def next_deadline(self) -> Instant | None:
        """When `advance` has something to do; at once where there is something to hand out."""
        return self._said_at if self._said else self._credential.next_deadline()

    def start(self, now: Instant) -> tuple[ChannelAction, ...]:
        """The service starts."""
        return (*self._handed_out(), *self._credential.start(now))

    def stop(self) -> tuple[ChannelAction, ...]:
        """The service stops."""
        return (*self._handed_out(), *self._credential.stop())

    def _say(self, actions: tuple[ChannelAction, ...], now: Instant) -> None:
        if actions:
            self._said += actions
            self._said_at = now

    def _handed_out(self) -> tuple[ChannelAction, ...]:
        said, self._said = self._said, []
        return tuple(said)


def outer_request(push: Outgoing) -> bytes:
    """The JSON body. Outside the seal are only service details, the target and the tracking id.

    Source: OP-10, PUSH-06, PUSH-07.
    """
    fields: dict[str, Any] = {
        "trackingId": push.tracking_id,
        "service": push.service,
        "target": push.target,
        "channel": push.channel.value,
        "priority": HIGH if push.call else NORMAL,
        "ttl": push.ttl_s,
    }
    if push.topic is not None:
        fields["topic"] = push.topic
    if push.collapse_id is not None:
        fields["collapseId"] = push.collapse_id
    fields["payload"] = push.payload
    return msgspec.json.encode(fields)
