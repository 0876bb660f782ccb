"""What watchers of a tap make of what they see."""

from __future__ import annotations

import pytest

from callctl.io.tapped import PeerNames, PushNote, push_note
from sipstack.message.message import Request
from sipstack.message.parser import parse_message
from sipstack.transport.flow import Flow

OPTIONS = (
    b"OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.50;branch=z9hG4bK1\r\n"
    b"From: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\n\r\n"
)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("push CPNS_1: incoming for TCT2001", PushNote(False, "incoming")),
        ("push CPNS_1: 200", PushNote(True, "200")),
        ("push CPNS_1: lost, no answer", PushNote(True, "lost, no answer")),
        ("ucm1 stops", None),
    ],
)
def test_note_of_a_push_tells_whether_it_leaves_or_what_became_of_it(
    text: str, meant: PushNote | None
) -> None:
    assert push_note(text) == meant


def test_peer_that_dialled_is_known_by_its_via_and_from_then_on_by_its_flow() -> None:
    names = PeerNames({("192.0.2.50", 5060): "SEP1001"})
    flow = Flow("TCP", "192.0.2.1", 5060, "192.0.2.50", 40_001, 7)
    assert names.name("ucm1", flow, None) == "192.0.2.50:40001"
    request = parse_message(OPTIONS)
    assert isinstance(request, Request)
    assert names.name("ucm1", flow, request) == "SEP1001"
    assert names.name("ucm1", flow, None) == "SEP1001"
