"""The way of a service account to an access token: a signed assertion, posted to a token endpoint.

Source: RFC 7523 §2.1 (JWT bearer grant), RFC 7515, RFC 7518 §3.3 (RS256), RFC 6749 §5.1; Google,
"Using OAuth 2.0 for server to server applications".
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from callctl.model.push_access import ServiceAccount
from callctl.push.direct.jwt import compact, signing_input

SCOPE: Final = "https://www.googleapis.com/auth/firebase.messaging"
GRANT_TYPE: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ASSERTION_LIFETIME_S: Final = 3600  # the most that Google takes
LIFETIME_MAX_S: Final = 86_400
TOKEN_MAX: Final = 16_384  # characters
_VISIBLE_ASCII: Final = range(0x21, 0x7F)


def grant_request(account: ServiceAccount, now_unix_s: int) -> bytes:
    """The form to post to `account.token_url`."""
    signed = signing_input(
        {"alg": "RS256", "typ": "JWT", "kid": account.key_id},
        {
            "iss": account.client_email,
            "scope": SCOPE,
            "aud": account.token_url,
            "iat": now_unix_s,
            "exp": now_unix_s + ASSERTION_LIFETIME_S,
        },
    )
    signature = account.private.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
    assertion = compact(signed, signature)
    return urlencode({"grant_type": GRANT_TYPE, "assertion": assertion}).encode()


def granted(fields: dict[str, Any], lifetime_max_s: int = LIFETIME_MAX_S) -> tuple[str, int] | None:
    """Access token and lifetime in seconds from the answer of a token endpoint; None without one.

    A token that could not stand in a header is none.
    """
    token, kind, lifetime_s = (
        fields.get(name) for name in ("access_token", "token_type", "expires_in")
    )
    if not isinstance(token, str) or not is_token(token):
        return None
    if not isinstance(kind, str) or kind.lower() != "bearer":
        return None
    if type(lifetime_s) is not int or not 0 < lifetime_s <= lifetime_max_s:
        return None
    return token, lifetime_s


def is_token(text: str) -> bool:
    """True if it can stand in a header, or a form, and is not too long for one."""
    return 0 < len(text) <= TOKEN_MAX and all(
        ord(character) in _VISIBLE_ASCII for character in text
    )
