"""Push and INVITE on one phone: where it registers, what it shows, how it ends (OP-05 to OP-08)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from callctl.phone.event import CallEnded, Registered, RegistrarFailed
from callctl.phone.operating_system import AppState
from callctl.phone.phone_event import (
    ActiveNodeUnusable,
    AppTerminated,
    CallHidden,
    CallShown,
    NotificationRemoved,
    NotificationShown,
    PhoneAnswered,
    PhoneRang,
    PushRejected,
    ViewEnd,
)
from callctl.phone.settings import AnswerPlan
from callctl.push.kind import PushKind
from helpers.phone_rig import ANDROID, IPHONE, NODES, UUID, Rig, s


@pytest.mark.req("CMG-08")
def test_it_registers_straight_to_the_active_node_of_the_push() -> None:
    rig = Rig()
    rig.sleep()
    rig.push(20_000, node=2)
    rig.invite(20_600, node=2)
    rig.wire.run(22_000)
    assert rig.registers() == [1, 1, 0]  # the first is that of the start
    assert rig.wire.timed("phone", Registered)[-1][0] == 20_440
    assert rig.wire.events("phone", PhoneRang) == [PhoneRang(UUID, 1)]


@pytest.mark.req("CMG-08")
def test_it_falls_back_to_the_group_order_if_the_active_node_is_silent() -> None:
    rig = Rig()
    rig.sleep()
    rig.nodes[2].silent = True
    rig.nodes[0].status = 503
    rig.push(20_000, node=3)
    rig.wire.run(30_000)
    failed = [(at, event.registrar) for at, event in rig.wire.timed("phone", RegistrarFailed)]
    assert failed == [(24_400, NODES[2]), (24_420, NODES[0])]
    assert rig.wire.timed("phone", Registered)[-1][1].registrar == NODES[1]


def test_without_an_active_node_the_former_node_comes_first() -> None:
    """The client's part of CMG-06."""
    rig = Rig()
    rig.sleep()
    rig.push(20_000, node=2)
    rig.push(60_000, uuid="second")
    rig.wire.run(62_000)
    assert rig.registers() == [1, 2, 0]
    rig.nodes[1].silent = True
    rig.push(100_000, uuid="third")
    rig.wire.run(110_000)
    assert rig.registers() == [2, 2, 0]


def test_a_node_named_by_a_transport_we_do_not_speak_is_found_by_its_name() -> None:
    rig = Rig()
    rig.sleep()
    rig.push(20_000, node=2, transport="tls")
    rig.wire.run(21_000)
    assert rig.registers() == [1, 1, 0]


def test_an_unknown_node_by_a_transport_we_do_not_speak_leaves_the_group_order() -> None:
    agent = replace(IPHONE.agent, registrars=NODES[:1])
    rig = Rig(replace(IPHONE, agent=agent))
    rig.sleep()
    rig.push(20_000, node=2, transport="tls")
    rig.wire.run(21_000)
    assert rig.wire.events("phone", ActiveNodeUnusable) == [
        ActiveNodeUnusable("ucm2.example.com", "tls")
    ]
    assert rig.registers() == [2, 0, 0]


def test_a_second_ring_push_that_names_another_node_sends_the_phone_there() -> None:
    """The node of the first one went out of service before the phone had registered."""
    rig = Rig()
    rig.sleep()
    rig.nodes[0].silent = True
    rig.push(20_000, node=1)
    rig.push(22_000, node=2)
    rig.invite(22_500, node=2)
    rig.wire.run(23_000)
    assert rig.wire.timed("phone", Registered)[-1][0] == 22_040
    assert len(rig.wire.events("phone", CallShown)) == 1
    assert len(rig.wire.events("phone", PhoneRang)) == 1


@pytest.mark.req("CALL-17")
def test_in_the_foreground_push_and_invite_are_one_call_in_either_order() -> None:
    """And the phone's part of MODE-05: the push causes no second call."""
    for push_at, invite_at in ((1_100, 1_000), (1_000, 1_100)):
        rig = Rig(plan=AnswerPlan(after_ns=s(2), hang_up_after_ns=s(1)))
        rig.start()
        rig.invite(invite_at)
        rig.push(push_at, node=1)
        rig.wire.run(60_000)
        assert len(rig.wire.events("phone", CallShown)) == 1
        assert len(rig.wire.events("phone", PhoneAnswered)) == 1
        assert rig.registers() == [1, 0, 0]  # the push makes nobody register
        assert len(rig.wire.events("phone", CallEnded)) == 1


@pytest.mark.req("CALL-17")
def test_a_push_after_the_call_is_over_is_harmless() -> None:
    rig = Rig(plan=AnswerPlan(after_ns=0, hang_up_after_ns=s(1)))
    rig.start()
    rig.invite(1_000)
    rig.push(10_000, node=1)
    rig.wire.run(60_000)
    assert rig.wire.events("phone", PushRejected)[0].reason == "duplicate"
    (call,) = rig.phone.callkit.calls
    assert (call.reports, call.end_reason) == (2, ViewEnd.OWNER)
    assert rig.wire.events("phone", AppTerminated) == []
    assert rig.phone.calls == ()


