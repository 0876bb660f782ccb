"""The ladder: each message of the capture beside the one of now, with what differs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from callctl.replay.gather import Seen
from callctl.replay.ladder import RowKind, RowState
from callctl.replay.notes_schema import AcceptEntry, Authentication, DifferenceKind, NodeEvent
from callctl.replay.report import Report
from callctl.replay.report_svg import lanes_of
from callctl.sim.stories import STORIES
from helpers.replay_rig import (
    DIFFERENT,
    accepted,
    edited,
    header,
    late,
    missing,
    renamed,
    reported,
    row,
    same,
    status,
    texted,
    unexpected,
    unsaid,
)
from helpers.replayed import recorded
from sipstack.timing import MS, SECOND

RINGING = "180 (INVITE)"
TOLERANCE_NS = 500 * MS


@pytest.mark.parametrize("name", STORIES)
def test_every_message_of_a_story_has_a_row_and_came_again_when_it_had_come(name: str) -> None:
    report = reported(name)
    messages = [it for it in report.rows if it.kind is RowKind.MESSAGE]
    assert [it.captured for it in messages] == [
        it.octets for it in recorded(name).recording().messages
    ]
    for it in report.rows:
        assert it.state is RowState.SAME
        assert it.title == it.title_now
        assert it.captured_ns is not None
        assert it.now_ns is not None
        assert abs(it.captured_ns - it.now_ns) <= TOLERANCE_NS
    pushes = [it for it in report.rows if it.kind is RowKind.PUSH]
    assert len(pushes) == len(recorded(name).file.pushes or ())


def test_rows_are_in_the_order_of_the_capture() -> None:
    assert [it.frame for it in same().rows if it.kind is RowKind.MESSAGE] == list(range(1, 28))
    times = [it.captured_ns or 0 for it in same().rows]
    assert times == sorted(times)


def test_octets_of_now_are_there_for_what_nodes_say_and_for_requests_of_parties() -> None:
    for it in same().rows:
        if it.kind is RowKind.MESSAGE and (not it.inward or "(" not in it.title):
            assert it.now


def test_late_message_has_both_times() -> None:
    ringing = row(late(), RINGING, "SEP1001")
    assert ringing.captured_ns is not None
    assert ringing.now_ns == ringing.captured_ns + 2 * SECOND
    assert (ringing.state, ringing.differences) == (RowState.DIFFERENT, (1,))


def test_missing_message_has_no_time_now_and_its_frame() -> None:
    asked = row(missing(), "MESSAGE", "TCT2001")
    assert (asked.title_now, asked.now_ns, asked.now) == ("", None, b"")
    assert (asked.frame, asked.node, asked.inward) == (16, "ucm1", False)
    assert (asked.state, asked.differences) == (RowState.DIFFERENT, (1,))


def test_unexpected_message_stands_where_it_came_and_not_in_the_capture() -> None:
    rows = unexpected().rows
    (at,) = [index for index, it in enumerate(rows) if it.title_now == "CANCEL"]
    cancel = rows[at]
    assert (cancel.title, cancel.captured_ns, cancel.frame) == ("", None, 0)
    assert (cancel.node, cancel.party) == ("ucm1", "TCT2001")
    assert (cancel.state, cancel.differences) == (RowState.DIFFERENT, (1,))
    assert cancel.now.startswith(b"CANCEL ")
    before, after = rows[at - 1].now_ns, rows[at + 1].now_ns
    assert before is not None
    assert after is not None
    assert before <= (cancel.now_ns or 0) <= after


def test_other_status_has_both_titles() -> None:
    end = row(status(), "486 (INVITE)", "SEP1001")
    assert (end.title_now, end.state) == ("480 (INVITE)", RowState.DIFFERENT)
    assert end.captured.startswith(b"SIP/2.0 486 ")
    assert end.now.startswith(b"SIP/2.0 480 ")


def test_row_has_every_difference_that_is_about_it() -> None:
    assert row(header(), "INVITE", "TCT2001").differences == (1, 2)


def test_row_whose_differences_are_all_accepted_is_accepted() -> None:
    assert row(accepted(), "INVITE", "TCT2001").state is RowState.ACCEPTED
    assert accepted().same


def test_row_with_one_open_difference_is_different_whatever_else_is_accepted() -> None:
    entry = AcceptEntry(difference=DifferenceKind.HEADER, header="from", reason="renamed since")
    file = recorded("ios_13").file.model_copy(update={"accept": [entry]})
    invite = row(reported("ios_13", file=file, capture=renamed()), "INVITE", "TCT2001")
    assert (invite.state, invite.differences) == (RowState.DIFFERENT, (1, 2))


def test_messages_of_one_kind_and_instant_keep_their_own_differences() -> None:
    def change(seen: Seen, title: str) -> tuple[Seen, ...]:
        if title != "INVITE" or seen.inward:
            return (seen,)
        return (texted(seen, b"one"), texted(seen, b"two"), seen)

    report = reported("ios_13", capture=edited("ios_13", change))
    gone = [it for it in report.rows if it.title == "MESSAGE"]
    assert [it.differences for it in gone] == [(1,), (2,)]
    assert [report.differences[at].captured for at in (0, 1)] == [it.captured for it in gone]


def test_what_parties_could_not_say_is_told_and_what_follows_is_not_compared() -> None:
    said = [(it.title, it.party) for it in unsaid().not_said]
    assert said == [
        ("100 (INVITE)", "PEER 192.0.2.90"),
        (RINGING, "PEER 192.0.2.90"),
        ("200 (INVITE)", "PEER 192.0.2.90"),
        ("ACK", "SEP1001"),
        ("BYE", "SEP1001"),
        ("200 (BYE)", "PEER 192.0.2.90"),
    ]
    assert row(unsaid(), "BYE", "PEER 192.0.2.90").state is RowState.NOT_COMPARED


@pytest.mark.parametrize("report", DIFFERENT)
def test_every_difference_has_its_row(report: Callable[[], Report]) -> None:
    found = report()
    for number in range(1, len(found.differences) + 1):
        index = found.row_of(number)
        assert index is not None
        assert found.rows[index].party == found.differences[number - 1].party


def test_push_has_its_row_and_is_found_missing_or_unexpected() -> None:
    file = recorded("nobody_wakes").file
    pushes = file.pushes
    assert pushes is not None
    other = pushes[0].model_copy(update={"kind": "answeredElsewhere"})
    report = reported("nobody_wakes", file=file.model_copy(update={"pushes": [other, pushes[1]]}))
    gone = row(report, "push answeredElsewhere", "TCT2001")
    new = next(it for it in report.rows if it.title_now == "push incoming")
    kinds = [report.differences[number - 1].kind for number in gone.differences + new.differences]
    assert kinds == [DifferenceKind.MISSING, DifferenceKind.UNEXPECTED]
    assert (gone.now_ns, new.captured_ns) == (None, None)


def test_pushes_that_the_notes_do_not_look_at_are_shown_and_not_judged() -> None:
    file = recorded("ios_13").file.model_copy(update={"pushes": None})
    report = reported("ios_13", file=file)
    pushes = [it for it in report.rows if it.kind is RowKind.PUSH]
    assert [(it.title, it.title_now, it.state) for it in pushes] == [
        ("", "push incoming", RowState.NOT_COMPARED)
    ]


def test_node_events_and_ends_of_connections_are_rows() -> None:
    report = reported("node_killed")
    events = [(it.party or it.node, it.title) for it in report.rows if it.kind is RowKind.EVENT]
    assert ("ucm3", NodeEvent.DIES.value) in events
    assert ("TCT2001", "signs in") in events
    assert ("TCT2001", "hangs up") in events


def test_challenged_request_that_is_left_out_is_no_difference() -> None:
    file = recorded("ios_13").file.model_copy(update={"authentication": Authentication.RECORDED})
    report = reported("ios_13", file=file)
    first = row(report, "REGISTER", "TCT2001")
    assert (first.state, first.now_ns) == (RowState.NOT_COMPARED, None)


def test_request_of_another_node_is_shown_as_that() -> None:
    def change(seen: Seen, title: str) -> tuple[Seen, ...]:
        moved = title == "INVITE" and not seen.inward
        return (seen._replace(node="ucm2") if moved else seen,)

    report = reported("ios_13", capture=edited("ios_13", change))
    invite = row(report, "INVITE", "TCT2001")
    assert (invite.node, invite.node_now) == ("ucm2", "ucm1")


def test_lanes_are_callers_then_nodes_then_cloud_then_who_is_called() -> None:
    assert [(it.name, it.kind) for it in lanes_of(same()).lanes] == [
        ("SEP1001", "party"),
        ("ucm1", "node"),
        ("ucm3", "node"),
        ("cloud", "cloud"),
        ("TCT2001", "party"),
    ]


def test_speakers_are_nodes_and_parties_with_where_they_are() -> None:
    found = {it.name: (it.side.value, it.places, it.messages) for it in same().speakers}
    assert found["ucm3"] == ("under test", ("192.0.2.3:5060", "192.0.2.3:5061"), 14)
    assert found["SEP1001"] == ("outside", ("203.0.113.1/tcp",), 14)
    assert found["ucm2"][2] == 0


def test_times_are_those_of_the_play() -> None:
    assert (same().virtual_ns, same().real_ns) == (42_320 * MS, 40 * MS)
