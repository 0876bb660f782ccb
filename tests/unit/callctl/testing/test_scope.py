"""Words about calls look at the newest one: a call before satisfies none of them."""

from __future__ import annotations

import pytest

from callctl.testing import NotAsExpected, SetUpError
from callctl.testing.running import by_hand as perform

from .conftest import World


def test_ringing_of_the_call_before_does_not_count(world: World) -> None:
    caller, phone = world.caller, world.phone
    first = perform(caller.calls(phone))
    perform(phone.rings())
    perform(caller.hears_ringing())
    perform(caller.gives_up())
    perform(first.ends_with(487))
    perform(phone.falls_asleep())
    perform(phone.loses_network())
    second = perform(caller.calls(phone))
    with pytest.raises(NotAsExpected, match="nothing has happened at TCT2001"):
        perform(phone.rings(within=3))
    with pytest.raises(NotAsExpected):
        perform(caller.hears_ringing(within=0.5))
    assert first.status == 487
    assert second.status is None
    assert [push.kind for push in phone.pushes] == ["ring"]


def test_a_word_finds_what_happened_while_another_one_waited(world: World) -> None:
    caller, phone = world.caller, world.phone
    call = perform(caller.calls(phone))
    perform(phone.answers())
    perform(call.is_answered_by(phone))
    now = world.clock.now
    perform(phone.is_woken(node="ucm1"))
    perform(phone.rings())
    perform(caller.hears_ringing())
    assert world.clock.now == now


def test_a_call_to_somebody_else_leaves_the_scope_of_a_phone_alone(world: World) -> None:
    caller, phone = world.caller, world.phone
    other = world.cluster.desk_phone()
    perform(caller.calls(phone))
    perform(phone.rings())
    perform(caller.calls(other))
    now = world.clock.now
    perform(phone.rings())
    assert world.clock.now == now


def test_a_call_to_a_hunt_or_a_forwarded_line_is_one_to_its_members(world: World) -> None:
    caller, phone = world.caller, world.phone
    porter = world.cluster.desk_phone()
    pilot = world.cluster.hunt_pilot(phone, member_rings=5, then=porter)
    call = perform(caller.calls(pilot))
    assert {pilot, phone.number, porter.number} <= call.may_reach
    perform(phone.rings())
    perform(porter.answers())
    perform(call.is_answered_by(porter))


def test_two_callers_each_hear_of_their_own_call(world: World) -> None:
    first, phone = world.caller, world.phone
    second = world.cluster.desk_phone()
    one = perform(first.calls(phone))
    perform(phone.answers())
    two = perform(second.calls(phone))
    perform(second.hears_ringing())
    perform(second.gives_up())
    perform(two.ends_with(487))
    perform(one.is_answered_by(phone))
    assert one.status == 200
    assert not one.over


def test_who_answers_one_call_has_not_answered_another(world: World) -> None:
    first, phone = world.caller, world.phone
    second, desk = world.cluster.desk_phone(), world.cluster.desk_phone(phone.number)
    one = perform(first.calls(phone))
    perform(desk.answers())
    perform(one.is_answered_by(desk))
    two = perform(second.calls(phone))
    perform(phone.answers())
    perform(two.is_answered_by(phone))
    with pytest.raises(NotAsExpected, match="the call from SEP1001 to 2001 is answered by TCT2001"):
        perform(one.is_answered_by(phone))


def test_who_placed_no_call_cannot_hear_of_one(world: World) -> None:
    with pytest.raises(SetUpError, match=r"await SEP1001.calls\(...\) first"):
        perform(world.caller.hears_ringing())


def test_time_stands_still_between_words(world: World) -> None:
    assert world.clock.now == 0
    perform(world.clock.passes(90, minutes=1, hours=1))
    assert world.clock.now == 3750
    perform(world.caller.calls(world.phone))
    assert world.clock.now == 3750


def test_a_word_waits_as_long_as_it_was_told(world: World) -> None:
    with pytest.raises(NotAsExpected, match=r"within 2.5 s"):
        perform(world.phone.rings(within=2.5))
    assert world.clock.now == 2.5
