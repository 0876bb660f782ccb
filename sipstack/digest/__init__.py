"""Digest authentication (RFC 7616, RFC 8760), both sides."""

from sipstack.digest.answer import answer
from sipstack.digest.challenge import Challenge, parse_challenges
from sipstack.digest.compute import ha1, is_supported, response_of
from sipstack.digest.credentials import Credentials

__all__ = [
    "Challenge",
    "Credentials",
    "answer",
    "ha1",
    "is_supported",
    "parse_challenges",
    "response_of",
]
