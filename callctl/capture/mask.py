"""Takes secrets out of a SIP message, octet for octet, so that every length stays right."""

from __future__ import annotations

import re
from typing import Final

# Digest responses can be tried against word lists; push tokens let anybody wake a phone.
_HEADERS: Final = re.compile(
    rb"^((?:proxy-)?authorization[ \t]*:)((?:[^\r\n]|\r\n[ \t])*)", re.IGNORECASE | re.MULTILINE
)
_IN_AUTHORIZATION: Final = re.compile(
    rb"\b(response|cnonce|nonce)([ \t]*=[ \t]*\"?)([^\",\s]++)", re.IGNORECASE
)
_BEARER: Final = re.compile(rb"([ \t]*bearer[ \t]++)(\S++)", re.IGNORECASE)
_PUSH: Final = re.compile(rb"(pn-(?:prid|param|purr)=\"?)([^;>\"\s,]++)", re.IGNORECASE)
_SDP_KEY: Final = re.compile(rb"^(a=crypto:[^\r\n]*?inline:|a=ice-pwd:)([^\r\n|]++)", re.MULTILINE)


def masked(message: bytes) -> bytes:
    """`message` with an x in place of each octet of digests, push tokens and media keys."""
    message = _HEADERS.sub(_mask_authorization, message)
    message = _PUSH.sub(_mask_second, message)
    return _SDP_KEY.sub(_mask_second, message)


def _mask_authorization(match: re.Match[bytes]) -> bytes:
    value = _BEARER.sub(_mask_second, match[2])
    return match[1] + _IN_AUTHORIZATION.sub(
        lambda found: found[1] + found[2] + b"x" * len(found[3]), value
    )


def _mask_second(match: re.Match[bytes]) -> bytes:
    return match[1] + b"x" * len(match[2])
