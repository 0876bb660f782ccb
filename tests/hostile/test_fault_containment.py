"""A fault of our own costs the one call or request it meets, and nobody else.

Research 1.4, "uncaught exception": one message must not take a node down. A fault is planted in the
part that handles one message, for one call; that call ends with 500, it is counted as a fault, and
the other call, the REGISTER, the timer or the node that came by goes on.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from callctl.call.call import Call
from callctl.call.event import (
    BranchResponded,
    CallAction,
    CallerCancelled,
    CallEvent,
    DeviceRegistered,
)
from callctl.engine.admission import Admission
from callctl.engine.fault import FAULT
from callctl.engine.relay import Relay
from helpers.engine_rig import EngineRig, Sent
from hostile.messages import (
    CALLEE,
    SLEEPER,
    answer,
    cancel_of,
    finals,
    message,
    pass_ms,
    register,
    register_text,
    requests,
    send,
    statuses,
    wake,
    world,
)
from sipstack.message.message import Request
from sipstack.timing import Instant

Plant = Callable[[type[object]], None]


class Planted(Exception):
    """Never raised but by these tests."""


@pytest.fixture
def rig() -> EngineRig:
    rig = world()
    rig.faults = []
    assert register(rig).status == 200
    return rig


@pytest.fixture
def plant(monkeypatch: pytest.MonkeyPatch) -> Plant:
    """Plants a fault where the call "bad" hears of an event of this kind, for the first time."""
    sound = Call.receive
    met: list[object] = []

    def plant(kind: type[object]) -> None:
        def receive(call: Call, event: CallEvent, now: Instant) -> tuple[CallAction, ...]:
            if call.request.call_id == "bad" and isinstance(event, kind) and not met:
                met.append(event)
                raise Planted
            return sound(call, event, now)

        monkeypatch.setattr(Call, "receive", receive)

    return plant


def both(rig: EngineRig, uri: str = "sip:2001@lab.example") -> tuple[str, str]:
    """The INVITEs of two calls, of which one will meet a fault; both have been sent."""
    texts = tuple(message("INVITE", uri, call_id=name, branch=name) for name in ("bad", "good"))
    for text in texts:
        send(rig, text)
    return texts[0], texts[1]


def copy_of(rig: EngineRig, call_id: str, method: str = "INVITE") -> Sent:
    """The last copy of a request of a call that went to the phone."""
    return [each for each in requests(rig.sent, method) if each.message.call_id == call_id][-1]


def ended(rig: EngineRig) -> dict[str, int]:
    """By call: the first final response of its INVITE."""
    found: dict[str, int] = {}
    for final in finals(rig.sent):
        if final.cseq.method == "INVITE":
            found.setdefault(final.call_id, final.status)
    return found


def rests(rig: EngineRig) -> bool:
    """The fault was counted once, and after a while nothing is left of it."""
    pass_ms(rig, 400_000)
    leftover = {name: count for name, count in rig.counts().items() if count}
    leftover.pop("pushes", None)  # no push service tells this rig how they ended
    counted = sum(engine.ignored.get(FAULT, 0) for engine in rig.engines.values())
    assert rig.faults is not None
    return leftover == {} and [len(rig.faults), counted] == [1, 1]


@pytest.mark.parametrize("status", [180, 200, 486])
def test_fault_on_an_answer_ends_that_call_with_500_and_the_phone_is_let_go(
    rig: EngineRig, plant: Plant, status: int
) -> None:
    both(rig)
    bad, good = copy_of(rig, "bad"), copy_of(rig, "good")
    answer(rig, good, 180)
    plant(BranchResponded)
    answer(rig, bad, status)
    assert ended(rig) == {"bad": 500}
    answer(rig, good, 200)
    assert ended(rig) == {"bad": 500, "good": 200}
    if status == 180:
        cancel = copy_of(rig, "bad", "CANCEL")
        assert cancel.flow == bad.flow
        answer(rig, bad, 487)
    if status == 200:
        answer(rig, bad, 200)  # nobody has acknowledged it
        assert copy_of(rig, "bad", "ACK").flow == bad.flow
        answer(rig, copy_of(rig, "bad", "BYE"), 200)
    assert rests(rig)


def test_fault_on_a_cancel_ends_that_call_with_500(rig: EngineRig, plant: Plant) -> None:
    bad, good = both(rig)
    for name in ("bad", "good"):
        answer(rig, copy_of(rig, name), 180)
    plant(CallerCancelled)
    assert statuses(send(rig, cancel_of(bad))) == [200, 500]
    assert statuses(send(rig, cancel_of(good))) == [200, 487]
    for name in ("bad", "good"):
        answer(rig, copy_of(rig, name), 487)
    assert rests(rig)


def test_fault_on_a_register_ends_that_call_and_releases_the_other(
    rig: EngineRig, plant: Plant
) -> None:
    """The phone has its 200 before, and the call that waited behind the bad one its INVITE."""
    both(rig, SLEEPER)
    plant(DeviceRegistered)
    woken = wake(rig, "ucm1", 7)
    assert [each.message.call_id for each in requests(woken)] == ["good"]
    assert ended(rig) == {"bad": 500}
    answer(rig, requests(woken)[0], 486)
    assert ended(rig)["good"] == 486
    assert rests(rig)


def test_fault_of_a_timer_ends_that_call_and_the_timers_of_the_other_go_on(
    rig: EngineRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    both(rig, SLEEPER)
    sound = Call.advance

    def advance(call: Call, now: Instant) -> tuple[CallAction, ...]:
        if call.request.call_id == "bad":
            raise Planted
        return sound(call, now)

    monkeypatch.setattr(Call, "advance", advance)
    heard = rig.run_to(5_000)
    assert sorted(statuses(heard)) == [180, 500]
    rig.run_to(13_000)
    assert ended(rig) == {"bad": 500, "good": 480}
    assert rests(rig)


def test_call_that_meets_one_fault_after_another_is_still_only_one_call(
    rig: EngineRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its machine may be beyond hope: it is asked no more, and what the phone answers is ended."""
    both(rig)
    sound = Call.receive

    def receive(call: Call, event: CallEvent, now: Instant) -> tuple[CallAction, ...]:
        if call.request.call_id == "bad":
            raise Planted
        return sound(call, event, now)

    monkeypatch.setattr(Call, "receive", receive)
    bad, good = copy_of(rig, "bad"), copy_of(rig, "good")
    for status in (100, 180, 200):
        answer(rig, bad, status)
    assert ended(rig) == {"bad": 500}
    assert copy_of(rig, "bad", "ACK").flow == bad.flow
    answer(rig, copy_of(rig, "bad", "BYE"), 200)
    answer(rig, good, 200)
    assert ended(rig)["good"] == 200
    pass_ms(rig, 400_000)
    assert not any(rig.counts().values()), rig.counts()
    assert rig.engines["ucm1"].ignored[FAULT] == 1


