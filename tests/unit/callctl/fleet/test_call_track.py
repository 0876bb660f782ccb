"""What a call's track says: whether it went as planned, why not, and how long each stage took."""

from __future__ import annotations

from dataclasses import replace

import pytest

from callctl.fleet.call_track import STAGES, CallTrack, stage_times
from callctl.fleet.plan import Wish
from callctl.fleet.schedule import PlannedCall
from callctl.phone.event import EndCause
from sipstack.timing import MS, SECOND, Instant

PLANNED = PlannedCall(0, 0, Wish.ANSWER, SECOND, 2 * SECOND, 20 * SECOND, callee_hangs_up=False)


def track_of(wish: Wish = Wish.ANSWER, *, asleep: bool = True, **seen_ms: int) -> CallTrack:
    """A call that was planned at 100 ms; what was seen of it in ms."""
    plan = replace(PLANNED, wish=wish)
    track = CallTrack(
        plan, Instant(100 * MS), "8000000", "7000000", "TCT7000000", False, asleep, call_id="c1"
    )
    return seen(track, seen_ms)


def seen(track: CallTrack, seen_ms: dict[str, int]) -> CallTrack:
    """The track, with instants in ms by the first part of their name."""
    for name, ms in seen_ms.items():
        setattr(track, f"{name}_at", Instant(ms * MS))
    return track


def ended(track: CallTrack, cause: EndCause, status: int | None = None) -> CallTrack:
    track.cause, track.status = cause, status
    track.ended_at = Instant(9 * SECOND)
    return track


def test_an_answered_call_is_as_planned_once_somebody_hung_up() -> None:
    track = track_of(rang=500, answered=900)
    assert not track.as_planned
    assert ended(track, EndCause.HUNG_UP).as_planned
    assert ended(track, EndCause.REMOTE_HUNG_UP).as_planned
    assert not ended(track, EndCause.TRANSPORT).as_planned
    assert track.failure == "answered, then: connection lost"


def test_a_bye_of_the_phone_that_does_not_arrive_is_a_failure() -> None:
    track = ended(track_of(rang=500, answered=900), EndCause.HUNG_UP)
    track.caller_hung_up_late = True
    assert not track.as_planned
    assert track.failure == "the phone hung up, and the caller did not hear of it"


@pytest.mark.parametrize(
    ("wish", "status"), [(Wish.DECLINE, 603), (Wish.BUSY, 486)], ids=["declined", "busy"]
)
def test_a_refusal_is_as_planned_if_it_is_the_one_that_was_planned(wish: Wish, status: int) -> None:
    assert ended(track_of(wish, rang=500), EndCause.REFUSED, status).as_planned
    other = ended(track_of(wish, rang=500), EndCause.REFUSED, 480)
    assert not other.as_planned
    assert other.failure == "480, the phone rang"


def test_a_call_that_nobody_answers_has_to_ring_and_to_end() -> None:
    silent = ended(track_of(Wish.NO_ANSWER), EndCause.CANCELLED)
    rang = ended(track_of(Wish.NO_ANSWER, rang=500), EndCause.CANCELLED)
    endless = track_of(Wish.NO_ANSWER, rang=500)
    for track in (silent, rang, endless):
        track.caller_gave_up = True
    assert [track.as_planned for track in (silent, rang, endless)] == [False, True, False]
    assert silent.failure == "no answer in time, no response at all"
    assert endless.failure == "cancelled, and no end, the phone rang"


def test_a_caller_who_gives_up_before_anybody_was_to_answer_got_what_was_planned() -> None:
    too_early = ended(track_of(rang=500), EndCause.CANCELLED)
    in_time = ended(track_of(rang=500, acted=900), EndCause.CANCELLED)
    for track in (too_early, in_time):
        track.caller_gave_up = True
    assert [too_early.as_planned, in_time.as_planned] == [True, False]
    assert in_time.failure == "no answer in time, the phone rang"


def test_a_phone_that_never_wakes_is_to_be_unreachable() -> None:
    track = track_of(pushed=200)
    track.never_wakes = True
    assert ended(track, EndCause.REFUSED, 480).as_planned
    assert track.outcome == "not reachable"
    assert not ended(track, EndCause.REFUSED, 503).as_planned


@pytest.mark.parametrize(
    ("seen_ms", "reached"),
    [
        ({}, "no response at all"),
        ({"heard": 120}, "no push came"),
        ({"heard": 120, "pushed": 200}, "pushed, no REGISTER"),
        ({"pushed": 200, "register": 300}, "the phone could not register"),
        ({"pushed": 200, "register": 300, "registered": 310}, "registered, no INVITE"),
        ({"registered": 310, "offered": 320}, "the phone had the INVITE"),
        ({"offered": 320, "rang": 330}, "the phone rang"),
        ({"rang": 330, "picked_up": 400}, "the phone had answered"),
    ],
)
def test_failure_tells_how_far_the_call_had_come(seen_ms: dict[str, int], reached: str) -> None:
    track = ended(seen(track_of(), seen_ms), EndCause.REFUSED, 503)
    assert track.failure == f"503, {reached}"


def test_failure_of_a_phone_on_the_move_says_so() -> None:
    track = ended(track_of(pushed=200), EndCause.TIMEOUT)
    track.moved = True
    assert track.failure == ("no response, pushed, no REGISTER, its network was lost or changed")


def test_stages_are_measured_from_the_planned_start_and_between_the_ends() -> None:
    track = track_of(
        invited=104, pushed=124, register=524, offered=544, rang=545, ringing=551,
        picked_up=1_545, answered=1_552,
    )  # fmt: skip
    assert stage_times(track) == [
        ("late start", 4.0),
        ("push", 20.0),
        ("wake", 400.0),
        ("register", 20.0),
        ("ring", 7.0),
        ("pick up", 1_000.0),
        ("answer", 7.0),
        ("set-up", 445.0),
    ]


def test_a_late_start_counts_in_the_time_to_ring() -> None:
    """Else a generator that falls behind would show servers as quick as ever."""
    in_time = dict(stage_times(track_of(asleep=False, invited=100, offered=110, rang=111)))
    late = dict(stage_times(track_of(asleep=False, invited=900, offered=910, rang=911)))
    assert (in_time["route"], late["route"]) == (10, 10)
    assert (in_time["late start"], late["late start"]) == (0, 800)
    assert (in_time["set-up"], late["set-up"]) == (11, 811)


def test_stages_of_waking_are_of_sleeping_phones_alone() -> None:
    awake = track_of(asleep=False, invited=101, pushed=130, offered=110, rang=111)
    assert [name for name, _ in stage_times(awake)] == ["late start", "route", "set-up"]


def test_an_answer_before_the_invite_makes_no_negative_stage() -> None:
    early = track_of(invited=100, offered=300, rang=310, picked_up=305)
    assert "pick up" not in dict(stage_times(early))


def test_every_stage_names_instants_that_a_track_has() -> None:
    for stage in STAGES:
        assert hasattr(CallTrack, stage.begins)
        assert hasattr(CallTrack, stage.ends)
