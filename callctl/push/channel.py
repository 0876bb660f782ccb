"""What every way out of a node has in common: Push REST, and the direct ones to APNs and FCM.

A channel writes the request of a push and reads the answer to it. It holds what the service behind
it wants: its credential, and for how long it asked to be left alone. Order, deadlines and outcomes
are the push service's (`cpns`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Any, Final, Protocol, TypeAlias

import msgspec

from callctl.push.events import (
    ChannelAction,
    Outcome,
    PostPush,
    PushAnswered,
    TokenChanged,
    TokenFetched,
    TokenFetchLost,
)
from callctl.push.kind import Channel, PushKind
from callctl.push.token_events import MachineAccountGiven
from callctl.registration.push_binding import PushBinding
from sipstack.timing import MS, SECOND, Instant

PUSH_REST: Final = "push rest"
"""Name of the channel that is always there."""

RETRY_AFTER_MAX_S: Final = 3_600  # no single answer silences a service for longer
HOLDS_MAX: Final = 10_000
_RETRY_DIGITS_MAX: Final = 10

Readiness = Enum("Readiness", "READY WAITING NONE")
"""Of a channel's credential. WAITING: one is on its way. NONE: there is none, and none comes."""

TokenEvent: TypeAlias = TokenChanged | TokenFetched | TokenFetchLost | MachineAccountGiven


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One push that is about to leave: all that a channel may know of it."""

    tracking_id: str
    kind: PushKind
    service: str  # the subscriber service of the client
    target: str = field(repr=False)  # device token
    channel: Channel
    topic: str | None  # app identifier that the client gave
    payload: Mapping[str, str] = field(repr=False)  # sealed, or content-free
    call: bool  # high priority (CALL-12, PUSH-04)
    collapse_id: str | None
    ttl_s: int  # what is left of the deadline; 0 is now or never
    deadline: Instant
    stored_at: Instant  # when the client last gave this target


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an answer means for a push."""

    outcome: Outcome
    reason: str = ""
    again: bool = False  # refused unread for its credential, and there may be a better one


class PushChannel(Protocol):
    """One way out of a node. Its three doors are for its credential."""

    @property
    def name(self) -> str:
        """Unique in a node."""

    @property
    def room(self) -> int:
        """How many requests it takes at once."""

    @property
    def holds(self) -> Holds:
        """Who asked to be left alone."""

    def prepare(self, now: Instant) -> tuple[Readiness, tuple[ChannelAction, ...]]:
        """Whether a push can leave, and what to do for the credential."""

    def post(self, push: Outgoing, now: Instant) -> PostPush:
        """The request. Only when it is READY."""

    def judge(self, push: Outgoing, post: PostPush, answer: PushAnswered, now: Instant) -> Verdict:
        """What the answer to a request of this channel means."""

    def receive(self, event: TokenEvent, now: Instant) -> None:
        """News of the credential."""

    def advance(self, now: Instant) -> tuple[ChannelAction, ...]:
        """Do what is due."""

    def next_deadline(self) -> Instant | None:
        """When `advance` has something to do."""

    def start(self, now: Instant) -> tuple[ChannelAction, ...]:
        """The push service starts."""

    def stop(self) -> tuple[ChannelAction, ...]:
        """The push service stops: nothing is to be under way."""


class Channels:
    """The ways out of one node, and which of them the pushes of a device take."""

    __slots__ = ("_by_name", "_choose")

    def __init__(
        self,
        rest: PushChannel,
        direct: Iterable[PushChannel] = (),
        choose: Callable[[PushBinding], str] = lambda _: PUSH_REST,
    ) -> None:
        """`choose` gives the name of a channel; one that is not there takes no push."""
        self._by_name = {channel.name: channel for channel in (rest, *direct)}
        self._choose = choose

    def __iter__(self) -> Iterator[PushChannel]:
        return iter(self._by_name.values())

    def name_for(self, binding: PushBinding) -> str:
        """The channel for pushes to the device of `binding`; it may not exist."""
        return self._choose(binding)


class Holds:
    """Services and devices that asked not to be bothered before some time (`Retry-After`)."""

    __slots__ = ("_until",)

    def __init__(self) -> None:
        self._until: dict[str, Instant] = {}

    def __len__(self) -> int:
        return len(self._until)

    def set(self, key: str, until: Instant, now: Instant) -> None:
        """Leave `key` alone until then, or longer if it asked for longer before."""
        if len(self._until) >= HOLDS_MAX:
            self._until = {name: at for name, at in self._until.items() if at > now}
        if len(self._until) >= HOLDS_MAX:
            del self._until[next(iter(self._until))]
        self._until[key] = max(until, self._until.get(key, until))

    def until(self, keys: Iterable[str], now: Instant) -> Instant | None:
        """When the last of `keys` may be bothered again; None if all may be now."""
        if not self._until:
            return None
        ends = [at for key in keys if (at := self._until.get(key)) is not None and at > now]
        return max(ends, default=None)


WHOLE: Final = "*"
"""Key of a hold that is for everybody behind a channel."""


def target_key(target: str) -> str:
    """Key of a hold for one device."""
    return f"target {target}"


def service_key(service: str) -> str:
    """Key of a hold for one subscriber service."""
    return f"service {service}"


def hold_keys(push: Outgoing) -> tuple[str, ...]:
    """What must not be on hold if `push` is to leave."""
    return WHOLE, service_key(push.service), target_key(push.target)


def retry_after_ns(text: str | None, now_unix_s: int) -> int | None:
    """A `Retry-After` header in nanoseconds from now, at most an hour; None without a usable one.

    Seconds, or a date. Source: RFC 9110 §10.2.3.
    """
    if text is None:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit() and len(text) <= _RETRY_DIGITS_MAX:
        seconds = int(text)
    else:
        try:
            date = parsedate_to_datetime(text)
            if date.tzinfo is None:  # "-0000": of no known zone, and so taken for UTC
                date = date.replace(tzinfo=UTC)
            seconds = int(date.timestamp()) - now_unix_s
        except (ValueError, TypeError, OverflowError):
            return None
    return min(max(seconds, 0), RETRY_AFTER_MAX_S) * SECOND


def json_object(body: bytes) -> dict[str, Any]:
    """The body of an answer as an object; {} if it is none, however it is broken."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def unix_s(unix_ms_at_zero: int, now: Instant) -> int:
    """Wall-clock time in seconds of Unix time."""
    return (unix_ms_at_zero + now // MS) // 1000


def outcome_of(status: int) -> Outcome:
    """What the status of an answer means where no more is known (OP-13, OP-20)."""
    if status == 200:
        return Outcome.ACCEPTED
    if status == 410:
        return Outcome.REFUSED_TOKEN
    # 408 and 429 are a matter of time, like 5xx. Every other one would be the same next time, and
    # a redirect too: it is never followed, it could lead anywhere.
    return Outcome.REFUSED if 300 <= status < 500 and status not in (408, 429) else Outcome.FAILED


def bearer_of(post: PostPush) -> str:
    """The credential that a request was sent with."""
    for name, value in post.headers:
        if name.lower() == "authorization":
            return value.partition(" ")[2]
    return ""
