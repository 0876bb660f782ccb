"""Stories of single calls in virtual time, exact to the nanosecond."""

from __future__ import annotations

import pytest

from callctl.cloud.faults import Fault
from callctl.model.build import desk_phone
from callctl.model.service_parameter import ServiceParameters
from callctl.phone.settings import AnswerPlan
from callctl.sim.scenario import AgentPlan
from simulation.story import CALLER, PHONE, PHONE_DN, Story, at, awake, phone_plan
from sipstack.timing import SECOND

ABSENT = 'Reason: Q.850;cause=20;text="Subscriber absent"'


@pytest.mark.req("CALL-04", "CALL-05", "CALL-06", "CALL-07", "CALL-08", "CALL-19", "SHL-02")
def test_nobody_wakes_so_it_rings_at_5_s_and_ends_480_at_13_s_with_one_missed_push() -> None:
    story = Story(phone_plan(wake_s=None))
    story.run_to(0)
    story.call()
    story.run_to(30)
    assert story.rang() == [(at(5), 180)]
    assert story.ended() == [(at(13), 480)]
    assert ABSENT in story.message(CALLER, "SIP/2.0 480")
    assert story.pushes() == [(at(0), "ucm3 incoming", "ucm1"), (at(13), "ucm3 missed", "ucm1")]
    story.rests()


@pytest.mark.req("CALL-10", "CALL-11", "CALL-16", "CALL-21", "SHL-01")
def test_caller_gives_up_at_3_s_gets_487_at_once_and_a_late_register_gets_no_invite() -> None:
    story = Story(phone_plan(wake_s=None))
    story.run_to(0)
    call = story.call()
    story.run_to(3)
    story.caller.hang_up(call)
    story.run_to(4)
    assert story.ended() == [(at(3), 487)]
    assert [push for _, push, _ in story.pushes()] == ["ucm3 incoming", "ucm3 missed"]
    assert story.pushes()[1][0] == at(3)
    assert len(story.call_uuids()) == 1
    story.phone.look(True)
    story.run_to(60)
    assert story.phone.phone.registered is not None
    assert story.heard(PHONE, "INVITE") == []
    story.rests()


@pytest.mark.req("CALL-01", "CALL-02", "CALL-05", "CMG-05", "REG-11", "SHL-09")
def test_phone_wakes_at_1_s_gets_the_invite_at_once_and_the_call_is_answered() -> None:
    story = Story(phone_plan(wake_s=1))
    story.run_to(0)
    story.call(hang_up_s=4)
    story.run_to(30)
    assert story.heard(PHONE, "INVITE") == [
        (at(1), f"INVITE sip:{PHONE_DN}@198.51.100.1:5060;transport=tls SIP/2.0")
    ]
    assert story.rang() == [(at(1), 180)]  # and not again at 5 s
    assert story.answered() == [at(3)]
    assert [when for when, _ in story.ended()] == [at(7)]
    assert [push for _, push, _ in story.pushes()] == ["ucm3 incoming"]
    story.rests()


@pytest.mark.req("CALL-02", "CALL-05")
def test_register_at_12_9_s_gets_the_call_and_at_13_1_s_does_not() -> None:
    early, late = Story(phone_plan(wake_s=12.9)), Story(phone_plan(wake_s=13.1))
    for story in (early, late):
        story.run_to(0)
        story.call(hang_up_s=4)
        story.run_to(60)
    assert [when for when, _ in early.heard(PHONE, "INVITE")] == [at(12.9)]
    assert early.answered() == [at(14.9)]
    assert late.heard(PHONE, "INVITE") == []
    assert late.ended() == [(at(13), 480)]
    early.rests()
    late.rests()


@pytest.mark.req("CALL-03")
def test_phone_on_screen_gets_invite_and_push_together() -> None:
    story = Story(awake(phone_plan()))
    story.run_to(0)
    story.call(hang_up_s=4)
    story.run_to(30)
    assert [when for when, _ in story.heard(PHONE, "INVITE")] == [at(0)]
    assert [when for when, _, _ in story.pushes()] == [at(0)]
    assert story.answered() == [at(2)]
    story.rests()


