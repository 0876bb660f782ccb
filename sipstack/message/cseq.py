"""CSeq (RFC 3261 §20.16)."""

from __future__ import annotations

from typing import Final, NamedTuple

from sipstack.errors import SipSyntaxError
from sipstack.limits import CSEQ_MAX
from sipstack.message.grammar import is_token, parse_number

METHODS: Final = frozenset(
    {
        "ACK",
        "BYE",
        "CANCEL",
        "INFO",
        "INVITE",
        "MESSAGE",
        "NOTIFY",
        "OPTIONS",
        "PRACK",
        "PUBLISH",
        "REFER",
        "REGISTER",
        "SUBSCRIBE",
        "UPDATE",
    }
)
"""The registered methods; any other token is a method too, only slower to read."""


class CSeq(NamedTuple):
    """Sequence number, 0 to 2**31 - 1, and method, case-exact."""

    number: int
    method: str

    @classmethod
    def parse(cls, text: str) -> CSeq:
        """Raises: SipSyntaxError (400). Source: RFC 3261 §8.1.1.5; RFC 4475 §3.1.2.4."""
        digits, _, method = text.partition(" ")
        if digits.isdigit() and digits.isascii() and len(digits) < 10 and method in METHODS:
            return cls(int(digits), method)
        parts = text.split()
        if len(parts) != 2 or not is_token(parts[1]):
            raise SipSyntaxError("not a number and a method", header="CSeq")
        return cls(parse_number(parts[0], CSEQ_MAX, "CSeq"), parts[1])

    def __str__(self) -> str:
        return f"{self.number} {self.method}"
