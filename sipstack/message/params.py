"""Parameters: the `;name=value` tail of a URI or of a header value."""

from __future__ import annotations

import re
from typing import Final

from sipstack.errors import SipSyntaxError
from sipstack.message.grammar import HEADER_PARAM, QUOTED, SWS, TOKEN, unquote

_ALL: Final = re.compile(rf"(?>(?:{HEADER_PARAM})*)")
_ONE: Final = re.compile(rf"{SWS};{SWS}({TOKEN})(?>(?:{SWS}={SWS}({QUOTED}|[^;\s]*+))?)")


class Params:
    """Parameters in order and in their own spelling. Immutable.

    `text` is the wire form, ";a=b;c" or "". A value is raw: a quoted string keeps its quotes.
    Names are compared without regard to case (RFC 3261 §7.3.1); the first of a name counts.
    """

    __slots__ = ("_index", "_items", "text")

    def __init__(self, text: str = "") -> None:
        """Take text that is known to be well-formed and free of blanks; else use `parse`."""
        self.text = text
        self._items: tuple[tuple[str, str | None], ...] | None = None
        self._index: dict[str, str | None] | None = None

    @classmethod
    def parse(cls, text: str, header: str = "parameters") -> Params:
        """Read the parameters of a header value, blanks around `;` and `=` dropped.

        Raises: SipSyntaxError (400) if anything else than parameters is in `text`.
        """
        if _ALL.fullmatch(text) is None:
            raise SipSyntaxError("malformed parameters", header=header)
        return cls.validated(text)

    @classmethod
    def validated(cls, text: str) -> Params:
        """Take text that matches the grammar of header parameters, and may hold blanks."""
        if not text:
            return NONE
        if " " in text or "\t" in text or '"' in text:
            return cls.of(tuple((m[1], m[2]) for m in _ONE.finditer(text)))
        return cls(text)

    @classmethod
    def of(cls, items: tuple[tuple[str, str | None], ...]) -> Params:
        """Build from names and raw values."""
        made = cls("".join([f";{n}" if v is None else f";{n}={v}" for n, v in items]))
        made._items = items
        return made

    def items(self) -> tuple[tuple[str, str | None], ...]:
        """Each (name, raw value), None for a parameter without `=`."""
        if self._items is None:
            # Quotes and blanks come through `of` only, so a plain split is right here.
            items: list[tuple[str, str | None]] = []
            for part in self.text[1:].split(";") if self.text else ():
                name, sign, value = part.partition("=")
                items.append((name, value if sign else None))
            self._items = tuple(items)
        return self._items

    def get(self, name: str) -> str | None:
        """Raw value of the first parameter of that name; None if absent or without a value."""
        return (self._index or self._make_index()).get(name.lower())

    def has(self, name: str) -> bool:
        return name.lower() in (self._index or self._make_index())

    def unquoted(self, name: str) -> str | None:
        """As `get`, a quoted string without its quotes and with its quoted pairs resolved."""
        value = self.get(name)
        return None if value is None else unquote(value)

    def count(self, name: str) -> int:
        """How often a parameter of that name is given."""
        lower = name.lower()
        return sum(at.lower() == lower for at, _ in self.items())

    def with_param(self, name: str, value: str | None = None) -> Params:
        """These parameters with this one: in place of the first of its name, else at the end."""
        lower = name.lower()
        items: list[tuple[str, str | None]] = []
        placed = False
        for at, old in self.items():
            if at.lower() != lower:
                items.append((at, old))
            elif not placed:
                items.append((at, value))
                placed = True
        if not placed:
            items.append((name, value))
        return Params.of(tuple(items))

    def without(self, name: str) -> Params:
        """These parameters, every one of that name left out."""
        lower = name.lower()
        return Params.of(tuple(item for item in self.items() if item[0].lower() != lower))

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"Params({self.text!r})"

    def __bool__(self) -> bool:
        return bool(self.text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Params) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    def _make_index(self) -> dict[str, str | None]:
        index: dict[str, str | None]
        if not self.text:
            index = {}
        elif self._items is None:
            parts = [part.partition("=") for part in self.text[1:].split(";")]
            # From the last to the first, so that the first of a name stays.
            index = {n.lower(): v if sign else None for n, sign, v in reversed(parts)}
        else:
            index = {name.lower(): value for name, value in reversed(self._items)}
        self._index = index
        return index


NONE: Final = Params()
