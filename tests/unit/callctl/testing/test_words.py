"""Each word passes when it is so, and fails with what happened instead when it is not."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from callctl.testing import DeskPhone, MobilePhone, NotAsExpected
from callctl.testing.running import by_hand as perform

from .conftest import World

Word = Coroutine[Any, Any, None]
Said = Callable[[World], Word]


def called(world: World) -> MobilePhone:
    """The caller calls the phone."""
    phone = world.phone
    perform(world.caller.calls(phone))
    return phone


def test_a_call_is_placed_rung_answered_and_hung_up(world: World) -> None:
    caller, phone = world.caller, world.phone
    call = perform(caller.calls(phone))
    perform(phone.is_woken(node="ucm1"))
    perform(phone.shows_call("Front Desk"))
    perform(phone.registers_at("ucm1"))
    perform(phone.rings())
    perform(caller.hears_ringing())
    assert not call.has_final
    perform(phone.answers())
    perform(call.is_answered())
    perform(call.is_answered_by(phone))
    assert call.status == 200
    assert call.node == "ucm3"
    assert 1 < call.waited_s < 2
    perform(phone.hangs_up())
    perform(call.ends())


SAID_OF_A_SLEEPER: list[tuple[Said, str, str]] = [
    (
        lambda world: called(world).is_woken(node="ucm2"),
        "TCT2001 is woken by a push that names ucm2 within 20 s",
        "naming ucm1: accepted",
    ),
    (
        lambda world: called(world).registers_at("ucm2"),
        "TCT2001 registers at ucm2 within 20 s",
        "registered at ucm1 at",
    ),
    (
        lambda world: called(world).shows_call("Somebody Else"),
        "TCT2001 shows a call from Somebody Else",
        "showed a call from Front Desk 1001",
    ),
    (
        lambda world: called(world).gets_push("missed"),
        "TCT2001 gets a missed push",
        "opened a ring push",
    ),
    (
        lambda world: called(world).shows("Missed call"),
        "TCT2001 shows 'Missed call'",
        "rang at",
    ),
    (
        lambda world: called(world).taps_notification(within=5),
        "TCT2001 shows a notification to tap within 5 s",
        "rang at",
    ),
    (
        lambda world: called(world).stays_quiet(seconds=5),
        "TCT2001 stays quiet for 5 s",
        "showed a call",
    ),
    (
        lambda world: called(world).stays_asleep(seconds=5),
        "TCT2001 stays asleep for 5 s",
        "was woken by a push",
    ),
    (lambda world: world.phone.rings(), "TCT2001 rings within 20 s", "nothing has happened"),
    (lambda world: world.phone.answers(), "TCT2001 rings and is picked up", "nothing has"),
    (lambda world: world.phone.declines(), "TCT2001 rings and declines", "nothing has"),
    (lambda world: world.phone.answers_at_once(), "shows a call and is picked up", "nothing"),
    (lambda world: world.phone.is_woken(), "is woken within 20 s", "No ring push was sent"),
    (lambda world: world.caller.hangs_up(), "SEP1001 has a call to hang up", "nothing has"),
]


@pytest.mark.parametrize(("said", "expected", "instead"), SAID_OF_A_SLEEPER)
def test_what_is_not_so_is_told_with_what_happened(
    world: World, said: Said, expected: str, instead: str
) -> None:
    with pytest.raises(NotAsExpected) as raised:
        perform(said(world))
    assert expected in raised.value.expected
    assert instead in raised.value.instead


def test_an_answer_by_another_fails_at_once(world: World) -> None:
    caller, phone = world.caller, world.phone
    desk = world.cluster.desk_phone(phone.number)
    call = perform(caller.calls(phone))
    perform(desk.answers())
    with pytest.raises(NotAsExpected, match="Answered by SEP2001"):
        perform(call.is_answered_by(phone))
    assert world.clock.now < 5


def test_another_status_fails_at_once_and_says_which(world: World) -> None:
    call = perform(world.caller.calls(world.phone))
    perform(world.phone.declines(486))
    with pytest.raises(NotAsExpected, match=r"refused \(486\)"):
        perform(call.ends_with(480))
    assert world.clock.now < 5


def test_a_call_that_was_refused_is_not_lost_and_never_answered(world: World) -> None:
    call = perform(world.caller.calls(world.phone))
    perform(world.phone.declines())
    perform(call.ends_with(603))
    for word in (call.is_lost(), call.is_answered(), call.is_answered_by(world.phone)):
        with pytest.raises(NotAsExpected, match="TCT2001 declined"):
            perform(word)


def test_a_lost_call_has_no_status(world: World) -> None:
    call = perform(world.caller.calls(world.phone))
    perform(world.phone.rings())
    perform(world.cluster.node("ucm3").dies())
    perform(call.is_lost(within=1))
    assert call.status is None
    with pytest.raises(NotAsExpected, match="Lost: ucm3 died"):
        perform(call.ends_with(503))


def test_a_caller_gives_up_before_the_answer_and_not_behind_it(world: World) -> None:
    call = perform(world.caller.calls(world.phone))
    perform(world.phone.answers())
    perform(call.is_answered())
    with pytest.raises(NotAsExpected, match="gives up before the answer"):
        perform(world.caller.gives_up())


def test_ringing_that_never_comes_ends_the_wait_with_the_call(world: World) -> None:
    perform(world.cloud.apns.answers(410))
    perform(world.caller.calls(world.phone))
    with pytest.raises(NotAsExpected, match="SEP1001 hears ringing\n"):
        perform(world.caller.hears_ringing())
    assert world.clock.now < 2


def test_the_owner_may_pick_up_before_the_invite_is_there(world: World) -> None:
    call = perform(world.caller.calls(world.phone))
    perform(world.phone.answers_at_once())
    perform(call.is_answered_by(world.phone))
    shown, rang = (world.play.ladder.find(text)[0].at for text in ("shows", "rings"))
    assert shown < rang


def test_a_phone_that_is_awake_is_called_and_calls(world: World) -> None:
    phone: MobilePhone = world.cluster.iphone(asleep=False)
    other: MobilePhone = world.cluster.android()
    assert not phone.asleep or world.play.stage is None
    call = perform(phone.calls(other))
    perform(other.is_woken())
    perform(phone.hears_ringing())
    perform(other.answers())
    perform(call.is_answered_by(other))
    assert call.call_id
    perform(phone.hangs_up())
    perform(call.ends())


def test_phones_come_and_go(world: World) -> None:
    desk: DeskPhone = world.cluster.desk_phone(registered=False)
    phone, caller = world.phone, world.caller
    call = perform(caller.calls(desk))
    perform(call.ends_with(480))
    perform(desk.registers())
    perform(caller.calls(desk))
    perform(desk.rings())
    perform(caller.gives_up())
    perform(desk.unregisters())
    perform(world.clock.passes(1))
    perform(perform(caller.calls(desk)).ends_with(480))
    perform(phone.signs_out())
    perform(perform(caller.calls(phone)).ends_with(480))
    perform(phone.signs_in())
    perform(phone.closes_app())
    perform(caller.calls(phone))
    perform(phone.is_woken())
    perform(caller.gives_up())
    perform(phone.opens_app())
    perform(phone.falls_asleep())
    assert phone.asleep


def test_a_desk_phone_without_network_is_not_reached_until_it_has_one(world: World) -> None:
    desk = world.cluster.desk_phone()
    perform(desk.loses_network())
    perform(world.caller.calls(desk))
    perform(desk.stays_quiet(10))
    perform(world.caller.gives_up())
    perform(desk.finds_network())
    perform(world.clock.passes(60))
    perform(world.caller.calls(desk))
    perform(desk.rings())
