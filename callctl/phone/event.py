"""What a user agent tells its owner. It comes among the actions, in order with what was sent."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from callctl.phone.settings import Registrar
from sipstack.transaction.events import Ignored
from sipstack.transport.flow import CloseFlow, Flow, Send


@dataclass(frozen=True, slots=True)
class Registered:
    """A registrar accepted us, for the first time there or again."""

    registrar: Registrar
    flow: Flow
    expires_s: int
    refresh: bool  # True if we were registered there before, by the same flow


@dataclass(frozen=True, slots=True)
class RegistrarFailed:
    """One registrar did not; the next one of the order is tried."""

    registrar: Registrar
    status: int  # 408 if nothing came, 503 if the connection failed
    cause: str


@dataclass(frozen=True, slots=True)
class RegistrationFailed:
    """No registrar accepted us."""

    status: int  # of the last one
    cause: str


@dataclass(frozen=True, slots=True)
class RegistrationLost:
    """The flow we were registered by is gone."""

    cause: str


@dataclass(frozen=True, slots=True)
class Unregistered:
    """The registrar has removed our contact, or does not answer any more."""


class EndCause(Enum):
    """Why a call is over, as its user agent sees it."""

    REFUSED = "refused"  # a failure response, sent or received: see the status
    CANCELLED = "cancelled"  # by the caller, before it was answered
    HUNG_UP = "hung up"  # by us
    REMOTE_HUNG_UP = "remote hung up"
    TIMEOUT = "timeout"  # no answer to the INVITE
    TRANSPORT = "transport"
    NO_ACK = "no ACK"  # we answered, and nobody acknowledged
    FORKED = "forked"  # another device of the called line was faster


@dataclass(frozen=True, slots=True)
class IncomingCall:
    """A call for us. Its number is ours and names it in every command and later event."""

    call: int
    sip_call_id: str
    caller_name: str
    caller_number: str
    call_uuid: str | None  # X-Push-Call-UUID (OP-07)
    video: bool


@dataclass(frozen=True, slots=True)
class CallRinging:
    """The called side rings: we said so (UAS), or were told so (UAC)."""

    call: int
    status: int
    early_dialog: str | None = None  # remote tag, where a fork made one


@dataclass(frozen=True, slots=True)
class CallAnswered:
    """A 2xx was sent (UAS) or received and acknowledged (UAC). `remote_sdp` is what we know of
    the other side by then."""

    call: int
    remote_sdp: bytes = b""


@dataclass(frozen=True, slots=True)
class CallConfirmed:
    """The ACK of our 2xx has come."""

    call: int
    remote_sdp: bytes = b""


@dataclass(frozen=True, slots=True)
class CallEnded:
    """Nobody talks any more. What is left of the call are transactions, which end by themselves."""

    call: int
    cause: EndCause
    status: int | None = None
    reason: str | None = None  # Reason header of the message that ended it (RFC 3326)


@dataclass(frozen=True, slots=True)
class CallForgotten:
    """Nothing is left of the call; its number means nothing from here on."""

    call: int


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """An instant message (RFC 3428), answered with 200."""

    sender: str  # URI
    content_type: str
    body: bytes


UserAgentEvent: TypeAlias = (
    Registered
    | RegistrarFailed
    | RegistrationFailed
    | RegistrationLost
    | Unregistered
    | IncomingCall
    | CallRinging
    | CallAnswered
    | CallConfirmed
    | CallEnded
    | CallForgotten
    | MessageReceived
)
UserAgentAction: TypeAlias = Send | CloseFlow | Ignored | UserAgentEvent
