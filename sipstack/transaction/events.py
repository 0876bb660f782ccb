"""What the transaction layer tells the transaction user.

The three on the path of every message are named tuples, which cost half of a frozen dataclass.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from sipstack.message.message import Request, Response
from sipstack.transaction.machine import ClientTransaction, ServerTransaction, Transaction
from sipstack.transport.flow import CloseFlow, Flow, Send

Cause: TypeAlias = Literal["timeout", "transport"]


class RequestReceived(NamedTuple):
    """A new request, neither ACK nor CANCEL. The user must answer it through the layer."""

    transaction: ServerTransaction
    request: Request


class ResponseReceived(NamedTuple):
    """A response the user must see: each provisional, the final, each repeated 2xx of an INVITE."""

    transaction: ClientTransaction
    response: Response


class TransactionEnded(NamedTuple):
    """Nothing more will come of this transaction; always its last event."""

    transaction: Transaction


@dataclass(frozen=True, slots=True)
class AckReceived:
    """An ACK that belongs to no failure, so to a 2xx: a proxy forwards it."""

    request: Request
    flow: Flow


@dataclass(frozen=True, slots=True)
class CancelReceived:
    """A CANCEL for an INVITE that has no final response yet. It has been answered with 200."""

    invite: ServerTransaction
    request: Request  # the CANCEL, for its Reason header (RFC 3326)


@dataclass(frozen=True, slots=True)
class TransactionFailed:
    """No final response came, and none will be accepted any more."""

    transaction: ClientTransaction
    cause: Cause


@dataclass(frozen=True, slots=True)
class Ignored:
    """Something that had no effect. It is counted by `reason`, which has few values."""

    reason: str
    detail: str


Output: TypeAlias = (
    Send
    | CloseFlow
    | RequestReceived
    | AckReceived
    | CancelReceived
    | ResponseReceived
    | TransactionFailed
    | TransactionEnded
    | Ignored
)
