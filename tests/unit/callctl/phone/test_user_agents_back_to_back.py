"""Two user agents and a wire between them: every way a call can go (RFC 3261 §13, §15, §9)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest

from callctl.phone.event import (
    CallAnswered,
    CallConfirmed,
    CallEnded,
    CallForgotten,
    CallRinging,
    EndCause,
    IncomingCall,
    MessageReceived,
)
from callctl.phone.settings import AnswerPlan, Registrar, UserAgentSettings
from callctl.phone.user_agent import UserAgent
from helpers.phone_wire import PhoneWire, Seeded
from sipstack.message.message import Request, Response
from sipstack.timing import SECOND
from sipstack.transport.flow import BytesReceived, Flow

ALICE, BOB = ("192.0.2.101", 5060), ("192.0.2.102", 5060)

CALLER = UserAgentSettings(
    "1001", "example.com", (Registrar(*BOB),), *ALICE, display_name='Alice "A"'
)
CALLEE = UserAgentSettings("1002", "example.com", (Registrar(*ALICE),), *BOB)


def pair(plan: AnswerPlan, delay_ms: int = 10) -> tuple[PhoneWire, UserAgent, UserAgent]:
    """Alice calls Bob straight: each is the other's outbound proxy."""
    wire = PhoneWire(delay_ms)
    alice = UserAgent(CALLER, Seeded(1))
    bob = UserAgent(replace(CALLEE, answer=plan), Seeded(2))
    wire.add("alice", *ALICE, alice)
    wire.add("bob", *BOB, bob)
    wire.at(0, "alice", lambda now: alice.invite("1002", now)[1])
    return wire, alice, bob


def once(matches: Callable[[Request | Response], bool]) -> Callable[[Request | Response], bool]:
    """Loses the first message that matches."""
    lost: list[Request | Response] = []

    def lose(message: Request | Response) -> bool:
        if lost or not matches(message):
            return False
        lost.append(message)
        return True

    return lose


def is_response(message: Request | Response, status: int, method: str = "INVITE") -> bool:
    return (
        isinstance(message, Response) and message.status == status and message.cseq.method == method
    )


def is_request(message: Request | Response, method: str) -> bool:
    return isinstance(message, Request) and message.method == method


def assert_at_rest(*agents: UserAgent) -> None:
    for agent in agents:
        assert set(agent.counts().values()) == {0}
        assert agent.next_deadline() is None


def causes(wire: PhoneWire, name: str) -> list[tuple[EndCause, int | None]]:
    return [(event.cause, event.status) for event in wire.events(name, CallEnded)]


def test_a_call_is_answered_and_hung_up_by_the_called() -> None:
    wire, alice, bob = pair(AnswerPlan(after_ns=2 * SECOND, hang_up_after_ns=3 * SECOND))
    wire.run()
    assert wire.ladder() == [
        "alice: INVITE",
        "bob: 100 INVITE",
        "bob: 180 INVITE",
        "bob: 200 INVITE",
        "alice: ACK",
        "bob: BYE",
        "alice: 200 BYE",
    ]
    incoming = wire.events("bob", IncomingCall)[0]
    assert (incoming.caller_name, incoming.caller_number) == ('Alice "A"', "1001")
    assert wire.timed("alice", CallRinging)[0][0] == 20
    answered_at, answered = wire.timed("alice", CallAnswered)[0]
    assert answered_at == 2020
    assert b"m=audio 9 RTP/AVP 0\r\n" in answered.remote_sdp
    assert len(wire.events("bob", CallConfirmed)) == 1
    assert causes(wire, "bob") == [(EndCause.HUNG_UP, None)]
    assert causes(wire, "alice") == [(EndCause.REMOTE_HUNG_UP, None)]
    assert len(wire.events("alice", CallForgotten)) == len(wire.events("bob", CallForgotten)) == 1
    assert_at_rest(alice, bob)


def test_a_declined_call_ends_with_its_status_on_both_sides() -> None:
    wire, alice, bob = pair(AnswerPlan(after_ns=SECOND, status=486))
    wire.run()
    assert causes(wire, "alice") == causes(wire, "bob") == [(EndCause.REFUSED, 486)]
    assert "alice: ACK" in wire.ladder()
    assert_at_rest(alice, bob)


