"""How APNs checks provider tokens: a JWT signed with ES256, neither too old nor too new.

Source: RFC 7515, RFC 7518 §3.4, RFC 8725; Apple, "Establishing a token-based connection to APNs":
refused when older than 60 minutes, and when a key has a new one before 20 minutes have passed.
"""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from callctl.push.direct.jwt import part_of
from callctl.push.direct.provider_token import (
    EXPIRED,
    HALF_OCTETS,
    KEPT_MIN_S,
    LIFETIME_S,
    TOO_MANY,
)
from callctl.push.envelope import b64url_octets

CLOCK_SKEW_S: Final = 60

_TOKEN_MAX: Final = 2048  # characters
_INVALID: Final = "InvalidProviderToken"


class ProviderTokenError(ValueError):
    """A provider token that APNs refuses; the text is the `reason` it answers with."""

    @property
    def status(self) -> int:
        """Of the answer."""
        return 429 if str(self) == TOO_MANY else 403


class ProviderTokenVerifier:
    """Accepts tokens of the keys it knows. A token that was good is not verified twice."""

    __slots__ = ("_keys", "_newest_at", "_seen")

    def __init__(self, keys: dict[tuple[str, str], ec.EllipticCurvePublicKey]) -> None:
        self._keys = keys  # by team id and key id
        self._seen: dict[str, int] = {}  # tokens that were accepted, and when they were issued
        self._newest_at: dict[tuple[str, str], int] = {}  # when a key last had a new token

    def add(self, team_id: str, key_id: str, public: ec.EllipticCurvePublicKey) -> None:
        """Know one more key."""
        self._keys[team_id, key_id] = public

    def check(self, token: str, now_unix_s: int) -> None:
        """Raises: ProviderTokenError with the documented reason."""
        issued_at = self._seen.get(token)
        if issued_at is not None:
            self._check_age(issued_at, now_unix_s)
            return
        key, issued_at = self._read(token)
        self._check_age(issued_at, now_unix_s)
        newest_at = self._newest_at.get(key)
        if newest_at is not None and now_unix_s - newest_at < KEPT_MIN_S:
            raise ProviderTokenError(TOO_MANY)
        self._newest_at[key] = now_unix_s
        self._seen = {old: at for old, at in self._seen.items() if now_unix_s - at <= LIFETIME_S}
        self._seen[token] = issued_at

    @staticmethod
    def _check_age(issued_at: int, now_unix_s: int) -> None:
        if not -CLOCK_SKEW_S <= now_unix_s - issued_at <= LIFETIME_S:
            raise ProviderTokenError(EXPIRED)

    def _read(self, token: str) -> tuple[tuple[str, str], int]:
        """Team id and key id, and when it was issued."""
        try:
            if len(token) > _TOKEN_MAX:
                raise ValueError("too long")
            header_text, claims_text, signature_text = token.split(".")
            header = part_of(header_text)
            claims = part_of(claims_text)
            signature = b64url_octets(signature_text)
            # The algorithm is ours, not the token's: RFC 8725 §3.1.
            if header.get("alg") != "ES256" or len(signature) != 2 * HALF_OCTETS:
                raise ValueError("not ES256")
            known = str(claims.get("iss")), str(header.get("kid"))
            key = self._keys[known]
            issued_at = claims["iat"]
            if type(issued_at) is not int:
                raise ValueError("iat is no number")
            r, s = (
                int.from_bytes(half) for half in (signature[:HALF_OCTETS], signature[HALF_OCTETS:])
            )
            key.verify(
                encode_dss_signature(r, s),
                f"{header_text}.{claims_text}".encode(),
                ec.ECDSA(hashes.SHA256()),
            )
        except (ValueError, KeyError, InvalidSignature, RecursionError) as error:
            raise ProviderTokenError(_INVALID) from error
        return known, issued_at
