"""Which addresses of a capture are under test."""

from __future__ import annotations

from pathlib import Path

import pytest

from callctl.capture.packet import Address
from callctl.model.build import make_cluster, make_node
from callctl.replay.from_capture import Inside
from callctl.replay.notes import Notes
from callctl.replay.notes_schema import NotesFile

NODE = "192.0.2.1"
CLUSTER = make_cluster(nodes=[make_node("ucm1", 1, host=NODE)])  # UDP and TCP 5060, TLS 5061


def inside(**notes: dict[str, list[str]]) -> Inside:
    return Inside.of(Notes(Path("n"), NotesFile(**notes), Path("c"), CLUSTER))


@pytest.mark.parametrize(
    ("port", "transport", "node"),
    [
        (5060, "UDP", "ucm1"),
        (5060, "TCP", "ucm1"),
        (5061, "TLS", "ucm1"),
        (5061, "UDP", None),  # SIPp beside a node takes the next port that is free
        (5062, "UDP", None),
    ],
)
def test_listener_of_a_cluster_is_a_port_of_one_transport(
    port: int, transport: str, node: str | None
) -> None:
    assert inside().node(Address(NODE, port), transport) == node


def test_place_of_the_notes_is_meant_for_every_transport() -> None:
    found = inside(sut={"sbc": ["192.0.2.9:5070", "192.0.2.8"]})
    for transport in ("UDP", "TCP"):
        assert found.node(Address("192.0.2.9", 5070), transport) == "sbc"
        assert found.node(Address("192.0.2.8", 1234), transport) == "sbc"
        assert found.node(Address(NODE, 5060), transport) is None
