"""Finished calls are counted once, and the way to a phone that slept is told in stages."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from callctl.call.story import CallRecord
from callctl.call.tally import CallTally, Wake, ring_pushes, wakes_of
from callctl.push.history import PushEntry
from callctl.push.kind import PushKind
from callctl.serviceability.metrics import Stage
from helpers.pushes import at
from sipstack.timing import MS, Instant

PHONE = "TCT2001"


def record_of(
    *steps: tuple[int, str], uuid: str = "u1", status: int | None = 200, asked_ms: int | None = None
) -> CallRecord:
    """A call whose steps are (ms, code), all of one phone."""
    record = CallRecord(uuid, f"{uuid}@host", "ucm1", "1001", "2001", at(0))
    for ms, code in steps:
        values = {"node": "ucm1"} if code in ("registered", "offered") else {}
        told: dict[str, str | int] = dict(values)
        if code == "registered" and asked_ms is not None:
            told |= {"asked_ns": asked_ms * MS, "stored_ns": ms * MS - 1 * MS}
        record.note(at(ms), code, PHONE, **told)
    record.status = status
    return record


def push_of(
    wanted_ms: int,
    posted_ms: int | None,
    ended_ms: int | None,
    *,
    uuid: str = "u1",
    kind: PushKind = PushKind.INCOMING,
) -> tuple[str, PushEntry]:
    entry = PushEntry(f"i{wanted_ms}", uuid, PHONE, kind, wanted_at=at(wanted_ms))
    entry.posted_at = None if posted_ms is None else at(posted_ms)
    entry.ended_at = None if ended_ms is None else at(ended_ms)
    return "ucm1", entry


def wake_of(record: CallRecord, *pushes: tuple[str, PushEntry]) -> Wake | None:
    found = list(wakes_of(record, ring_pushes(pushes)))
    assert len(found) <= 1
    return found[0] if found else None


def ms(wake: Wake | None) -> list[float | None]:
    assert wake is not None
    known = dict(wake.stages())
    return [known[stage] / MS if stage in known else None for stage in Stage]


def test_wake_is_told_in_five_stages_that_add_up() -> None:
    record = record_of((0, "parked"), (1_200, "registered"), (1_200, "offered"), asked_ms=1_100)
    assert ms(wake_of(record, push_of(1, 4, 54))) == [3, 50, 1_046, 99, 1, 1_199]


def test_story_that_does_not_tell_of_the_first_register_leaves_two_stages_open() -> None:
    record = record_of((1_200, "registered"), (1_205, "offered"))
    assert ms(wake_of(record, push_of(0, 4, 54))) == [4, 50, 1_146, None, None, 1_205]


def test_answer_of_the_cloud_that_is_later_than_the_phone_ends_its_stage_with_the_phone() -> None:
    record = record_of((100, "registered"), (100, "offered"))
    assert ms(wake_of(record, push_of(0, 10, 400)))[:3] == [10, 90, 0]
    assert ms(wake_of(record, push_of(0, 10, None)))[:3] == [10, 90, 0]


def test_phone_that_came_before_any_push_left_was_not_woken() -> None:
    record = record_of((100, "registered"), (100, "offered"))
    assert wake_of(record) is None
    assert wake_of(record, push_of(0, None, 50)) is None
    assert wake_of(record, push_of(0, 200, 250)) is None
    assert wake_of(record, push_of(0, 10, 20, kind=PushKind.MISSED)) is None
    assert wake_of(record, push_of(0, 10, 20, uuid="u2")) is None


def test_the_last_push_before_the_phone_came_is_the_one_that_woke_it() -> None:
    record = record_of((900, "registered"), (900, "offered"))
    again = (push_of(0, 10, 20), push_of(500, 510, 530), push_of(1_000, 1_010, 1_020))
    assert ms(wake_of(record, *again)) == [10, 20, 370, None, None, 400]


def test_phone_that_never_came_is_no_wake() -> None:
    assert wake_of(record_of((13_000, "dropped"), status=480), push_of(0, 10, 20)) is None


def test_phone_that_was_offered_the_call_twice_was_woken_once() -> None:
    record = record_of(
        (100, "registered"), (100, "offered"), (3_000, "registered"), (3_000, "offered")
    )
    assert ms(wake_of(record, push_of(0, 10, 20)))[-1] == 100


def test_call_is_counted_when_it_has_finished_and_once() -> None:
    tally = CallTally()
    record = record_of((100, "registered"), (100, "offered"), status=None)
    pushes = [push_of(0, 10, 20)]
    assert tally.take([record], pushes) == 0
    record.status = 200
    assert tally.take([record], pushes) == 1
    assert tally.take([record], pushes) == 0
    assert tally.calls == {("ucm1", "2xx"): 1}
    assert sum(tally.wakes[("ucm1", Stage.TOTAL)].counts) == 1


def test_outcomes_are_classes_of_answers_and_calls_that_died_with_their_node() -> None:
    tally = CallTally()
    lost = record_of((5, "node-died"), uuid="u3", status=None)
    tally.take([record_of(status=486), record_of(uuid="u2", status=480), lost], [])
    assert tally.calls == {("ucm1", "4xx"): 2, ("ucm1", "lost"): 1}


def test_what_is_forgotten_stays_counted_and_is_not_remembered() -> None:
    tally = CallTally()
    for number in range(10):
        tally.take([record_of(uuid=f"u{number}")], [])
    assert tally.calls == {("ucm1", "2xx"): 10}
    assert len(tally._taken) == 1


Ms = st.integers(0, 13_000)


@given(wanted=Ms, posted=Ms, ended=st.none() | Ms, asked=st.none() | Ms, came=Ms, offered=Ms)
def test_stages_are_never_negative_and_add_up_whatever_the_clocks_say(
    wanted: int, posted: int, ended: int | None, asked: int | None, came: int, offered: int
) -> None:
    wanted, posted = sorted((wanted, posted))
    came, offered = sorted((came, offered))
    asked = None if asked is None else min(asked, came)
    record = record_of((came, "registered"), (offered, "offered"), asked_ms=asked)
    ended = None if ended is None else max(ended, posted)
    wake = wake_of(record, push_of(wanted, posted, ended))
    assert (wake is None) is (posted > (came if asked is None else asked))
    if wake is not None:
        parts = dict(wake.stages())
        total = parts.pop(Stage.TOTAL)
        assert all(ns >= 0 for ns in parts.values())
        assert total == Instant(at(offered) - at(wanted))
        known = sum(parts.values())
        assert known == total if asked is not None else known <= total
