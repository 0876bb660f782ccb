"""Client transactions through the layer: RFC 3261 §17.1, §9.1; RFC 6026 §8.4."""

from __future__ import annotations

import pytest

from helpers.sip_text import INVITE, OPTIONS, TCP, UDP, request, response
from helpers.transactions import AT_REST, ms, requests_in, run
from sipstack.errors import LocalProtocolError
from sipstack.timing import MS, SECOND
from sipstack.transaction.events import (
    Ignored,
    ResponseReceived,
    TransactionEnded,
    TransactionFailed,
)
from sipstack.transaction.layer import TransactionLayer
from sipstack.transaction.machine import State, Timer
from sipstack.transaction.timers import TimerValues
from sipstack.transport.flow import Flow, Send


def test_unanswered_invite_on_udp_is_sent_seven_times_and_fails_at_32_s() -> None:
    """RFC 3261 §17.1.1.2."""
    layer = TransactionLayer()
    invite = request(INVITE)
    client, first = layer.request(invite, UDP, ms(0), owner="call 1")
    assert first == (Send(UDP, invite.to_bytes()),)
    assert client.owner == "call 1"
    seen = run(layer, ms(100_000))
    copies = [at for at, output in seen if output == Send(UDP, invite.to_bytes())]
    assert copies == [500, 1_500, 3_500, 7_500, 15_500, 31_500]
    assert seen[6:] == [
        (32_000, TransactionFailed(client, "timeout")),
        (32_000, TransactionEnded(client)),
    ]
    assert layer.counts() == AT_REST


def test_unanswered_invite_on_a_stream_is_sent_once() -> None:
    layer = TransactionLayer()
    client, first = layer.request(request(INVITE), TCP, ms(0))
    assert len(first) == 1
    assert run(layer, ms(100_000)) == [
        (32_000, TransactionFailed(client, "timeout")),
        (32_000, TransactionEnded(client)),
    ]


def test_late_shell_sends_one_copy_not_a_burst() -> None:
    layer = TransactionLayer()
    layer.request(request(INVITE), UDP, ms(0))
    assert len(layer.advance(ms(8_000))) == 1
    assert layer.next_deadline() == ms(9_000)


def test_unanswered_request_on_udp_is_sent_eleven_times_and_fails_at_32_s_without_408() -> None:
    """RFC 3261 §17.1.2.2; RFC 4320 §4.2."""
    layer = TransactionLayer()
    client, _ = layer.request(request(OPTIONS), UDP, ms(0))
    seen = run(layer, ms(100_000))
    copies = [at for at, output in seen if isinstance(output, Send)]
    assert copies == [500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500]
    assert seen[-2:] == [
        (32_000, TransactionFailed(client, "timeout")),
        (32_000, TransactionEnded(client)),
    ]


def test_provisional_response_stops_the_invite_and_slows_the_others_down_to_t2() -> None:
    layer = TransactionLayer()
    invite, options = request(INVITE), request(OPTIONS)
    layer.request(invite, UDP, ms(0))
    layer.receive_response(response(invite, 100), UDP, ms(10))
    assert layer.next_deadline() is None
    layer.request(options, UDP, ms(0))
    layer.receive_response(response(options, 100), UDP, ms(10))
    copies = [at for at, output in run(layer, ms(20_000)) if isinstance(output, Send)]
    assert copies == [500, 4_500, 8_500, 12_500, 16_500]


def test_failure_is_acknowledged_by_the_transaction_and_again_each_time_it_is_repeated() -> None:
    """RFC 3261 §17.1.1.2, §17.1.1.3."""
    layer = TransactionLayer()
    invite = request(INVITE)
    client, _ = layer.request(invite, UDP, ms(0))
    busy = response(invite, 486)
    outputs = layer.receive_response(busy, UDP, ms(100))
    assert outputs[1:] == (ResponseReceived(client, busy),)
    (ack,) = requests_in(outputs)
    assert ack.method == "ACK"
    assert ack.uri_text == invite.uri_text
    assert ack.headers.all("via") == ["SIP/2.0/UDP 192.0.2.101:5060;branch=z9hG4bK74bf9"]
    assert ack.headers.all("route") == ["<sip:ss1.atlanta.example.com;lr>"]
    assert ack.headers.first("from") == invite.headers.first("from")
    assert ack.headers.first("to") == "Bob <sip:bob@biloxi.example.com>;tag=8321234356"
    assert ack.call_id == invite.call_id
    assert ack.headers.first("cseq") == "1 ACK"
    assert ack.max_forwards == 70
    assert layer.receive_response(busy, UDP, ms(600)) == (outputs[0],)
    assert run(layer, ms(100_000)) == [(32_100, TransactionEnded(client))]
    assert layer.counts() == AT_REST


def test_failure_on_a_stream_ends_the_transaction_at_once() -> None:
    layer = TransactionLayer()
    invite = request(INVITE)
    client, _ = layer.request(invite, TCP, ms(0))
    outputs = layer.receive_response(response(invite, 486), TCP, ms(100))
    assert [type(output) for output in outputs] == [Send, ResponseReceived, TransactionEnded]
    assert client.state is State.TERMINATED
    assert layer.counts() == AT_REST


