"""Whose fault it was: the peer's text, or our own code."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sipstack.message.message import Request


class SipSyntaxError(ValueError):
    """A peer's text that the standard does not allow. Raised by parsers only, never by a machine.

    A parser of any kind returns or raises this; anything else it lets out is a bug, and fuzzed for.
    """

    def __init__(
        self, reason: str, *, header: str, status: int = 400, request: Request | None = None
    ) -> None:
        super().__init__(f"{header}: {reason}")
        self.reason = reason
        self.header = header  # the header's name, or "Request-URI", "start line", "body"
        self.status = status  # what to answer, where the message is a request
        self.request = request  # set if enough was read to build an answer from


class LocalProtocolError(RuntimeError):
    """Our own code asked a machine for what its state forbids: a bug here, not at the peer."""