def test_a_caller_who_gives_up_sends_cancel_and_the_call_ends_487() -> None:
    wire, alice, bob = pair(AnswerPlan())
    wire.at(1000, "alice", lambda now: alice.cancel(1, now))
    wire.run()
    assert wire.ladder()[3:] == [
        "alice: CANCEL",
        "bob: 200 CANCEL",
        "bob: 487 INVITE",
        "alice: ACK",
    ]
    assert causes(wire, "bob") == [(EndCause.CANCELLED, 487)]
    assert causes(wire, "alice") == [(EndCause.CANCELLED, 487)]
    assert_at_rest(alice, bob)


def test_a_cancel_before_any_answer_waits_for_the_first_provisional() -> None:
    wire, alice, bob = pair(AnswerPlan())
    wire.at(5, "alice", lambda now: alice.cancel(1, now))
    wire.run()
    assert [at for at, _, what in wire.sent if what == "CANCEL"] == [20]
    assert causes(wire, "alice") == [(EndCause.CANCELLED, 487)]
    assert_at_rest(alice, bob)


def test_a_cancel_that_crosses_the_200_ends_in_ack_and_bye() -> None:
    wire, alice, bob = pair(AnswerPlan(after_ns=SECOND), delay_ms=100)
    wire.at(1150, "alice", lambda now: alice.cancel(1, now))
    wire.run()
    assert wire.ladder("alice") == ["alice: INVITE", "alice: CANCEL", "alice: ACK", "alice: BYE"]
    assert "bob: 200 CANCEL" in wire.ladder("bob")
    assert causes(wire, "alice") == [(EndCause.CANCELLED, None)]
    assert causes(wire, "bob") == [(EndCause.REMOTE_HUNG_UP, None)]
    assert_at_rest(alice, bob)


def test_byes_that_cross_are_both_answered_with_200() -> None:
    wire, alice, bob = pair(AnswerPlan(after_ns=SECOND))
    wire.at(3000, "alice", lambda now: alice.bye(1, now))
    wire.at(3000, "bob", lambda now: bob.bye(1, now))
    wire.run()
    assert [what for _, _, what in wire.sent].count("200 BYE") == 2
    assert causes(wire, "alice") == causes(wire, "bob") == [(EndCause.HUNG_UP, None)]
    assert_at_rest(alice, bob)


def test_a_lost_ack_makes_the_200_come_again_and_the_ack_too() -> None:
    wire, alice, bob = pair(AnswerPlan(after_ns=SECOND, hang_up_after_ns=5 * SECOND))
    wire.lose = once(lambda message: is_request(message, "ACK"))
    wire.run()
    accepts = [at for at, _, what in wire.sent if what == "200 INVITE"]
    assert accepts == [1010, 1510]
    assert wire.ladder("alice").count("alice: ACK") == 2
    assert len(wire.events("alice", CallAnswered)) == 1
    assert causes(wire, "bob") == [(EndCause.HUNG_UP, None)]
    assert_at_rest(alice, bob)


def test_a_200_without_any_ack_is_repeated_for_32_s_and_then_ended_by_bye() -> None:
    wire, alice, bob = pair(AnswerPlan(after_ns=0))
    wire.lose = lambda message: is_request(message, "ACK")
    wire.run()
    accepts = [at - 10 for at, _, what in wire.sent if what == "200 INVITE"]
    assert accepts[:6] == [0, 500, 1500, 3500, 7500, 11500]  # T1, doubling up to T2
    assert wire.timed("bob", CallEnded)[0][0] == 32_010
    assert causes(wire, "bob") == [(EndCause.NO_ACK, None)]
    assert causes(wire, "alice") == [(EndCause.REMOTE_HUNG_UP, None)]
    assert_at_rest(alice, bob)


