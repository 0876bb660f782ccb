"""Provider tokens of APNs: a JWT signed with ES256, and for how long one is used.

Source: RFC 7515, RFC 7518 §3.4; Apple, "Establishing a token-based connection to APNs" (`alg` and
`kid` in the header, `iss` and `iat` as claims; refused when older than 60 minutes, and when a new
one comes before 20 minutes have passed).
"""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from callctl.model.push_access import SigningKey
from callctl.push.direct.jwt import compact, signing_input

LIFETIME_S: Final = 3600
KEPT_MIN_S: Final = 1200
SLOT_S: Final = 1800
MARGIN_S: Final = 60  # before its end a token is let go: the clock of APNs is not ours

EXPIRED: Final = "ExpiredProviderToken"
TOO_MANY: Final = "TooManyProviderTokenUpdates"

HALF_OCTETS: Final = 32  # of r and of s, RFC 7518 §3.4


def sign_provider_token(key: SigningKey, issued_at_unix_s: int) -> str:
    """A provider token, good for 60 minutes. The same key and time give the same token."""
    signed = signing_input(
        {"alg": "ES256", "kid": key.key_id}, {"iss": key.team_id, "iat": issued_at_unix_s}
    )
    algorithm = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)  # RFC 6979
    r, s = decode_dss_signature(key.private.sign(signed.encode(), algorithm))
    return compact(signed, r.to_bytes(HALF_OCTETS) + s.to_bytes(HALF_OCTETS))


class ProviderTokens:
    """The token in use, kept for at least 20 minutes and never until it is 60 minutes old.

    APNs counts new tokens by key, and every node of a cluster, in each of its lives, signs with the
    same one. So tokens are issued at full half hours of Unix time: signatures being deterministic,
    all nodes have the same token without a word between them.
    """

    __slots__ = ("_issued_at", "_key", "_token", "_until")

    def __init__(self, key: SigningKey) -> None:
        self._key = key
        self._token = ""
        self._issued_at = 0
        self._until = 0  # unix s; the token in use is kept until then

    def bearer(self, now_unix_s: int) -> str:
        """The token to send now."""
        if now_unix_s >= self._until:
            self._use(_slot(now_unix_s))
            # Half an hour at most when it is taken up, 50 minutes when it is let go.
            self._until = max(self._issued_at + SLOT_S, now_unix_s + KEPT_MIN_S)
        return self._token

    def refused(self, token: str, reason: str, now_unix_s: int) -> bool:
        """APNs does not take `token`, and says why. True if another one may be tried now."""
        if token != self._token:
            return True
        if reason == EXPIRED and self._issued_at != _slot(now_unix_s):
            self._until = 0
            return True
        before = self._issued_at - SLOT_S
        if reason == TOO_MANY and now_unix_s < before + LIFETIME_S - MARGIN_S:
            # Somebody else took up the one before a moment ago: it is known and good.
            self._use(before)
            self._until = min(now_unix_s + KEPT_MIN_S, before + LIFETIME_S - MARGIN_S)
            return True
        return False

    def _use(self, issued_at: int) -> None:
        if issued_at != self._issued_at or not self._token:
            self._issued_at = issued_at
            self._token = sign_provider_token(self._key, issued_at)


def _slot(now_unix_s: int) -> int:
    return now_unix_s - now_unix_s % SLOT_S
