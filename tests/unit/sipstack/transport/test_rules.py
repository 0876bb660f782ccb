"""RFC 3261 §18.2.1 and §18.2.2, RFC 3581 §4, RFC 4475 §3.3.10, RFC 5118 §4.5."""

from __future__ import annotations

import pytest

from helpers.sip_text import OPTIONS, TCP, UDP, WS, request
from sipstack.message.message import Request
from sipstack.transport.flow import Flow
from sipstack.transport.rules import may_send_to, reopened_flow, response_flow, stamp_received

VIA = "Via: SIP/2.0/UDP 192.0.2.101:5060;branch=z9hG4bKhjhs8"
NAT = Flow("UDP", "192.0.2.1", 5060, "198.51.100.7", 33_000)
V6 = Flow("UDP", "2001:db8::1", 5060, "2001:db8::9", 5060)


def options(via: str) -> Request:
    return request(OPTIONS, (VIA, via))


@pytest.mark.parametrize(
    ("via", "flow", "stamped"),
    [
        ("Via: SIP/2.0/UDP 192.0.2.101:5060;branch=z9hG4bK1", UDP, None),
        ("v:SIP/2.0/UDP 192.0.2.101;branch=z9hG4bK1", UDP, None),
        ("Via: SIP/2.0/UDP [2001:DB8::9];branch=z9hG4bK1", V6, None),
        (
            "Via: SIP/2.0/UDP 192.0.2.101:5060;branch=z9hG4bK1",
            NAT,
            "Via: SIP/2.0/UDP 192.0.2.101:5060;branch=z9hG4bK1;received=198.51.100.7",
        ),
        (
            "Via: SIP/2.0/UDP phone.example.com;branch=z9hG4bK1",
            UDP,
            "Via: SIP/2.0/UDP phone.example.com;branch=z9hG4bK1;received=192.0.2.101",
        ),
        (
            "Via: SIP/2.0/UDP 192.0.2.101:5060;rport;branch=z9hG4bK1",
            UDP,
            "Via: SIP/2.0/UDP 192.0.2.101:5060;rport=5060;branch=z9hG4bK1;received=192.0.2.101",
        ),
        (
            "v: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1;rport;x=y",
            NAT,
            "v: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1;rport=33000;x=y;received=198.51.100.7",
        ),
        (
            "Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1;RPORT=9;received=1.1.1.1",
            NAT,
            "Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1;RPORT=33000;received=198.51.100.7",
        ),
        (
            "Via: SIP/2.0/UDP 192.0.2.101;branch=z9hG4bK1;received=[2001:db8::9]",
            V6,
            "Via: SIP/2.0/UDP 192.0.2.101;branch=z9hG4bK1;received=2001:db8::9",
        ),
        (
            'Via: SIP/2.0/UDP h;branch=z9hG4bK1;x="a,b",SIP/2.0/TCP [::1];branch=z9hG4bK2',
            NAT,
            'Via: SIP/2.0/UDP h;branch=z9hG4bK1;x="a,b";received=198.51.100.7, '
            "SIP/2.0/TCP [::1];branch=z9hG4bK2",
        ),
    ],
)
def test_top_via_says_where_the_request_came_from(
    via: str, flow: Flow, stamped: str | None
) -> None:
    message = options(via)
    stamp_received(message, flow)
    assert message.headers.lines[0] == (stamped or via)
    fresh = request(OPTIONS, (VIA, message.headers.lines[0]))
    assert message.top_via.branch == fresh.top_via.branch
    assert message.top_via.received == fresh.top_via.received


def test_other_vias_stay_as_they_came() -> None:
    message = options(f"{VIA.replace('192.0.2.101', '10.0.0.1')}\n    Via: SIP/2.0/TCP b ;branch=2")
    stamp_received(message, UDP)
    assert message.headers.lines[1] == "Via: SIP/2.0/TCP b ;branch=2"


def test_answer_over_a_stream_takes_the_connection() -> None:
    message = options("Via: SIP/2.0/TCP 10.0.0.1:9;branch=z9hG4bK1;maddr=192.0.2.66;rport")
    assert response_flow(message, TCP) == TCP
    assert response_flow(message, WS) == WS


@pytest.mark.parametrize(
    ("params", "port"),
    [("", 5060), (":5071", 5071), (":5071;rport", 33_000), (";rport=9", 33_000)],
)
def test_answer_over_udp_goes_to_the_source_address(params: str, port: int) -> None:
    sent_by, _, rest = params.partition(";")
    via = f"Via: SIP/2.0/UDP 10.0.0.1{sent_by};branch=z9hG4bK1"
    message = options(f"{via};{rest}" if rest else via)
    assert response_flow(message, NAT) == NAT._replace(remote_port=port)


def test_maddr_sends_no_answer_elsewhere() -> None:
    message = options(f"{VIA};maddr=239.1.1.1")
    assert response_flow(message, UDP) == UDP


@pytest.mark.parametrize(
    ("host", "port", "allowed"),
    [
        ("192.0.2.1", 5060, True),
        ("192.0.2.1", 0, False),
        ("192.0.2.1", 65_536, False),
        ("223.255.255.255", 1, True),
        ("224.0.1.75", 5060, False),
        ("239.255.255.250", 5060, False),
        ("255.255.255.255", 5060, False),
        ("0.0.0.0", 5060, False),
        ("9.9.9.9", 5060, True),
        ("2001:db8::1", 5060, True),
        ("::1", 5060, True),
        ("::", 5060, False),
        ("ff02::1", 5060, False),
        ("FF0E::1", 5060, False),
        ("::ffff:192.0.2.1", 5060, True),
        ("::ffff:255.255.255.255", 5060, False),
    ],
)
def test_nothing_is_sent_to_many_or_to_nobody(host: str, port: int, allowed: bool) -> None:
    assert may_send_to(host, port) is allowed


def test_no_answer_to_a_source_that_is_no_single_host() -> None:
    assert response_flow(options(VIA), UDP._replace(remote_host="255.255.255.255")) is None


def test_answer_for_a_connection_that_is_gone_takes_a_new_one_to_the_sent_by_port() -> None:
    message = options("Via: SIP/2.0/TCP 10.0.0.1:5071;branch=z9hG4bK1")
    assert reopened_flow(message, TCP) == TCP._replace(remote_port=5071, connection=0)


def test_default_ports_of_new_connections() -> None:
    message = options("Via: SIP/2.0/TCP 10.0.0.1;branch=z9hG4bK1")
    over_tls = TCP._replace(transport="TLS")
    assert reopened_flow(message, TCP) == TCP._replace(remote_port=5060, connection=0)
    assert reopened_flow(message, over_tls) == over_tls._replace(remote_port=5061, connection=0)


@pytest.mark.parametrize("flow", [UDP, WS, TCP._replace(connection=0)])
def test_some_flows_cannot_be_opened_again(flow: Flow) -> None:
    assert reopened_flow(options(VIA), flow) is None
