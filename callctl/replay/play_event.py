"""What goes into and comes out of a player."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from callctl.replay.notes_schema import NodeEvent
from callctl.replay.recording import Place
from sipstack.transport.flow import Flow


@dataclass(frozen=True, slots=True)
class Heard:
    """A place outside got one whole message."""

    place: Place
    flow: Flow  # as the place has it; a response goes back over it
    octets: bytes


@dataclass(frozen=True, slots=True)
class PushLeft:
    """A node under test posts a push."""

    tracking_id: str
    node: str
    device: str
    kind: str
    names_node: str = ""


@dataclass(frozen=True, slots=True)
class Say:
    """Let a place send one message: over `flow`, or to a node as it did in the capture."""

    place: Place
    node: str
    octets: bytes
    flow: Flow | None = None


@dataclass(frozen=True, slots=True)
class HangUp:
    """The connection of a place ends: the party closes it, or its host is gone."""

    place: Place


@dataclass(frozen=True, slots=True)
class AnswerPush:
    """The cloud answers a push."""

    tracking_id: str
    status: int
    body: str = ""


@dataclass(frozen=True, slots=True)
class LosePush:
    """A push did not come to the cloud, or its answer does not come back."""

    tracking_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class SignInDevice:
    """A managed client gives its targets and key."""

    device: str


@dataclass(frozen=True, slots=True)
class SignOutDevice:
    """A managed client wants no more pushes."""

    device: str


@dataclass(frozen=True, slots=True)
class Befall:
    """Something happens to a node."""

    node: str
    event: NodeEvent


PlayEvent: TypeAlias = Heard | PushLeft
PlayAction: TypeAlias = Say | HangUp | AnswerPush | LosePush | SignInDevice | SignOutDevice | Befall
