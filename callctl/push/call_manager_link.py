"""CallManager's end of the link to the push service of its own node, and of no other.

It keeps one connection, tells by heartbeats whether somebody is there, and gives every push exactly
one outcome, whatever becomes of the connection. Source: CPNS-03, CPNS-04, CPNS-13, OP-34.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Final, TypeAlias

from callctl.push.events import Ignored, Outcome, PushOutcome, PushSent, PushWithdrawn
from callctl.push.intent import PushIntent
from callctl.push.link_frame import (
    Ended,
    Frame,
    FrameReader,
    Heartbeat,
    HeartbeatAck,
    Hello,
    LinkError,
    Push,
    Refused,
    Sent,
    TokenState,
    Welcome,
    Withdraw,
    octets_of,
)
from callctl.serviceability.condition import Condition, ConditionEntered, ConditionLeft
from sipstack.timing import MS, SECOND, Instant

HEARTBEAT_NS: Final = 5 * SECOND
MISSES_MAX: Final = 2
RECONNECT_NS: Final = 200 * MS
PATIENCE_NS: Final = (
    2 * SECOND
)  # with a service that restarts: no alarm, if nothing was wanted of it
HELD_MAX: Final = 5_000  # pushes that wait for the first connection of a node that just started

UNAVAILABLE: Final = "PushNotificationServiceUnavailable"
NO_TOKEN: Final = "PushNotificationServiceAccessTokenUnavailable"

NO_SERVICE: Final = "no push service"
SERVICE_LOST: Final = "push service lost"
"""Reasons of outcomes that are CallManager's own word."""

LinkState = Enum("LinkState", "CLOSED STARTING UP DOWN")
"""STARTING: no try has ended yet. DOWN: the last one failed; pushes are refused at once."""


@dataclass(frozen=True, slots=True)
class LinkOpened:
    """The connection that was asked for is there."""


@dataclass(frozen=True, slots=True)
class LinkClosed:
    """There is no connection: it could not be had, or it ended."""

    reason: str


@dataclass(frozen=True, slots=True)
class LinkOctets:
    """The service said something."""

    octets: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class OpenLink:
    """Connect to the push service of this node; report `LinkOpened` or `LinkClosed`."""


@dataclass(frozen=True, slots=True)
class WriteLink:
    """Write this to the connection."""

    octets: bytes = field(repr=False)  # names and numbers


@dataclass(frozen=True, slots=True)
class CloseLink:
    """End the connection; nothing is to be reported of it any more."""


@dataclass(frozen=True, slots=True)
class ServiceReached:
    """Whether the push service can be reached has changed."""

    reached: bool


LinkEvent: TypeAlias = LinkOpened | LinkClosed | LinkOctets
LinkOutput: TypeAlias = OpenLink | WriteLink | CloseLink
LinkAction: TypeAlias = LinkOutput | ServiceReached | PushSent | PushOutcome | Condition | Ignored


