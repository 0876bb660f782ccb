"""Header names: every spelling to the one key that the code uses."""

from __future__ import annotations

import sys
from typing import Final

from sipstack.message.grammar import is_token

COMPACT: Final = {
    "a": "accept-contact",  # RFC 3841
    "b": "referred-by",  # RFC 3892
    "c": "content-type",
    "d": "request-disposition",  # RFC 3841
    "e": "content-encoding",
    "f": "from",
    "i": "call-id",
    "j": "reject-contact",  # RFC 3841
    "k": "supported",
    "l": "content-length",
    "m": "contact",
    "n": "identity-info",  # RFC 4474
    "o": "event",  # RFC 6665
    "r": "refer-to",  # RFC 3515
    "s": "subject",
    "t": "to",
    "u": "allow-events",  # RFC 6665
    "v": "via",
    "x": "session-expires",  # RFC 4028
    "y": "identity",  # RFC 8224
}
"""Compact form to key: the register of compact header forms at IANA."""

SINGLE: Final = frozenset(
    {
        "from",
        "to",
        "call-id",
        "cseq",
        "max-forwards",
        "content-length",
        "content-type",
        "expires",
        "min-expires",
        "event",
        "subscription-state",
        "session-expires",
        "min-se",
        "refer-to",
        "replaces",
        "rack",
        "rseq",
        "sip-etag",
        "sip-if-match",
        "session-id",
    }
)
"""Headers that carry one value and decide something here or at a peer: two of them are 400.

Two peers that read different ones of them disagree (RFC 4475 §3.3.8, §3.3.9), so none passes. A
second Subject or User-Agent decides nothing, and is left alone.
"""

_WELL_KNOWN: Final = """
Accept Accept-Contact Accept-Encoding Accept-Language Alert-Info Allow Allow-Events
Authentication-Info Authorization Call-ID Call-Info Contact Content-Disposition Content-Encoding
Content-Language Content-Length Content-Type CSeq Date Diversion Error-Info Event Expires
Feature-Caps Flow-Timer From Geolocation History-Info Identity In-Reply-To Max-Breadth Max-Forwards
MIME-Version Min-Expires Min-SE Organization P-Access-Network-Info P-Asserted-Identity
P-Associated-URI P-Called-Party-ID P-Charging-Vector P-Early-Media P-Preferred-Identity Path
Permission-Missing Priority Privacy Proxy-Authenticate Proxy-Authorization Proxy-Require RAck
Reason Record-Route Recv-Info Refer-Sub Refer-To Referred-By Reject-Contact Remote-Party-ID
Replaces Reply-To Request-Disposition Require Resource-Priority Retry-After Route RSeq Server
Service-Route Session-Expires Session-ID SIP-ETag SIP-If-Match Subject Subscription-State
Supported Target-Dialog Timestamp To Trigger-Consent Unsupported User-Agent User-to-User Via
Warning WWW-Authenticate
"""


NAME_OF: Final = {name.lower(): name for name in _WELL_KNOWN.split()}
"""Key to the spelling of the standard, for what we write and say."""


class _Keys(dict[str, str]):
    """Spelling ("Call-ID", "i", "call-id ") to key; learns nothing from peers."""

    __slots__ = ()

    def __missing__(self, spelling: str) -> str:
        name = spelling.rstrip(" \t")
        # A control octet before the colon has made one header out of another (AST-2016-009).
        if not is_token(name):
            raise KeyError(spelling)
        return key_of(name)


def _spellings() -> dict[str, str]:
    keys: dict[str, str] = {}
    for name in _WELL_KNOWN.split():
        key = sys.intern(name.lower())
        capitals = "-".join(part.capitalize() for part in name.split("-"))
        for spelling in (name, key, name.upper(), capitals):
            keys[spelling] = key
    for short, key in COMPACT.items():
        keys[short] = keys[short.upper()] = sys.intern(key)
    return keys


KEYS: Final = _Keys(_spellings())
"""Subscript with what stands before the colon; raises KeyError if that is not a token."""


def key_of(name: str) -> str:
    """The canonical key of a header name in any spelling: lower-case and long."""
    key = KEYS.get(name)
    if key is not None:
        return key
    lower = name.lower()
    return sys.intern(COMPACT.get(lower, lower))