@pytest.mark.parametrize("flow", [UDP, TCP], ids=["udp", "tcp"])
def test_accepted_invite_passes_every_2xx_for_64_t1_and_nothing_else(flow: Flow) -> None:
    """RFC 6026 §8.4."""
    layer = TransactionLayer()
    invite = request(INVITE)
    client, _ = layer.request(invite, flow, ms(0))
    first, fork = response(invite, 200, "phone-1"), response(invite, 200, "phone-2")
    for at, answer in enumerate((first, first, fork)):
        assert layer.receive_response(answer, flow, ms(at)) == (ResponseReceived(client, answer),)
    ignored = layer.receive_response(response(invite, 486), flow, ms(5))
    assert ignored == (Ignored("repeated response", "486 to INVITE in ACCEPTED"),)
    assert run(layer, ms(100_000)) == [(32_000, TransactionEnded(client))]
    late = layer.receive_response(first, flow, ms(100_001))
    assert late == (Ignored("stray response", "200 to INVITE from 192.0.2.101"),)


def test_final_response_is_given_once_and_its_repeats_are_absorbed_until_timer_k() -> None:
    layer = TransactionLayer()
    options = request(OPTIONS)
    client, _ = layer.request(options, UDP, ms(0))
    ok = response(options, 200)
    assert layer.receive_response(ok, UDP, ms(1)) == (ResponseReceived(client, ok),)
    assert client.running() == {Timer.K: ms(5_001)}
    repeated = Ignored("repeated response", "200 to OPTIONS in COMPLETED")
    assert layer.receive_response(ok, UDP, ms(2)) == (repeated,)
    assert run(layer, ms(100_000)) == [(5_001, TransactionEnded(client))]


def test_response_is_matched_by_branch_and_method() -> None:
    """RFC 3261 §17.1.3."""
    layer = TransactionLayer()
    invite = request(INVITE)
    layer.request(invite, UDP, ms(0))
    other_method = response(
        request(INVITE, ("CSeq: 1 INVITE", "CSeq: 1 BYE"), ("INVITE sip", "BYE sip")), 200
    )
    other_branch = response(request(INVITE, ("z9hG4bK74bf9", "z9hG4bKother")), 200)
    for stray in (other_method, other_branch):
        (ignored,) = layer.receive_response(stray, UDP, ms(1))
        assert isinstance(ignored, Ignored)
        assert ignored.reason == "stray response"


def test_cancel_waits_for_the_first_provisional_response() -> None:
    """RFC 3261 §9.1; RFC 3326."""
    layer = TransactionLayer()
    invite = request(INVITE)
    client, _ = layer.request(invite, UDP, ms(0))
    assert layer.cancel(client, ms(10), 'SIP;cause=200;text="Call completed elsewhere"') == ()
    ringing = response(invite, 180)
    outputs = layer.receive_response(ringing, UDP, ms(100))
    assert outputs[0] == ResponseReceived(client, ringing)
    (cancel,) = requests_in(outputs)
    assert cancel.method == "CANCEL"
    assert cancel.uri_text == invite.uri_text
    for key in ("via", "route", "from", "to", "call-id"):
        assert cancel.headers.all(key) == invite.headers.all(key)
    assert cancel.headers.first("cseq") == "1 CANCEL"
    assert cancel.headers.first("reason") == 'SIP;cause=200;text="Call completed elsewhere"'
    assert layer.counts()["client_transactions"] == 2


def test_cancelled_invite_ends_with_487_and_its_user_hears_nothing_of_the_cancel_itself() -> None:
    layer = TransactionLayer()
    invite = request(INVITE)
    client, _ = layer.request(invite, UDP, ms(0))
    layer.receive_response(response(invite, 180), UDP, ms(100))
    (cancel,) = requests_in(layer.cancel(client, ms(200)))
    assert layer.receive_response(response(cancel, 200), UDP, ms(210)) == ()
    terminated = response(invite, 487)
    outputs = layer.receive_response(terminated, UDP, ms(220))
    assert outputs[1:] == (ResponseReceived(client, terminated),)
    assert run(layer, ms(100_000)) == [(32_220, TransactionEnded(client))]
    assert layer.counts() == AT_REST


@pytest.mark.parametrize("rings_on", [False, True])
def test_missing_487_fails_the_invite_64_t1_after_the_cancel(rings_on: bool) -> None:
    layer = TransactionLayer()
    invite = request(INVITE)
    client, _ = layer.request(invite, UDP, ms(0))
    layer.receive_response(response(invite, 180), UDP, ms(100))
    layer.cancel(client, ms(50_000))
    if rings_on:
        layer.receive_response(response(invite, 180), UDP, ms(60_000))
    seen = run(layer, ms(100_000))
    assert [entry for entry in seen if not isinstance(entry[1], Send)] == [
        (82_000, TransactionFailed(client, "timeout")),
        (82_000, TransactionEnded(client)),
    ]
    assert layer.counts() == AT_REST


