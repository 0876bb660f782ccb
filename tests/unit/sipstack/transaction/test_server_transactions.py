"""Server transactions through the layer: RFC 3261 §17.2, §9.2, §18.2.2; RFC 6026 §8.5; RFC 4320."""

from __future__ import annotations

import pytest

from helpers.sip_text import (
    INVITE,
    OPTIONS,
    TCP,
    UDP,
    WS,
    of_same_call,
    request,
    response,
)
from helpers.transactions import AT_REST, answer_in, ms, run
from sipstack.errors import LocalProtocolError
from sipstack.message.message import Request
from sipstack.message.response import respond
from sipstack.timing import Instant
from sipstack.transaction.events import (
    AckReceived,
    CancelReceived,
    Ignored,
    RequestReceived,
    TransactionEnded,
)
from sipstack.transaction.invite_server import InviteServer
from sipstack.transaction.key import steady_tag
from sipstack.transaction.layer import TransactionLayer
from sipstack.transaction.machine import ServerTransaction, State, Timer
from sipstack.transport.flow import UNCONNECTED, Flow, Send

START = Instant(0)


def arrive(
    layer: TransactionLayer, incoming: Request, flow: Flow = UDP, at: Instant = START
) -> ServerTransaction:
    """A new request comes; the transaction it makes."""
    (event,) = layer.receive_request(incoming, flow, flow, at)
    assert isinstance(event, RequestReceived)
    assert event.request is incoming
    return event.transaction


def test_repeated_invite_gets_the_last_provisional_again_and_makes_no_second_transaction() -> None:
    """RFC 3261 §17.2.1."""
    layer = TransactionLayer()
    invite = request(INVITE)
    server = arrive(layer, invite)
    nothing_yet = Ignored("repeated request", "INVITE in PROCEEDING")
    assert layer.receive_request(request(INVITE), UDP, UDP, ms(1)) == (nothing_yet,)
    layer.respond(server, response(invite, 100), ms(2))
    ringing = layer.respond(server, response(invite, 180), ms(3))
    for at in range(4, 11):
        assert layer.receive_request(request(INVITE), UDP, UDP, ms(at)) == ringing
    assert layer.counts()["server_transactions"] == 1


def test_failure_is_repeated_by_timer_g_until_timer_h_if_no_ack_comes() -> None:
    """RFC 3261 §17.2.1: doubling up to T2, eleven copies in 32 s."""
    layer = TransactionLayer()
    invite = request(INVITE)
    server = arrive(layer, invite)
    first = layer.respond(server, response(invite, 486), ms(0))
    seen = run(layer, ms(100_000))
    copies = [at for at, output in seen if (output,) == first]
    assert copies == [500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]
    assert seen[-2:] == [
        (32_000, Ignored("failure without ACK", invite.call_id)),
        (32_000, TransactionEnded(server)),
    ]
    assert layer.counts() == AT_REST


def test_ack_of_a_failure_is_absorbed_and_its_repeats_until_timer_i() -> None:
    layer = TransactionLayer()
    invite = request(INVITE)
    server = arrive(layer, invite)
    layer.respond(server, response(invite, 486), ms(0))
    ack = of_same_call(invite, "ACK", "8321234356")
    assert layer.receive_request(ack, UDP, UDP, ms(100)) == ()
    assert server.running() == {Timer.I: ms(5_100)}
    absorbed = Ignored("unexpected ACK", "in CONFIRMED")
    assert layer.receive_request(ack, UDP, UDP, ms(200)) == (absorbed,)
    repeated = Ignored("repeated request", "INVITE in CONFIRMED")
    assert layer.receive_request(request(INVITE), UDP, UDP, ms(300)) == (repeated,)
    assert run(layer, ms(100_000)) == [(5_100, TransactionEnded(server))]
    assert layer.counts() == AT_REST


def test_ack_of_a_failure_on_a_stream_ends_the_transaction() -> None:
    layer = TransactionLayer()
    invite = request(INVITE)
    server = arrive(layer, invite, TCP)
    layer.respond(server, response(invite, 486), ms(0))
    assert server.running() == {Timer.H: ms(32_000)}
    ack = of_same_call(invite, "ACK", "8321234356")
    assert layer.receive_request(ack, TCP, TCP, ms(100)) == (TransactionEnded(server),)
    assert layer.counts() == AT_REST


