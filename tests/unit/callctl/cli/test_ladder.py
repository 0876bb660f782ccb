"""A call drawn as a ladder."""

from __future__ import annotations

from callctl.capture.pcapng import Direction
from callctl.cli.ladder import CLOUD, Ladder, Rung, draw
from helpers.sip_text import INVITE, octets
from sipstack.timing import MS, Instant
from sipstack.transport.flow import Flow

FROM_DESK = Flow("UDP", "192.0.2.1", 5060, "192.0.2.101", 5060)
TO_NODE_2 = Flow("TCP", "192.0.2.1", 5060, "192.0.2.2", 5060, 4)
AT_NODE_2 = Flow("TCP", "192.0.2.2", 5060, "192.0.2.1", 40_000, 9)
ADDRESSES = {
    ("192.0.2.1", 5060): "ucm1",
    ("192.0.2.2", 5060): "ucm2",
    ("192.0.2.101", 5060): "desk",
}


def test_message_between_two_nodes_is_one_rung() -> None:
    ladder = Ladder(("ucm1", "ucm2"), ADDRESSES)
    ladder.message(Instant(0), "ucm1", FROM_DESK, Direction.RECEIVED, octets(INVITE))
    hop = octets(INVITE.replace("192.0.2.101:5060;branch", "192.0.2.1:5060;branch"))
    ladder.message(Instant(1), "ucm1", TO_NODE_2, Direction.SENT, hop)
    ladder.message(Instant(2), "ucm2", AT_NODE_2, Direction.RECEIVED, hop)
    assert [(rung.source, rung.target, rung.text) for rung in ladder.rungs] == [
        ("desk", "ucm1", "INVITE"),
        ("ucm1", "ucm2", "INVITE"),
    ]


def test_peer_behind_a_fresh_port_is_known_by_its_via() -> None:
    ladder = Ladder(("ucm1",), ADDRESSES)
    flow = FROM_DESK._replace(remote_port=61_234, transport="TCP", connection=3)
    ladder.message(Instant(0), "ucm1", flow, Direction.RECEIVED, octets(INVITE))
    assert ladder.rungs[0].source == "desk"


def test_keep_alives_are_no_rungs_and_pushes_are() -> None:
    ladder = Ladder(("ucm1",), ADDRESSES)
    ladder.message(Instant(0), "ucm1", FROM_DESK, Direction.RECEIVED, b"\r\n\r\n")
    ladder.note(Instant(1), "ucm1", "push CPNS_1: incoming for TCT1005")
    ladder.note(Instant(2), "ucm1", "push CPNS_1: 200")
    ladder.note(Instant(3), "ucm1", "node ucm1 stopped")
    assert [(rung.source, rung.target, rung.text) for rung in ladder.rungs] == [
        ("ucm1", CLOUD, "incoming push"),
        (CLOUD, "ucm1", "200 (push)"),
    ]


def test_it_is_drawn_in_order_with_times_and_without_lanes_nobody_used() -> None:
    rungs = [
        Rung(Instant(10 * MS), "desk", "ucm1", "INVITE", "INVITE"),
        Rung(Instant(12 * MS), "ucm1", "desk", "407 Proxy Authentication Required", "INVITE", 407),
        Rung(Instant(20 * MS), "phone", "phone", "rings"),
    ]
    lines = [line.plain.rstrip() for line in draw(rungs, ("desk", "ucm1", "ucm2", "phone"), 70)]
    assert lines == [
        "                   desk               ucm1              phone",
        "   +0.000 s         │───── INVITE ────▶│                  │",
        "   +0.002 s         │◀────── 407 ──────│                  │",
        "   +0.010 s         │                  │               • rings",
    ]
