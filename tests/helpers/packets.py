"""Capture files made by hand: link layers, IP, UDP, TCP, and the blocks and records around them.

Checksums are left 0: nobody who reads a capture can rely on them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from ipaddress import ip_address
from struct import pack
from typing import Final

from callctl.capture.captured import CapturedMessage, CaptureRead
from callctl.capture.limits import ReadLimits
from callctl.capture.packet import Address
from callctl.capture.read import CaptureReader

EPOCH_NS: Final = 1_700_000_000_123_456_000  # of the first packet; the next is 1 ms later
MS: Final = 1_000_000

PHONE: Final = Address("192.0.2.101", 40_001)
NODE: Final = Address("192.0.2.1", 5060)
PHONE6: Final = Address("2001:db8::101", 40_001)
NODE6: Final = Address("2001:db8::1", 5060)

UDP, TCP = 17, 6
FIN, SYN, RST, PUSH, ACK = 1, 2, 4, 8, 16

Times = Iterable[tuple[int, bytes]]


# IP and what it carries.


def udp(source: Address, target: Address, data: bytes) -> bytes:
    """An IP packet with a datagram."""
    return ip(source, target, UDP, udp_header(source, target, data) + data)


def udp_header(source: Address, target: Address, data: bytes) -> bytes:
    return pack("!HHHH", source.port, target.port, 8 + len(data), 0)


def tcp(
    source: Address, target: Address, data: bytes, sequence: int, flags: int = PUSH | ACK
) -> bytes:
    """An IP packet with a segment."""
    ports = pack("!HH", source.port, target.port)
    rest = pack("!IIBBHHH", sequence % 2**32, 0, 5 << 4, flags, 65_535, 0, 0)
    return ip(source, target, TCP, ports + rest + data)


def ip(source: Address, target: Address, protocol: int, payload: bytes) -> bytes:
    """An IP packet of the family of its addresses."""
    build = ipv6 if ":" in source.host else ipv4
    return build(source.host, target.host, protocol, payload)


def ipv4(
    source: str,
    target: str,
    protocol: int,
    payload: bytes,
    *,
    identity: int = 1,
    offset: int = 0,
    more: bool = False,
    options: bytes = b"",
) -> bytes:
    flags = more << 13 | offset // 8
    size = 20 + len(options) + len(payload)
    first = 0x45 + len(options) // 4
    head = pack("!BBHHHBBH", first, 0, size, identity, flags, 64, protocol, 0)
    addresses = ip_address(source).packed + ip_address(target).packed
    return head + addresses + options + payload


def ipv6(source: str, target: str, following: int, payload: bytes) -> bytes:
    addresses = ip_address(source).packed + ip_address(target).packed
    return pack("!IHBB", 6 << 28, len(payload), following, 64) + addresses + payload


def fragments(packet: bytes, size: int, *, identity: int = 7) -> list[bytes]:
    """An IPv4 packet without options in fragments that carry so many octets, 8 at least."""
    payload, step = packet[20:], size // 8 * 8
    source, target = (str(ip_address(packet[at : at + 4])) for at in (12, 16))
    return [
        ipv4(
            source,
            target,
            packet[9],
            payload[at : at + step],
            identity=identity,
            offset=at,
            more=at + step < len(payload),
        )
        for at in range(0, len(payload), step)
    ]


def fragments6(packet: bytes, size: int, *, identity: int = 7) -> list[bytes]:
    """The same for an IPv6 packet."""
    payload, step = packet[40:], size // 8 * 8
    source, target = (str(ip_address(packet[at : at + 16])) for at in (8, 24))
    return [
        ipv6(
            source,
            target,
            44,
            pack("!BBHI", packet[6], 0, at | (at + step < len(payload)), identity)
            + payload[at : at + step],
        )
        for at in range(0, len(payload), step)
    ]


@dataclass(slots=True)
class Conversation:
    """A TCP connection. Each method adds packets to `packets`, which are IP."""

    client: Address = PHONE
    server: Address = NODE
    client_at: int = 1_000  # next sequence numbers
    server_at: int = 900_000
    packets: list[bytes] = field(default_factory=list)

    def opened(self) -> Conversation:
        """Three packets of a handshake."""
        self._add(True, b"", SYN)
        self.client_at += 1
        self._add(False, b"", SYN | ACK)
        self.server_at += 1
        self._add(True, b"", ACK)
        return self

    def sent(self, data: bytes, *, cut: int = 1_400) -> Conversation:
        """The client says something, in segments."""
        return self._said(True, data, cut)

    def answered(self, data: bytes, *, cut: int = 1_400) -> Conversation:
        """The server says something."""
        return self._said(False, data, cut)

    def closed(self) -> Conversation:
        """Both say that it is over, the client first."""
        self._add(True, b"", FIN | ACK)
        self.client_at += 1
        self._add(False, b"", FIN | ACK)
        self.server_at += 1
        self._add(True, b"", ACK)
        return self

    def _said(self, by_client: bool, data: bytes, cut: int) -> Conversation:
        for at in range(0, len(data), cut):
            part = data[at : at + cut]
            self._add(by_client, part, PUSH | ACK)
            if by_client:
                self.client_at += len(part)
            else:
                self.server_at += len(part)
        return self

    def _add(self, by_client: bool, data: bytes, flags: int) -> None:
        ends = (self.client, self.server) if by_client else (self.server, self.client)
        sequence = self.client_at if by_client else self.server_at
        self.packets.append(tcp(*ends, data, sequence, flags))


# Link layers.


def ethernet(packet: bytes, *, tags: Sequence[int] = ()) -> bytes:
    """A frame; `tags` are EtherTypes of VLAN tags."""
    inner = b"\x86\xdd" if packet[0] >> 4 == 6 else b"\x08\x00"
    return bytes(12) + b"".join(pack("!HH", tag, 42) for tag in tags) + inner + packet


# Files.


def timed(packets: Iterable[bytes]) -> list[tuple[int, bytes]]:
    """Each packet 1 ms after the one before."""
    return [(EPOCH_NS + at * MS, packet) for at, packet in enumerate(packets)]


def pcap_file(
    packets: Iterable[bytes], *, order: str = "<", nanoseconds: bool = False, link: int = 1
) -> bytes:
    """A file of frames as they are, 1 ms apart."""
    magic = 0xA1B23C4D if nanoseconds else 0xA1B2C3D4
    data = pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, 262_144, link)
    for at_ns, packet in timed(packets):
        seconds, fraction = divmod(at_ns, 10**9)
        fraction //= 1 if nanoseconds else 1_000
        data += pack(f"{order}IIII", seconds, fraction, len(packet), len(packet)) + packet
    return data


def pcap(packets: Iterable[bytes]) -> bytes:
    """A file of IP packets over Ethernet."""
    return pcap_file(map(ethernet, packets))


def option(code: int, value: bytes, order: str = "<") -> bytes:
    """One of a pcapng block."""
    return pack(f"{order}HH", code, len(value)) + value + bytes(-len(value) % 4)


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    """A block of a pcapng file."""
    body += bytes(-len(body) % 4)
    size = len(body) + 12
    return pack(f"{order}II", kind, size) + body + pack(f"{order}I", size)


def section(order: str = "<") -> bytes:
    return block(0x0A0D0D0A, pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def interface(link: int = 1, options: bytes = b"", *, snap: int = 0, order: str = "<") -> bytes:
    """`options` come without an end."""
    ended = options + bytes(4) if options else b""
    return block(1, pack(f"{order}HHI", link, 0, snap) + ended, order)


def enhanced(
    packet: bytes, ticks: int, *, number: int = 0, options: bytes = b"", order: str = "<"
) -> bytes:
    """A packet of the interface with that number."""
    head = (number, ticks >> 32, ticks & 2**32 - 1, len(packet), len(packet))
    body = pack(f"{order}IIIII", *head) + packet + bytes(-len(packet) % 4)
    return block(6, body + (options + bytes(4) if options else b""), order)


def secrets(key_log: bytes, order: str = "<") -> bytes:
    """A block of TLS secrets."""
    return block(10, pack(f"{order}II", 0x544C534B, len(key_log)) + key_log, order)


# Reading.


def read(data: bytes, *, key_log: bytes = b"", limits: ReadLimits | None = None) -> CaptureRead:
    """Everything in a file of these octets. Raises: CaptureError."""
    return CaptureReader(BytesIO(data), "x.pcap", key_log=key_log, limits=limits).collect()


def read_packets(packets: Iterable[bytes], key_log: bytes = b"") -> CaptureRead:
    """Everything in a file of these IP packets."""
    return read(pcap(packets), key_log=key_log)


def octets_of(messages: Iterable[CapturedMessage]) -> list[bytes]:
    return [message.octets for message in messages]
