"""The push service of a node with its end of the link: what runs as one process in Unified CM.

    CallManager -- frames --> CpnsService -- PostPush --> channels
                <-- frames --             <-- answers --

It serves the CallManager of its own node, over one connection at a time, and no other.
Source: CPNS-02, CPNS-03, CPNS-04, OP-34.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, TypeAlias

from callctl.push.cpns import Cpns, NewestBinding
from callctl.push.events import (
    AbandonPush,
    CallersGone,
    ChannelAction,
    CpnsAction,
    CpnsEvent,
    Ignored,
    Outcome,
    PostPush,
    PushOutcome,
    PushSent,
    PushWithdrawn,
    ServiceStarted,
    ServiceStopped,
)
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
from callctl.push.token_events import TokenStateChanged
from sipstack.timing import MS, Instant


@dataclass(frozen=True, slots=True)
class PeerOctets:
    """Somebody who is connected to port 9966 said something; `peer` is the connection's number."""

    peer: int
    octets: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class PeerGone:
    """A connection to port 9966 has ended."""

    peer: int


@dataclass(frozen=True, slots=True)
class WritePeer:
    """Write this to a connection."""

    peer: int
    octets: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ClosePeer:
    """End a connection once what was written has left."""

    peer: int


LATE_NS: Final = 500 * MS  # that a push was on the wire, if its service has not hung
CATCH_UP_NS: Final = 100 * MS

ServiceEvent: TypeAlias = PeerOctets | PeerGone | CpnsEvent
ServiceAction: TypeAlias = WritePeer | ClosePeer | PostPush | AbandonPush | ChannelAction | Ignored


