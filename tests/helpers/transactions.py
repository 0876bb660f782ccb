"""Driving a transaction layer in virtual time."""

from __future__ import annotations

from typing import Final

from sipstack.message.message import Request, Response
from sipstack.message.parser import parse_message
from sipstack.timing import MS, Instant
from sipstack.transaction.events import Output
from sipstack.transaction.layer import TransactionLayer
from sipstack.transport.flow import Send

AT_REST: Final = {
    "client_transactions": 0,
    "server_transactions": 0,
    "deadlines": 0,
    "flows_in_use": 0,
}


def ms(count: int) -> Instant:
    """An instant, `count` milliseconds after the start."""
    return Instant(count * MS)


def run(layer: TransactionLayer, until: Instant) -> list[tuple[int, Output]]:
    """Every output up to `until` with its time in ms, deadline by deadline."""
    seen: list[tuple[int, Output]] = []
    while (deadline := layer.next_deadline()) is not None and deadline <= until:
        seen += [(deadline // MS, output) for output in layer.advance(deadline)]
    return seen


def requests_in(outputs: tuple[Output, ...]) -> list[Request]:
    """The requests sent, read back from their octets."""
    messages = [parse_message(output.data) for output in outputs if isinstance(output, Send)]
    return [message for message in messages if isinstance(message, Request)]


def answer_in(outputs: tuple[Output, ...]) -> Response:
    """The one message sent, a response, read back from its octets."""
    (send,) = [output for output in outputs if isinstance(output, Send)]
    message = parse_message(send.data)
    assert isinstance(message, Response)
    return message
