"""A name-addr or addr-spec with its parameters: From, To, Contact, Route and their kin."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from sipstack.errors import SipSyntaxError
from sipstack.message.grammar import (
    HEADER_PARAM,
    QUOTED,
    SIP_URI,
    TOKEN,
    quote,
    split_few,
    unquote,
)
from sipstack.message.params import NONE, Params
from sipstack.message.uri import Uri

_WORDS: Final = r"(?>(?:[A-Za-z0-9\-.!%*_+`'~\x80-\U0010ffff]++[ \t]*+)*)"
_TAIL: Final = rf"((?>(?:{HEADER_PARAM})*))"

SIP_NAME_ADDR: Final = re.compile(
    rf"({QUOTED}[ \t]*+|{_WORDS})<({SIP_URI})>(?>(?:;tag=({TOKEN}))?){_TAIL}"
)
"""The common form, its URI and tag read in the same pass.

Groups: display name, URI, those of SIP_URI, tag, other parameters.
"""

TAG: Final = 10
REST: Final = 11

_NAME_ADDR: Final = re.compile(rf"({QUOTED}[ \t]*+|{_WORDS})<([^<>\"\s]++)>{_TAIL}")
_ADDR_SPEC: Final = re.compile(rf"()([^<>\"\s;?,]++){_TAIL}")


class NameAddr(NamedTuple):
    """`"display name" <uri>;params`. Without <> every parameter is the header's (§20)."""

    display_name: str  # unescaped, octets that are no UTF-8 replaced; "" if there is none
    uri: Uri
    params: Params

    @classmethod
    def parse(cls, text: str, header: str = "address") -> NameAddr:
        """Raises: SipSyntaxError (400).

        An addr-spec without <> that holds `?` or `,` is refused, as §20 asks (RFC 4475 §3.1.2.13).
        """
        match = SIP_NAME_ADDR.fullmatch(text)
        if match is not None:
            return cls.of_match(match)
        match = _NAME_ADDR.fullmatch(text) or _ADDR_SPEC.fullmatch(text)
        if match is None:
            raise SipSyntaxError("malformed address", header=header)
        display, uri_text, tail = match.groups()
        uri = Uri.parse(uri_text, header)
        return cls(_display_name(display) if display else "", uri, Params.validated(tail))

    @classmethod
    def parse_many(cls, text: str, header: str = "address") -> list[NameAddr]:
        """Every value of a comma list."""
        return [cls.parse(value, header) for value in split_few(text, header)]

    @classmethod
    def of_match(cls, match: re.Match[str]) -> NameAddr:
        """Build from a match of SIP_NAME_ADDR."""
        display, *uri, tag, rest = match.groups()
        tail = rest if tag is None else f";tag={tag}{rest}"
        return cls(
            _display_name(display) if display else "",
            Uri.of_groups(*uri),
            Params.validated(tail) if tail else NONE,
        )

    @property
    def tag(self) -> str | None:
        return self.params.get("tag")

    def with_param(self, name: str, value: str | None = None) -> NameAddr:
        """This address with one header parameter set."""
        return self._replace(params=self.params.with_param(name, value))

    def __str__(self) -> str:
        display = f"{quote(self.display_name)} " if self.display_name else ""
        return f"{display}<{self.uri}>{self.params.text}"


def _display_name(raw: str) -> str:
    text = unquote(raw.strip(" \t"))
    if text.isascii():
        return text
    # Octets that are no UTF-8 must not reach a push, a log or a page as lone surrogates.
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
