"""What a call hears and what it wants done. The engine turns both into SIP, pushes and timers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, TypeAlias

from callctl.call.branch import Branch
from callctl.call.itinerary import Onward, Target
from callctl.call.leg import Leg
from callctl.model.device import Device
from callctl.push.kind import PushKind
from callctl.registration.binding import Binding
from sipstack.message.message import Response


class PushResult(Enum):
    """How a ring push ended, as far as the call is concerned."""

    ACCEPTED = "accepted"
    TARGET_INVALID = "target invalid"  # 410: this device cannot be woken (REG-06)
    NO_SERVICE = "no service"  # the push service of this node is down: nothing left (CALL-18)
    LOST = "lost"  # the push service died with it, and had not said that it left
    FAILED = "failed"  # an error or no answer of the cloud: the phone may have got it all the same


class BranchResponded(NamedTuple):
    """A device answered its copy of the INVITE."""

    branch: Branch
    response: Response


@dataclass(frozen=True, slots=True)
class BranchFailed:
    """No answer at all, or no way to send: the copy is gone."""

    branch: Branch
    cause: str  # "timeout", "transport", or one of `UNSENDABLE` in `callctl.call.call`


@dataclass(frozen=True, slots=True)
class BranchOver:
    """Nothing more can come of this copy."""

    branch: Branch


@dataclass(frozen=True, slots=True)
class CallerCancelled:
    """The caller gave up."""

    reason: str | None  # Reason header of the CANCEL, passed on as it is


@dataclass(frozen=True, slots=True)
class DeviceRegistered:
    """An authenticated REGISTER of a device that shares a line of this call was answered 200."""

    binding: Binding
    device: Device


@dataclass(frozen=True, slots=True)
class Reached:
    """The engine found out what a number of `Reach` leads to."""

    reach: Reach
    target: Target


@dataclass(frozen=True, slots=True)
class PushEnded:
    """The push service told what became of a ring push."""

    leg: Leg
    result: PushResult


@dataclass(frozen=True, slots=True)
class NodeLost:
    """A node went out of service."""

    node: str


@dataclass(frozen=True, slots=True)
class NodeStopping:
    """This node leaves in order: the call cannot go on here."""


CallEvent: TypeAlias = (
    BranchResponded
    | BranchFailed
    | BranchOver
    | CallerCancelled
    | DeviceRegistered
    | Reached
    | PushEnded
    | NodeLost
    | NodeStopping
)


@dataclass(frozen=True, slots=True)
class Reach:
    """Find out who a number is, and come back with `Reached` at once."""

    onward: Onward
    behind: Leg | None = None  # its user's mobility identity is called (MOB-02)


class Offer(NamedTuple):
    """Send the INVITE to this branch's binding or destination."""

    branch: Branch


@dataclass(frozen=True, slots=True)
class CancelBranch:
    """Send a CANCEL as soon as one may be sent (RFC 3261 §9.1)."""

    branch: Branch
    reason: str | None


@dataclass(frozen=True, slots=True)
class RequestPush:
    """Hand a push to the push service of this node."""

    leg: Leg
    kind: PushKind


class PassResponse(NamedTuple):
    """Forward a device's response to the caller."""

    response: Response


@dataclass(frozen=True, slots=True)
class AnswerCaller:
    """Answer the caller ourselves."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class HangUp:
    """A 2xx nobody waits for any more: acknowledge it and send BYE, or the leg stays up (I4)."""

    branch: Branch
    response: Response


class MobilityOutcome(Enum):
    """What became of the wait for an iPhone whose user has a mobility identity (MOB-06).

    The values are the names of the counters.
    """

    TO_JABBER = "MobilityPushNotificationCallsExtendedToJabber"
    TO_MOBILITY_IDENTITY = "MobilityPushNotificationCallsExtendedToMIDueToTimeout"


@dataclass(frozen=True, slots=True)
class CountMobility:
    """Count how the wait of one device ended."""

    outcome: MobilityOutcome


@dataclass(frozen=True, slots=True)
class DoubtPeer:
    """The destination of this branch did not take the call: find out whether it is there."""

    branch: Branch


@dataclass(frozen=True, slots=True)
class Forget:
    """The call and all its branches are over."""


CallAction: TypeAlias = (
    Reach
    | Offer
    | CancelBranch
    | RequestPush
    | PassResponse
    | AnswerCaller
    | HangUp
    | CountMobility
    | DoubtPeer
    | Forget
)
