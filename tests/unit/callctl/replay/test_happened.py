"""What a cluster tells beside its capture, as notes."""

from __future__ import annotations

from callctl.capture.captured import CapturedMessage, CapturedNote
from callctl.capture.packet import Address
from callctl.model.build import iphone, make_cluster, make_node
from callctl.replay.happened import Beginning, Happened, notes_of
from callctl.replay.notes_schema import NodeEvent, PushEntry, RegisteredEntry, SignedEntry
from sipstack.timing import SECOND

ZERO = 1_700_000_000 * SECOND
CLUSTER = make_cluster(nodes=[make_node("ucm1", 1), make_node("ucm2", 2)], devices=[iphone("2001")])
PHONE, NODE = Address("198.51.100.1", 40_000), Address("192.0.2.1", 5060)
MESSAGE = CapturedMessage(
    1, ZERO, "TCP", PHONE, NODE, b"OPTIONS sip:x SIP/2.0", 1, True, "ucm1", None, ()
)
BEGUN = Beginning(
    at_unix_ns=ZERO + 2 * SECOND,
    registered=[
        RegisteredEntry(line="2001", at="198.51.100.1:40000"),
        RegisteredEntry(line="2001", at="198.51.100.9:40000"),
    ],
    signed_in=["TCT2001"],
    down=["ucm2"],
)
HAPPENED = Happened(
    pushes=[PushEntry(at=1.5, node="ucm1", device="TCT2001", kind="incoming")],
    sign_ins=[SignedEntry(at=3, device="TCT2001")],
    sign_outs=[SignedEntry(at=4, device="TCT2001")],
)


def told(at_s: int, text: str) -> CapturedNote:
    return CapturedNote(2, ZERO + at_s * SECOND, "ucm1", None, None, text)


def test_times_are_told_since_the_recording_began() -> None:
    file = notes_of(BEGUN, HAPPENED, [MESSAGE], CLUSTER, ZERO)
    assert [push.at for push in file.pushes or ()] == [3.5]
    assert [it.at for it in file.sign_ins] == [0, 5]
    assert [it.at for it in file.sign_outs] == [6]


def test_only_who_says_something_has_to_be_registered() -> None:
    file = notes_of(BEGUN, HAPPENED, [MESSAGE], CLUSTER, ZERO)
    assert [it.at for it in file.registered] == ["198.51.100.1:40000"]


def test_nodes_that_were_down_are_and_those_that_go_and_come_do() -> None:
    notes = [
        told(5, "node ucm1 stopped"),
        told(6, "push 7: incoming for TCT2001"),
        told(7, "node ucm1 started"),
        told(8, "node ucm2 killed"),
    ]
    file = notes_of(BEGUN, HAPPENED, [MESSAGE], CLUSTER, ZERO, notes)
    assert [(it.at, it.node, it.event) for it in file.node_events] == [
        (0, "ucm2", NodeEvent.DIES),
        (5, "ucm1", NodeEvent.STOPS),
        (7, "ucm1", NodeEvent.STARTS),
        (8, "ucm2", NodeEvent.DIES),
    ]


def test_what_was_before_the_first_message_is_at_its_time() -> None:
    early = BEGUN.model_copy(update={"at_unix_ns": ZERO - 5 * SECOND})
    file = notes_of(early, HAPPENED, [MESSAGE], CLUSTER, ZERO)
    assert [push.at for push in file.pushes or ()] == [0]
