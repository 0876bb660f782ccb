"""What CallManager and the push service of its node say to one another, and how it is framed.

Each frame is a length of four octets, most significant first, and so much JSON: an object whose
`type` names it. A push names its device and no target, key or binding: the service reads those in
the database of its node when the push leaves. Deadlines are instants, because both ends are on one
machine and share its clock. Source: CPNS-04, OP-34.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TypeAlias

import msgspec

from callctl.push.content import CallContent
from callctl.push.events import Outcome
from callctl.push.kind import PushKind

FRAME_MAX: Final = 65_536  # octets of JSON; a push has less than a thousand
LENGTH_OCTETS: Final = 4


class LinkError(Exception):
    """The other end does not keep to the protocol; the text says how."""


class Hello(msgspec.Struct, frozen=True, tag="hello"):
    """The first frame of CallManager: whose it is."""

    node: str


class Heartbeat(msgspec.Struct, frozen=True, tag="heartbeat"):
    """Says that CallManager is there, and asks whether the service is."""

    number: int


class Push(msgspec.Struct, frozen=True, tag="push"):
    """A push is wanted."""

    intent_id: str
    device_name: str
    kind: PushKind
    call_uuid: str
    content: CallContent
    deadline: int  # Instant
    asked_at: int | None = None  # Instant, when it was written: tells a service that it hung


class Withdraw(msgspec.Struct, frozen=True, tag="withdraw"):
    """The call is over for this device (I5)."""

    call_uuid: str
    device_name: str


class Welcome(msgspec.Struct, frozen=True, tag="welcome"):
    """The answer to `Hello`: pushes are taken from now on."""

    node: str


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """The answer to what is not taken; the connection ends with it (CPNS-03)."""

    reason: str


class HeartbeatAck(msgspec.Struct, frozen=True, tag="heartbeatAck"):
    """The answer to `Heartbeat`."""

    number: int


class Sent(msgspec.Struct, frozen=True, tag="sent"):
    """A push was written to a service behind TLS (OP-21)."""

    intent_id: str


class Ended(msgspec.Struct, frozen=True, tag="ended", omit_defaults=True):
    """A push has its outcome."""

    intent_id: str
    outcome: Outcome
    status: int | None = None
    reason: str = ""
    tracking_id: str | None = None
    target_mark: str = ""


class TokenState(msgspec.Struct, frozen=True, tag="tokenState"):
    """Whether the service has an access token that is good (CPNS-05)."""

    available: bool
    reason: str = ""


Frame: TypeAlias = (
    Hello
    | Heartbeat
    | Push
    | Withdraw
    | Welcome
    | Refused
    | HeartbeatAck
    | Sent
    | Ended
    | TokenState
)

_DECODER: Final = msgspec.json.Decoder(Frame)
_ENCODER: Final = msgspec.json.Encoder()


def octets_of(frame: Frame) -> bytes:
    """The frame as it travels."""
    body = _ENCODER.encode(frame)
    return len(body).to_bytes(LENGTH_OCTETS, "big") + body


class FrameReader:
    """Puts frames together from the pieces in which a stream brings them."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = b""

    def feed(self, octets: bytes) -> Iterator[Frame]:
        """The frames that are complete now, to be taken one by one.

        Raises: LinkError behind the last good one; then the stream is of no use.
        """
        held = self._held + octets if self._held else octets
        at = 0
        while len(held) - at >= LENGTH_OCTETS:
            body_at = at + LENGTH_OCTETS
            length = int.from_bytes(held[at:body_at], "big")
            if length > FRAME_MAX:
                raise LinkError(f"a frame of {length} octets, at most {FRAME_MAX} are taken")
            if len(held) - body_at < length:
                break
            at = body_at + length
            yield _frame_of(held[body_at:at])
        self._held = held[at:]


def _frame_of(body: bytes) -> Frame:
    try:
        frame: Frame = _DECODER.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        # Its text may quote what is personal.
        raise LinkError("a frame that is none") from None
    return frame
