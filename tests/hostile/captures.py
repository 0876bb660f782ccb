"""Capture files that mean harm: each claims, hides or repeats something to cost time or memory.

    PYTHONPATH=.:tests python -m hostile.captures DIRECTORY

writes all of them there, one after the other, each of 100 MB or so, and tells what reading costs.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from struct import pack
from typing import Final, TypeAlias

from callctl.capture.limits import ReadLimits
from helpers.packets import (
    NODE,
    PHONE,
    SYN,
    UDP,
    Conversation,
    block,
    enhanced,
    ethernet,
    interface,
    ipv4,
    option,
    pcap_file,
    secrets,
    section,
    tcp,
    udp,
)
from helpers.sip_text import OPTIONS, octets
from helpers.websocket_wire import PING, frame, upgrade

MESSAGE: Final = octets(OPTIONS)
SECONDS_MAX: Final = 10.0  # of processor time that one file may cost
MEMORY_MAX: Final = 300 << 20


@dataclass(frozen=True, slots=True)
class Size:
    """How large files are, and what the reader is limited to."""

    octets: int  # of a file, about; more where a limit is to be reached
    limits: ReadLimits


FULL: Final = Size(100_000_000, ReadLimits())
SHORT: Final = Size(
    1_000_000,
    ReadLimits(packets=150_000, pieces=15_000, messages=10_000, octets_kept=4 << 20),
)

MEASURE: Final = """
import sys, time
from pathlib import Path
from callctl.capture.read import CaptureError, ReadLimits, read_capture
packets, pieces, messages, octets_kept = map(int, sys.argv[2:])
limits = ReadLimits(packets, pieces, messages, octets_kept)
begun = time.process_time()
try:
    read, error = read_capture(Path(sys.argv[1]), limits=limits), ""
except CaptureError as caught:
    read, error = caught.read, str(caught)
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
memory = int(status["VmHWM"].split()[0]) * 1024
print(f"{time.process_time() - begun} {memory} {len(read.messages)} {error}")
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """What reading a file came to."""

    seconds: float  # of processor time
    memory: int  # octets, the most at once
    messages: int
    error: str  # without the name of the file


def cost_of(path: Path, limits: ReadLimits) -> Cost:
    """Reads a file in a process of its own. Raises: CalledProcessError if that is ended."""
    bounds = limits.packets, limits.pieces, limits.messages, limits.octets_kept
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path), *map(str, bounds)],
        capture_output=True,
        check=True,
        text=True,
        timeout=240,
        cwd=Path(__file__).resolve().parents[2],
    )
    seconds, memory, messages, error = done.stdout.rstrip("\n").split(" ", 3)
    error = error.removeprefix(f"{path}: ")
    return Cost(float(seconds), int(memory), int(messages), error)


Chunks: TypeAlias = Iterator[bytes]
Make: TypeAlias = Callable[[Size], Chunks]

KINDS: Final[dict[str, tuple[Make, str]]] = {}
"""By name: what makes a file, and what its error begins with, as a format of its limits."""

TOO_MUCH: Final = "more than {limits.pieces:,} connections, fragments, late segments"
EACH: Final = "frame {over}: " + TOO_MUCH  # with packets that count once


def kind(error: str = "") -> Callable[[Make], Make]:
    """Adds what makes a file."""

    def added(make: Make) -> Make:
        KINDS[make.__name__] = make, error
        return make

    return added


def write(name: str, path: Path, size: Size) -> str:
    """Makes a file. Returns: what its error has to begin with, "" if there is none."""
    make, error = KINDS[name]
    with path.open("wb") as file:
        for chunk in make(size):
            file.write(chunk)
    limits = size.limits
    return error.format(
        limits=limits,
        over=limits.pieces + 1,
        packets=limits.packets + 1,
        octet=24 + 16 * limits.packets,
    )


def records(packets: Iterator[bytes], count: int) -> Chunks:
    """So many of these records of a pcap file with Ethernet."""
    yield pcap_file([])
    packets = islice(packets, count)
    while chunk := b"".join(islice(packets, 1_000)):
        yield chunk


def record(packet: bytes) -> bytes:
    """An IP packet as the record of a pcap file."""
    framed = ethernet(packet)
    return pack("<IIII", 0, 0, len(framed), len(framed)) + framed


