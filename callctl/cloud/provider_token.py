"""Provider tokens of APNs: a JWT signed with ES256, made by Push REST, checked by APNs.

Source: RFC 7515, RFC 7518 §3.4, RFC 8725; APNs "token-based connection" (`alg` and `kid` in the
header, `iss` and `iat` as claims; refused when older than 60 minutes).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from callctl.push.envelope import b64url, b64url_octets
from sipstack.entropy import Entropy

LIFETIME_S: Final = 3600
RENEW_AFTER_S: Final = 2400  # between the 20 and the 60 minutes that Apple asks for
CLOCK_SKEW_S: Final = 60

_HALF: Final = 32  # octets of r and of s, RFC 7518 §3.4
_TOKEN_MAX: Final = 2048  # characters
_P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@dataclass(frozen=True, slots=True)
class SigningKey:
    """What a provider signs with."""

    key_id: str
    team_id: str
    private: ec.EllipticCurvePrivateKey

    @classmethod
    def make(
        cls, entropy: Entropy, key_id: str = "CALLCTL001", team_id: str = "CALLCTLLAB"
    ) -> SigningKey:
        """A new key on P-256."""
        scalar = 1 + int.from_bytes(entropy.octets(40)) % (_P256_ORDER - 1)
        return cls(key_id, team_id, ec.derive_private_key(scalar, ec.SECP256R1()))


class ProviderTokenError(ValueError):
    """A provider token that APNs refuses; the text is the `reason` it answers with 403."""


def sign_provider_token(key: SigningKey, issued_at_unix_s: int) -> str:
    """A provider token, good for 60 minutes."""
    header = _part({"alg": "ES256", "kid": key.key_id})
    claims = _part({"iss": key.team_id, "iat": issued_at_unix_s})
    signing_input = f"{header}.{claims}"
    # Deterministic (RFC 6979): a simulation with one seed gives one trace.
    algorithm = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
    r, s = decode_dss_signature(key.private.sign(signing_input.encode(), algorithm))
    return f"{signing_input}.{b64url(r.to_bytes(_HALF) + s.to_bytes(_HALF))}"


class ProviderTokenVerifier:
    """Accepts tokens of the teams it knows. A token that was good is not verified twice."""

    __slots__ = ("_good", "_keys")

    def __init__(self, keys: dict[tuple[str, str], ec.EllipticCurvePublicKey]) -> None:
        self._keys = keys  # by team id and key id
        self._good: tuple[str, int] | None = None  # the last good token and when it was issued

    def check(self, token: str, now_unix_s: int) -> None:
        """Raises: ProviderTokenError, InvalidProviderToken or ExpiredProviderToken."""
        if self._good is None or self._good[0] != token:
            self._good = (token, self._issued_at(token))
        age_s = now_unix_s - self._good[1]
        if age_s > LIFETIME_S or age_s < -CLOCK_SKEW_S:
            raise ProviderTokenError("ExpiredProviderToken")

    def _issued_at(self, token: str) -> int:
        try:
            if len(token) > _TOKEN_MAX:
                raise ValueError("too long")
            header_text, claims_text, signature_text = token.split(".")
            header = _object(header_text)
            claims = _object(claims_text)
            signature = b64url_octets(signature_text)
            # The algorithm is ours, not the token's: RFC 8725 §3.1.
            if header.get("alg") != "ES256" or len(signature) != 2 * _HALF:
                raise ValueError("not ES256")
            key = self._keys[str(claims.get("iss")), str(header.get("kid"))]
            issued_at = claims["iat"]
            if type(issued_at) is not int:
                raise ValueError("iat is no number")
            r, s = int.from_bytes(signature[:_HALF]), int.from_bytes(signature[_HALF:])
            key.verify(
                encode_dss_signature(r, s),
                f"{header_text}.{claims_text}".encode(),
                ec.ECDSA(hashes.SHA256()),
            )
        except (ValueError, KeyError, InvalidSignature) as error:
            raise ProviderTokenError("InvalidProviderToken") from error
        return issued_at


def _part(fields: dict[str, Any]) -> str:
    return b64url(msgspec.json.encode(fields))


def _object(text: str) -> dict[str, Any]:
    value = msgspec.json.decode(b64url_octets(text))
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value
