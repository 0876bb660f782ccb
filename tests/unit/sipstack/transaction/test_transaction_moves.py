"""The table of legal moves of each machine is walked: every arrow is taken, no other ever is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product

import pytest

from helpers.sip_text import (
    INVITE,
    OPTIONS,
    TCP,
    UDP,
    of_same_call,
    request,
    response,
)
from sipstack.errors import LocalProtocolError
from sipstack.message.message import Request
from sipstack.timing import Instant
from sipstack.transaction import invite_client, invite_server, noninvite_client, noninvite_server
from sipstack.transaction.invite_client import InviteClient
from sipstack.transaction.invite_server import InviteServer
from sipstack.transaction.machine import Moves, Owns, State, Timer, Transaction
from sipstack.transaction.noninvite_client import NonInviteClient
from sipstack.transaction.noninvite_server import NonInviteServer
from sipstack.transaction.timers import TimerValues

Step = Callable[[Transaction, Instant], object]
LONG_NS = 100_000_000_000


def _hear(status: int) -> Step:
    def step(machine: Transaction, now: Instant) -> object:
        assert isinstance(machine, (InviteClient, NonInviteClient))
        return machine.receive(response(machine.request, status), now)

    return step


def _say(status: int) -> Step:
    def step(machine: Transaction, now: Instant) -> object:
        assert isinstance(machine, (InviteServer, NonInviteServer))
        try:
            return machine.respond(response(machine.request, status), now)
        except LocalProtocolError:
            return None

    return step


def _again(machine: Transaction, now: Instant) -> object:
    assert isinstance(machine, (InviteServer, NonInviteServer))
    return machine.receive(machine.request, now)


def _acknowledge(machine: Transaction, now: Instant) -> object:
    assert isinstance(machine, InviteServer)
    return machine.receive(of_same_call(machine.request, "ACK", "8321234356"), now)


def _lose_transport(machine: Transaction, now: Instant) -> object:
    assert isinstance(machine, (InviteClient, NonInviteClient))
    return machine.transport_failed()


def _cancel(machine: Transaction, now: Instant) -> object:
    assert isinstance(machine, InviteClient)
    machine.cancel(None)
    return machine.take_cancel(now)


def _wait(machine: Transaction, now: Instant) -> object:
    assert isinstance(machine, (InviteClient, InviteServer, NonInviteClient, NonInviteServer))
    return machine.advance(Instant(now + LONG_NS))


def _tick(machine: Transaction, now: Instant) -> object:
    assert isinstance(machine, (InviteClient, InviteServer, NonInviteClient, NonInviteServer))
    deadline = machine.next_deadline()
    return machine.advance(deadline if deadline is not None else now)


Maker = Callable[[bool], Transaction]


def _invite_client(reliable: bool) -> Transaction:
    timers = TimerValues().reliable if reliable else TimerValues().unreliable
    machine = InviteClient(request(INVITE), TCP if reliable else UDP, timers, ("b", "INVITE"))
    machine.start(Instant(0))
    return machine


def _noninvite_client(reliable: bool) -> Transaction:
    timers = TimerValues().reliable if reliable else TimerValues().unreliable
    machine = NonInviteClient(request(OPTIONS), TCP if reliable else UDP, timers, ("b", "OPTIONS"))
    machine.start(Instant(0))
    return machine


def _invite_server(reliable: bool) -> Transaction:
    timers = TimerValues().reliable if reliable else TimerValues().unreliable
    flow = TCP if reliable else UDP
    return InviteServer(request(INVITE), flow, flow, timers, ("b",))


def _noninvite_server(reliable: bool) -> Transaction:
    timers = TimerValues().reliable if reliable else TimerValues().unreliable
    flow = TCP if reliable else UDP
    machine = NonInviteServer(request(OPTIONS), flow, flow, timers, ("b",))
    machine.start(Instant(0))
    return machine


HEARD = (_hear(100), _hear(180), _hear(200), _hear(302), _hear(486))
SAID = (_say(100), _say(180), _say(200), _say(302), _say(486), _again)
MACHINES: dict[str, tuple[Maker, Moves, Owns, tuple[Step, ...]]] = {
    "invite_client": (
        _invite_client,
        invite_client.MOVES,
        invite_client.OWNS,
        (*HEARD, _cancel, _lose_transport, _tick, _wait),
    ),
    "noninvite_client": (
        _noninvite_client,
        noninvite_client.MOVES,
        noninvite_client.OWNS,
        (*HEARD, _lose_transport, _tick, _wait),
    ),
    "invite_server": (
        _invite_server,
        invite_server.MOVES,
        invite_server.OWNS,
        (*SAID, _acknowledge, _tick, _wait),
    ),
    "noninvite_server": (
        _noninvite_server,
        noninvite_server.MOVES,
        noninvite_server.OWNS,
        (*SAID, _tick, _wait),
    ),
}


class _Any(frozenset[State]):
    def __new__(cls, source: State, taken: set[tuple[State, State]]) -> _Any:
        made = super().__new__(cls)
        made.source, made.taken = source, taken
        return made

    source: State
    taken: set[tuple[State, State]]

    def __contains__(self, target: object) -> bool:
        assert isinstance(target, State)
        self.taken.add((self.source, target))
        return True


def _walks(steps: tuple[Step, ...]) -> Iterator[tuple[Step, ...]]:
    for length in (1, 2, 3):
        yield from product(steps, repeat=length)


@pytest.mark.parametrize("name", MACHINES)
def test_every_move_of_the_table_happens_and_no_other(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, moves, owns, steps = MACHINES[name]
    taken: set[tuple[State, State]] = set()
    for cls in (InviteClient, InviteServer, NonInviteClient, NonInviteServer):
        monkeypatch.setattr(cls, "MOVES", {state: _Any(state, taken) for state in State})
    for reliable in (False, True):
        for walk in _walks(steps):
            machine = make(reliable)
            now = Instant(0)
            for step in walk:
                step(machine, now)
                now = Instant(now + 1)
                allowed = {timer for timer in owns[machine.state] if timer is not None}
                assert set(machine.running()) <= allowed
    assert taken == {(source, target) for source, targets in moves.items() for target in targets}


@pytest.mark.parametrize("name", MACHINES)
def test_no_timer_and_no_deadline_is_left_when_a_machine_has_terminated(name: str) -> None:
    make, moves, _, steps = MACHINES[name]
    assert moves[State.TERMINATED] == frozenset()
    for reliable, walk in product((False, True), _walks(steps)):
        machine = make(reliable)
        for at, step in enumerate(walk):
            step(machine, Instant(at))
        if machine.state is State.TERMINATED:
            assert machine.running() == {}
            assert machine.next_deadline() is None


@pytest.mark.parametrize("name", MACHINES)
def test_a_state_has_a_way_out_by_time_alone_unless_its_user_owes_an_answer(name: str) -> None:
    _, moves, owns, _ = MACHINES[name]
    waiting = {state for state in moves if state is not State.TERMINATED and not any(owns[state])}
    # RFC 3261 §17.2.1: an INVITE waits for its transaction user, which has Timer C.
    assert waiting == ({State.PROCEEDING} if name == "invite_server" else set())


def test_the_cancel_timer_runs_only_after_a_cancel() -> None:
    machine = _invite_client(reliable=False)
    assert isinstance(machine, InviteClient)
    assert set(machine.running()) == {Timer.A, Timer.B}
    _hear(180)(machine, Instant(0))
    assert machine.running() == {}
    machine.cancel(None)
    assert isinstance(machine.take_cancel(Instant(0)), Request)
    assert set(machine.running()) == {Timer.CANCEL}
