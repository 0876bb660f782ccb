"""The form of the signed tokens that Apple and Google take: JWT in compact serialisation.

Source: RFC 7515 §3.1, RFC 7519. The signatures differ: ES256 in `provider_token`, RS256 in `grant`.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from callctl.push.envelope import b64url, b64url_octets


def signing_input(header: Mapping[str, str], claims: Mapping[str, str | int]) -> str:
    """What is signed, and what stands before the signature."""
    return f"{_part(header)}.{_part(claims)}"


def compact(signed: str, signature: bytes) -> str:
    """The whole token."""
    return f"{signed}.{b64url(signature)}"


def part_of(text: str) -> dict[str, object]:
    """The object that one part of a token holds.

    Raises: ValueError if it is none, RecursionError if it is nested without end.
    """
    value = msgspec.json.decode(b64url_octets(text))
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value


def _part(fields: Mapping[str, str | int]) -> str:
    return b64url(msgspec.json.encode(fields))