@pytest.mark.req("CMG-04", "CMG-05", "CMG-07", "CMG-08", "CMG-10")
@pytest.mark.parametrize("how", ["stop", "kill", "power off"])
def test_node_of_the_phone_is_gone_so_the_push_names_the_next_and_the_call_is_answered(
    how: str,
) -> None:
    story = Story(phone_plan(wake_s=1))
    assert story.phone.events(object)  # it has registered, at the first node of its group
    assert story.sent("ucm1", "SIP/2.0 200 OK")
    story.run_to(-8)
    node = story.nodes["ucm1"]
    if how == "stop":
        node.stop()
    else:
        node.kill(power=how == "power off")
    story.run_to(0)
    story.call(hang_up_s=4)
    story.run_to(30)
    assert story.pushes() == [(at(0), "ucm3 incoming", "ucm2")]
    assert [when for when, _ in story.sent("ucm2", "INVITE")] == [at(1)]
    assert [when for when, _ in story.heard(PHONE, "INVITE")] == [at(1)]
    assert story.answered() == [at(3)]
    story.rests()


@pytest.mark.req("CMG-11")
def test_no_node_of_the_group_is_in_service_so_nothing_is_pushed_and_the_call_ends_at_once() -> (
    None
):
    story = Story(phone_plan())
    for node in ("ucm1", "ucm2"):
        story.nodes[node].stop()
    story.nodes["ucm3"].set_cpns(False)
    story.run_to(0)
    story.call()
    story.run_to(1)
    assert story.pushes() == []
    assert story.ended() == [(at(0), 480)]
    story.rests()


@pytest.mark.req("CALL-16", "CMG-04", "CMG-07")
def test_node_named_in_the_push_dies_during_the_wait_so_one_more_push_names_the_next() -> None:
    story = Story(phone_plan(wake_s=0.5))
    story.cloud.apns.faults.add(Fault(lose=True, times=1))
    story.run_to(0)
    story.call(hang_up_s=4)
    story.run_to(1)
    story.nodes["ucm1"].stop()
    story.run_to(30)
    assert story.pushes() == [(at(0), "ucm3 incoming", "ucm1"), (at(1), "ucm3 incoming", "ucm2")]
    assert len(story.call_uuids()) == 1
    assert [when for when, _ in story.heard(PHONE, "INVITE")] == [at(1.5)]
    assert story.answered() == [at(3.5)]
    story.rests()


@pytest.mark.req("CALL-05", "CALL-16")
def test_second_ring_push_does_not_prolong_the_13_s() -> None:
    story = Story(phone_plan(wake_s=None))
    story.run_to(0)
    story.call()
    story.run_to(6)
    story.nodes["ucm1"].kill(power=True)
    story.run_to(30)
    kinds = [push for _, push, _ in story.pushes()]
    assert kinds == ["ucm3 incoming", "ucm3 incoming", "ucm3 missed"]
    assert story.ended() == [(at(13), 480)]
    story.rests()


@pytest.mark.req("CALL-22")
def test_call_parked_at_a_node_that_dies_fails_and_does_not_hang() -> None:
    story = Story(phone_plan(wake_s=None))
    story.run_to(0)
    story.call()
    story.run_to(3)
    story.nodes["ucm3"].kill(power=True)
    story.run_to(600)
    assert len(story.ended()) == 1
    story.rests()


@pytest.mark.req("CALL-18", "REG-06")
def test_push_refused_for_good_ends_the_wait_at_once_and_stops_pushes_to_the_device() -> None:
    story = Story(phone_plan())
    story.cloud.apns.faults.add(Fault(status=410, reason="Unregistered", times=1))
    story.run_to(0)
    story.call()
    story.run_to(1)
    assert story.ended() == [(at(0), 480)]
    story.call()
    story.run_to(30)
    assert story.ended()[1] == (at(1), 480)
    assert len(story.pushes()) == 1
    story.rests()


