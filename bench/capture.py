"""How long a server takes inside a push call, read from packets rather than asked of it."""

from __future__ import annotations

import struct
import time
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from bench.place import CALLEE_PORT, CLIENT_CPU, SERVER_PORT, SINK_PORT, SINK_TLS_PORT
from bench.process import Process

UDP, TCP = 17, 6
FILTER: Final = (
    f"udp port {SERVER_PORT} or tcp dst port {SINK_PORT} or tcp dst port {SINK_TLS_PORT}"
)


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds over the calls of one run."""

    calls: int
    p50_ms: float
    p99_ms: float


class Packet(NamedTuple):
    at_ns: int  # Unix time
    protocol: int
    source_port: int
    target_port: int
    payload: bytes


def start_capture(path: Path, run: Path) -> Process:
    command = ["tcpdump", "-i", "lo", "--immediate-mode", "-U", "-s", "0", "-Z", "root"]
    command += ["-B", "65536", "-w", str(path), FILTER]
    process = Process(command, CLIENT_CPU, run / "tcpdump.log")
    end = time.monotonic() + 5
    while time.monotonic() < end and "listening on" not in process.log.read_text():
        time.sleep(0.05)
    return process


def latencies(path: Path, push_log: Path) -> dict[str, Latency]:
    """ "invite_to_push" and "register_to_invite" of the calls that a capture saw whole."""
    invite_in: dict[str, int] = {}
    invite_out: dict[str, int] = {}
    register_in: dict[str, int] = {}
    segments: dict[int, list[int]] = {}  # times of data on the connection from this port
    for packet in read_packets(path):
        if packet.protocol == TCP:
            if packet.payload:
                segments.setdefault(packet.source_port, []).append(packet.at_ns)
            continue
        method, to_server = packet.payload[:8], packet.target_port == SERVER_PORT
        if method.startswith(b"INVITE ") and to_server:
            invite_in.setdefault(_callee(packet.payload), packet.at_ns)
        elif method.startswith(b"INVITE ") and packet.target_port == CALLEE_PORT:
            invite_out.setdefault(_callee(packet.payload), packet.at_ns)
        elif method == b"REGISTER" and to_server:
            register_in.setdefault(_callee(packet.payload), packet.at_ns)
    push_out = _push_times(push_log, segments)
    return {
        name: _summary([after[user] - at for user, at in before.items() if user in after])
        for name, before, after in (
            ("invite_to_push", invite_in, push_out),
            ("register_to_invite", register_in, invite_out),
        )
    }


def read_packets(path: Path) -> Iterator[Packet]:
    """UDP and TCP over IPv4 of a classic pcap file with Ethernet frames, as loopback has them."""
    data = path.read_bytes()
    fraction_ns = 1 if data[:4] == b"\x4d\x3c\xb2\xa1" else 1000
    offset = 24
    while offset + 16 <= len(data):
        seconds, fraction, length, _ = struct.unpack_from("<IIII", data, offset)
        frame = data[offset + 16 : offset + 16 + length]
        offset += 16 + length
        ip = frame[14:]
        if frame[12:14] != b"\x08\x00" or ip[9] not in (UDP, TCP):
            continue
        segment = ip[(ip[0] & 15) * 4 : int.from_bytes(ip[2:4], "big")]
        source, target = struct.unpack_from("!HH", segment)
        header = 8 if ip[9] == UDP else (segment[12] >> 4) * 4
        at_ns = seconds * 1_000_000_000 + fraction * fraction_ns
        yield Packet(at_ns, ip[9], source, target, segment[header:])


def _callee(message: bytes) -> str:
    """The user of the To header."""
    to = message.partition(b"\r\nTo:")[2].partition(b"\r\n")[0]
    return to.partition(b"sip:")[2].partition(b"@")[0].decode(errors="replace")


def _push_times(push_log: Path, segments: dict[int, list[int]]) -> dict[str, int]:
    """When the last packet of each push left: the last on its connection before it was read."""
    times: dict[str, int] = {}
    for line in push_log.read_text().splitlines():
        at_ns, port, user = line.split()
        sent = segments.get(int(port), [])
        if index := bisect_right(sent, int(at_ns)):
            times.setdefault(user, sent[index - 1])
    return times


def _summary(durations_ns: list[int]) -> Latency:
    ordered = sorted(durations_ns)
    if not ordered:
        return Latency(0, 0.0, 0.0)

    def percentile(share: float) -> float:
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] / 1e6

    return Latency(len(ordered), percentile(0.5), percentile(0.99))
