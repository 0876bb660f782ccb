"""The alarm board: once per condition, at most once an hour after that, and once when it ends."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callctl.model.release import Release
from callctl.serviceability.alarm import (
    AlarmAction,
    AlarmCleared,
    AlarmIgnored,
    AlarmNotice,
    AlarmRaised,
    AlarmRepeated,
    state_of,
)
from callctl.serviceability.alarms import DETAIL_MAX, REPEAT_NS, AlarmBoard, NodeStarted
from callctl.serviceability.condition import Condition, ConditionEntered, ConditionLeft
from callctl.serviceability.subject import device_subject, split_subject
from sipstack.timing import SECOND, Instant

NO_CPNS = "PushNotificationServiceUnavailable"
BAD_TOKEN = "PushNotificationInvalidDeviceTokenResponse"
FAULT = "EngineFault"
HOUR_S = 3_600


def at(seconds: float) -> Instant:
    return Instant(int(seconds * SECOND))


def board(release: str = "14SU3", *, subjects_max: int = 10, history_max: int = 100) -> AlarmBoard:
    return AlarmBoard(Release.parse(release), subjects_max=subjects_max, history_max=history_max)


def told(actions: tuple[AlarmAction, ...]) -> list[tuple[str, str, str]]:
    """State, alarm and node of each notice."""
    notices = [each for each in actions if not isinstance(each, AlarmIgnored)]
    return [(state_of(each), each.name, each.node) for each in notices]


@pytest.mark.req("OP-36", "ALARM-10")
def test_a_condition_noticed_by_every_call_is_one_alarm_until_it_ends() -> None:
    of = board()
    assert told(of.receive(ConditionEntered(NO_CPNS, "ucm1"), at(1))) == [
        ("raised", NO_CPNS, "ucm1")
    ]
    for second in range(2, 500):
        assert of.receive(ConditionEntered(NO_CPNS, "ucm1"), at(second)) == ()
    (active,) = of.active
    assert (active.occurrences, active.raised_at, active.last_seen_at) == (499, at(1), at(499))
    (cleared,) = of.receive(ConditionLeft(NO_CPNS, "ucm1"), at(500))
    assert isinstance(cleared, AlarmCleared)
    assert (cleared.raised_at, cleared.at, cleared.occurrences) == (at(1), at(500), 499)
    assert of.active == ()
    assert of.next_deadline() is None
    assert [state_of(each) for each in of.history] == ["raised", "cleared"]


@pytest.mark.req("OP-36")
def test_what_ended_and_begins_again_is_a_new_alarm() -> None:
    of = board()
    (first,) = of.receive(ConditionEntered(NO_CPNS, "ucm1"), at(1))
    of.receive(ConditionLeft(NO_CPNS, "ucm1"), at(2))
    (second,) = of.receive(ConditionEntered(NO_CPNS, "ucm1"), at(3))
    assert isinstance(first, AlarmRaised)
    assert isinstance(second, AlarmRaised)
    assert (first.number, second.number) == (1, 2)


def test_an_end_without_a_beginning_is_no_news() -> None:
    assert board().receive(ConditionLeft(NO_CPNS, "ucm1"), at(1)) == ()


@pytest.mark.req("OP-36")
def test_a_node_wide_alarm_that_lasts_is_repeated_each_hour_and_no_sooner() -> None:
    of = board()
    of.receive(ConditionEntered(NO_CPNS, "ucm1"), at(10))
    assert of.next_deadline() == at(10 + HOUR_S)
    assert of.advance(Instant(at(10 + HOUR_S) - 1)) == ()
    assert of.receive(ConditionEntered(NO_CPNS, "ucm1"), at(10 + HOUR_S - 1)) == ()
    (repeated,) = of.advance(at(10 + HOUR_S))
    assert isinstance(repeated, AlarmRepeated)
    assert (repeated.number, repeated.occurrences) == (1, 2)
    assert of.next_deadline() == at(10 + 2 * HOUR_S)
    of.receive(ConditionLeft(NO_CPNS, "ucm1"), at(11 + HOUR_S))
    assert of.advance(at(10 + 9 * HOUR_S)) == ()


@pytest.mark.req("OP-36", "ALARM-10")
def test_an_alarm_about_a_device_is_repeated_only_when_it_is_noticed_again() -> None:
    of = board()
    of.receive(ConditionEntered(BAD_TOKEN, "ucm1", "TCTALICE"), at(0))
    assert of.next_deadline() is None
    assert of.advance(at(5 * HOUR_S)) == ()
    again = ConditionEntered(BAD_TOKEN, "ucm1", "TCTALICE")
    assert told(of.receive(again, at(5 * HOUR_S))) == [("repeated", BAD_TOKEN, "ucm1")]
    assert of.receive(again, at(6 * HOUR_S - 1)) == ()
    assert told(of.receive(again, at(6 * HOUR_S))) == [("repeated", BAD_TOKEN, "ucm1")]


@pytest.mark.req("ALARM-10")
def test_conditions_of_two_nodes_are_two_alarms() -> None:
    of = board()
    of.receive(ConditionEntered(NO_CPNS, "ucm1"), at(1))
    assert told(of.receive(ConditionEntered(NO_CPNS, "ucm2"), at(2))) == [
        ("raised", NO_CPNS, "ucm2")
    ]
    assert told(of.receive(ConditionLeft(NO_CPNS, "ucm1"), at(3))) == [("cleared", NO_CPNS, "ucm1")]
    assert [active.node for active in of.active] == ["ucm2"]


@pytest.mark.req("ALARM-10")
def test_a_device_is_one_alarm_in_the_cluster_whichever_node_notices() -> None:
    of = board()
    subject = device_subject("TCTALICE", "aa" * 32)
    assert told(of.receive(ConditionEntered(BAD_TOKEN, "ucm1", subject), at(1))) == [
        ("raised", BAD_TOKEN, "ucm1")
    ]
    assert of.receive(ConditionEntered(BAD_TOKEN, "ucm2", subject), at(2)) == ()
    other = device_subject("TCTBOB", "aa" * 32)
    assert told(of.receive(ConditionEntered(BAD_TOKEN, "ucm2", other), at(3))) == [
        ("raised", BAD_TOKEN, "ucm2")
    ]
    # The device signs in anew at the other node.
    assert told(of.receive(ConditionLeft(BAD_TOKEN, "ucm2", "TCTALICE"), at(4))) == [
        ("cleared", BAD_TOKEN, "ucm1")
    ]


@pytest.mark.req("ALARM-10")
def test_a_new_token_of_a_device_is_a_new_condition() -> None:
    of = board()
    old, new = (device_subject("TCTALICE", each * 32) for each in ("aa", "bb"))
    of.receive(ConditionEntered(BAD_TOKEN, "ucm1", old), at(1))
    actions = of.receive(ConditionEntered(BAD_TOKEN, "ucm1", new), at(2))
    assert [state for state, _, _ in told(actions)] == ["cleared", "raised"]
    assert len(of.active) == 1
    assert of.receive(ConditionLeft(BAD_TOKEN, "ucm1", old), at(3)) == ()
    assert [s for s, _, _ in told(of.receive(ConditionLeft(BAD_TOKEN, "ucm1", new), at(4)))] == [
        "cleared"
    ]


def test_a_subject_shows_the_device_and_never_the_token() -> None:
    subject = device_subject("TCTALICE", "f00dfeed" * 8)
    assert "f00dfeed" not in subject
    shown, tag = split_subject(subject)
    assert (shown, len(tag)) == ("TCTALICE", 12)
    assert split_subject("CN=push.example.com#7") == ("CN=push.example.com#7", "")
    of = board()
    (raised,) = of.receive(ConditionEntered(BAD_TOKEN, "ucm1", subject), at(1))
    assert isinstance(raised, AlarmRaised)
    assert raised.subject == "TCTALICE"
    assert "TCTALICE" not in repr(raised)


def test_a_moment_is_raised_once_and_what_follows_is_told_after_an_hour() -> None:
    of = board()
    assert told(
        of.receive(ConditionEntered(FAULT, "ucm1", detail="KeyError at a.py:1"), at(0))
    ) == [("raised", FAULT, "ucm1")]
    for second in range(1, 100):
        assert of.receive(ConditionEntered(FAULT, "ucm1"), at(second)) == ()
    (repeated,) = of.advance(at(HOUR_S))
    assert isinstance(repeated, AlarmRepeated)
    assert (repeated.occurrences, repeated.detail) == (100, "KeyError at a.py:1")
    # A quiet hour ends it, and the next is raised anew.
    assert of.advance(at(2 * HOUR_S)) == ()
    assert of.active == ()
    assert of.next_deadline() is None
    assert told(of.receive(ConditionEntered(FAULT, "ucm1"), at(2 * HOUR_S))) == [
        ("raised", FAULT, "ucm1")
    ]


@pytest.mark.req("ALARM-03", "ALARM-04")
@pytest.mark.parametrize(
    ("release", "alarm", "exists"),
    [
        ("11.5(1)SU2", NO_CPNS, False),
        ("11.5(1)SU3", NO_CPNS, True),
        ("14SU2", "LocalPushStartFailed", False),
        ("14SU3", "LocalPushStartFailed", True),
        ("12.0(1)", "Unread Messages alert", True),
        ("12.5(1)", "Unread Messages alert", False),
    ],
)
def test_what_the_release_does_not_have_is_not_raised_but_counted(
    release: str, alarm: str, exists: bool
) -> None:
    of = board(release)
    (action,) = of.receive(ConditionEntered(alarm, "ucm1"), at(1))
    assert isinstance(action, AlarmRaised) is exists
    assert len(of.active) == exists
    if not exists:
        assert action == AlarmIgnored("not in this release", alarm)
        assert of.counts == {"ignored: not in this release": 1}


def test_an_alarm_nobody_knows_is_counted() -> None:
    of = board()
    assert of.receive(ConditionEntered("Typo", "ucm1"), at(1)) == (
        AlarmIgnored("unknown alarm", "Typo"),
    )
    assert of.receive(ConditionLeft("Typo", "ucm1"), at(1)) == (
        AlarmIgnored("unknown alarm", "Typo"),
    )
    assert of.counts["ignored: unknown alarm"] == 2


def test_a_flood_of_devices_is_bounded_and_leaves_room_for_the_node_itself() -> None:
    of = board(subjects_max=3, history_max=4)
    for number in range(5):
        of.receive(ConditionEntered(BAD_TOKEN, "ucm1", f"TCT{number}"), at(number))
    assert [active.subject for active in of.active] == ["TCT0", "TCT1", "TCT2"]
    assert of.counts["ignored: too many"] == 2
    assert told(of.receive(ConditionEntered(NO_CPNS, "ucm1"), at(9))) == [
        ("raised", NO_CPNS, "ucm1")
    ]
    of.receive(ConditionLeft(BAD_TOKEN, "ucm1", "TCT1"), at(10))
    assert told(of.receive(ConditionEntered(BAD_TOKEN, "ucm1", "TCT4"), at(11)))
    assert len(of.history) == 4
    assert of.history[0].number == 3  # the oldest are forgotten


def test_a_node_that_starts_anew_has_no_conditions_but_its_devices_keep_theirs() -> None:
    of = board()
    of.receive(ConditionEntered(NO_CPNS, "ucm1"), at(1))
    of.receive(ConditionEntered(NO_CPNS, "ucm2"), at(1))
    of.receive(ConditionEntered(BAD_TOKEN, "ucm1", "TCTALICE"), at(1))
    assert told(of.receive(NodeStarted("ucm1"), at(2))) == [("cleared", NO_CPNS, "ucm1")]
    assert [(active.definition.name, active.node) for active in of.active] == [
        (NO_CPNS, "ucm2"),
        (BAD_TOKEN, "ucm1"),
    ]


@pytest.mark.parametrize(
    "alarm", ["CertificateExpired", "TlsVerificationDisabled", "AlarmUploadFailed"]
)
def test_what_is_said_beside_the_nodes_stands_when_the_publisher_starts_anew(alarm: str) -> None:
    of = board()
    of.receive(ConditionEntered(alarm, "ucm1"), at(1))
    assert told(of.receive(NodeStarted("ucm1"), at(2))) == []
    assert [active.definition.name for active in of.active] == [alarm]


def test_a_long_detail_is_cut() -> None:
    of = board()
    of.receive(ConditionEntered(NO_CPNS, "ucm1", detail="x" * 10_000), at(1))
    assert len(of.active[0].detail) == DETAIL_MAX


NAMES = st.sampled_from([NO_CPNS, BAD_TOKEN, FAULT])
NODES = st.sampled_from(["ucm1", "ucm2"])
SUBJECTS = st.sampled_from(["", "TCTALICE", device_subject("TCTALICE", "t1")])
EVENTS: st.SearchStrategy[Condition | NodeStarted] = st.one_of(
    st.builds(ConditionEntered, NAMES, NODES, SUBJECTS),
    st.builds(ConditionLeft, NAMES, NODES, SUBJECTS),
    st.builds(NodeStarted, NODES),
)
STEPS = st.lists(st.tuples(st.integers(0, 2 * HOUR_S), EVENTS), max_size=60)


@pytest.mark.req("OP-36", "ALARM-10")
@given(STEPS)
def test_whatever_happens_notices_alternate_and_are_an_hour_apart(
    steps: list[tuple[int, Condition | NodeStarted]],
) -> None:
    of, now, notices = board(), 0, list[AlarmNotice]()

    def keep(actions: tuple[AlarmAction, ...]) -> None:
        notices.extend(each for each in actions if not isinstance(each, AlarmIgnored))

    for wait_s, event in steps:
        now += wait_s
        while (due := of.next_deadline()) is not None and due <= at(now):
            keep(of.advance(due))
        keep(of.receive(event, at(now)))
    by_number: dict[int, list[AlarmNotice]] = {}
    for notice in notices:
        by_number.setdefault(notice.number, []).append(notice)
    for number, of_one in by_number.items():
        states = [state_of(each) for each in of_one]
        assert states[0] == "raised"
        assert "raised" not in states[1:]
        assert "cleared" not in states[:-1]
        live = [each.at for each in of_one if not isinstance(each, AlarmCleared)]
        assert all(later - sooner >= REPEAT_NS for sooner, later in pairwise(live))
        if any(active.number == number for active in of.active):
            assert "cleared" not in states
    assert len({(a.definition.name, a.node, a.subject) for a in of.active}) == len(of.active)