@pytest.mark.req("CALL-18")
def test_cloud_that_answers_500_is_no_word_of_the_subscriber_so_the_caller_gets_503() -> None:
    """Design, I7."""
    story = Story(phone_plan())
    story.cloud.push_rest.faults.add(Fault(status=500, reason="Down"))
    story.run_to(0)
    story.call()
    story.run_to(30)
    assert story.ended() == [(at(13), 503)]
    story.rests()


@pytest.mark.req("SHL-03", "SHL-04", "SHL-08")
def test_desk_phone_of_the_line_answers_so_the_sleeper_is_told_and_gets_no_invite() -> None:
    desk = AgentPlan(
        desk_phone("owner", PHONE_DN, name="SEPDESK", device_pool="desks"),
        "203.0.113.2",
        "TCP",
        AnswerPlan(after_ns=2 * SECOND),
    )
    story = Story(phone_plan(wake_s=3), desks=(desk,))
    story.run_to(0)
    story.call(hang_up_s=6)
    story.run_to(60)
    assert story.answered() == [at(2)]
    assert [(when, push) for when, push, _ in story.pushes()] == [
        (at(0), "ucm3 incoming"),
        (at(2), "ucm3 answeredElsewhere"),
    ]
    assert story.heard(PHONE, "INVITE") == []
    story.rests()


@pytest.mark.req("SHL-05", "SHL-09")
def test_desk_phone_answers_while_the_phone_rings_so_the_phone_gets_cancel_with_the_reason() -> (
    None
):
    desk = AgentPlan(
        desk_phone("owner", PHONE_DN, name="SEPDESK", device_pool="desks"),
        "203.0.113.2",
        "UDP",
        AnswerPlan(after_ns=4 * SECOND),
    )
    story = Story(phone_plan(1, AnswerPlan(after_ns=None)), desks=(desk,))
    story.run_to(0)
    story.call(hang_up_s=2)
    story.run_to(60)
    assert [when for when, _ in story.heard(PHONE, "CANCEL")] == [at(4)]
    assert "cause=200" in story.message(PHONE, "CANCEL")
    assert [push for _, push, _ in story.pushes()] == ["ucm3 incoming", "ucm3 answeredElsewhere"]
    story.rests()


@pytest.mark.req("CALL-01", "CALL-02")
def test_calls_of_one_sleeper_are_all_released_in_order_and_one_too_many_is_refused() -> None:
    story = Story(
        phone_plan(4, AnswerPlan(after_ns=None)),
        parameters=ServiceParameters(parked_calls_per_callee_max=2),
    )
    calls = []
    for second in (0, 1, 2):
        story.run_to(second)
        calls.append(story.call())
    story.run_to(3)
    assert story.ended() == [(at(2), 486)]
    story.run_to(5)
    invites = story.heard(PHONE, "INVITE")
    assert [when for when, _ in invites] == [at(4), at(4)]
    for call in calls[:2]:
        story.caller.hang_up(call)
    story.run_to(6)
    assert story.ended()[1:] == [(at(5), 487), (at(5), 487)]
    story.rests()


@pytest.mark.req("CALL-14", "SHL-09")
def test_phone_declines_so_the_caller_is_told_and_no_second_push_is_sent() -> None:
    story = Story(phone_plan(1, AnswerPlan(after_ns=2 * SECOND, status=603)))
    story.run_to(0)
    story.call()
    story.run_to(30)
    assert story.ended() == [(at(3), 603)]
    assert [push for _, push, _ in story.pushes()] == ["ucm3 incoming"]
    story.rests()


@pytest.mark.req("CALL-02")
def test_phone_taken_up_and_put_away_twenty_times_while_it_is_called_gets_one_invite() -> None:
    story = Story(phone_plan(wake_s=None, answer=AnswerPlan(after_ns=None)))
    story.run_to(0)
    call = story.call()
    for toggle in range(20):
        story.run_to(0.4 * (toggle + 1))
        story.phone.look(toggle % 2 == 0)
    story.run_to(11)
    assert len(story.heard(PHONE, "INVITE")) == 1
    story.caller.hang_up(call)
    story.run_to(12)
    assert story.ended() == [(at(11), 487)]
    story.rests()
