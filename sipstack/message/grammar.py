"""The pieces of RFC 3261 §25 that several headers share, as patterns that take linear time.

Every repetition is possessive (`++`, `*+`, `?+`): a pattern never goes back over what it has read,
so no text of a peer can make it slow. Around a group it is written as an atomic group,
`(?>(?:a)*)`: `(?:a)*+` means the same and is matched wrongly by Python before 3.11.4.

Strict where a proxy decides by what it reads, and on purpose wider than the standard in three
places where real phones are:

- the value of a parameter may hold any printable ASCII that does not end it (`tag=ab==`);
- a user part may hold `#`, as dialled by many desk phones (`sip:*21#@example.com`);
- a host may hold `_`, and a display name without quotes may hold any non-ASCII text.
"""

from __future__ import annotations

import re
from typing import Final

from sipstack.errors import SipSyntaxError
from sipstack.limits import LIST_VALUES_MAX

LWS: Final = " \t\r\n"
"""What may surround a value; a folded line holds CRLF before its blank."""

_TOKEN_CHARS: Final = r"A-Za-z0-9\-.!%*_+`'~"
_ESCAPED: Final = r"%[0-9A-Fa-f][0-9A-Fa-f]"

TOKEN: Final = rf"[{_TOKEN_CHARS}]++"
SWS: Final = r"[ \t]*+"
QUOTED: Final = r'"(?>(?:[^"\\\x00-\x08\x0a-\x1f\x7f]++|\\[\x00-\x09\x0b\x0c\x0e-\x7f])*)"'
PORT: Final = (
    r"(?:6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[0-5]?[0-9]{1,4})(?![0-9])"
)
HOST: Final = r"(?:\[[0-9A-Fa-f:.]++\]|[A-Za-z0-9_][A-Za-z0-9_.\-]*+)"

_VALUE_CHARS: Final = r"!#-+\-./0-9:=?@A-Z\[\]\^_`a-z{|}~"

HEADER_PARAM: Final = rf"{SWS};{SWS}{TOKEN}(?>(?:{SWS}={SWS}(?:{QUOTED}|[{_VALUE_CHARS}]*+))?)"
"""One `;name[=value]` of a header, blanks around its signs allowed (`SEMI`, `EQUAL`)."""

PLAIN_PARAM: Final = rf";{TOKEN}(?>(?:=[{_VALUE_CHARS}]*+)?)"
"""The same without blanks and quotes."""

_USER_CHARS: Final = r"A-Za-z0-9\-_.!~*'()&=+$,;?/#"
_PASSWORD_CHARS: Final = r"A-Za-z0-9\-_.!~*'()&=+$,"
_URI_PARAM_CHARS: Final = r"A-Za-z0-9\-_.!~*'()\[\]/:&+$"
_URI_HEADER_CHARS: Final = r"A-Za-z0-9\-_.!~*'()\[\]/?:+$&="

USER: Final = rf"(?>(?:[{_USER_CHARS}]++|{_ESCAPED})+)"
PASSWORD: Final = rf"(?>(?:[{_PASSWORD_CHARS}]++|{_ESCAPED})*)"
_URI_PARAM_VALUE: Final = rf"(?>(?:[{_URI_PARAM_CHARS}=]++|{_ESCAPED})*)"
URI_PARAM: Final = rf";(?>(?:[{_URI_PARAM_CHARS}]++|{_ESCAPED})+)(?>(?:={_URI_PARAM_VALUE})?)"
URI_HEADERS: Final = rf"\?(?>(?:[{_URI_HEADER_CHARS}]++|{_ESCAPED})+)"

SIP_URI: Final = (
    rf"([sS][iI][pP][sS]?+):(?>(?:({USER})(?>(?::({PASSWORD}))?)@)?)({HOST})(?>(?::({PORT}))?)"
    rf"((?>(?:{URI_PARAM})*))((?>(?:{URI_HEADERS})?))"
)
"""A SIP or SIPS URI; groups: scheme, user, password, host, port, parameters, `?headers`."""

_IS_TOKEN: Final = re.compile(TOKEN)
_LIST_ELEMENT: Final = re.compile(rf'(?>(?:[^,"<]++|{QUOTED}|<[^>]*+>)*)', re.DOTALL)
_QUOTED_PAIR: Final = re.compile(r"\\(.)", re.DOTALL)
_TO_QUOTE: Final = re.compile(r'([\x00-\x08\x0b\x0c\x0e-\x1f\x7f"\\])')
_DIGITS_MAX: Final = 20  # enough for any limit, and int() stays cheap


def is_token(text: str) -> bool:
    """True if `text` is a `token` of RFC 3261 §25.1: a method, header name or option tag."""
    return _IS_TOKEN.fullmatch(text) is not None


def unfold(value: str) -> str:
    """`value` on one line: each line break with the blanks around it becomes one space (§7.3.1)."""
    # Not by a pattern: a search for `blanks, then CRLF` starts anew at each of 60,000 blanks.
    return " ".join([part.strip(" \t") for part in value.split("\r\n")]).strip(" \t")


def split_list(text: str) -> list[str]:
    """The values of a comma list, commas in quotes and in <> left alone, empty ones dropped.

    Where a quote or bracket stays open, the rest is one value: its own parser will refuse it.
    """
    if "," not in text:
        stripped = text.strip(LWS)
        return [stripped] if stripped else []
    if '"' not in text and "<" not in text:
        return [value for part in text.split(",") if (value := part.strip(LWS))]
    values: list[str] = []
    start = 0
    while start <= len(text):
        found = _LIST_ELEMENT.match(text, start)
        end = found.end() if found else start
        if end < len(text) and text[end] != ",":
            end = len(text)
        value = text[start:end].strip(LWS)
        if value:
            values.append(value)
        start = end + 1
    return values


def split_few(text: str, header: str) -> list[str]:
    """As `split_list`.

    Raises: SipSyntaxError (400) for more values than anybody needs: each costs its own parse.
    """
    values = split_list(text)
    if len(values) > LIST_VALUES_MAX:
        raise SipSyntaxError(f"more than {LIST_VALUES_MAX} values", header=header)
    return values


def unquote(text: str) -> str:
    """The content of a quoted string, its quoted pairs resolved; other text as it is."""
    if len(text) < 2 or text[0] != '"' or text[-1] != '"':
        return text
    inner = text[1:-1]
    return _QUOTED_PAIR.sub(r"\1", inner) if "\\" in inner else inner


def quote(text: str) -> str:
    """`text` as a quoted string; a line break, which none can hold, becomes a space (§25.1)."""
    return '"' + _TO_QUOTE.sub(r"\\\1", text.replace("\r", " ").replace("\n", " ")) + '"'


def parse_number(text: str, limit: int, header: str) -> int:
    """A whole number of ASCII digits, 0 to `limit`.

    Raises: SipSyntaxError (400) if it is anything else.
    """
    # isdigit() alone admits "²"; int() alone admits "٣", "1_0" and "+1".
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS_MAX):
        raise SipSyntaxError("not a number of digits", header=header)
    number = int(text)
    if number > limit:
        raise SipSyntaxError(f"number is over {limit}", header=header)
    return number