def repeated(data: bytes, size: int) -> Chunks:
    """So many octets, in whole pieces, one at least."""
    many = data * max(min(1 << 20, size) // len(data), 1)
    for _ in range(max(size // len(many), 1)):
        yield many


RTP: Final = record(udp(PHONE, NODE, b"\x80\0" + bytes(170)))


# Files that are not what they claim to be.


@kind("frame ")
def truncated_pcap(size: Size) -> Chunks:
    yield pcap_file([])
    yield from repeated(RTP, size.octets)
    yield RTP[:-1]


@kind("frame ")
def truncated_pcapng(size: Size) -> Chunks:
    yield section() + interface()
    yield from repeated(enhanced(ethernet(udp(PHONE, NODE, b"\x80")), 0), size.octets)
    yield enhanced(b"", 0)[:-1]


@kind("octet 0: packets of link type 147 cannot be read")
def wrong_link_type(size: Size) -> Chunks:
    yield pcap_file([], link=147)
    yield from repeated(RTP, size.octets)


@kind("no packet can be read: interface 0 has link type 147")
def wrong_link_type_of_an_interface(size: Size) -> Chunks:
    yield section() + interface(147)
    yield from repeated(enhanced(bytes(100), 0), size.octets)


@kind()
def other_link_type_than_there_is(size: Size) -> Chunks:
    yield pcap_file([], link=101)
    yield from repeated(RTP, size.octets)


@kind("octet 0: neither pcap nor pcapng")
def octets_of_no_capture(size: Size) -> Chunks:
    yield from repeated(b"\xa1\xb2\xc3\xd5", size.octets)


# Lengths of 4 GB and more.


@kind("frame 1 at octet 24: a packet of 4,294,967,295 octets")
def packet_of_4_gb(size: Size) -> Chunks:
    yield pcap_file([]) + pack("<IIII", 0, 0, 2**32 - 1, 2**32 - 1)
    yield from repeated(bytes(4_096), size.octets)


@kind("frame 1 at octet 28: a block of 4,294,967,292 octets")
def block_of_4_gb(size: Size) -> Chunks:
    yield section() + pack("<II", 6, 2**32 - 4)
    yield from repeated(bytes(4_096), size.octets)


@kind("frame 1 at octet 48: a packet of 4,294,967,280 octets")
def packet_of_4_gb_in_a_block(size: Size) -> Chunks:
    yield section() + interface() + block(6, pack("<IIIII", 0, 0, 0, 2**32 - 16, 0))
    yield from repeated(bytes(4_096), size.octets)


@kind()
def secrets_of_4_gb(size: Size) -> Chunks:
    yield section()
    yield from repeated(block(10, pack("<II", 0x544C534B, 2**32 - 1) + bytes(1 << 16)), size.octets)


@kind()
def body_of_4_gb(size: Size) -> Chunks:
    large = MESSAGE.replace(b"Content-Length: 0", b"Content-Length: 4294967295")
    talk = Conversation().opened().sent(large + b"x" * 60_000, cut=60_000)
    for _ in range(min(size.octets // 60_000, 150)):
        talk.sent(b"x" * 60_000, cut=60_000)
    yield pcap_file(map(ethernet, talk.packets))


@kind()
def websocket_frame_of_2_to_the_63(size: Size) -> Chunks:
    talk = Conversation().opened().sent(upgrade()).sent(frame(1, b"x", length=2**63 - 1))
    for _ in range(min(size.octets // 60_000, 150)):
        talk.sent(b"x" * 60_000, cut=60_000)
    yield pcap_file(map(ethernet, talk.packets))


# Millions of packets.


@kind("frame {packets} at octet {octet}: more than {limits.packets:,} packets")
def ten_million_empty_packets(size: Size) -> Chunks:
    """All zeros: each 16 are the record of a packet of no octets."""
    del size  # they are as many as the name says
    yield pcap_file([])
    yield from repeated(bytes(1 << 20), 16 * 10_000_000)


@kind()
def empty_datagrams(size: Size) -> Chunks:
    yield pcap_file([])
    yield from repeated(record(udp(PHONE, NODE, b"")), size.octets)


@kind()
def segments_of_one_octet(size: Size) -> Chunks:
    yield from records(
        (record(tcp(PHONE, NODE, b"x", at)) for at in range(1 << 30)), size.octets // 71
    )


@kind()
def segments_of_one_octet_of_sip(size: Size) -> Chunks:
    yield from records(_octet_by_octet(MESSAGE), size.octets // 71)


@kind(EACH)
def connections_of_one_syn(size: Size) -> Chunks:
    yield from records(_of_many_phones(b"", SYN), size.limits.pieces + 2)


@kind(EACH)
def connections_of_one_segment(size: Size) -> Chunks:
    yield from records(_of_many_phones(b"INVITE sip:a SIP/2.0\r\n", 16), size.limits.pieces + 2)


def _of_many_phones(data: bytes, flags: int) -> Iterator[bytes]:
    packet = bytearray(record(tcp(PHONE, NODE, data, 1, flags)))
    for number in range(1 << 30):
        packet[42:46] = pack("!I", number)
        yield bytes(packet)


@kind("frame ")
def segments_with_gaps(size: Size) -> Chunks:
    yield from records(
        (record(tcp(PHONE, NODE, b"x", 2 * at)) for at in range(1 << 30)), size.limits.pieces + 2
    )


@kind("frame ")
def segments_over_many_that_wait(size: Size) -> Chunks:
    small = (record(tcp(PHONE, NODE, b"x", 10 + at)) for at in range(1_000))
    yield from records(chain([record(tcp(PHONE, NODE, b"x", 1))], small), 1_001)
    yield from repeated(record(tcp(PHONE, NODE, bytes(1_000), 10)), size.octets)


# Fragments.


@kind(EACH)
def fragments_of_one_datagram_each(size: Size) -> Chunks:
    packets = (
        record(ipv4(PHONE.host, NODE.host, UDP, bytes(8), identity=at % 65_536, more=True))
        for at in range(1 << 30)
    )
    yield from records(packets, size.limits.pieces + 2)


@kind(EACH)
def fragments_of_8_octets_backwards(size: Size) -> Chunks:
    packets = (
        record(
            ipv4(
                PHONE.host,
                NODE.host,
                UDP,
                bytes(8),
                identity=at // 8_190 % 65_536,
                offset=8 * (8_190 - at % 8_190),
                more=True,
            )
        )
        for at in range(1 << 30)
    )
    yield from records(packets, size.limits.pieces + 2)


@kind("frame ")
def fragments_that_overlap(size: Size) -> Chunks:
    packets = (
        record(ipv4(PHONE.host, NODE.host, UDP, bytes(1_400), offset=at * 8 % 60_000, more=True))
        for at in range(1 << 30)
    )
    yield from records(packets, size.limits.pieces // 50)


@kind()
def tunnels_in_tunnels(size: Size) -> Chunks:
    packet = udp(PHONE, NODE, MESSAGE)
    for _ in range(1_000):
        packet = ipv4("198.51.100.1", "198.51.100.2", 4, packet)
    yield pcap_file([])
    yield from repeated(record(packet), size.octets)


# Streams that keep a reader busy.


def _stream(begin: bytes, more: bytes, octets_: int) -> Chunks:
    """One connection: `begin`, and `more` over and over in large segments."""
    talk = Conversation().opened().sent(begin)
    yield pcap_file(map(ethernet, talk.packets))
    piece = more * max(60_000 // len(more), 1)
    at = talk.client_at
    for _ in range(octets_ // len(piece) + 1):
        yield record(tcp(PHONE, NODE, piece, at))
        at += len(piece)


@kind("frame ")
def pings_of_websocket(size: Size) -> Chunks:
    yield from _stream(upgrade(), frame(PING), 7 * size.limits.pieces)


@kind()
def line_ends(size: Size) -> Chunks:
    yield from _stream(MESSAGE, b"\r\n", size.octets)


@kind()
def almost_status_lines(size: Size) -> Chunks:
    yield from _stream(MESSAGE + b"?", b"SIP/2.0 200 ", size.octets)


@kind()
def almost_request_lines(size: Size) -> Chunks:
    yield from _stream(MESSAGE + b"?", b"INVITE sip:a SIP/2.0\r\n", size.octets)


@kind()
def headers_without_end(size: Size) -> Chunks:
    yield from _stream(MESSAGE, b"INVITE sip:a SIP/2.0\r\nA: b\r\n", size.octets)


@kind()
def half_heads_octet_by_octet(size: Size) -> Chunks:
    """What is searched again with each octet would cost the square of its length."""
    data = MESSAGE + b"?" + b"SIP/2.0 200 xSIP/2.0" * 3_000
    yield from records(_octet_by_octet(data), size.octets // 71)


def _octet_by_octet(data: bytes) -> Iterator[bytes]:
    """One connection that says this over and over, each octet in a segment."""
    for at in range(1 << 30):
        yield record(tcp(PHONE, NODE, data[at % len(data) :][:1], at))


@kind("frame ")
def tiny_messages(size: Size) -> Chunks:
    yield from _stream(b"", b"a b SIP/2.0\r\nl:0\r\n\r\n", 21 * size.limits.messages)


@kind("frame ")
def messages_without_length(size: Size) -> Chunks:
    message = b"INVITE sip:a SIP/2.0\r\nA: b\r\n\r\n"
    yield from _stream(b"", message, (len(message) + 1) * size.limits.messages)


@kind("frame ")
def large_messages(size: Size) -> Chunks:
    message = MESSAGE.replace(b"Content-Length: 0", b"Content-Length: 58000") + bytes(58_000)
    yield pcap_file([])
    yield from repeated(record(udp(PHONE, NODE, message)), size.limits.octets_kept + (1 << 20))


@kind()
def halves_of_messages_in_many_connections(size: Size) -> Chunks:
    half = MESSAGE.replace(b"Content-Length: 0", b"Content-Length: 250000") + bytes(59_000)
    yield from records(_of_many_phones(half, 16), size.octets // 59_500)


@kind("frame ")
def records_of_tls(size: Size) -> Chunks:
    yield from _stream(b"", b"\x16\x03\x01\x00\x00", 6 * size.limits.pieces)


# Blocks of pcapng.


@kind("frame 1 at octet ")
def interfaces(size: Size) -> Chunks:
    yield section()
    yield from repeated(interface(), 20 * 10_002)


@kind()
def interfaces_with_long_names(size: Size) -> Chunks:
    yield section()
    yield from repeated(interface(options=option(2, b"n" * 60_000)), size.octets)


@kind("frame 1 at octet ")
def options_(size: Size) -> Chunks:
    yield section() + interface()
    yield from repeated(enhanced(bytes(60), 0, options=option(9_999, b"") * 100_000), size.octets)


@kind()
def comments(size: Size) -> Chunks:
    packet = ethernet(udp(PHONE, NODE, b"\x80"))
    yield section() + interface()
    yield from repeated(enhanced(packet, 0, options=option(1, b"c" * 60_000)), size.octets)


@kind()
def comments_on_segments_that_wait(size: Size) -> Chunks:
    yield section() + interface()
    for at in range(size.octets // 60_000):
        packet = ethernet(tcp(PHONE, NODE, b"x", at * 2))
        yield enhanced(packet, 0, options=option(1, b"c" * 60_000))


@kind()
def lines_of_key_logs(size: Size) -> Chunks:
    line = b"CLIENT_RANDOM %064x " + b"00" * 48 + b"\n"
    yield section()
    for at in range(size.octets // 1_000_000):
        yield secrets(b"".join(line % (at * 6_000 + number) for number in range(6_000)))


@kind()
def unknown_blocks(size: Size) -> Chunks:
    yield section()
    yield from repeated(block(0x8000_0001, b""), size.octets)


def main() -> None:
    """Tells what each file of full size costs."""
    for name in KINDS:
        path = Path(sys.argv[1]) / f"{name}.pcap"
        try:
            write(name, path, FULL)
            cost = cost_of(path, FULL.limits)
        finally:
            path.unlink()
        print(
            f"{name:40} {cost.seconds:6.2f} s {cost.memory >> 20:4} MiB "
            f"{cost.messages:8,} messages  {cost.error}"
        )


if __name__ == "__main__":
    main()
