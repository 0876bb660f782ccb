"""Feature-Caps (RFC 6809): what a proxy or registrar on the path can do."""

from __future__ import annotations

from dataclasses import dataclass

from sipstack.errors import SipSyntaxError
from sipstack.message.grammar import quote, split_few, unquote
from sipstack.message.params import Params


@dataclass(frozen=True, slots=True)
class FeatureCaps:
    """One value, `*;+sip.pns="apns"`: indicators in order, each with its plain value or None."""

    indicators: tuple[tuple[str, str | None], ...]

    @classmethod
    def parse(cls, text: str) -> FeatureCaps:
        """Raises: SipSyntaxError (400)."""
        star, semicolon, tail = text.partition(";")
        if star.strip(" \t") != "*":
            raise SipSyntaxError("value does not start with *", header="Feature-Caps")
        params = Params.parse(semicolon + tail, "Feature-Caps")
        return cls(tuple((n, None if v is None else unquote(v)) for n, v in params.items()))

    @classmethod
    def parse_many(cls, text: str) -> list[FeatureCaps]:
        """Every value of a comma list."""
        return [cls.parse(value) for value in split_few(text, "Feature-Caps")]

    def get(self, name: str) -> str | None:
        """Value of the first indicator of that name, without regard to case."""
        lower = name.lower()
        return next((v for n, v in self.indicators if n.lower() == lower), None)

    def has(self, name: str) -> bool:
        lower = name.lower()
        return any(n.lower() == lower for n, _ in self.indicators)

    def __str__(self) -> str:
        return "*" + "".join(
            f";{n}" if v is None else f";{n}={quote(v)}" for n, v in self.indicators
        )
