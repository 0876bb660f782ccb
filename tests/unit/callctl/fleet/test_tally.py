"""Calls counted: as planned, failed, cut short, second by second."""

from __future__ import annotations

from dataclasses import replace

from callctl.fleet.call_track import CallTrack
from callctl.fleet.plan import Wish
from callctl.fleet.schedule import PlannedCall
from callctl.fleet.tally import EXAMPLES_KEPT, Tally
from callctl.phone.event import EndCause
from sipstack.timing import MS, SECOND, Instant

PLANNED = PlannedCall(0, 0, Wish.DECLINE, 0, 0, 0, callee_hangs_up=False)


def track_of(at_s: float, status: int, late_ms: int = 0) -> CallTrack:
    at = Instant(round(at_s * SECOND))
    track = CallTrack(replace(PLANNED), at, "1", "2", "TCT2", False, True, node="ucm1")
    track.invited_at = Instant(at + late_ms * MS)
    track.rang_at = Instant(at + SECOND)
    track.cause, track.status = EndCause.REFUSED, status
    return track


def tally_of(*tracks: CallTrack) -> Tally:
    tally = Tally()
    tally.began = Instant(10 * SECOND)
    for track in tracks:
        assert track.invited_at is not None
        tally.call_placed(track, track.invited_at)
        tally.call_ended(track, Instant(track.planned_at + 2 * SECOND), cut_short=False)
    return tally


def test_every_call_that_ended_is_as_planned_failed_or_cut_short() -> None:
    tally = tally_of(track_of(10.1, 603), track_of(10.2, 603), track_of(11.5, 480))
    cut = track_of(11.6, 603)
    tally.call_placed(cut, Instant(round(11.6 * SECOND)))
    assert tally.under_way == 1
    assert tally.call_ended(cut, Instant(12 * SECOND), cut_short=True) is None
    assert (tally.placed, tally.ended, tally.under_way) == (4, 4, 0)
    assert (tally.as_planned, tally.failed, tally.cut_short) == (2, 1, 1)
    assert tally.failed_share == 1 / 3
    assert tally.outcomes == {"declined": 2, "failed": 1, "ended with the run": 1}
    assert tally.nodes == {"ucm1": 4}


def test_seconds_are_counted_from_the_first_planned_call() -> None:
    tally = tally_of(track_of(10.1, 603), track_of(10.2, 603), track_of(11.5, 480))
    assert [second.placed for second in tally.seconds] == [2, 1, 0, 0]
    assert [second.rang for second in tally.seconds] == [0, 2, 1, 0]
    assert [second.as_planned for second in tally.seconds] == [0, 0, 2, 0]
    assert [second.failed for second in tally.seconds] == [0, 0, 0, 1]


def test_late_starts_are_counted_and_told() -> None:
    tally = tally_of(track_of(10, 603), track_of(11, 603, late_ms=21), track_of(12, 603, late_ms=5))
    assert tally.late == 1
    summary = tally.lateness.summary()
    assert summary is not None
    assert (summary.p50, summary.max) == (5, 21)


def test_failures_of_one_kind_are_one_with_few_examples() -> None:
    tally = tally_of(*(track_of(10 + at, 480) for at in range(9)), track_of(20, 503))
    assert {reason: it.count for reason, it in tally.failures.items()} == {
        "480, the phone rang": 9,
        "503, the phone rang": 1,
    }
    assert len(tally.failures["480, the phone rang"].examples) == EXAMPLES_KEPT