def test_2xx_that_crosses_a_cancel_is_passed_on() -> None:
    layer = TransactionLayer()
    invite = request(INVITE)
    client, _ = layer.request(invite, UDP, ms(0))
    layer.receive_response(response(invite, 180), UDP, ms(100))
    layer.cancel(client, ms(200))
    answer = response(invite, 200)
    assert layer.receive_response(answer, UDP, ms(201)) == (ResponseReceived(client, answer),)
    assert client.running() == {Timer.M: ms(32_201)}


def test_final_response_without_a_provisional_one_makes_a_waiting_cancel_needless() -> None:
    layer = TransactionLayer()
    invite = request(INVITE)
    client, _ = layer.request(invite, UDP, ms(0))
    layer.cancel(client, ms(10))
    outputs = layer.receive_response(response(invite, 486), UDP, ms(100))
    assert [message.method for message in requests_in(outputs)] == ["ACK"]


def test_second_cancel_and_cancel_after_the_final_response_are_not_requests_in() -> None:
    layer = TransactionLayer()
    invite = request(INVITE)
    client, _ = layer.request(invite, UDP, ms(0))
    layer.receive_response(response(invite, 180), UDP, ms(100))
    layer.cancel(client, ms(200))
    again = Ignored("CANCEL not needed", "PROCEEDING z9hG4bK74bf9")
    assert layer.cancel(client, ms(201)) == (again,)
    layer.receive_response(response(invite, 200), UDP, ms(300))
    late = Ignored("CANCEL not needed", "ACCEPTED z9hG4bK74bf9")
    assert layer.cancel(client, ms(301)) == (late,)


def test_requests_without_a_branch_of_their_own_and_ack_and_cancel_are_our_own_mistakes() -> None:
    layer = TransactionLayer()
    layer.request(request(INVITE), UDP, ms(0))
    with pytest.raises(LocalProtocolError):
        layer.request(request(INVITE), UDP, ms(1))
    with pytest.raises(LocalProtocolError):
        layer.request(request(OPTIONS, (";branch=z9hG4bKhjhs8", "")), UDP, ms(1))
    for method in ("ACK", "CANCEL"):
        wrong = request(INVITE, ("INVITE sip", f"{method} sip"), ("1 INVITE", f"1 {method}"))
        with pytest.raises(LocalProtocolError):
            layer.request(wrong, UDP, ms(1))
    client, _ = layer.request(request(OPTIONS), UDP, ms(0))
    with pytest.raises(LocalProtocolError):
        layer.cancel(client, ms(1))


def test_closed_stream_fails_the_clients_that_wait_on_it_and_no_others() -> None:
    """RFC 3261 §17.1.4."""
    layer = TransactionLayer()
    other = TCP._replace(connection=9)
    invite, options = request(INVITE), request(OPTIONS)
    calling, _ = layer.request(invite, TCP, ms(0))
    trying, _ = layer.request(options, TCP, ms(0))
    accepted_invite = request(INVITE, ("z9hG4bK74bf9", "z9hG4bKaccepted"))
    accepted, _ = layer.request(accepted_invite, TCP, ms(0))
    layer.receive_response(response(accepted_invite, 200), TCP, ms(1))
    elsewhere, _ = layer.request(request(OPTIONS, ("hjhs8", "other")), other, ms(0))
    assert layer.flow_closed(TCP, ms(10)) == (
        TransactionFailed(calling, "transport"),
        TransactionEnded(calling),
        TransactionFailed(trying, "transport"),
        TransactionEnded(trying),
    )
    assert accepted.state is State.ACCEPTED
    assert elsewhere.state is State.TRYING
    assert run(layer, ms(100_000))[0] == (32_000, TransactionFailed(elsewhere, "timeout"))
    assert layer.counts() == AT_REST


def test_cancelled_invite_on_a_closed_stream_fails_once() -> None:
    layer = TransactionLayer()
    invite = request(INVITE)
    client, _ = layer.request(invite, TCP, ms(0))
    layer.receive_response(response(invite, 180), TCP, ms(1))
    layer.cancel(client, ms(2))
    assert layer.flow_closed(TCP, ms(3)) == (
        TransactionFailed(client, "transport"),
        TransactionEnded(client),
    )
    assert layer.counts() == AT_REST


def test_timers_follow_t1_t2_and_t4() -> None:
    """RFC 3261 Table 4."""
    values = TimerValues(t1_ns=100 * MS, t2_ns=SECOND, t4_ns=2 * SECOND)
    assert values.unreliable.b_ns == values.reliable.b_ns == 6_400 * MS
    assert values.unreliable.d_ns == 32 * SECOND
    assert values.unreliable.k_ns == values.unreliable.i_ns == 2 * SECOND
    reliable = values.reliable
    off = (reliable.a_ns, reliable.d_ns, reliable.e_ns, reliable.g_ns)
    assert (*off, reliable.i_ns, reliable.j_ns, reliable.k_ns) == (0,) * 7
    assert reliable.l_ns == reliable.m_ns == 6_400 * MS
