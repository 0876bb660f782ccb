"""What goes into and comes out of the push service of a node."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Literal, TypeAlias

from callctl.push.intent import PushIntent
from callctl.push.token_events import (
    MachineAccountGiven,
    MachineAccountRenewed,
    RepairStateChanged,
    TokenFetchFailed,
    TokenObtained,
    TokenStateChanged,
)
from callctl.serviceability.condition import Condition
from sipstack.timing import Instant

LostReason: TypeAlias = Literal[
    "connect",
    "tls",
    "proxy",  # it cannot be reached, or opens no tunnel
    "no other address",  # of the proxy, for a push that was not answered (PROXY-06)
    "closed",
    "bad answer",
    "deadline",
    "stopped",
    "queue full",
    "refused unread",
]


@dataclass(frozen=True, slots=True)
class PushAnswered:
    """The service behind its channel answered a posted push."""

    tracking_id: str
    status: int
    body: bytes = b""
    retry_after: str | None = None  # the header, as it came


@dataclass(frozen=True, slots=True)
class PushLost:
    """A posted push has no answer and gets none: its connection failed, or was never made."""

    tracking_id: str
    reason: LostReason


@dataclass(frozen=True, slots=True)
class PushWritten:
    """A posted push was written to a connection that is behind TLS (OP-21)."""

    tracking_id: str


@dataclass(frozen=True, slots=True)
class PushSent:
    """The push of this intent has left over TLS; an outcome follows (OP-21)."""

    intent_id: str


@dataclass(frozen=True, slots=True)
class PushWithdrawn:
    """The call is over for this device: a ring push that has not left must not leave (I5)."""

    call_uuid: str
    device_name: str


@dataclass(frozen=True, slots=True)
class TokenChanged:
    """The access token for Push REST was renewed, or (None) is gone (CPNS-05)."""

    token: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class TokenFetched:
    """A `FetchToken` was answered."""

    channel: str
    status: int
    body: bytes = field(default=b"", repr=False)  # holds the token
    retry_after: str | None = None


@dataclass(frozen=True, slots=True)
class TokenFetchLost:
    """A `FetchToken` has no answer and gets none."""

    channel: str
    reason: LostReason


@dataclass(frozen=True, slots=True)
class CallersGone:
    """CallManager is gone: what it asked for and has not left is wanted by nobody any more."""


@dataclass(frozen=True, slots=True)
class ServiceStarted:
    """The service was started by an administrator, or by the node."""


@dataclass(frozen=True, slots=True)
class ServiceStopped:
    """The service was stopped: what waits is refused, and there is no other node's (CPNS-03)."""


@dataclass(frozen=True, slots=True)
class PostPush:
    """Post this to a push service, over an open connection where there is one (CPNS-08)."""

    tracking_id: str
    url: str
    headers: tuple[tuple[str, str], ...] = field(repr=False)  # one holds the access token
    body: bytes = field(repr=False)  # holds the device token
    deadline: Instant  # if it could not be written before, report `PushLost` ("deadline")
    channel: str = "push rest"
    path: str = field(default="", repr=False)  # behind `url`; may hold the device token
    attempt: int = 0  # 1: once more, by the next address of the proxy (OP-35)


@dataclass(frozen=True, slots=True)
class AbandonPush:
    """Nobody waits for the answer any more: end the connection, or stream, it was to come over."""

    tracking_id: str
    channel: str = "push rest"


@dataclass(frozen=True, slots=True)
class RenewToken:
    """The access token for Push REST was refused: get another one and report `TokenChanged`."""


@dataclass(frozen=True, slots=True)
class FetchToken:
    """Post this form to a token endpoint and report `TokenFetched` or `TokenFetchLost`."""

    channel: str
    url: str
    body: bytes = field(repr=False)  # application/x-www-form-urlencoded; holds the assertion


@dataclass(frozen=True, slots=True)
class AbandonFetch:
    """Nobody waits for this token any more."""

    channel: str


class Outcome(Enum):
    """How a push ended."""

    ACCEPTED = "accepted"  # 200: handed to the partner cloud
    REFUSED_TOKEN = "refused token"  # 410: the device must give a new token first (CLOUD-06)
    REFUSED = "refused"  # for good, and not for the device's token: no reason to wait (CALL-18)
    FAILED = "failed"  # nobody knows whether the device got it
    EXPIRED = "expired"  # its deadline came while it waited here
    WITHDRAWN = "withdrawn"  # the call was over, or the device signed out, before it could leave


@dataclass(frozen=True, slots=True)
class PushOutcome:
    """The end of one intent; every intent gets exactly one."""

    intent_id: str
    outcome: Outcome
    status: int | None = None  # of the answer, where there was one
    reason: str = ""  # for traces and alarms
    tracking_id: str | None = None  # None if it never left
    target_mark: str = ""  # of the device token it was for, if it left; see `mark_of`


@dataclass(frozen=True, slots=True)
class Ignored:
    """Nothing is dropped in silence."""

    reason: str
    detail: str


CpnsEvent: TypeAlias = (
    PushIntent
    | PushAnswered
    | PushWritten
    | PushLost
    | PushWithdrawn
    | CallersGone
    | TokenChanged
    | TokenFetched
    | TokenFetchLost
    | MachineAccountGiven
    | ServiceStarted
    | ServiceStopped
)
ChannelAction: TypeAlias = (
    RenewToken
    | FetchToken
    | AbandonFetch
    | TokenObtained
    | TokenFetchFailed
    | TokenStateChanged
    | RepairStateChanged
    | MachineAccountRenewed
    | Condition
    | Ignored
)
CpnsAction: TypeAlias = PostPush | AbandonPush | PushSent | PushOutcome | ChannelAction
