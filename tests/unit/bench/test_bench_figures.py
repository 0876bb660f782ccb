"""The arithmetic of the benchmark; its servers are not started here."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from bench.capture import Latency, latencies, read_packets
from bench.operations import OPERATIONS, Sample
from bench.push_sink import user_of
from bench.report import TARGETS, Samples, page
from bench.servers import SERVERS

SERVER, CALLEE, CALLER, DEVICE, SINK = 15060, 15080, 15070, 15091, 18099
MS = 1_000_000  # ns


def invite(user: str) -> bytes:
    return f"INVITE sip:{user}@bench.test SIP/2.0\r\nTo: <sip:{user}@bench.test>\r\n\r\n".encode()


def register(user: str) -> bytes:
    return f"REGISTER sip:bench.test SIP/2.0\r\nTo: <sip:{user}@bench.test>\r\n\r\n".encode()


def frame(at_ns: int, source: int, target: int, payload: bytes, *, tcp: bool = False) -> bytes:
    """One record of a pcap file with nanosecond times: Ethernet, IPv4, UDP or TCP."""
    ports = struct.pack("!HH", source, target)
    header = ports + bytes(8) + bytes([5 << 4]) + bytes(7) if tcp else ports + bytes(4)
    length = 20 + len(header) + len(payload)
    ip = bytes([0x45, 0]) + struct.pack("!H", length) + bytes(5) + bytes([6 if tcp else 17])
    packet = bytes(12) + b"\x08\x00" + ip + bytes(10) + header + payload
    size = len(packet)
    return struct.pack("<IIII", at_ns // 10**9, at_ns % 10**9, size, size) + packet


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    """Two push calls: 2 and 4 ms until the push, 1 and 3 ms from REGISTER to INVITE."""
    path = tmp_path / "calls.pcap"
    records = [
        frame(0 * MS, CALLER, SERVER, invite("u0000001")),
        frame(1 * MS, 40001, SINK, b"POST /push", tcp=True),
        frame(2 * MS, 40001, SINK, b"u0000001", tcp=True),
        frame(3 * MS, 40001, SINK, b"", tcp=True),
        frame(5 * MS, DEVICE, SERVER, register("u0000001")),
        frame(6 * MS, SERVER, CALLEE, invite("u0000001")),
        frame(10 * MS, CALLER, SERVER, invite("u0000002")),
        frame(14 * MS, 40001, SINK, b"POST", tcp=True),
        frame(20 * MS, DEVICE, SERVER, register("u0000002")),
        frame(23 * MS, SERVER, CALLEE, invite("u0000002")),
    ]
    magic = b"\x4d\x3c\xb2\xa1"
    path.write_bytes(magic + bytes(20) + b"".join(records))
    return path


def test_a_capture_gives_time_port_and_payload_of_each_packet(capture: Path) -> None:
    packets = list(read_packets(capture))
    assert len(packets) == 10
    assert packets[2] == (2 * MS, 6, 40001, SINK, b"u0000001")
    assert packets[5].payload == invite("u0000001")


def test_latencies_come_from_packets_and_from_who_the_sink_says_a_push_was_for(
    capture: Path, tmp_path: Path
) -> None:
    log = tmp_path / "push.log"
    log.write_text(f"{2 * MS + 5} 40001 u0000001\n{14 * MS + 5} 40001 u0000002\n")
    assert latencies(capture, log) == {
        "invite_to_push": Latency(2, 4.0, 4.0),
        "register_to_invite": Latency(2, 3.0, 3.0),
    }


@pytest.mark.parametrize(
    "body", ["u0000007", "u0000007\n", '{"user": "u0000007"}', '{"target": "u0000007"}']
)
def test_a_push_names_its_user_in_clear(body: str) -> None:
    assert user_of(body) == "u0000007"


def sample(server: str, cpu_us: float, operation: str = "register") -> Sample:
    return Sample(server, operation, 100, 0, 0, cpu_us=cpu_us)


def test_a_ratio_is_one_of_medians_against_kamailio() -> None:
    samples = Samples(
        [sample("kamailio", us) for us in (10, 20, 90)]
        + [sample("engine", us) for us in (30, 60, 70)]
    )
    assert samples.ratio("engine", "register", lambda s: s.cpu_us) == 3.0


@pytest.mark.parametrize(("cost", "verdict"), [(80, "4: met"), (81, "4: MISSED")])
def test_a_missed_target_is_stated(cost: float, verdict: str) -> None:
    text = page(Samples([sample("kamailio", 20), sample("engine", cost)]), "make bench", "")
    row = next(line for line in text.splitlines() if line.startswith("| REGISTER |"))
    assert row.endswith(f"| {verdict} |")


def test_encrypted_pushes_are_compared_with_the_plain_ones_of_the_reference() -> None:
    samples = Samples([sample("kamailio", 100, "push"), sample("engine", 300, "push_tls")])
    assert samples.ratio("engine", "push_tls", lambda s: s.cpu_us) == 3.0


def test_targets_and_servers_name_operations_that_exist() -> None:
    assert TARGETS.keys() <= OPERATIONS.keys()
    assert all(server.operations <= OPERATIONS.keys() for server in SERVERS.values())
