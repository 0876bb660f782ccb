"""Two transaction layers over a bad wire: what one side began, both sides end."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from helpers.sip_text import INVITE, OPTIONS, of_same_call, request, response
from helpers.transactions import AT_REST
from helpers.virtual_wire import Faults, Party, VirtualWire, pair
from sipstack.timing import MS, Instant
from sipstack.transaction.events import (
    AckReceived,
    CancelReceived,
    Output,
    RequestReceived,
    ResponseReceived,
    TransactionEnded,
    TransactionFailed,
)
from sipstack.transaction.machine import State
from sipstack.transport.flow import Send

CLEAN = Faults()
BAD = Faults(loss=0.25, doubling=0.1, delay_min_ms=1, delay_max_ms=400)
DEAD = Faults(loss=1.0)
SEEDS = range(30)

Reaction = Callable[[Output, Instant], tuple[Output, ...]]
Plan = Callable[[Instant], tuple[Output, ...]]


def finals(party: Party) -> list[int]:
    """Status of each final response the user of `party` got."""
    got = [output for output in party.outputs if isinstance(output, ResponseReceived)]
    return [output.response.status for output in got if output.response.status >= 200]


def count(party: Party, kind: type) -> int:
    return sum(isinstance(output, kind) for output in party.outputs)


def sends(party: Party, text: str) -> Plan:
    """The user of `party` sends the request of a literal."""

    def plan(now: Instant) -> tuple[Output, ...]:
        outgoing = request(text, ("SIP/2.0/UDP", f"SIP/2.0/{party.flow.transport}"))
        return party.layer.request(outgoing, party.flow, now)[1]

    return plan


def calls(party: Party, cancel_at_ms: int | None = None, wire: VirtualWire | None = None) -> Plan:
    """The user of `party` sends an INVITE, and cancels it at that time."""

    def plan(now: Instant) -> tuple[Output, ...]:
        invite = request(INVITE, ("SIP/2.0/UDP", f"SIP/2.0/{party.flow.transport}"))
        client, outputs = party.layer.request(invite, party.flow, now)
        if wire is not None and cancel_at_ms is not None:
            wire.at(party, cancel_at_ms, lambda later: party.layer.cancel(client, later))
        return outputs

    return plan


def answering(party: Party, wire: VirtualWire, final: int, after_ms: int = 3_000) -> Reaction:
    """A callee that rings at once and answers later; 487 at once after a CANCEL.

    It repeats a 2xx at the times of RFC 3261 §13.3.1.4, until there is an ACK.
    """

    def react(output: Output, now: Instant) -> tuple[Output, ...]:
        layer = party.layer
        if isinstance(output, CancelReceived):
            return layer.respond(output.invite, response(output.invite.request, 487), now)
        if not isinstance(output, RequestReceived):
            return ()
        server = output.transaction
        if output.request.method != "INVITE":
            return layer.respond(server, response(output.request, final), now)

        def answer(later: Instant) -> tuple[Output, ...]:
            given = server.last_response
            if server.state is State.PROCEEDING or (
                given is not None and given.status == 200 and not count(party, AckReceived)
            ):
                return layer.respond(server, response(server.request, final), later)
            return ()

        repeats_ms = (0, 500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500)
        for repeat_ms in repeats_ms if final == 200 else repeats_ms[:1]:
            wire.at(party, now // MS + after_ms + repeat_ms, answer)
        return layer.respond(server, response(output.request, 180), now)

    return react


def acknowledging(party: Party) -> Reaction:
    """A caller that sends an ACK for each 2xx of its INVITE."""

    def react(output: Output, now: Instant) -> tuple[Output, ...]:
        if not isinstance(output, ResponseReceived) or output.response.status // 100 != 2:
            return ()
        invite = output.transaction.request
        ack = of_same_call(invite, "ACK", output.response.to_tag)
        ack.headers.set("Via", f"{invite.top_via.with_param('branch', 'z9hG4bKack')}")
        return (Send(party.flow, ack.to_bytes()),)

    return react


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
def test_clean_wire_carries_each_message_of_a_refused_call_once(transport: str) -> None:
    caller, callee, wire = pair(transport, CLEAN, seed=0)
    callee.react = answering(callee, wire, 486, after_ms=100)
    wire.at(caller, 0, calls(caller))
    wire.run()
    starts = [data.split(b" ")[0:2] for _, data in caller.sent]
    assert [start[0] for start in starts] == [b"INVITE", b"ACK"]
    assert [data[:11] for _, data in callee.sent] == [b"SIP/2.0 180", b"SIP/2.0 486"]
    assert caller.layer.counts() == callee.layer.counts() == AT_REST


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("final", [200, 302, 486, 603])
def test_call_over_a_bad_wire_has_one_outcome_and_leaves_nothing(final: int, seed: int) -> None:
    caller, callee, wire = pair("UDP", BAD, seed)
    callee.react = answering(callee, wire, final)
    caller.react = acknowledging(caller)
    wire.at(caller, 0, calls(caller))
    wire.run()
    assert count(callee, RequestReceived) <= 1
    failed = count(caller, TransactionFailed)
    if final == 200:
        # Repeats of the 2xx pass; the first decides.
        assert (failed == 0 and set(finals(caller)) == {200}) or finals(caller) == []
    else:
        assert (failed, finals(caller)) in ((0, [final]), (1, []))
        assert count(callee, AckReceived) == 0
    assert count(caller, TransactionEnded) == 1
    assert caller.layer.counts() == callee.layer.counts() == AT_REST


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("cancel_at_ms", [0, 300, 2_900, 3_000, 3_100])
def test_cancelled_call_ends_487_or_as_it_was_answered(cancel_at_ms: int, seed: int) -> None:
    """RFC 3261 §9: whatever crosses on the wire."""
    caller, callee, wire = pair("UDP", BAD, seed)
    callee.react = answering(callee, wire, 200)
    caller.react = acknowledging(caller)
    wire.at(caller, 0, calls(caller, cancel_at_ms, wire))
    wire.run()
    assert count(callee, RequestReceived) <= 1
    assert count(callee, CancelReceived) <= 1
    outcome = set(finals(caller))
    if count(callee, CancelReceived):
        assert outcome <= {487}
    assert outcome in ({487}, {200}) or (not outcome and count(caller, TransactionFailed) == 1)
    assert caller.layer.counts() == callee.layer.counts() == AT_REST


@pytest.mark.parametrize("seed", SEEDS)
def test_request_over_a_bad_wire_is_served_once_and_answered_or_failed_once(seed: int) -> None:
    caller, callee, wire = pair("UDP", BAD, seed)
    callee.react = answering(callee, wire, 200)
    wire.at(caller, 0, sends(caller, OPTIONS))
    wire.run()
    assert count(callee, RequestReceived) <= 1
    assert len(finals(caller)) + count(caller, TransactionFailed) == 1
    assert caller.layer.counts() == callee.layer.counts() == AT_REST


def test_wire_that_dies_while_ringing_leaves_the_caller_to_its_user_and_the_cancel_frees_it() -> (
    None
):
    """RFC 3261 §9.1, §17.1.1.2: in Proceeding nothing but the user ends an INVITE."""
    caller, callee, wire = pair("UDP", CLEAN, seed=0)
    callee.react = answering(callee, wire, 486)
    wire.at(caller, 0, calls(caller, 60_000, wire))

    def cut(now: Instant) -> tuple[Output, ...]:
        wire.faults = DEAD
        return ()

    wire.at(callee, 1_000, cut)
    wire.run()
    (failed,) = [output for output in caller.outputs if isinstance(output, TransactionFailed)]
    assert failed.cause == "timeout"
    assert wire.now == 92_000 * MS
    assert caller.layer.counts() == callee.layer.counts() == AT_REST


def test_same_seed_sends_the_same_octets_at_the_same_times() -> None:
    runs = []
    for _ in range(2):
        caller, callee, wire = pair("UDP", BAD, seed=7)
        callee.react = answering(callee, wire, 486)
        wire.at(caller, 0, calls(caller, 2_000, wire))
        wire.run()
        runs.append((caller.sent, callee.sent))
    assert runs[0] == runs[1]
