"""Addresses of IP headers as text."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import ip_address


@lru_cache(4_096)
def host(address: bytes) -> str:
    """An address of 4 or 16 octets, numeric, IPv6 without brackets."""
    return str(ip_address(address))
