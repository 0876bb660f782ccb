"""The support token: the key of what identifies people in uploads, in a form people can copy.

    AEBAG-BAFAY-DQQCI-KBMGA-...        eleven groups of five letters and digits

Base32 of 32 octets of key and a check of two octets, so that a slip of the pen is noticed. Shown on
the onboarding page only; without it nobody opens what was sealed, the vendor included.
Source: TRB-10 to TRB-12, OP-52; RFC 4648 §6; NIST SP 800-38D §8.2.2.
"""

from __future__ import annotations

from base64 import b32decode, b32encode
from binascii import Error as Base32Error
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from sipstack.entropy import Entropy

KEY_OCTETS: Final = 32
IV_OCTETS: Final = 12
_CHECK_OCTETS: Final = 2
_GROUP: Final = 5  # characters
_CHARACTERS: Final = 55  # 34 octets, without padding


@dataclass(frozen=True, slots=True)
class SupportToken:
    """A key of AES-256-GCM. Its `str()` is what the onboarding page shows."""

    key: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.key) != KEY_OCTETS:
            raise ValueError("a support token is a key of 32 octets")

    @classmethod
    def make(cls, entropy: Entropy) -> SupportToken:
        """A new one."""
        return cls(entropy.octets(KEY_OCTETS))

    @classmethod
    def parse(cls, text: str) -> SupportToken:
        """Read the printed form; case, spaces and dashes do not matter.

        Raises: ValueError if it is none, or was copied wrongly. The text is not repeated in it.
        """
        letters = "".join(text.upper().replace("-", " ").split())
        if len(letters) != _CHARACTERS:
            raise ValueError(f"a support token has {_CHARACTERS} letters and digits")
        try:
            octets = b32decode(letters + "=")
        except (Base32Error, ValueError) as error:
            raise ValueError("a support token has the letters A to Z and digits 2 to 7") from error
        token = cls(octets[:KEY_OCTETS])
        if _letters(token.key) != letters:
            raise ValueError("the support token was not copied rightly")
        return token

    @property
    def key_id(self) -> str:
        """Tells sealed data which token opens it, and says nothing about the token."""
        return sha256(b"key id\n" + self.key).hexdigest()[:8]

    def seal(self, fields: dict[str, str], entropy: Entropy, bound_to: str) -> dict[str, str]:
        """Encrypt `fields`, good for nothing but the record `bound_to` names."""
        iv = entropy.octets(IV_OCTETS)
        octets = AESGCM(self.key).encrypt(iv, msgspec.json.encode(fields), bound_to.encode())
        return {"enc": "A256GCM", "kid": self.key_id, "iv": iv.hex(), "ct": octets.hex()}

    def open(self, sealed: dict[str, Any], bound_to: str) -> dict[str, str]:
        """What was sealed.

        Raises: ValueError if another token sealed it, or anything was changed.
        """
        try:
            iv, octets = bytes.fromhex(sealed["iv"]), bytes.fromhex(sealed["ct"])
            clear = AESGCM(self.key).decrypt(iv, octets, bound_to.encode())
            return msgspec.json.decode(clear, type=dict[str, str])
        except (KeyError, TypeError, InvalidTag, ValueError) as error:
            raise ValueError("this support token does not open it") from error

    def __str__(self) -> str:
        letters = _letters(self.key)
        return "-".join(letters[at : at + _GROUP] for at in range(0, _CHARACTERS, _GROUP))


def _letters(key: bytes) -> str:
    check = sha256(b"check\n" + key).digest()[:_CHECK_OCTETS]
    return b32encode(key + check).decode().rstrip("=")