def test_a_doubled_push_is_noted_and_changes_nothing() -> None:
    rig = Rig(plan=AnswerPlan(after_ns=s(2), hang_up_after_ns=s(1)))
    rig.sleep()
    rig.push(20_000, node=1, tracking_id="CPNS_7")
    rig.push(20_100, node=1, tracking_id="CPNS_7")
    rig.invite(20_600)
    rig.wire.run(60_000)
    assert [event.reason for event in rig.wire.events("phone", PushRejected)] == ["duplicate"]
    assert len(rig.wire.events("phone", CallShown)) == 1
    assert len(rig.wire.events("phone", PhoneAnswered)) == 1
    rig.assert_at_rest()


def test_a_late_phone_that_sees_no_invite_within_5_s_ends_the_call_as_failed() -> None:
    """OP-06."""
    rig = Rig()
    rig.sleep()
    rig.push(20_000, node=1)
    rig.wire.run(60_000)
    registered_at = rig.wire.timed("phone", Registered)[-1][0]
    hidden = CallHidden(UUID, ViewEnd.FAILED)
    assert rig.wire.timed("phone", CallHidden) == [(registered_at + 5_000, hidden)]
    rig.assert_at_rest()


def test_a_phone_that_can_register_nowhere_ends_the_call_as_failed() -> None:
    rig = Rig()
    rig.sleep()
    for node in rig.nodes:
        node.status = 503
    rig.push(20_000, node=1)
    rig.wire.run(60_000)
    assert rig.wire.timed("phone", CallHidden)[0][0] < 21_000
    assert rig.phone.system.state is AppState.SUSPENDED
    rig.assert_at_rest()


def test_an_invite_for_a_call_that_is_over_here_is_refused_without_ringing_the_owner() -> None:
    rig = Rig()
    rig.sleep()
    rig.push(20_000, node=1)
    rig.push(20_500, PushKind.MISSED)
    rig.invite(20_700)
    rig.wire.run(60_000)
    assert rig.wire.events("node1", CallEnded)[0].status == 480
    assert rig.wire.events("phone", PhoneRang) == []
    rig.assert_at_rest()


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (PushKind.MISSED, ViewEnd.UNANSWERED),
        (PushKind.ANSWERED_ELSEWHERE, ViewEnd.ANSWERED_ELSEWHERE),
        (PushKind.CANCELLED, ViewEnd.REMOTE_ENDED),
    ],
)
def test_a_second_push_ends_the_callkit_call_of_the_same_uuid_with_its_reason(
    kind: PushKind, reason: ViewEnd
) -> None:
    """OP-08; the second push is a VoIP push too, and counts as reported."""
    rig = Rig()
    rig.sleep()
    rig.push(20_000, node=1)
    rig.push(23_000, kind)
    rig.wire.run(60_000)
    (call,) = rig.phone.callkit.calls
    assert (call.call_uuid, call.reports, call.end_reason) == (UUID, 2, reason)
    missed = [NotificationShown("Carol", "Missed call")]
    shown = rig.wire.events("phone", NotificationShown)
    assert shown == (missed if kind is PushKind.MISSED else [])
    assert rig.wire.events("phone", AppTerminated) == []
    rig.assert_at_rest()


def test_a_second_push_alone_shows_the_call_for_a_moment() -> None:
    rig = Rig()
    rig.sleep()
    rig.push(20_000, PushKind.MISSED)
    rig.wire.run(60_000)
    (call,) = rig.phone.callkit.calls
    assert call.reported_at == call.ended_at
    assert [note.text for note in rig.phone.lock_screen.notifications] == ["Missed call"]
    assert rig.registers() == [1, 0, 0]  # it has nothing to fetch
    rig.assert_at_rest()


def test_a_second_push_does_not_end_a_call_that_was_answered_here() -> None:
    rig = Rig(plan=AnswerPlan(after_ns=s(1)))
    rig.sleep()
    rig.push(20_000, node=1)
    rig.invite(20_600)
    rig.push(25_000, PushKind.ANSWERED_ELSEWHERE)
    rig.wire.run(30_000)
    (call,) = rig.phone.callkit.calls
    assert call.active
    rig.wire.at(31_000, "phone", rig.phone.hang_up)
    rig.wire.run(60_000)
    rig.assert_at_rest()


@pytest.mark.parametrize(
    ("reason", "ended"),
    [
        (None, ViewEnd.UNANSWERED),
        ('SIP;cause=200;text="Call completed elsewhere"', ViewEnd.ANSWERED_ELSEWHERE),
        ('Q.850;cause=26;text="Non-selected user clearing"', ViewEnd.REMOTE_ENDED),
    ],
)
def test_a_cancel_ends_the_ringing_and_its_reason_says_whether_it_was_missed(
    reason: str | None, ended: ViewEnd
) -> None:
    rig = Rig()
    rig.sleep()
    rig.push(20_000, node=1)
    rig.invite(20_600)
    rig.wire.run(22_000)
    caller = rig.nodes[0].caller
    rig.wire.at(23_000, "node1", lambda now: caller.cancel(1, now, reason))
    rig.wire.run(60_000)
    (call,) = rig.phone.callkit.calls
    assert call.end_reason is ended
    assert bool(rig.wire.events("phone", NotificationShown)) is (ended is ViewEnd.UNANSWERED)
    rig.assert_at_rest()