@pytest.mark.parametrize("branch", ["z9hG4bK74bf9", "z9hG4bKack-of-its-own"])
def test_ack_of_a_2xx_goes_to_the_user_whatever_its_branch(branch: str) -> None:
    """RFC 3261 §13.2.2.4; RFC 6026 §7.1. Some old clients keep the branch of the INVITE."""
    layer = TransactionLayer()
    invite = request(INVITE)
    server = arrive(layer, invite)
    layer.respond(server, response(invite, 200), ms(0))
    ack = of_same_call(request(INVITE, ("z9hG4bK74bf9", branch)), "ACK", "8321234356")
    assert layer.receive_request(ack, UDP, UDP, ms(10)) == (AckReceived(ack, UDP),)
    assert server.state is State.ACCEPTED


@pytest.mark.parametrize("flow", [UDP, TCP], ids=["udp", "tcp"])
def test_accepted_invite_absorbs_repeats_and_sends_each_2xx_it_is_given_for_64_t1(
    flow: Flow,
) -> None:
    """RFC 6026 §8.5."""
    layer = TransactionLayer()
    invite = request(INVITE)
    server = arrive(layer, invite, flow)
    answer, fork = response(invite, 200, "phone-1"), response(invite, 200, "phone-2")
    for at, accept in enumerate((answer, answer, fork)):
        assert layer.respond(server, accept, ms(at)) == (Send(flow, accept.to_bytes()),)
    repeated = Ignored("repeated request", "INVITE in ACCEPTED")
    assert layer.receive_request(request(INVITE), flow, flow, ms(5)) == (repeated,)
    assert run(layer, ms(100_000)) == [(32_000, TransactionEnded(server))]
    assert layer.counts() == AT_REST


def test_2xx_after_a_failure_still_reaches_the_caller() -> None:
    """RFC 3261 §16.7 point 5: a proxy forwards any 2xx, even after another final response."""
    layer = TransactionLayer()
    invite = request(INVITE)
    server = arrive(layer, invite)
    layer.respond(server, response(invite, 487), ms(0))
    late = response(invite, 200, "late-phone")
    assert layer.respond(server, late, ms(10)) == (Send(UDP, late.to_bytes()),)
    assert server.running().keys() == {Timer.G, Timer.H}
    layer.receive_request(of_same_call(invite, "ACK", "8321234356"), UDP, UDP, ms(20))
    run(layer, ms(100_000))
    assert server.state is State.TERMINATED
    assert layer.respond(server, late, ms(100_001)) == (Send(UDP, late.to_bytes()),)
    assert layer.counts() == AT_REST


def test_second_failure_and_provisional_after_a_final_response_are_our_own_mistakes() -> None:
    layer = TransactionLayer()
    invite, options = request(INVITE), request(OPTIONS)
    server = arrive(layer, invite)
    layer.respond(server, response(invite, 486), ms(0))
    for status in (180, 480, 603):
        with pytest.raises(LocalProtocolError):
            layer.respond(server, response(invite, status), ms(1))
    server = arrive(layer, options)
    layer.respond(server, response(options, 200), ms(0))
    for status in (100, 200, 500):
        with pytest.raises(LocalProtocolError):
            layer.respond(server, response(options, status), ms(1))


def test_answered_request_gets_its_answer_again_until_timer_j() -> None:
    """RFC 3261 §17.2.2."""
    layer = TransactionLayer()
    options = request(OPTIONS)
    server = arrive(layer, options)
    trying = Ignored("repeated request", "OPTIONS in TRYING")
    assert layer.receive_request(request(OPTIONS), UDP, UDP, ms(1)) == (trying,)
    answer = layer.respond(server, response(options, 200), ms(10))
    assert layer.receive_request(request(OPTIONS), UDP, UDP, ms(500)) == answer
    assert run(layer, ms(100_000)) == [(32_010, TransactionEnded(server))]
    assert layer.counts() == AT_REST


def test_answered_request_on_a_stream_is_over_at_once() -> None:
    layer = TransactionLayer()
    options = request(OPTIONS)
    server = arrive(layer, options, TCP)
    answer = response(options, 200)
    assert layer.respond(server, answer, ms(10)) == (
        Send(TCP, answer.to_bytes()),
        TransactionEnded(server),
    )
    assert layer.counts() == AT_REST


def test_unanswered_request_ends_when_its_client_has_given_up_and_gets_no_late_answer() -> None:
    """RFC 4320 §4.2: no 408, and nothing after 64*T1."""
    layer = TransactionLayer()
    options = request(OPTIONS)
    server = arrive(layer, options)
    not_sent = Ignored("408 not sent", "OPTIONS")
    assert layer.respond(server, response(options, 408), ms(31_000)) == (not_sent,)
    assert run(layer, ms(100_000)) == [(32_000, TransactionEnded(server))]
    late = Ignored("late response", "200 to OPTIONS")
    assert layer.respond(server, response(options, 200), ms(40_000)) == (late,)
    assert layer.counts() == AT_REST


