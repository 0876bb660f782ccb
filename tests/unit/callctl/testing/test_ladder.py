"""The drawing of what happened, from literal recordings."""

from __future__ import annotations

from pathlib import Path

from callctl.testing.fact import SECOND_NS
from callctl.testing.ladder import RUNGS_MAX, Ladder
from callctl.testing.recording import CLOUD, NETWORK, Message, Recording
from sipstack.transport.flow import Flow

FLOW = Flow("TCP", "192.0.2.1", 5060, "203.0.113.1", 40001, 1)
INVITE = b"INVITE sip:2001@lab.example SIP/2.0\r\nCSeq: 1 INVITE\r\nCall-ID: c1\r\n\r\n"
RINGING = b"SIP/2.0 180 Ringing\r\nCSeq: 1 INVITE\r\nCall-ID: c1\r\n\r\n"
UNAUTHORIZED = b"SIP/2.0 407 Proxy Authentication Required\r\nCSeq: 1 INVITE\r\n\r\n"
BYE_OK = b"SIP/2.0 200 OK\r\nCSeq: 2 BYE\r\nCall-ID: c1\r\n\r\n"


def at(seconds: float) -> int:
    return round(seconds * SECOND_NS)


def recorded() -> Recording:
    recording = Recording(("ucm1", "ucm2"), ("SEP1001",), ("TCT2001",))

    def message(seconds: float, source: str, target: str, octets: bytes, *, lost: bool) -> None:
        arrived = None if lost else at(seconds)
        recording.entries.append(Message(at(seconds), source, target, octets, FLOW, arrived, FLOW))

    message(-3, "TCT2001", "ucm1", INVITE, lost=False)
    recording.note(at(0), "SEP1001", "calls 2001")
    message(0, "SEP1001", "ucm1", INVITE, lost=False)
    recording.push(at(0.02), "ucm1", CLOUD, "ring push ucm1")
    recording.push(at(0.12), CLOUD, "TCT2001", "voip push")
    recording.note(at(1), NETWORK, "link between ucm1 and TCT2001 cut")
    message(1.12, "TCT2001", "ucm1", RINGING, lost=True)
    message(1.2, "ucm1", "SEP1001", UNAUTHORIZED, lost=False)
    message(2.5, "SEP1001", "ucm1", BYE_OK, lost=False)
    return recording


DRAWN = """\
                 SEP1001               ucm1             push cloud           TCT2001
   0.000 s     • calls 2001              │                   │                   │
   0.000 s           │────── INVITE ────▶│                   │                   │
   0.020 s           │                   │── ring push ucm1 ▶│                   │
   0.120 s           │                   │                   │──── voip push ───▶│
   1.000 s ╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌ network: link between ucm1 and TCT2001 cut ╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌
   1.120 s           │                   │✗──────────── 180 Ringing ─────────────│
   1.200 s           │◀────── 407 ───────│                   │                   │
   2.500 s           │──── 200 (BYE) ───▶│                   │                   │"""


def test_lanes_of_who_took_part_messages_pushes_notes_and_what_never_arrived() -> None:
    assert str(Ladder(recorded)) == DRAWN


def test_rungs_are_found_by_how_they_begin_and_whom_they_are_between() -> None:
    ladder = Ladder(recorded)
    assert len(ladder.find("INVITE")) == 1  # what was before the test is left out
    assert ladder.find("180", source="TCT2001")[0].lost
    assert not ladder.find("INVITE", target="SEP1001")
    assert ladder.find("ring push", target=CLOUD)[0].at == 0.02
    assert ladder.find("calls")[0].local


def test_nothing_is_said_of_a_test_that_has_not_begun() -> None:
    ladder = Ladder(lambda: None)
    assert str(ladder) == "(nothing was sent)"
    assert ladder.rungs == ()
    assert str(Ladder(lambda: Recording(("ucm1",)))) == "(nothing was sent)"


def test_of_a_very_long_ladder_the_middle_is_left_out() -> None:
    recording = Recording(("ucm1",))
    for number in range(1000):
        recording.note(at(number), "ucm1", f"note {number}")
    lines = str(Ladder(lambda: recording)).splitlines()
    assert len(lines) == RUNGS_MAX + 2
    assert lines[1].endswith("note 0")
    assert lines[61].strip() == "... 840 more, see the pcapng ..."
    assert lines[-1].endswith("note 999")


def test_the_drawing_is_saved_as_it_is_printed(tmp_path: Path) -> None:
    path = Ladder(recorded).save_text(tmp_path / "ladder.txt")
    assert path.read_text() == f"{DRAWN}\n"


def test_a_copy_is_not_changed_by_what_comes_later() -> None:
    recording = recorded()
    copy = recording.copy()
    recording.begin(at(1))
    recording.note(at(9), "ucm1", "later")
    assert str(Ladder(lambda: copy)) == DRAWN
    assert Ladder(lambda: recording).rungs[0].text.startswith("link between")