class CpnsService:
    """The service, behind the three doors."""

    __slots__ = (
        "_caller",
        "_catches_up_at",
        "_newest_binding",
        "_readers",
        "_token",
        "cpns",
        "node",
    )

    def __init__(self, node: str, cpns: Cpns, newest_binding: NewestBinding) -> None:
        """`newest_binding`: the look-up in the database of the node."""
        self.node = node
        self.cpns = cpns
        self._newest_binding = newest_binding
        self._readers: dict[int, FrameReader] = {}
        self._caller: int | None = None  # the connection of CallManager
        self._token: TokenState | None = None  # as it was last told
        self._catches_up_at: Instant | None = None  # set once it has found out that it hung

    def start(self, now: Instant) -> tuple[ServiceAction, ...]:
        """Come into service."""
        return self._from_cpns(self.cpns.receive(ServiceStarted(), now))

    def stop(self, now: Instant) -> tuple[ServiceAction, ...]:
        """Go out of service: what is under way is given up, and CallManager hears of it."""
        out = list(self._from_cpns(self.cpns.receive(ServiceStopped(), now)))
        out += [ClosePeer(peer) for peer in self._readers]
        self._readers.clear()
        self._caller = None
        self._token = None
        self._catches_up_at = None
        return tuple(out)

    def receive(self, event: ServiceEvent, now: Instant) -> tuple[ServiceAction, ...]:
        """Take what happened."""
        match event:
            case PeerOctets(peer, octets):
                return self._heard(peer, octets, now)
            case PeerGone(peer):
                self._readers.pop(peer, None)
                if peer != self._caller:
                    return ()
                self._caller = None
                return self._tell_cpns(CallersGone(), now)
            case _:
                return self._tell_cpns(event, now)

    def advance(self, now: Instant) -> tuple[ServiceAction, ...]:
        """Do what is due at `now`."""
        if self._catching_up(now):
            return ()
        self._catches_up_at = None
        return self._from_cpns(self.cpns.advance(now))

    def next_deadline(self) -> Instant | None:
        """When `advance` has something to do."""
        if self._catches_up_at is not None:
            return self._catches_up_at
        return self.cpns.next_deadline()

    def counts(self) -> dict[str, int]:
        """What is held; at rest each is 0 but for remembered rings (I13)."""
        return self.cpns.counts()

    @property
    def token_available(self) -> bool:
        """True if pushes through Push REST can leave."""
        return self._token is not None and self._token.available

    def _heard(self, peer: int, octets: bytes, now: Instant) -> tuple[ServiceAction, ...]:
        reader = self._readers.get(peer)
        if reader is None:
            reader = self._readers[peer] = FrameReader()
        out: list[ServiceAction] = []
        try:
            for frame in reader.feed(octets):
                self._frame(peer, frame, now, out)
        except LinkError as error:
            self._readers.pop(peer, None)
            out.append(WritePeer(peer, octets_of(Refused(str(error)))))
            out.append(ClosePeer(peer))
            out.append(Ignored("push service link refused", str(error)))
            if peer == self._caller:
                self._caller = None
                out += self._tell_cpns(CallersGone(), now)
        return (*out, *self.advance(now))

    def _frame(self, peer: int, frame: Frame, now: Instant, out: list[ServiceAction]) -> None:
        if isinstance(frame, Hello):
            self._greeted(peer, frame, now, out)
        elif isinstance(frame, Heartbeat):
            # Whoever asks may hear that the service is there: that is how the port is probed.
            out.append(WritePeer(peer, octets_of(HeartbeatAck(frame.number))))
        elif peer != self._caller:
            raise LinkError(f"{type(frame).__name__.lower()} before hello")
        elif isinstance(frame, Push):
            self._wanted(frame, now, out)
        elif isinstance(frame, Withdraw):
            withdrawn = PushWithdrawn(frame.call_uuid, frame.device_name)
            out += self._from_cpns(self.cpns.receive(withdrawn, now, more=True))
        else:
            raise LinkError(f"{type(frame).__name__.lower()} is not for the service")

    def _greeted(self, peer: int, hello: Hello, now: Instant, out: list[ServiceAction]) -> None:
        if hello.node != self.node:
            raise LinkError(f"this is the push service of {self.node} (CPNS-03)")
        before, self._caller = self._caller, None
        if before is not None and before != peer:
            # CallManager has come back before the end of its old connection was noticed.
            self._readers.pop(before, None)
            out.append(ClosePeer(before))
            out += self._tell_cpns(CallersGone(), now)
        self._caller = peer
        out.append(WritePeer(peer, octets_of(Welcome(self.node))))
        if self._token is not None:
            out.append(WritePeer(peer, octets_of(self._token)))

    def _tell_cpns(self, event: CpnsEvent, now: Instant) -> tuple[ServiceAction, ...]:
        more = self._catching_up(now)
        return self._from_cpns(self.cpns.receive(event, now, more=more))

    def _catching_up(self, now: Instant) -> bool:
        """True while a service that hung reads what came meanwhile, and posts nothing.

        It finds what it shall push, and behind that, perhaps, what it shall not (I5).
        """
        return self._catches_up_at is not None and now < self._catches_up_at

    def _wanted(self, push: Push, now: Instant, out: list[ServiceAction]) -> None:
        if push.asked_at is not None and now - push.asked_at > LATE_NS:
            self._catches_up_at = Instant(now + CATCH_UP_NS)
        binding = self._newest_binding(push.device_name)
        if binding is None:
            ended = Ended(push.intent_id, Outcome.WITHDRAWN, reason="no push binding")
            self._tell(ended, out)
            return
        intent = PushIntent(
            push.intent_id,
            push.device_name,
            push.kind,
            push.call_uuid,
            binding,
            push.content,
            Instant(push.deadline),
        )
        out += self._from_cpns(self.cpns.receive(intent, now, more=True))

    def _from_cpns(self, actions: tuple[CpnsAction, ...]) -> tuple[ServiceAction, ...]:
        out: list[ServiceAction] = []
        for action in actions:
            if isinstance(action, PushOutcome):
                ended = Ended(
                    action.intent_id,
                    action.outcome,
                    action.status,
                    action.reason,
                    action.tracking_id,
                    action.target_mark,
                )
                self._tell(ended, out)
            elif isinstance(action, PushSent):
                self._tell(Sent(action.intent_id), out)
            elif isinstance(action, TokenStateChanged):
                self._token = TokenState(action.available, action.reason)
                self._tell(self._token, out)
            else:
                out.append(action)
        return tuple(out)

    def _tell(self, frame: Frame, out: list[ServiceAction]) -> None:
        if self._caller is not None:
            out.append(WritePeer(self._caller, octets_of(frame)))
