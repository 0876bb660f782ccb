"""Other names for what is personal, each always the same one: numbers, names, addresses, tokens.

Numbers and tokens keep their length and their kind of characters, so that a message stays the one
it was; addresses become those of documentation (RFC 5737, RFC 3849), hosts those of `.example`
(RFC 2606).
"""

from __future__ import annotations

import hmac
from hashlib import sha256
from ipaddress import ip_address
from typing import Final

HEX: Final = "0123456789abcdef"
LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
BLOCKS: Final = ("192.0.2", "198.51.100", "203.0.113")
BLOCK_SIZE: Final = 254
V6_PREFIX: Final = "2001:db8::"


class Pseudonyms:
    """Remembers what it gave; `key` decides which number or token stands for which."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self.given: dict[str, str] = {}  # by what they stand for
        self._addresses = {4: 0, 6: 0}
        self._names = 0
        self._hosts = 0
        self._words = 0

    def number(self, number: str) -> str:
        """As many digits, with what stands between them; a leading + or 0 stays."""
        known = self.given.get(number)
        if known is not None:
            return known
        # +49 89 1 and 0049 89 1 are one number: both keep being one.
        rest = number.lstrip("+0")
        digits = self._digits(rest, len(rest))
        made = "".join(digits[at] if it.isdigit() else it for at, it in enumerate(rest))
        return self._keep(number, number[: len(number) - len(rest)] + made)

    def name(self, name: str) -> str:
        """Person1, Person2, ...: one word, which needs no quotes."""
        known = self.given.get(name)
        if known is None:
            self._names += 1
            known = self._keep(name, f"Person{self._names}")
        return known

    def user(self, user: str) -> str:
        """Of a SIP URI: a number, or user1, user2, ..."""
        if any(it.isdigit() for it in user) and not any(it.isalpha() for it in user):
            return self.number(user)
        known = self.given.get(user)
        if known is None:
            self._words += 1
            known = self._keep(user, f"user{self._words}")
        return known

    def address(self, address: str) -> str:
        """Of documentation. Raises: ValueError for a text that is no address."""
        known = self.given.get(address)
        if known is not None:
            return known
        ip = ip_address(address)
        if ip.is_unspecified or ip.is_loopback:
            return address
        at = self._addresses[ip.version]
        self._addresses[ip.version] += 1
        if ip.version == 6:
            return self._keep(address, f"{V6_PREFIX}{at + 1:x}")
        block, host = divmod(at, BLOCK_SIZE)
        if block >= len(BLOCKS):
            raise ValueError(f"more than {len(BLOCKS) * BLOCK_SIZE} addresses")
        return self._keep(address, f"{BLOCKS[block]}.{host + 1}")

    def host(self, host: str) -> str:
        """host1.example, host2.example, ...; names of documentation stay."""
        lower = host.lower()
        if lower == "localhost" or lower.endswith((".example", ".invalid", ".test")):
            return host
        known = self.given.get(lower)
        if known is None:
            self._hosts += 1
            known = self._keep(lower, f"host{self._hosts}.example")
        return known

    def token(self, token: str) -> str:
        """Of the same length, digits for digits and letters for letters."""
        known = self.given.get(token)
        if known is not None:
            return known
        stream = self._stream(token, len(token))
        lower = all(it in HEX for it in token.lower() if it.isalnum())
        made = []
        for it, octet in zip(token, stream, strict=True):
            if it.isdigit() and not lower:
                made.append(str(octet % 10))
            elif it.isalnum():
                letter = HEX[octet % 16] if lower else LETTERS[octet % 26]
                made.append(letter.upper() if it.isupper() else letter)
            else:
                made.append(it)
        return self._keep(token, "".join(made))

    def stand_in(self, masked: str, owner: str) -> str:
        """As long as a token of `owner` that was masked; the same for all of one length."""
        octets = self._stream(f"token of {owner}", len(masked))
        return "".join(HEX[octet % 16] for octet in octets)

    def _keep(self, what: str, made: str) -> str:
        self.given[what] = made
        return made

    def _digits(self, what: str, count: int) -> str:
        octets = self._stream(what, count)
        first = "".join(str(octet % 9 + 1) for octet in octets[:1])  # a 0 there means something
        return first + "".join(str(octet % 10) for octet in octets[1:])

    def _stream(self, what: str, count: int) -> bytes:
        made = b""
        while len(made) < count:
            seed = f"{len(made)} {what}".encode("utf-8", "surrogateescape")
            made += hmac.new(self._key, seed, sha256).digest()
        return made[:count]
