"""The channel through Push REST: the default, and the only one to the Cisco cloud (PUSH-02)."""

from __future__ import annotations

from typing import Any, Final

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
from callctl.push.events import (
    ChannelAction,
    Outcome,
    PostPush,
    PushAnswered,
    RenewToken,
    TokenChanged,
)
from callctl.push.token_gate import TokenGate
from sipstack.timing import Instant

HIGH: Final = "high"  # at once, even if it costs battery: every call push (CALL-12, PUSH-04)
NORMAL: Final = "normal"

_REASON_MAX: Final = 200  # octets of an error answer kept for the trace


class PushRestChannel:
    """Writes the outer request of OP-10 and reads the answers of OP-13.

    Its access token comes from the shell (`TokenChanged`). One that is refused is dropped, and a
    new one is asked for once, however many pushes were refused with it.
    """

    def __init__(self, url: str, *, room: int = 64, unix_ms_at_zero: int = 0) -> None:
        self.name = PUSH_REST
        self.room = room
        self.holds = Holds()
        self._url = url
        self._unix_ms_at_zero = unix_ms_at_zero
        self._gate = TokenGate()
        self._known = False  # there was a token: where it came from there may be another

    def prepare(self, now: Instant) -> tuple[Readiness, tuple[ChannelAction, ...]]:
        """Ask for another token if the last one was refused."""
        actions: tuple[ChannelAction, ...] = ()
        if self._known and self._gate.fetch_is_due(now):
            self._gate.began(now)
            actions = (RenewToken(),)
        return self._gate.readiness(now), actions

    def post(self, push: Outgoing, now: Instant) -> PostPush:
        """The request."""
        headers = (
            ("Authorization", f"Bearer {self._gate.token(now)}"),
            ("Content-Type", "application/json"),
            ("TrackingID", push.tracking_id),
        )
        return PostPush(push.tracking_id, self._url, headers, outer_request(push), push.deadline)

    def judge(self, push: Outgoing, post: PostPush, answer: PushAnswered, now: Instant) -> Verdict:
        """What the answer means (OP-13, OP-20)."""
        status = answer.status
        reason = "" if status == 200 else answer.body[:_REASON_MAX].decode(errors="replace")
        if status in (401, 403):
            self._gate.refused(bearer_of(post), now)
            return Verdict(Outcome.REFUSED, reason, again=True)
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
        """The token was renewed, or is gone (CPNS-05)."""
        if not isinstance(event, TokenChanged):
            return
        if event.token is None:
            self._known = False
            self._gate.lost()
        else:
            self._known = True
            self._gate.got(event.token, now)

    def advance(self, now: Instant) -> tuple[ChannelAction, ...]:
        """Give up waiting for a token."""
        if self._gate.fetch_ends_at is not None and now >= self._gate.fetch_ends_at:
            self._gate.failed(now)
        return ()

    def next_deadline(self) -> Instant | None:
        """When waiting for a token has taken too long."""
        return self._gate.fetch_ends_at

    def stop(self) -> tuple[ChannelAction, ...]:
        """Nobody waits for a token any more; one that comes is taken all the same."""
        self._gate.fetch_ends_at = None
        return ()


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