class CallManagerLink:
    """One end of one link, behind the three doors."""

    __slots__ = (
        "_connected",
        "_down_at",
        "_due_at",
        "_held",
        "_misses",
        "_number",
        "_open",
        "_reader",
        "_reason",
        "_tokenless",
        "_why",
        "node",
        "state",
    )

    def __init__(self, node: str) -> None:
        self.node = node
        self.state = LinkState.CLOSED
        self._connected = False
        self._reader = FrameReader()
        self._open: dict[str, None] = {}  # intents without an outcome
        self._held: list[PushIntent] = []
        self._number = 0  # of the last heartbeat
        self._misses = 0
        self._down_at = Instant(0)  # since when there is no connection
        self._reason = ""  # why there is none
        self._why = ""  # the reason that was told last
        self._tokenless = False  # the service has said that it has no access token
        self._due_at: Instant | None = None  # the next heartbeat, or the next try

    def start(self, now: Instant) -> tuple[LinkAction, ...]:
        """Look for the service."""
        self.state = LinkState.STARTING
        return (OpenLink(),)

    def stop(self) -> tuple[LinkAction, ...]:
        """CallManager stops: nobody waits for anything any more."""
        self.state = LinkState.CLOSED
        self._connected = False
        self._due_at = None
        self._open.clear()
        self._held.clear()
        return (CloseLink(),)

    def look_again(self) -> tuple[LinkAction, ...]:
        """The service was just started: try now, not when the next try is due."""
        if self._connected or self._due_at is None:
            return ()  # there is a connection, or a try is under way
        self._due_at = None
        return (OpenLink(),)

    def push(self, intent: PushIntent, now: Instant) -> tuple[LinkAction, ...]:
        """Hand a push to the service."""
        if self.state is LinkState.UP:
            return (self._push(intent, now),)
        if self.state is LinkState.STARTING and len(self._held) < HELD_MAX:
            self._held.append(intent)
            return ()
        out: list[LinkAction] = []
        self._alarm(out)
        out.append(PushOutcome(intent.intent_id, Outcome.REFUSED, None, NO_SERVICE))
        return tuple(out)

    def withdraw(self, withdrawn: PushWithdrawn) -> tuple[LinkAction, ...]:
        """The call is over for this device."""
        if self.state is LinkState.UP:
            frame = Withdraw(withdrawn.call_uuid, withdrawn.device_name)
            return (WriteLink(octets_of(frame)),)
        out: list[LinkAction] = []
        for intent in tuple(self._held):
            if (intent.call_uuid, intent.device_name) == (
                withdrawn.call_uuid,
                withdrawn.device_name,
            ):
                self._held.remove(intent)
                out.append(PushOutcome(intent.intent_id, Outcome.WITHDRAWN, None, "call is over"))
        return tuple(out)

    def receive(self, event: LinkEvent, now: Instant) -> tuple[LinkAction, ...]:
        """Take what happened to the connection."""
        if self.state is LinkState.CLOSED:
            return (Ignored("link event after the end", type(event).__name__),)
        match event:
            case LinkOpened():
                self._connected = True
                self._reader = FrameReader()
                self._misses = 0
                self._due_at = Instant(now + HEARTBEAT_NS)
                return (WriteLink(octets_of(Hello(self.node))),)
            case LinkClosed(reason):
                return self._lost(reason, now)
            case LinkOctets(octets) if self._connected:
                return self._heard(octets, now)
            case LinkOctets():
                return (Ignored("octets of a link that was ended", ""),)

    def advance(self, now: Instant) -> tuple[LinkAction, ...]:
        """Send the heartbeat that is due, or try again."""
        if self._due_at is None or now < self._due_at:
            return ()
        if not self._connected:
            self._due_at = None
            return (OpenLink(),)
        if self.state is not LinkState.UP:
            # It may answer heartbeats; who waits for a welcome keeps calls waiting.
            return (CloseLink(), *self._lost("no welcome", now, for_good=True))
        if self._misses >= MISSES_MAX:
            return (CloseLink(), *self._lost("no heartbeat", now, for_good=True))
        self._misses += 1  # until something is heard
        self._number += 1
        self._due_at = Instant(now + HEARTBEAT_NS)
        return (WriteLink(octets_of(Heartbeat(self._number))),)

    def next_deadline(self) -> Instant | None:
        """When `advance` has something to do."""
        return self._due_at

    def counts(self) -> dict[str, int]:
        """What is held; at rest each is 0 (I13)."""
        return {"pushes_at_service": len(self._open), "pushes_held": len(self._held)}

    def _push(self, intent: PushIntent, now: Instant) -> WriteLink:
        self._open[intent.intent_id] = None
        frame = Push(
            intent.intent_id,
            intent.device_name,
            intent.kind,
            intent.call_uuid,
            intent.content.limited(),
            intent.deadline,
            now,
        )
        return WriteLink(octets_of(frame))

    def _heard(self, octets: bytes, now: Instant) -> tuple[LinkAction, ...]:
        out: list[LinkAction] = []
        try:
            for frame in self._reader.feed(octets):
                self._misses = 0
                self._frame(frame, now, out)
        except LinkError as error:
            return (*out, CloseLink(), *self._lost(str(error), now, for_good=True))
        return tuple(out)

    def _frame(self, frame: Frame, now: Instant, out: list[LinkAction]) -> None:
        match frame:
            case HeartbeatAck():
                pass  # that something was heard is all it says
            case Welcome(node) if self.state is not LinkState.UP:
                if node != self.node:
                    raise LinkError("welcome of another node")
                self._reached(now, out)
            case Sent(intent_id) if intent_id in self._open:
                out.append(PushSent(intent_id))
            case Ended(intent_id, outcome, status, reason, tracking_id, mark):
                if self._open.pop(intent_id, _ABSENT) is _ABSENT:
                    out.append(Ignored("stray push outcome", intent_id))
                    return
                out.append(PushOutcome(intent_id, outcome, status, reason, tracking_id, mark))
            case TokenState(available, reason):
                self._token(available, reason, out)
            case Refused(reason):
                raise LinkError(f"refused: {reason}")
            case _:
                out.append(Ignored("stray frame of the push service", type(frame).__name__))

    def _reached(self, now: Instant, out: list[LinkAction]) -> None:
        self.state = LinkState.UP
        self._why = ""
        held, self._held = self._held, []
        out += [self._push(intent, now) for intent in held]
        out.append(ConditionLeft(UNAVAILABLE, self.node))
        out.append(ServiceReached(True))

    def _token(self, available: bool, reason: str, out: list[LinkAction]) -> None:
        self._tokenless = not available
        if available:
            out.append(ConditionLeft(NO_TOKEN, self.node))
        else:
            out.append(ConditionEntered(NO_TOKEN, self.node, detail=reason))

    def _lost(self, reason: str, now: Instant, *, for_good: bool = False) -> tuple[LinkAction, ...]:
        """There is no connection. What was under way may have left: nobody knows.

        `for_good`: it does not look like a service that restarts.
        """
        was_down, self.state = self.state is LinkState.DOWN, LinkState.DOWN
        self._connected = False
        self._due_at = Instant(now + RECONNECT_NS)
        out: list[LinkAction] = []
        self._reason = reason
        if not was_down:
            self._down_at = now
        if for_good or self._held or self._open or now - self._down_at >= PATIENCE_NS:
            self._alarm(out)
        if not was_down:
            out.append(ServiceReached(False))
        if self._tokenless:
            # Nobody knows any more; the service says it again with its next welcome.
            self._tokenless = False
            out.append(ConditionLeft(NO_TOKEN, self.node))
        out += [
            PushOutcome(intent.intent_id, Outcome.REFUSED, None, NO_SERVICE)
            for intent in self._held
        ]
        out += [
            PushOutcome(intent_id, Outcome.FAILED, None, SERVICE_LOST) for intent_id in self._open
        ]
        self._held.clear()
        self._open.clear()
        return tuple(out)

    def _alarm(self, out: list[LinkAction]) -> None:
        """Say that there is no service, if that was not said before."""
        if self._reason != self._why:
            self._why = self._reason
            out.append(ConditionEntered(UNAVAILABLE, self.node, detail=self._reason))


_ABSENT: Final = object()
