"""When parties do things where the system under test is late, or says nothing."""

from __future__ import annotations

from pathlib import Path

from callctl.replay.learned import Learned
from callctl.replay.notes import Notes
from callctl.replay.notes_schema import NotesFile, RegisteredEntry
from callctl.replay.play_event import HangUp, Heard, PlayAction
from callctl.replay.player import PATIENCE_NS, STAYS_NS, Player
from callctl.replay.recording import Ended, Recorded
from callctl.replay.rewrite import Manner, Rewriter
from callctl.replay.script import script_of
from callctl.replay.unrecorded import registering
from helpers.replayed import played, recorded
from sipstack.timing import MS, Instant
from sipstack.transport.flow import Flow

RECORDING = recorded("ios_13").recording()
ENDED: Ended = RECORDING.ends[0]  # the phone falls asleep
FLOW = Flow("TLS", ENDED.place.host, ENDED.place.port, "192.0.2.1", 5061, 1)


def player() -> Player:
    rewriter = Rewriter(Manner(), Learned())
    return Player(script_of(RECORDING, NotesFile()), NotesFile(), rewriter, Instant(0))


def until(plays: Player, limit: int) -> list[tuple[int, PlayAction]]:
    """What is done up to then, and when."""
    done: list[tuple[int, PlayAction]] = []
    while (deadline := plays.next_deadline()) is not None and deadline <= limit:
        done += [(deadline, action) for action in plays.advance(deadline)]
    return done


def message(title: str) -> Recorded:
    """Of the phone, before it falls asleep."""
    return next(it for it in RECORDING.messages if it.title == title and it.place is ENDED.place)


def hangs_up_at(done: list[tuple[int, PlayAction]]) -> list[int]:
    return [at for at, action in done if action == HangUp(ENDED.place)]


def test_connection_is_kept_half_a_second_longer_for_what_does_not_come() -> None:
    done = until(player(), ENDED.at + PATIENCE_NS)
    assert hangs_up_at(done) == [ENDED.at + STAYS_NS]


def test_connection_ends_as_long_after_the_last_message_as_it_did() -> None:
    plays, late = player(), 200 * MS
    challenge, answer = message("401 (REGISTER)"), message("200 (REGISTER)")
    done: list[tuple[int, PlayAction]] = []
    for came in (challenge, answer):
        done += until(plays, came.at + late)
        plays.receive(Heard(ENDED.place, FLOW, came.octets), Instant(came.at + late))
    done += until(plays, ENDED.at + PATIENCE_NS)
    assert hangs_up_at(done) == [ENDED.at + late]


def test_node_dies_behind_the_timers_of_its_last_instant() -> None:
    """A heartbeat that leaves at the very moment of a death leaves once more, so that the others
    find out at the same time."""
    story = recorded("node_dies_meanwhile")
    notes = Notes(Path("n.notes.yaml"), story.file, Path("n.pcapng"), story.cluster)
    result, _ = played(story.recording(), notes)
    came = [(it.at - result.began_at) / 1e9 for it in result.pushed]
    assert came == [entry.at for entry in story.file.pushes or ()]


def test_register_of_before_the_capture_is_another_one_in_each_play() -> None:
    """A server that remembers the last play would take it for one that comes late."""
    entry = RegisteredEntry(line="2001", at=f"{ENDED.place.host}:{ENDED.place.port}")
    seen = set()
    for salt in ("one", "two"):
        made = registering(entry, ENDED.place, "lab.example", 1)
        Rewriter(Manner(salt=salt), Learned()).unrecorded(made)
        seen |= {made.call_id, made.top_via.branch}
    assert len(seen) == 4