def test_cancel_is_answered_each_time_and_told_once() -> None:
    """RFC 3261 §9.2."""
    layer = TransactionLayer()
    invite = request(INVITE)
    server = arrive(layer, invite)
    layer.respond(server, response(invite, 180), ms(0))
    cancel = of_same_call(invite, "CANCEL")
    outputs = layer.receive_request(cancel, UDP, UDP, ms(10))
    assert answer_in(outputs).status == 200
    assert answer_in(outputs).cseq.method == "CANCEL"
    assert answer_in(outputs).to_tag == "8321234356"  # that of the 180
    assert isinstance(server, InviteServer)
    assert outputs[1:] == (CancelReceived(server, cancel),)
    again = layer.receive_request(of_same_call(invite, "CANCEL"), UDP, UDP, ms(510))
    assert again == (outputs[0], Ignored("repeated CANCEL", invite.call_id))
    layer.respond(server, response(invite, 487), ms(511))
    after = layer.receive_request(of_same_call(invite, "CANCEL"), UDP, UDP, ms(1_510))
    assert after == (outputs[0], Ignored("repeated CANCEL", invite.call_id))


def test_cancel_before_any_tagged_response_gets_the_same_tag_each_time() -> None:
    layer = TransactionLayer()
    invite = request(INVITE)
    server = arrive(layer, invite)
    layer.respond(server, response(invite, 100), ms(0))
    cancel = of_same_call(invite, "CANCEL")
    first = layer.receive_request(cancel, UDP, UDP, ms(10))
    assert answer_in(first).to_tag == steady_tag(cancel)
    assert layer.receive_request(cancel, UDP, UDP, ms(510))[0] == first[0]


@pytest.mark.parametrize("status", [200, 486])
def test_cancel_after_the_final_response_gets_200_and_changes_nothing(status: int) -> None:
    layer = TransactionLayer()
    invite = request(INVITE)
    server = arrive(layer, invite)
    layer.respond(server, response(invite, status), ms(0))
    before = server.state
    outputs = layer.receive_request(of_same_call(invite, "CANCEL"), UDP, UDP, ms(10))
    assert answer_in(outputs).status == 200
    assert outputs[1:] == (Ignored("late CANCEL", invite.call_id),)
    assert server.state is before


def test_cancel_of_an_unknown_branch_gets_481_and_touches_no_call() -> None:
    layer = TransactionLayer()
    invite = request(INVITE)
    server = arrive(layer, invite)
    stranger = of_same_call(request(INVITE, ("z9hG4bK74bf9", "z9hG4bKother")), "CANCEL")
    outputs = layer.receive_request(stranger, UDP, UDP, ms(10))
    assert answer_in(outputs).status == 481
    assert outputs[1:] == (Ignored("CANCEL of nothing", invite.call_id),)
    assert server.state is State.PROCEEDING


def test_request_without_a_response_flow_is_not_answered() -> None:
    """RFC 4475 §3.3.10."""
    layer = TransactionLayer()
    outputs = layer.receive_request(request(INVITE), UDP, None, ms(0))
    assert outputs == (Ignored("no way to answer", "INVITE from 192.0.2.101"),)
    assert layer.counts() == AT_REST


def test_server_whose_stream_closed_answers_over_a_new_connection_to_the_clients_port() -> None:
    """RFC 3261 §18.2.2."""
    layer = TransactionLayer()
    invite = request(INVITE, ("/UDP 192.0.2.101:5060", "/TCP 192.0.2.101:5070"))
    server = arrive(layer, invite, TCP)
    assert layer.flow_closed(TCP, ms(10)) == ()
    new = TCP._replace(remote_port=5070, connection=UNCONNECTED)
    answer = response(invite, 486)
    assert layer.respond(server, answer, ms(20)) == (Send(new, answer.to_bytes()),)
    (ignored,) = layer.flow_closed(new, ms(30))
    assert ignored == Ignored("response has no way back", invite.call_id)
    assert run(layer, ms(100_000))[-1] == (32_020, TransactionEnded(server))
    assert layer.counts() == AT_REST


