"""What has come of each exchange of the capture in this play."""

from __future__ import annotations

from dataclasses import dataclass, field

from callctl.replay.notes_schema import PushEntry
from callctl.replay.play_event import Heard, PushLeft
from callctl.replay.recording import Exchange, Place, Recorded
from sipstack.message.message import Message, Request, Response
from sipstack.timing import Instant
from sipstack.transport.flow import Flow


@dataclass(frozen=True, slots=True, eq=False)
class Came:
    """One message of the system under test, now."""

    at: Instant
    place: Place
    message: Message
    octets: bytes
    paired: Recorded | None = None  # the one of the capture that it stands for


@dataclass(slots=True, eq=False)
class Asked:
    """A request of a party, and what it was answered."""

    exchange: Exchange
    sent: Request
    octets: bytes
    at: Instant
    flow: Flow | None = None
    answers: list[Came] = field(default_factory=list)
    acknowledged: bytes | None = None  # the ACK that was sent, to be sent again

    @property
    def final(self) -> Response | None:
        """The first final response."""
        for came in self.answers:
            if isinstance(came.message, Response) and came.message.status >= 200:
                return came.message
        return None


@dataclass(slots=True, eq=False)
class Called:
    """A request of the system under test, and what the party said last to it."""

    request: Request
    came: Came
    flow: Flow
    exchange: Exchange | None = None  # None: the capture has none like it
    said: bytes | None = None
    ack: Came | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Pushed:
    """A push that left."""

    at: Instant
    push: PushLeft
    entry: PushEntry | None = None  # None: the notes have none like it


@dataclass(slots=True)
class Played:
    """All that came of a play; what the judge looks at."""

    began_at: Instant
    ended_at: Instant
    asked: dict[Exchange, Asked] = field(default_factory=dict)
    called: dict[Exchange, Called] = field(default_factory=dict)
    surprises: list[Called] = field(default_factory=list)  # requests that nothing stands for
    pushed: list[Pushed] = field(default_factory=list)
    said: dict[Recorded, bytes] = field(default_factory=dict)
    said_at: dict[Recorded, Instant] = field(default_factory=dict)
    came_at: dict[Recorded, Instant] = field(default_factory=dict)
    unsaid: list[Recorded] = field(default_factory=list)  # steps that could not be played
    ignored: dict[str, int] = field(default_factory=dict)

    def come(self, heard: Heard, message: Message, now: Instant, paired: Recorded | None) -> Came:
        """A message of the system under test, which stands for `paired` of the capture."""
        if paired is not None:
            self.came_at[paired] = now
        return Came(now, heard.place, message, heard.octets, paired)

    def ignore(self, reason: str) -> None:
        """Count what had no effect."""
        self.ignored[reason] = self.ignored.get(reason, 0) + 1
