"""Push tokens in messages that are kept: another one for each, so that devices stay apart."""

from __future__ import annotations

import re
from typing import Final

from callctl.capture.mask import masked
from callctl.replay.pseudonyms import Pseudonyms

KEY: Final = bytes(32)
"""Tokens are drawn by chance: that everybody knows this key leads nobody back to them."""

_TOKEN: Final = re.compile(rb"pn-(?:prid|purr)=\"?([^;>\"\s,]+)", re.IGNORECASE)
_APP: Final = re.compile(rb"pn-param=\"?([^;>\"\s,]+)", re.IGNORECASE)


class Tokens:
    """Gives the same token for the same one."""

    __slots__ = ("_names",)

    def __init__(self) -> None:
        self._names = Pseudonyms(KEY)

    def shown(self, octets: bytes, party: str) -> bytes:
        """A message without digests, media keys and real push tokens; no length changes.

        `party`: whose tokens those are that somebody has masked before.
        """
        made = bytearray(masked(octets))
        for found in _TOKEN.finditer(octets):
            made[found.start(1) : found.end(1)] = self._other(found[1], party)
        for found in _APP.finditer(octets):
            made[found.start(1) : found.end(1)] = found[1]  # the name of an app is no secret
        return bytes(made)

    def _other(self, token: bytes, party: str) -> bytes:
        text = token.decode("ascii", "replace")
        if len(text) != len(token) or not text.isascii():
            return b"x" * len(token)
        if is_masked(text):
            return self._names.stand_in(text, party).encode()
        # Clients with two tokens give token:voip&token:remote, and say by these words which.
        parts = [each.partition(":") for each in text.split("&")]
        names = self._names
        return "&".join(f"{names.token(it[0])}{it[1]}{it[2]}" for it in parts).encode()


def is_masked(text: str) -> bool:
    """True if nothing but x stands there."""
    return bool(text) and not text.strip("x")