def test_a_hang_up_before_the_ack_waits_for_it() -> None:
    """The callee may not send BYE before the ACK has come (§15)."""
    wire, alice, bob = pair(AnswerPlan(after_ns=0, hang_up_after_ns=1), delay_ms=100)
    wire.run()
    assert [at for at, _, what in wire.sent if what == "BYE"] == [300]
    assert_at_rest(alice, bob)


@pytest.mark.parametrize(
    ("status", "method"), [(100, "INVITE"), (180, "INVITE"), (200, "INVITE"), (200, "BYE")]
)
def test_any_one_lost_response_changes_nothing_in_the_end(status: int, method: str) -> None:
    wire, alice, bob = pair(AnswerPlan(after_ns=SECOND, hang_up_after_ns=3 * SECOND))
    wire.lose = once(lambda message: is_response(message, status, method))
    wire.run()
    assert causes(wire, "alice") == [(EndCause.REMOTE_HUNG_UP, None)]
    assert causes(wire, "bob") == [(EndCause.HUNG_UP, None)]
    assert_at_rest(alice, bob)


def test_nobody_there_is_a_timeout_after_64_t1() -> None:
    wire, alice, bob = pair(AnswerPlan())
    wire.lose = lambda message: True
    wire.run()
    assert wire.timed("alice", CallEnded)[0][0] == 32_000
    assert causes(wire, "alice") == [(EndCause.TIMEOUT, 408)]
    assert_at_rest(alice, bob)


def test_a_call_that_nobody_answers_is_refused_with_480_after_the_ring_limit() -> None:
    wire, alice, bob = pair(AnswerPlan())
    wire.run()
    assert causes(wire, "alice") == [(EndCause.REFUSED, 480)]
    rings = [at for at, _, what in wire.sent if what == "180 INVITE"]
    assert rings == [10, 60_010, 120_010]  # once a minute, so that no proxy gives up
    assert_at_rest(alice, bob)


def test_several_calls_at_once_are_kept_apart() -> None:
    wire, alice, bob = pair(AnswerPlan())
    wire.at(100, "alice", lambda now: alice.invite("1002", now)[1])
    wire.at(200, "bob", lambda now: bob.answer(2, now))
    wire.at(300, "bob", lambda now: bob.decline(1, now, 486))
    wire.at(400, "alice", lambda now: alice.bye(2, now))
    wire.run()
    ended = {event.call: event.cause for event in wire.events("alice", CallEnded)}
    assert ended == {1: EndCause.REFUSED, 2: EndCause.HUNG_UP}
    assert_at_rest(alice, bob)


def test_one_who_calls_himself_has_two_calls() -> None:
    wire = PhoneWire()
    alice = UserAgent(
        replace(CALLER, registrars=(Registrar(*ALICE),), answer=AnswerPlan(after_ns=0)), Seeded(1)
    )
    wire.add("alice", *ALICE, alice)
    wire.at(0, "alice", lambda now: alice.invite("1001", now)[1])
    wire.at(500, "alice", lambda now: alice.bye(1, now))
    wire.run()
    ended = {event.call: event.cause for event in wire.events("alice", CallEnded)}
    assert ended == {1: EndCause.HUNG_UP, 2: EndCause.REMOTE_HUNG_UP}
    assert_at_rest(alice)


def test_an_offer_without_a_stream_we_know_is_refused_with_488() -> None:
    wire, alice, bob = pair(AnswerPlan())
    sdp = b"v=0\r\no=- 1 1 IN IP4 192.0.2.101\r\ns=-\r\nt=0 0\r\nm=video 4000 RTP/AVP 96\r\n"
    wire.at(10, "alice", lambda now: alice.invite("1002", now, sdp)[1])
    wire.at(20, "alice", lambda now: alice.cancel(1, now))
    wire.run()
    assert (EndCause.REFUSED, 488) in causes(wire, "alice")
    assert_at_rest(alice, bob)


def test_an_invite_without_offer_gets_ours_in_the_200() -> None:
    wire, alice, bob = pair(AnswerPlan(after_ns=0, hang_up_after_ns=SECOND))
    wire.at(10, "alice", lambda now: alice.cancel(1, now))
    wire.at(20, "alice", lambda now: alice.invite("1002", now, b"")[1])
    wire.run()
    assert b"RTP/AVP 0 8" in wire.events("alice", CallAnswered)[-1].remote_sdp
    assert_at_rest(alice, bob)


