"""One user agent against messages by hand: forks, challenges, changes of a session."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from callctl.phone.event import CallAnswered, CallEnded, CallRinging, EndCause
from callctl.phone.settings import AnswerPlan, Registrar, UserAgentSettings
from callctl.phone.user_agent import UserAgent
from helpers.phone_wire import Seeded
from sipstack.dialog.dialog import Dialog
from sipstack.digest.challenge import Challenge
from sipstack.message.message import Request, Response
from sipstack.message.parser import parse_message
from sipstack.message.response import respond
from sipstack.timing import MS, Instant
from sipstack.transport.flow import BytesReceived, Flow, Send

PROXY = Flow("UDP", "192.0.2.101", 5060, "192.0.2.1", 5060)
SETTINGS = UserAgentSettings(
    "1001",
    "example.com",
    (Registrar("192.0.2.1", 5060),),
    "192.0.2.101",
    5060,
    auth_user="alice",
    password="secret",
)


def at(ms: int) -> Instant:
    return Instant(ms * MS)


def sent(actions: Sequence[Any]) -> list[Request | Response]:
    return [parse_message(action.data) for action in actions if isinstance(action, Send)]


def methods(actions: Sequence[Any]) -> list[str]:
    return [message.method for message in sent(actions) if isinstance(message, Request)]


class Caller:
    """Alice, and the far side played by the test."""

    def __init__(self, settings: UserAgentSettings = SETTINGS) -> None:
        self.agent = UserAgent(settings, Seeded(3))
        self.call, actions = self.agent.invite("1002", at(0))
        (invite,) = sent(actions)
        assert isinstance(invite, Request)
        self.invite = invite

    def gets(self, status: int, tag: str | None, ms: int) -> tuple[Any, ...]:
        contact = ("Contact", f"<sip:{tag}@192.0.2.1:5080>")
        response = respond(self.invite, status, to_tag=tag, headers=(contact,))
        return self.agent.receive(BytesReceived(PROXY, response.to_bytes()), at(ms))

    def answers(
        self, request: Request, status: int, ms: int, *headers: tuple[str, str]
    ) -> tuple[Any, ...]:
        response = respond(request, status, to_tag="x", headers=headers)
        return self.agent.receive(BytesReceived(PROXY, response.to_bytes()), at(ms))

    def rest(self) -> None:
        while (deadline := self.agent.next_deadline()) is not None:
            self.agent.advance(deadline)
        assert set(self.agent.counts().values()) == {0}


def test_a_fork_makes_several_early_dialogs_and_the_first_2xx_wins() -> None:
    caller = Caller()
    assert caller.gets(180, "a", 10) == (CallRinging(1, 180, "a"),)
    assert caller.gets(183, "b", 20) == (CallRinging(1, 183, "b"),)
    won = caller.gets(200, "b", 30)
    assert methods(won) == ["ACK"]
    assert CallAnswered(1) in won
    (ack,) = sent(won)
    assert isinstance(ack, Request)
    assert ack.uri_text == "sip:b@192.0.2.1:5080"
    assert ack.cseq.number == caller.invite.cseq.number


def test_a_second_2xx_of_a_fork_is_acknowledged_and_ended_by_bye() -> None:
    caller = Caller()
    caller.gets(200, "b", 30)
    extra = caller.gets(200, "a", 40)
    assert methods(extra) == ["ACK", "BYE"]
    assert [message.to_tag for message in sent(extra)] == ["a", "a"]
    again = caller.gets(200, "a", 540)  # its 200 once more: our ACK was lost
    assert methods(again) == ["ACK"]
    assert not any(isinstance(action, CallEnded) for action in (*extra, *again))
    bye = sent(extra)[1]
    assert isinstance(bye, Request)
    caller.answers(bye, 200, 600)
    ended = caller.agent.bye(1, at(700))
    assert methods(ended) == ["BYE"]
    caller.rest()


def test_the_same_2xx_again_gets_the_same_ack_again() -> None:
    caller = Caller()
    first = caller.gets(200, "b", 30)
    second = caller.gets(200, "b", 530)
    assert [action for action in first if isinstance(action, Send)] == list(second)


def test_a_2xx_after_the_cancel_is_ended_by_bye() -> None:
    caller = Caller()
    caller.gets(180, "a", 10)
    assert methods(caller.agent.cancel(1, at(20), "SIP;cause=200")) == ["CANCEL"]
    actions = caller.gets(200, "a", 30)
    assert methods(actions) == ["ACK", "BYE"]
    assert CallEnded(1, EndCause.CANCELLED) in actions
    caller.rest()


def test_a_cancelled_call_without_any_final_response_ends_after_64_t1() -> None:
    caller = Caller()
    caller.gets(180, "a", 10)
    caller.agent.cancel(1, at(1_000))
    ended: list[tuple[int, Any]] = []
    while (deadline := caller.agent.next_deadline()) is not None:
        ended += [(deadline // MS, action) for action in caller.agent.advance(deadline)]
    assert (33_000, CallEnded(1, EndCause.CANCELLED)) in ended
    assert set(caller.agent.counts().values()) == {0}


def test_a_caller_does_not_wait_for_ever() -> None:
    caller = Caller(replace(SETTINGS, patience_ns=60_000 * MS))
    caller.gets(180, "a", 10)
    assert caller.agent.next_deadline() == at(60_000)
    assert methods(caller.agent.advance(at(60_000))) == ["CANCEL"]
    caller.rest()


def test_a_challenged_invite_is_sent_again_and_the_ack_carries_its_credentials() -> None:
    caller = Caller()
    challenge = ("Proxy-Authenticate", Challenge("example.com", "n1").header_value())
    ack, again = sent(caller.answers(caller.invite, 407, 10, challenge))
    assert isinstance(ack, Request)
    assert ack.method == "ACK"
    assert isinstance(again, Request)
    assert (again.call_id, again.from_tag) == (caller.invite.call_id, caller.invite.from_tag)
    assert again.cseq.number == caller.invite.cseq.number + 1
    credentials = again.headers.first("proxy-authorization")
    assert credentials is not None
    caller.invite = again
    (ack,) = sent(caller.gets(200, "b", 30))
    assert ack.headers.first("proxy-authorization") == credentials
    bye = sent(caller.agent.bye(1, at(100)))[0]
    assert isinstance(bye, Request)
    (bye_again,) = sent(caller.answers(bye, 407, 110, challenge))
    assert isinstance(bye_again, Request)
    assert bye_again.cseq.number == bye.cseq.number + 1
    assert "nc=00000001" in (bye_again.headers.first("proxy-authorization") or "")
    caller.answers(bye_again, 200, 120)
    caller.rest()


def test_credentials_that_were_refused_are_not_sent_again() -> None:
    caller = Caller()
    challenge = Challenge("example.com", "n1")
    _, again = sent(
        caller.answers(caller.invite, 407, 10, ("Proxy-Authenticate", challenge.header_value()))
    )
    assert isinstance(again, Request)
    fresh = replace(challenge, nonce="n2").header_value()
    actions = caller.answers(again, 407, 20, ("Proxy-Authenticate", fresh))
    assert CallEnded(1, EndCause.REFUSED, 407) in actions
    caller.rest()


def test_the_next_call_uses_the_nonce_of_the_one_before() -> None:
    caller = Caller()
    challenge = ("Proxy-Authenticate", Challenge("example.com", "n1").header_value())
    caller.answers(caller.invite, 407, 10, challenge)
    _, actions = caller.agent.invite("1003", at(20))
    (invite,) = sent(actions)
    assert "nc=00000002" in (invite.headers.first("proxy-authorization") or "")


HOLD = (
    b"v=0\r\no=- 1 2 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
    b"m=audio 4000 RTP/AVP 8\r\na=sendonly\r\n"
)


def test_a_reinvite_that_puts_us_on_hold_is_agreed_to() -> None:
    caller = Caller()
    ok = caller.gets(200, "b", 30)
    (ack,) = sent(ok)
    assert isinstance(ack, Request)
    far = Dialog.of_server(
        caller.invite,
        respond(caller.invite, 200, to_tag="b", headers=(("Contact", "<sip:b@192.0.2.1:5080>"),)),
    )
    via = "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKhold"
    hold = far.request("INVITE", via, headers=(("Content-Type", "application/sdp"),), body=HOLD)
    (answer,) = sent(caller.agent.receive(BytesReceived(PROXY, hold.to_bytes()), at(100)))
    assert isinstance(answer, Response)
    assert answer.status == 200
    assert b"m=audio 9 RTP/AVP 8\r\n" in answer.body
    assert b"a=recvonly" in answer.body
    ack = far.ack(hold.cseq.number, "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKack")
    caller.agent.receive(BytesReceived(PROXY, ack.to_bytes()), at(110))
    bye = far.request("BYE", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKbye")
    actions = caller.agent.receive(BytesReceived(PROXY, bye.to_bytes()), at(200))
    assert CallEnded(1, EndCause.REMOTE_HUNG_UP) in actions
    caller.rest()


def test_requests_in_a_dialog_follow_the_record_route() -> None:
    caller = Caller()
    route = ("Record-Route", "<sip:192.0.2.9:5070;lr>")
    contact = ("Contact", "<sip:b@198.51.100.7:5080>")
    response = respond(caller.invite, 200, to_tag="b", headers=(route, contact))
    actions = caller.agent.receive(BytesReceived(PROXY, response.to_bytes()), at(30))
    (send,) = [action for action in actions if isinstance(action, Send)]
    assert (send.flow.remote_host, send.flow.remote_port) == ("192.0.2.9", 5070)
    assert b"Route: <sip:192.0.2.9:5070;lr>" in send.data


def test_a_line_with_eight_calls_is_busy() -> None:
    agent = UserAgent(replace(SETTINGS, answer=AnswerPlan()), Seeded(4))
    statuses = []
    for number in range(9):
        caller = UserAgent(SETTINGS, Seeded(10 + number))
        _, actions = caller.invite("1001", at(0))
        (send,) = [action for action in actions if isinstance(action, Send)]
        got = sent(agent.receive(BytesReceived(PROXY, send.data), at(0)))
        statuses.append([message.status for message in got if isinstance(message, Response)])
    assert statuses == [[100, 180]] * 8 + [[100, 486]]