def test_server_whose_websocket_closed_lives_on_without_a_way_back() -> None:
    """RFC 7118 §5: a browser cannot be dialled."""
    layer = TransactionLayer()
    options = request(OPTIONS, ("/UDP 192.0.2.101:5060", "/WS df7jal23ls0d.invalid"))
    server = arrive(layer, options, WS)
    assert layer.flow_closed(WS, ms(10)) == (Ignored("response has no way back", options.call_id),)
    assert server.state is State.TRYING
    layer.respond(server, response(options, 200), ms(20))
    assert layer.counts() == AT_REST


def test_past_the_limit_a_new_request_gets_503_and_its_ack_goes_no_further() -> None:
    layer = TransactionLayer(servers_max=1)
    arrive(layer, request(OPTIONS))
    invite = request(INVITE)
    outputs = layer.receive_request(invite, UDP, UDP, ms(0))
    refusal = answer_in(outputs)
    assert refusal.status == 503
    assert refusal.headers.first("retry-after") == "10"
    assert outputs[1:] == (Ignored("too many transactions", "INVITE"),)
    ack = of_same_call(invite, "ACK", refusal.to_tag)
    ended = layer.receive_request(ack, UDP, UDP, ms(10))
    assert ended == (Ignored("ACK of a stateless answer", invite.call_id),)


class TestMatching:
    """RFC 3261 §17.2.3."""

    def test_same_branch_from_two_clients_is_two_transactions(self) -> None:
        layer = TransactionLayer()
        arrive(layer, request(INVITE))
        arrive(layer, request(INVITE, ("192.0.2.101:5060", "192.0.2.102:5060")))
        arrive(layer, request(INVITE, ("192.0.2.101:5060", "192.0.2.101:5070")))
        assert layer.counts()["server_transactions"] == 3

    def test_same_branch_with_another_method_is_another_transaction(self) -> None:
        layer = TransactionLayer()
        arrive(layer, request(OPTIONS))
        arrive(layer, request(OPTIONS, ("OPTIONS sip", "INFO sip"), ("4 OPTIONS", "4 INFO")))

    @pytest.mark.parametrize("branch", ["z9hG4bK", "1234", ""])
    @pytest.mark.parametrize(
        "edit",
        [
            ("CSeq: 1 INVITE", "CSeq: 2 INVITE"),
            ("Call-ID: 384", "Call-ID: 385"),
            ("tag=9fxced76sl", "tag=other"),
            ("INVITE sip:bob@", "INVITE sip:bobby@"),
            ("<sip:bob@biloxi.example.com>\n", "<sip:bob@biloxi.example.com>;tag=in-dialog\n"),
            ("192.0.2.101:5060", "192.0.2.102:5060"),
        ],
        ids=["cseq", "call-id", "from-tag", "request-uri", "to-tag", "via"],
    )
    def test_two_rfc2543_requests_that_differ_are_not_merged(
        self, branch: str, edit: tuple[str, str]
    ) -> None:
        """RFC 4475 §3.2.1: a bare cookie is no identifier."""
        layer = TransactionLayer()
        old = (";branch=z9hG4bK74bf9", f";branch={branch}" if branch else "")
        arrive(layer, request(INVITE, old))
        repeated = layer.receive_request(request(INVITE, old), UDP, UDP, ms(1))
        assert repeated == (Ignored("repeated request", "INVITE in PROCEEDING"),)
        arrive(layer, request(INVITE, old, edit))
        assert layer.counts()["server_transactions"] == 2

    @pytest.mark.parametrize("in_dialog", [False, True])
    def test_rfc2543_ack_and_cancel_find_their_invite(self, in_dialog: bool) -> None:
        layer = TransactionLayer()
        edits = [("branch=z9hG4bK74bf9", "branch=1")]
        if in_dialog:
            edits.append(("biloxi.example.com>\n", "biloxi.example.com>;tag=8321234356\n"))
        invite = request(INVITE, *edits)
        server = arrive(layer, invite)
        outputs = layer.receive_request(of_same_call(invite, "CANCEL"), UDP, UDP, ms(1))
        assert answer_in(outputs).status == 200
        layer.respond(server, respond(invite, 487, to_tag="8321234356"), ms(2))
        tag = None if in_dialog else "8321234356"
        ack = of_same_call(invite, "ACK", tag)
        if not in_dialog:
            other = of_same_call(invite, "ACK", "somebody-else")
            assert layer.receive_request(other, UDP, UDP, ms(3)) == (AckReceived(other, UDP),)
        assert layer.receive_request(ack, UDP, UDP, ms(4)) == ()
        assert server.state is State.CONFIRMED