def test_fault_in_a_relayed_request_is_500_to_its_sender(
    rig: EngineRig, monkeypatch: pytest.MonkeyPatch
) -> None:
    def responded(*_: object) -> tuple[()]:
        raise Planted

    send(rig, message("MESSAGE", call_id="bad"))
    monkeypatch.setattr(Relay, "responded", responded)
    assert statuses(answer(rig, copy_of(rig, "bad", "MESSAGE"), 200)) == [500]
    assert rests(rig)


@pytest.mark.parametrize("method", ["INVITE", "MESSAGE", "REGISTER", "OPTIONS"])
def test_fault_in_the_handling_of_a_new_request_is_500_to_its_sender(
    rig: EngineRig, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    sound = Admission._dispatch

    def dispatch(self: Admission, transaction: object, request: Request, *rest: object) -> None:
        if request.call_id == "bad":
            raise Planted
        sound(self, transaction, request, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Admission, "_dispatch", dispatch)
    if method == "REGISTER":
        bad = register_text("2001", f"Contact: <sip:2001@{CALLEE}>", call_id="bad")
    else:
        bad = message(method, call_id="bad")
    assert statuses(send(rig, bad)) == [500]
    assert statuses(send(rig, message("OPTIONS", "sip:lab.example"))) == [200]
    assert rests(rig)
