"""Link layers: where in a packet the IP header is.

Source: the registry of link types in draft-ietf-opsawg-pcaplinktype; IEEE 802.1Q for tags.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

IPV4: Final = b"\x08\x00"
IPV6: Final = b"\x86\xdd"
PPPOE: Final = b"\x88\x64"  # a session over Ethernet (RFC 2516)
PPP: Final = {b"\x00\x21": 4, b"\x00\x57": 6}  # versions of IP by their numbers in PPP
TAGS: Final = frozenset({b"\x81\x00", b"\x88\xa8", b"\x91\x00"})  # VLAN, provider VLAN, old QinQ

NULL: Final = 0
ETHERNET: Final = 1
RAW: Final = (12, 14, 101, 228, 229)
LOOP: Final = 108
LINUX_SLL: Final = 113
LINUX_SLL2: Final = 276

FAMILIES: Final = {2: 4, 10: 6, 23: 6, 24: 6, 28: 6, 30: 6}
"""Version of IP by the number a system has for its address family: BSDs, Linux, Windows."""

Network: TypeAlias = tuple[int, int]
"""Version of IP and where its header begins; version 0 if it is no IP."""

NONE: Final[Network] = 0, 0


def _typed(octets: bytes, at: int) -> Network:
    """The EtherType is at `at`, and so are the tags before it."""
    kind = octets[at : at + 2]
    while kind in TAGS:
        at += 4
        kind = octets[at : at + 2]
    return _network(octets, kind, at + 2)


def _network(octets: bytes, kind: bytes, at: int) -> Network:
    """What an EtherType says of the octets from `at` on."""
    if kind == IPV4:
        return 4, at
    if kind == PPPOE:
        return PPP.get(octets[at + 6 : at + 8], 0), at + 8
    return (6, at) if kind == IPV6 else NONE


def _ethernet(octets: bytes) -> Network:
    return (4, 14) if octets[12:14] == IPV4 else _typed(octets, 12)


def _linux_sll(octets: bytes) -> Network:
    return _typed(octets, 14)


def _linux_sll2(octets: bytes) -> Network:
    kind = octets[:2]
    return _typed(octets, 22) if kind in TAGS else _network(octets, kind, 20)


def _raw(octets: bytes) -> Network:
    version = octets[0] >> 4
    return (version, 0) if version in (4, 6) else NONE


def _loopback(octets: bytes) -> Network:
    """The family is in the byte order of who captured, which the file need not tell."""
    family = int.from_bytes(octets[:4])
    if family > 0xFFFF:
        family = int.from_bytes(octets[:4], "little")
    return FAMILIES.get(family, 0), 4


NETWORK: Final[dict[int, Callable[[bytes], Network]]] = {
    NULL: _loopback,
    ETHERNET: _ethernet,
    **dict.fromkeys(RAW, _raw),
    LOOP: _loopback,
    LINUX_SLL: _linux_sll,
    LINUX_SLL2: _linux_sll2,
}
"""What finds the IP header in a packet of LEAST_OCTETS or more, by link type."""

_HEADERS: Final = {NULL: 4, ETHERNET: 14, LOOP: 4, LINUX_SLL: 16, LINUX_SLL2: 20}
LEAST_OCTETS: Final = {link: _HEADERS.get(link, 0) + 21 for link in NETWORK}
"""By link type: the shortest packet with an IPv4 header and an octet to carry."""
