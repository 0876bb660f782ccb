"""Takes secrets and what names people out of a log event, whoever wrote it.

The last line of defence: what logs should not be given such things in the first place.
Source: I14, P6; TRB-11.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

MASKED: Final = "***"
DEPTH_MAX: Final = 4  # of nested values; what is deeper is masked

_SECRET_KEY: Final = re.compile(
    r"authorization|bearer|cookie|credential|key|nonce|passw|pn_prid|prid|secret|token|voucher",
    re.IGNORECASE,
)
_PERSONAL_KEY: Final = re.compile(
    r"(?:^|_)(?:aor|called|callee|caller|contact|device|display|dn|from|identity|number|subject"
    r"|target|text|to|uri|user)(?:$|_)",
    re.IGNORECASE,
)
_IN_TEXT: Final = re.compile(
    r"(?P<header>\bauthorization\s*[:=]\s*).+"
    r"|(?P<scheme>\bbearer\s+)[\w.~+/=-]{8,}"
    r"|(?P<basic>\bbasic\s+)(?=[a-z]*[\d+/=])[a-z\d+/]{8,}={0,2}"
    r"|\beyJ[\w-]+\.[\w-]+\.[\w-]*"  # JWT
    r"|\b[0-9a-fA-F]{32,}\b"  # keys, device tokens, digest responses
    r"|(?P<uri>\b(?:sips?|tel|im|pres):)[^\s>;,\"]+"
    r"|[\w.+-]+@(?=[\w.-])"  # the user of an address
    r"|(?<![\w.:/-])\+?\d{7,15}(?![\w:-])"  # a number somebody can be called at
    r"|(?-i:\b(?:TCT|BOT|TAB|CSF|SEP)[A-Z0-9._-]+)",  # devices are named after their users
    re.IGNORECASE,
)

_PLAIN: Final = (bool, int, float, type(None))
_KEPT: Final = frozenset({"event", "level", "timestamp", "alarm_number"})


def masked_event(event: Mapping[str, object]) -> dict[str, object]:
    """The event with `***` for each value whose key or form gives it away."""
    return {key: _masked(key, value, 0) for key, value in event.items()}


def masked_text(text: str) -> str:
    """The text with `***` for what has the form of a secret, an address or a number."""
    return _IN_TEXT.sub(
        lambda found: (found[found.lastgroup] if found.lastgroup else "") + MASKED, text
    )


def _masked(key: str, value: object, depth: int) -> object:
    if key not in _KEPT and (_SECRET_KEY.search(key) or _PERSONAL_KEY.search(key)):
        return MASKED if value not in (None, "") else value
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, str):
        return masked_text(value)
    if depth < DEPTH_MAX:
        if isinstance(value, Mapping):
            return {str(name): _masked(str(name), each, depth + 1) for name, each in value.items()}
        if isinstance(value, list | tuple):
            return [_masked("", each, depth + 1) for each in value]
    return MASKED  # octets and objects show whatever they like