@pytest.mark.parametrize("kind", [PushKind.CANCELLED, PushKind.ANSWERED_ELSEWHERE])
def test_a_missed_call_that_was_none_is_taken_back_when_the_second_push_says_so(
    kind: PushKind,
) -> None:
    """OP-66: the hunt went on; its CANCEL did not say why."""
    rig = Rig()
    rig.sleep()
    rig.push(20_000, node=1)
    rig.invite(20_600)
    caller = rig.nodes[0].caller
    rig.wire.at(23_000, "node1", lambda now: caller.cancel(1, now))
    rig.push(23_500, kind)
    rig.wire.run(60_000)
    assert rig.wire.events("phone", NotificationShown) == [
        NotificationShown("Carol", "Missed call")
    ]
    removed = NotificationRemoved("Carol", "Missed call")
    assert rig.wire.timed("phone", NotificationRemoved) == [(23_500, removed)]
    assert list(rig.phone.lock_screen.notifications) == []
    rig.assert_at_rest()


@pytest.mark.parametrize("status", [486, 603])
def test_a_decline_from_callkit_before_the_invite_refuses_it_when_it_comes(status: int) -> None:
    rig = Rig(plan=AnswerPlan(after_ns=0, status=status))
    rig.sleep()
    rig.push(20_000, node=1)
    rig.invite(20_600)
    rig.wire.run(60_000)
    assert rig.wire.timed("phone", CallHidden) == [(20_400, CallHidden(UUID, ViewEnd.OWNER))]
    assert rig.wire.events("phone", PhoneRang) == []
    assert rig.wire.events("node1", CallEnded)[0].status == status
    rig.assert_at_rest()


def test_an_answer_from_callkit_before_the_invite_picks_up_when_it_comes() -> None:
    rig = Rig()
    rig.sleep()
    rig.push(20_000, node=1)
    rig.wire.at(20_420, "phone", rig.phone.answer)
    rig.invite(20_600)
    rig.wire.run(21_000)
    assert rig.wire.timed("phone", PhoneAnswered)[0][0] == 20_610
    rig.wire.at(22_000, "phone", rig.phone.hang_up)
    rig.wire.run(60_000)
    rig.assert_at_rest()


@pytest.mark.parametrize("settings", [IPHONE, ANDROID])
def test_a_decline_by_the_owner_while_it_rings(settings: object) -> None:
    rig = Rig(settings)  # type: ignore[arg-type]
    rig.sleep()
    rig.push(20_000, node=1)
    rig.invite(20_600)
    rig.wire.at(23_000, "phone", rig.phone.decline)
    rig.wire.run(60_000)
    assert rig.wire.events("node1", CallEnded)[0].status == 603
    assert rig.wire.events("phone", NotificationShown) == []
    rig.assert_at_rest()


def test_a_content_free_push_wakes_and_the_invite_says_who_calls() -> None:
    """OP-01: a standard client has no key, so the push says nothing."""
    rig = Rig()
    rig.sleep()
    rig.push_without_content(20_000)
    rig.invite(20_600, uuid=None)
    rig.wire.run(21_000)
    assert len(rig.wire.events("phone", CallShown)) == 1
    (call,) = rig.phone.calls
    assert (call.caller_name, call.caller_number) == ("Carol", "1001")
    rig.wire.at(22_000, "phone", rig.phone.decline)
    rig.wire.run(60_000)
    rig.assert_at_rest()


def test_two_calls_at_once_are_shown_and_answered_apart() -> None:
    rig = Rig()
    rig.sleep()
    rig.push(20_000, node=1, uuid="one")
    rig.push(20_050, node=1, uuid="two")
    rig.invite(20_600, uuid="one")
    rig.invite(20_601, uuid="two")
    rig.wire.at(22_000, "phone", lambda now: rig.phone.answer(now, "two"))
    rig.wire.at(23_000, "phone", lambda now: rig.phone.decline(now, 486, "one"))
    rig.wire.at(25_000, "phone", rig.phone.hang_up)
    rig.wire.run(60_000)
    ends = {call.call_uuid: call.answered_at for call in rig.phone.callkit.calls}
    assert ends["one"] is None
    assert ends["two"] is not None
    rig.assert_at_rest()


def test_the_owner_calls_somebody() -> None:
    rig = Rig()
    rig.start()
    for node in rig.nodes:
        node.caller.plan = AnswerPlan(after_ns=s(1))
    rig.wire.at(1_000, "phone", lambda now: rig.phone.call("1001", now, hang_up_after_ns=s(2))[1])
    rig.wire.run(60_000)
    assert rig.wire.ladder("phone")[2:] == ["phone: INVITE", "phone: ACK", "phone: BYE"]
    assert len(rig.wire.events("phone", CallEnded)) == 1