RAW_FROM = Flow("UDP", *BOB, "192.0.2.9", 5060)
MESSAGE = (
    b"MESSAGE sip:1002@192.0.2.102 SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bK%(branch)s\r\n"
    b"Max-Forwards: 70\r\nFrom: <sip:eve@example.com>;tag=e1\r\n"
    b"To: <sip:1002@example.com>%(to)s\r\nCall-ID: c1\r\nCSeq: 1 %(method)s\r\n"
    b"Contact: <sip:eve@192.0.2.9>\r\n%(more)sContent-Length: 2\r\n\r\nhi"
)


def raw(method: str, branch: str = "1", to: str = "", more: str = "") -> BytesReceived:
    text = MESSAGE.replace(b"MESSAGE", method.encode(), 1) % {
        b"branch": branch.encode(),
        b"to": to.encode(),
        b"method": method.encode(),
        b"more": more.encode(),
    }
    return BytesReceived(RAW_FROM, text)


@pytest.mark.parametrize(
    ("event", "status"),
    [
        (raw("MESSAGE"), 200),
        (raw("OPTIONS"), 200),
        (raw("OPTIONS", more="Require: 100rel\r\n"), 420),
        (raw("BYE"), 481),
        (raw("BYE", to=";tag=unknown"), 481),
        (raw("INFO", to=";tag=unknown"), 481),
        (raw("SUBSCRIBE"), 405),
        (raw("INVITE", more="Content-Type: text/plain\r\n"), 415),
        (raw("INVITE", more="Require: 100rel\r\n"), 420),
    ],
)
def test_requests_outside_a_call_get_the_answer_of_the_standard(
    event: BytesReceived, status: int
) -> None:
    wire = PhoneWire()
    bob = UserAgent(CALLEE, Seeded(2))
    wire.add("bob", *BOB, bob)
    wire.at(0, "bob", lambda now: bob.receive(event, now))
    wire.run()
    final = wire.messages[0]
    assert isinstance(final, Response)
    assert final.status == status
    assert_at_rest(bob)
    if status == 200 and final.cseq.method == "MESSAGE":
        assert wire.events("bob", MessageReceived)[0].body == b"hi"


def test_the_same_request_by_another_path_is_refused_with_482() -> None:
    wire = PhoneWire()
    bob = UserAgent(CALLEE, Seeded(2))
    wire.add("bob", *BOB, bob)
    wire.at(0, "bob", lambda now: bob.receive(raw("MESSAGE", "1"), now))
    wire.at(1, "bob", lambda now: bob.receive(raw("MESSAGE", "2"), now))
    wire.run()
    assert wire.ladder() == ["bob: 200 MESSAGE", "bob: 482 MESSAGE"]
    assert_at_rest(bob)


@pytest.mark.parametrize("seed", range(40))
def test_a_bad_wire_never_leaves_anything_behind(seed: int) -> None:
    """Up to half of all messages lost: whatever happens to the call, both come to rest."""
    chance = Random(seed)
    share = chance.random() / 2
    plan = AnswerPlan(
        after_ns=chance.choice((0, SECOND, 5 * SECOND)),
        status=chance.choice((200, 200, 486)),
        hang_up_after_ns=chance.choice((None, 0, 3 * SECOND)),
    )
    wire, alice, bob = pair(plan, delay_ms=chance.randrange(1, 300))
    wire.lose = lambda message: chance.random() < share
    wire.at(chance.randrange(20_000), "alice", lambda now: alice.bye(1, now))
    wire.at(30_000, "alice", lambda now: alice.bye(1, now))
    wire.at(400_000, "bob", lambda now: bob.bye(1, now))
    wire.run(1_000_000)
    assert_at_rest(alice, bob)
    assert len(wire.events("alice", CallEnded)) == 1
    assert len(wire.events("bob", CallEnded)) == len(wire.events("bob", IncomingCall))
