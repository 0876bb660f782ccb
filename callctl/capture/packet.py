"""Ethernet, IP, UDP and TCP around the octets of a message, as a wire would have shown them."""

from __future__ import annotations

from ipaddress import ip_address
from struct import pack
from typing import Final, NamedTuple

UDP: Final = 17
TCP: Final = 6
SEGMENT_MAX: Final = 65_000  # octets of a message in one packet; an IP packet holds 65,535
HOP_LIMIT: Final = 64
PUSH_ACK: Final = 0x18
FIN_ACK: Final = 0x11

ETHER_IPV4: Final = 0x0800
ETHER_IPV6: Final = 0x86DD
# Locally administered addresses; nobody looks at them, but a frame has two.
MAC_PREFIX: Final = b"\x02\x00"


class Address(NamedTuple):
    """One end of a packet: numeric host, IPv6 without brackets, and port."""

    host: str
    port: int


def udp_packet(source: Address, target: Address, data: bytes) -> bytes:
    """A frame with one datagram.

    Raises: ValueError if a host is not numeric.
    """
    header = pack("!HHHH", source.port, target.port, 8 + len(data), 0)
    return _frame(source.host, target.host, UDP, header + data, checksum_at=6)


def tcp_packet(
    source: Address,
    target: Address,
    data: bytes,
    sequence: int,
    acknowledged: int,
    flags: int = PUSH_ACK,
) -> bytes:
    """A frame with one segment. Numbers count octets from the start of the capture, modulo 2**32.

    Raises: ValueError if a host is not numeric.
    """
    numbers = pack("!II", sequence & 2**32 - 1, acknowledged & 2**32 - 1)
    rest = pack("!BBHHH", 5 << 4, flags, 65_535, 0, 0)
    header = pack("!HH", source.port, target.port) + numbers + rest
    return _frame(source.host, target.host, TCP, header + data, checksum_at=16)


def _frame(source: str, target: str, protocol: int, payload: bytes, checksum_at: int) -> bytes:
    from_ip = ip_address(source.partition("%")[0])
    to_ip = ip_address(target.partition("%")[0])
    pseudo = from_ip.packed + to_ip.packed + pack("!II", len(payload), protocol)
    checksum = _checksum(pseudo + payload) or 0xFFFF  # 0 would say that there is none
    payload = payload[:checksum_at] + pack("!H", checksum) + payload[checksum_at + 2 :]
    macs = _mac(to_ip.packed) + _mac(from_ip.packed)
    if from_ip.version == 6 and to_ip.version == 6:
        head = pack("!IHBB", 6 << 28, len(payload), protocol, HOP_LIMIT)
        return macs + pack("!H", ETHER_IPV6) + head + from_ip.packed + to_ip.packed + payload
    if from_ip.version != to_ip.version:
        raise ValueError(f"{source} and {target} are of two families")
    size = 20 + len(payload)
    head = pack("!BBHHHBBH", 0x45, 0, size, 0, 0x4000, HOP_LIMIT, protocol, 0)
    sum_ = pack("!H", _checksum(head + from_ip.packed + to_ip.packed))
    head = head[:10] + sum_ + from_ip.packed + to_ip.packed
    return macs + pack("!H", ETHER_IPV4) + head + payload


def _mac(address: bytes) -> bytes:
    return MAC_PREFIX + address[-4:]


def _checksum(octets: bytes) -> int:
    """The internet checksum (RFC 1071): a sum modulo 0xFFFF is its ones' complement sum."""
    if len(octets) % 2:
        octets += b"\0"
    # No header is all zeros, so a remainder of 0 is a sum of 0xFFFF.
    return 0xFFFF - (int.from_bytes(octets) % 0xFFFF or 0xFFFF)
