"""Reason header values (RFC 3326): why a request or response was sent."""

from __future__ import annotations

from dataclasses import dataclass

from sipstack.errors import SipSyntaxError
from sipstack.message.grammar import is_token, parse_number, quote, split_few, unquote
from sipstack.message.params import NONE, Params

_CAUSE_MAX = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Reason:
    """`protocol;cause=number;text="words"`, other parameters kept in `extra`."""

    protocol: str  # "SIP", "Q.850", "preemption", ...; as written
    cause: int | None = None
    text: str | None = None
    extra: Params = NONE

    @classmethod
    def parse(cls, text: str) -> Reason:
        """Raises: SipSyntaxError (400)."""
        protocol, semicolon, tail = text.partition(";")
        protocol = protocol.strip(" \t")
        if not is_token(protocol):
            raise SipSyntaxError("protocol is not a token", header="Reason")
        params = Params.parse(semicolon + tail, "Reason")
        cause, words = params.get("cause"), params.get("text")
        return cls(
            protocol,
            None if cause is None else parse_number(unquote(cause), _CAUSE_MAX, "Reason"),
            None if words is None else unquote(words),
            params.without("cause").without("text"),
        )

    @classmethod
    def parse_many(cls, text: str) -> list[Reason]:
        """Every value of a comma list; a protocol comes once at most (§2), the first counts."""
        return [cls.parse(value) for value in split_few(text, "Reason")]

    def __str__(self) -> str:
        cause = "" if self.cause is None else f";cause={self.cause}"
        words = "" if self.text is None else f";text={quote(self.text)}"
        return f"{self.protocol}{cause}{words}{self.extra.text}"
