"""The rules of one call, event by event, without SIP around it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from callctl.call.branch import Branch
from callctl.call.call import Call
from callctl.call.event import (
    AnswerCaller,
    BranchFailed,
    BranchOver,
    BranchResponded,
    CallAction,
    CallerCancelled,
    CancelBranch,
    DeviceRegistered,
    Forget,
    HangUp,
    NodeLost,
    NodeStopping,
    Offer,
    PassResponse,
    PushEnded,
    PushResult,
    RequestPush,
)
from callctl.call.itinerary import Target
from callctl.call.leg import MOVES, Leg, LegState
from callctl.call.parties import ELSEWHERE, CallState
from callctl.call.story import SENTENCES, CallRecord
from callctl.model.build import desk_phone, iphone
from callctl.model.device import Device
from callctl.model.service_parameter import ServiceParameters
from callctl.push.kind import PushKind
from callctl.registration.binding import Binding
from helpers.call_rig import INVITE, at, binding_of
from helpers.engine_rig import iphone_binding
from sipstack.message.message import Request, Response
from sipstack.message.parser import parse_message
from sipstack.message.response import respond
from sipstack.timing import MS, Instant
from sipstack.transport.flow import Flow


def invite(extra: bytes = b"") -> Request:
    message = parse_message(INVITE.replace(b"CSeq", extra + b"CSeq"))
    assert isinstance(message, Request)
    return message


def new_call(request: Request | None = None) -> Call:
    record = CallRecord("uuid-1", "c1", "ucm1", "1001", "2001", Instant(0))
    return Call(request or invite(), "2001", "ucm1", 1, record, ServiceParameters())


def binding(
    device: Device, *, binding_id: str = "b1", port: int = 40000, node: str = "ucm1"
) -> Binding:
    return replace(binding_of(device, "2001", port=port, node=node), binding_id=binding_id)


IPHONE = iphone("2001")
DESK = desk_phone("2001")


def sleeper() -> Leg:
    return Leg(IPHONE, iphone_binding(IPHONE), "2001")


def line(*legs: tuple[Leg, tuple[Binding, ...]]) -> Target:
    return Target("2001", list(legs))


def came(device: Device, *, port: int = 40000) -> DeviceRegistered:
    return DeviceRegistered(binding(device, port=port), device)


def answer(status: int, tag: str = "t1") -> Response:
    return respond(invite(), status, to_tag=tag)


def offered(actions: tuple[CallAction, ...]) -> list[Branch]:
    return [action.branch for action in actions if isinstance(action, Offer)]


def pushes(actions: tuple[CallAction, ...]) -> list[PushKind]:
    return [action.kind for action in actions if isinstance(action, RequestPush)]


def answers(actions: tuple[CallAction, ...]) -> list[int]:
    return [
        action.status if isinstance(action, AnswerCaller) else action.response.status
        for action in actions
        if isinstance(action, AnswerCaller | PassResponse)
    ]


@pytest.mark.req("CALL-03")
def test_device_with_a_live_flow_gets_invite_and_push_at_once_invite_first() -> None:
    call = new_call()
    actions = call.start(line((sleeper(), (binding(IPHONE),))), at(0))
    assert [type(action) for action in actions] == [Offer, RequestPush]


@pytest.mark.req("CALL-04", "CALL-07")
def test_ring_back_is_not_sent_when_the_device_rang_before() -> None:
    call = new_call()
    call.start(line((sleeper(), ())), at(0))
    branch = offered(call.receive(came(IPHONE), at(1)))[0]
    assert answers(call.receive(BranchResponded(branch, answer(180)), at(2))) == [180]
    assert call.advance(at(5)) == ()


@pytest.mark.req("CALL-07")
def test_ring_back_is_sent_once_even_if_two_devices_sleep() -> None:
    other = replace(IPHONE, name="TCTOTHER")
    call = new_call()
    call.start(line((sleeper(), ()), (Leg(other, iphone_binding(other), "2001"), ())), at(0))
    assert answers(call.advance(at(5))) == [180]
    assert answers(call.advance(at(5.1))) == []


def test_no_ring_back_of_our_own_for_a_caller_that_requires_100rel() -> None:
    call = new_call(invite(b"Require: 100rel\r\n"))
    call.start(line((sleeper(), ())), at(0))
    assert answers(call.advance(at(5))) == []
    assert "ring-back-held" in [step.code for step in call.record.steps]


@pytest.mark.req("CALL-02", "CALL-08")
def test_drop_timer_stops_once_the_invite_is_offered() -> None:
    call = new_call()
    call.start(line((sleeper(), ())), at(0))
    assert call.next_deadline() == at(5)
    call.receive(came(IPHONE), at(12.9))
    assert answers(call.advance(at(13))) == [180]  # ring-back was due; the drop is not
    assert call.state is CallState.PROCEEDING


@pytest.mark.req("CALL-05", "CALL-10")
def test_register_at_12_9_s_is_offered_and_at_13_s_dropped_never_both() -> None:
    for seconds, offers in ((12.9, 1), (13.0, 0), (13.1, 0)):
        call = new_call()
        call.start(line((sleeper(), ())), at(0))
        final = answers(call.advance(at(seconds)))
        actions = call.receive(came(IPHONE), at(seconds))
        assert len(offered(actions)) == offers
        assert (480 in final) is (offers == 0)


@pytest.mark.req("CALL-18")
def test_push_refused_for_good_ends_the_wait_at_once_without_a_second_push() -> None:
    for result, status in ((PushResult.TARGET_INVALID, 480), (PushResult.NO_SERVICE, 503)):
        call = new_call()
        leg = sleeper()
        call.start(line((leg, ())), at(0))
        actions = call.receive(PushEnded(leg, result), at(0.2))
        assert answers(actions) == [status]
        assert pushes(actions) == []
        assert Forget() in actions


def test_cloud_error_alone_never_makes_the_subscriber_absent() -> None:
    """I7: the wait goes on, because the phone may have got the push; then it is 503, not 480."""
    call = new_call()
    leg = sleeper()
    call.start(line((leg, ())), at(0))
    assert call.receive(PushEnded(leg, PushResult.FAILED), at(0.2)) == ()
    assert answers(call.advance(at(13))) == [180, 503]


def test_ring_push_that_died_with_its_service_is_followed_by_no_missed_push() -> None:
    """I6: nobody heard of that call."""
    for result, missed in ((PushResult.FAILED, [PushKind.MISSED]), (PushResult.LOST, [])):
        call = new_call()
        leg = sleeper()
        call.start(line((leg, ())), at(0))
        assert call.receive(PushEnded(leg, result), at(0.2)) == ()
        assert pushes(call.receive(CallerCancelled(None), at(1))) == missed


@pytest.mark.req("CALL-14", "SHL-09")
def test_device_that_declines_gets_no_second_push_and_its_answer_reaches_the_caller() -> None:
    for status in (486, 603):
        call = new_call()
        call.start(line((sleeper(), ())), at(0))
        branch = offered(call.receive(came(IPHONE), at(1)))[0]
        actions = call.receive(BranchResponded(branch, answer(status)), at(2))
        assert answers(actions) == [status]
        assert pushes(actions) == []


@pytest.mark.req("SHL-03", "SHL-04", "SHL-05", "SHL-08")
def test_answer_on_the_desk_phone_tells_the_sleeper_and_cancels_what_rings() -> None:
    call = new_call()
    desk, phone = Leg(DESK, None, "2001"), sleeper()
    other = replace(IPHONE, name="TCTOTHER")
    ringing = Leg(other, iphone_binding(other), "2001")
    actions = call.start(
        line(
            (desk, (binding(DESK, binding_id="d1", port=1),)),
            (phone, ()),
            (ringing, (binding(other, binding_id="o1", port=2),)),
        ),
        at(0),
    )
    first, second = offered(actions)
    call.receive(BranchResponded(second, answer(180, "o")), at(1))
    done = call.receive(BranchResponded(first, answer(200, "d")), at(2))
    assert answers(done) == [200]
    assert CancelBranch(second, ELSEWHERE) in done
    assert pushes(done) == [PushKind.ANSWERED_ELSEWHERE, PushKind.ANSWERED_ELSEWHERE]
    assert offered(call.receive(came(IPHONE), at(3))) == []


def test_busy_desk_phone_does_not_end_a_call_while_a_sleeper_may_still_come() -> None:
    call = new_call()
    actions = call.start(
        line((Leg(DESK, None, "2001"), (binding(DESK, binding_id="d1"),)), (sleeper(), ())), at(0)
    )
    branch = offered(actions)[0]
    assert answers(call.receive(BranchResponded(branch, answer(486)), at(1))) == []
    assert answers(call.advance(at(13))) == [180, 486]


def test_603_ends_one_leg_and_600_ends_the_call() -> None:
    for status, ends in ((603, False), (600, True)):
        call = new_call()
        actions = call.start(
            line((Leg(DESK, None, "2001"), (binding(DESK, binding_id="d1"),)), (sleeper(), ())),
            at(0),
        )
        final = answers(call.receive(BranchResponded(offered(actions)[0], answer(status)), at(1)))
        assert final == ([status] if ends else [])


def test_second_2xx_is_forwarded_and_hung_up_and_repetitions_of_the_first_pass() -> None:
    call = new_call()
    first, second = offered(
        call.start(
            line(
                (Leg(DESK, None, "2001"), (binding(DESK, binding_id="d1", port=1),)),
                (sleeper(), (binding(IPHONE, port=2),)),
            ),
            at(0),
        )
    )
    assert answers(call.receive(BranchResponded(first, answer(200, "d")), at(1))) == [200]
    late = call.receive(BranchResponded(second, answer(200, "p")), at(1))
    assert [type(action) for action in late] == [PassResponse, HangUp]
    again = call.receive(BranchResponded(first, answer(200, "d")), at(2))
    assert [type(action) for action in again] == [PassResponse]


@pytest.mark.req("CALL-11", "CALL-16", "SHL-01")
def test_cancel_while_ringing_cancels_the_branch_and_sends_exactly_one_missed_push() -> None:
    call = new_call()
    call.start(line((sleeper(), ())), at(0))
    branch = offered(call.receive(came(IPHONE), at(1)))[0]
    call.receive(BranchResponded(branch, answer(180)), at(2))
    actions = call.receive(CallerCancelled("SIP;cause=487"), at(3))
    assert answers(actions) == [487]
    assert CancelBranch(branch, "SIP;cause=487") in actions
    assert pushes(actions) == [PushKind.MISSED]
    assert call.receive(CallerCancelled(None), at(4)) == ()
    assert answers(call.receive(BranchResponded(branch, answer(487)), at(4))) == []
    assert call.receive(BranchOver(branch), at(36)) == (Forget(),)


def test_2xx_that_crosses_the_cancel_is_hung_up() -> None:
    call = new_call()
    call.start(line((sleeper(), ())), at(0))
    branch = offered(call.receive(came(IPHONE), at(1)))[0]
    call.receive(CallerCancelled(None), at(3))
    late = call.receive(BranchResponded(branch, answer(200)), at(3))
    assert [type(action) for action in late] == [PassResponse, HangUp]


def test_answer_of_a_device_that_was_given_up_is_the_answer_while_nobody_else_has() -> None:
    call = new_call()
    other = replace(IPHONE, name="TCTOTHER")
    first, second = offered(
        call.start(
            line(
                (sleeper(), (binding(IPHONE),)),
                (Leg(other, None, "2001"), (binding(other, binding_id="o1", port=2),)),
            ),
            at(0),
        )
    )
    call.receive(BranchResponded(second, answer(180, "o")), at(1))
    call.advance(at(2))
    call.advance(at(13))
    done = call.receive(BranchResponded(first, answer(200, "p")), at(14))
    assert answers(done) == [200]
    assert CancelBranch(second, ELSEWHERE) in done
    assert not any(isinstance(action, HangUp) for action in done)


def test_node_that_stops_answers_the_caller_and_cancels_what_rings() -> None:
    call = new_call()
    call.start(line((sleeper(), ())), at(0))
    branch = offered(call.receive(came(IPHONE), at(1)))[0]
    call.receive(BranchResponded(branch, answer(180)), at(2))
    actions = call.receive(NodeStopping(), at(3))
    assert answers(actions) == [503]
    assert CancelBranch(branch, None) in actions
    assert pushes(actions) == []


def test_flow_lost_while_ringing_waits_on_inside_the_window_and_offers_on_the_next_flow() -> None:
    call = new_call()
    leg = sleeper()
    call.start(line((leg, ())), at(0))
    branch = offered(call.receive(came(IPHONE), at(1)))[0]
    call.receive(BranchResponded(branch, answer(180)), at(2))
    assert call.receive(BranchFailed(branch, "transport"), at(4)) == ()
    assert leg.state is LegState.WAITING
    again = call.receive(came(IPHONE, port=40001), at(6))
    assert len(offered(again)) == 1


def test_phone_that_toggles_twenty_times_gets_one_invite_a_flow() -> None:
    call = new_call()
    call.start(line((sleeper(), ())), at(0))
    seen: list[Flow | None] = []
    for turn in range(20):
        port = 40000 + turn // 2
        actions = call.receive(came(IPHONE, port=port), at(1))
        seen += [branch.binding.flow for branch in offered(actions) if branch.binding is not None]
    assert len(seen) == len(set(seen)) == 10


def test_silent_flow_is_doubted_after_2_s_and_what_it_says_later_still_counts() -> None:
    call = new_call()
    leg = sleeper()
    branch = offered(call.start(line((leg, (binding(IPHONE),))), at(0)))[0]
    call.advance(at(2))
    assert leg.state.name == "WAITING"
    assert leg.parked is not None
    assert leg.parked.drop_at == at(13)
    assert answers(call.receive(BranchResponded(branch, answer(180)), at(3))) == [180]
    assert leg.state.name == "RINGING"
    assert call.record.steps[-1].code == "ringing"


@pytest.mark.req("CALL-16")
def test_loss_of_the_node_named_in_the_push_brings_one_more_push_and_only_one() -> None:
    call = new_call()
    leg = sleeper()
    call.start(line((leg, ())), at(0))
    leg.pushed_node = "ucm2"
    assert pushes(call.receive(NodeLost("ucm3"), at(1))) == []
    assert pushes(call.receive(NodeLost("ucm2"), at(1))) == [PushKind.INCOMING]
    leg.pushed_node = "ucm3"
    assert pushes(call.receive(NodeLost("ucm3"), at(2))) == []
    assert leg.drop_at == at(13)


def test_timer_c_ends_a_device_that_rings_for_ever() -> None:
    call = new_call()
    branch = offered(call.start(line((Leg(DESK, None, "2001"), (binding(DESK),))), at(0)))[0]
    call.receive(BranchResponded(branch, answer(180)), at(1))
    actions = call.advance(at(1 + 185))
    assert answers(actions) == [408]
    assert CancelBranch(branch, None) in actions


def test_every_timer_stops_when_the_call_ends() -> None:
    call = new_call()
    call.start(line((sleeper(), ())), at(0))
    call.receive(CallerCancelled(None), at(1))
    assert call.next_deadline() is None


def test_moves_of_a_leg_end_in_ended_from_everywhere() -> None:
    for state, targets in MOVES.items():
        assert state is LegState.ENDED or LegState.ENDED in targets, state


def test_each_step_of_a_story_has_a_sentence_for_its_values() -> None:
    call = new_call()
    leg = sleeper()
    call.start(line((leg, ())), at(0))
    call.advance(at(13))
    text = [step.sentence() for step in call.record.steps]
    assert "TCT2001 did not register within 13 s of its push: its wait ends" in text
    assert all("{" not in line for line in text)
    assert {step.code for step in call.record.steps} <= set(SENTENCES)


def test_next_deadline_is_exact_to_the_nanosecond() -> None:
    call = new_call()
    call.start(line((sleeper(), ())), Instant(7))
    assert call.next_deadline() == 5_000 * MS + 7
    assert call.advance(Instant(5_000 * MS + 6)) == ()
    assert answers(call.advance(Instant(5_000 * MS + 7))) == [180]
    assert call.next_deadline() == 13_000 * MS + 7
