"""What reaches the engine of a node from outside, and what it wants done."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from callctl.cluster.event import ClusterEvent
from callctl.cluster.membership import Publish
from callctl.push.events import PushOutcome, PushSent, PushWithdrawn
from callctl.push.intent import PushIntent
from callctl.registration.push_binding import PushBinding
from callctl.serviceability.condition import Condition
from sipstack.transaction.events import Ignored
from sipstack.transport.flow import CloseFlow, Send, TransportEvent
from sipstack.transport.locate import Query, Record


@dataclass(frozen=True, slots=True)
class ClusterEventReceived:
    """Another node published this."""

    event: ClusterEvent


@dataclass(frozen=True, slots=True)
class DeviceSignedIn:
    """A managed client gave its push targets and key; `stamp` is set by the engine (OP-01)."""

    push_binding: PushBinding


@dataclass(frozen=True, slots=True)
class DeviceSignedOut:
    """A managed client signed out: no push until it signs in again (MODE-18, REG-08)."""

    device_name: str


@dataclass(frozen=True, slots=True)
class CpnsChanged:
    """The push service of this node can be reached, or no more (CPNS-03)."""

    running: bool


@dataclass(frozen=True, slots=True)
class PushSwitched:
    """From now on pushes may leave the cluster, or none may (GEN-02, GEN-09)."""

    on: bool


@dataclass(frozen=True, slots=True)
class LookedUp:
    """The answers to a `LookUp`; () for a name that has no such record (RFC 3263)."""

    lookup_id: int
    answers: tuple[tuple[Query, tuple[Record, ...]], ...]


EngineEvent: TypeAlias = (
    TransportEvent
    | ClusterEventReceived
    | PushSent
    | PushOutcome
    | DeviceSignedIn
    | DeviceSignedOut
    | CpnsChanged
    | PushSwitched
    | LookedUp
)


@dataclass(frozen=True, slots=True)
class SendPush:
    """Hand this to the push service of this node, and no other (CPNS-03)."""

    intent: PushIntent


@dataclass(frozen=True, slots=True)
class WithdrawPush:
    """A ring push that has not left must not leave any more (I5)."""

    withdrawn: PushWithdrawn


@dataclass(frozen=True, slots=True)
class LookUp:
    """Ask the name service, and come back with `LookedUp`."""

    lookup_id: int
    queries: tuple[Query, ...]


@dataclass(frozen=True, slots=True)
class FaultContained:
    """A fault of our own ended one call or request with 500. For the log and an alarm."""

    where: str  # names nobody
    error: Exception = field(repr=False, compare=False)  # for a test or a simulation to raise


EngineAction: TypeAlias = (
    Send
    | CloseFlow
    | Publish
    | SendPush
    | WithdrawPush
    | LookUp
    | FaultContained
    | Condition
    | Ignored
)
