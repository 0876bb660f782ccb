"""What real clients taught about calls and messages; see test_lessons.py for the list."""

from __future__ import annotations

from zlib import compress, decompress

import pytest

from callctl.model.build import android, make_cluster, make_node, softphone
from callctl.model.device import ClientType
from callctl.model.service_parameter import ServiceParameters
from helpers.engine_rig import EngineRig, Sent
from interop.literal import (
    CALLEE,
    CALLER,
    answer,
    forwarded,
    invite,
    register,
    rig_of,
    send,
    text,
)
from sipstack.message.message import Request, Response
from sipstack.message.response import respond

IMDN = (
    b'<?xml version="1.0" encoding="UTF-8"?><imdn xmlns="urn:ietf:params:xml:ns:imdn">'
    b"<message-id>4~Uq</message-id><delivery-notification><status><delivered/></status>"
    b"</delivery-notification></imdn>"
)
OUT_OF_ORDER_SDP = (
    b"v=0\r\no=- 1 1 IN IP4 192.0.2.50\r\ns=PySIP Call\r\nm=audio 4000 RTP/AVP 0 8 101\r\n"
    b"b=AS:84\r\nt=0 0\r\na=X-nat:1\r\nc=IN IP4 192.0.2.50\r\na=sendrecv\r\n"
)
BROWSER_SDP = (
    b"v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111 0\r\n"
    + b"".join(
        b"a=candidate:%d 1 UDP 2122252543 192.0.2.101 %d typ host\r\n" % (n, 40_000 + n)
        for n in range(40)
    )
)
CONTACT = (
    "sip:2001@df7jal23ls0d.invalid;transport=ws;pn-provider=fcm;pn-param=lab;pn-prid=dAb:APA91"
)


@pytest.fixture
def rig() -> EngineRig:
    """A rig that asks nobody for a password, with the callee registered by UDP."""
    rig = rig_of(authentication="none")
    register(rig)
    return rig


def with_body(head: str, body: bytes) -> bytes:
    """A request as octets."""
    lines = [*head.split("\n"), f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


def copy_of(rig: EngineRig, data: bytes, method: str) -> Request:
    """What the callee is sent because of what the caller sends."""
    (copy,) = forwarded(rig.feed_bytes("ucm1", data, rig.flow("ucm1", CALLER)), method)
    return copy


def responses(rig: EngineRig, copy: Request, status: int, *headers: tuple[str, str]) -> Response:
    """What the caller gets when the callee answers."""
    data = respond(copy, status, to_tag="b", headers=headers).to_bytes()
    back = rig.feed_bytes("ucm1", data, rig.flow("ucm1", CALLEE))[-1].message  # behind an ACK
    assert isinstance(back, Response)
    assert back.status == status
    return back


# 10, 11: bodies.


def test_10_linphones_deflated_confirmation_passes_octet_by_octet(rig: EngineRig) -> None:
    headers = ("Content-Type: message/imdn+xml", "Content-Encoding: deflate")
    head = text("MESSAGE", "sip:2001@lab.example", *headers, to="sip:2001@lab.example")
    copy = copy_of(rig, with_body(head, compress(IMDN)), "MESSAGE")
    assert decompress(copy.body) == IMDN
    assert copy.headers.first("content-encoding") == "deflate"


def test_11_session_description_of_pysipio_with_lines_out_of_order_is_not_touched(
    rig: EngineRig,
) -> None:
    data = with_body(invite("Content-Type: application/sdp"), OUT_OF_ORDER_SDP)
    assert copy_of(rig, data, "INVITE").body == OUT_OF_ORDER_SDP


# 11: PySIPio's acknowledgements.


def test_11_failure_acknowledged_under_a_wrong_branch_is_repeated_for_a_while_and_over() -> None:
    rig = rig_of()
    challenge = answer(send(rig, invite()))
    assert challenge.status == 407
    to = challenge.headers.first("to") or ""
    ack = text("ACK", "sip:2001@lab.example", to=to, call_id="call", cseq=challenge.cseq.number)
    assert send(rig, ack) == []  # nor does it go on to the callee
    again = {s.message.status for s in rig.run_to(33_000) if isinstance(s.message, Response)}
    assert again == {407}
    assert rig.run_to(70_000) == []
    assert rig.counts()["server_transactions"] == 0


def test_11_ack_to_the_address_of_record_that_knows_no_route_is_counted_and_goes_nowhere(
    rig: EngineRig,
) -> None:
    (copy,) = forwarded(send(rig, invite()))
    responses(rig, copy, 200, ("Contact", f"<sip:2001@{CALLEE}>"))
    ack = text("ACK", "sip:2001@lab.example", to="<sip:2001@lab.example>;tag=b", call_id="call")
    assert send(rig, ack) == []
    assert rig.engines["ucm1"].ignored["ACK without our Route"] == 1


# 12, 13: extensions that only one side knows.


def test_12_caller_learns_that_baresip_knows_no_reliable_ringing(rig: EngineRig) -> None:
    (copy,) = forwarded(send(rig, invite("Require: 100rel")))
    assert copy.require == ["100rel"]
    refused = responses(rig, copy, 420, ("Unsupported", "100rel"))
    assert refused.headers.first("unsupported") == "100rel"


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (422, (("Min-SE", "120"),)),
        (200, (("Session-Expires", "90;refresher=uac"), ("Require", "timer"))),
    ],
)
def test_13_what_the_callee_says_to_a_session_timer_comes_back_as_it_is(
    status: int, headers: tuple[tuple[str, str], ...], rig: EngineRig
) -> None:
    (copy,) = forwarded(send(rig, invite("Session-Expires: 90", "Supported: timer")))
    back = responses(rig, copy, status, *headers)
    assert [back.headers.first(name.lower()) for name, _ in headers] == [v for _, v in headers]


# 14, 15: browsers and what they call.


def test_14_answer_and_call_for_one_connection_leave_as_two_messages() -> None:
    """sipua takes each segment for one message: what leaves together must not be glued."""
    rig = EngineRig(
        make_cluster(
            nodes=[make_node("ucm1", 1, websocket_port=8080)],
            devices=[softphone("1001"), android("2001", client=ClientType.STANDARD)],
            parameters=ServiceParameters(authentication="none"),
        )
    )

    def registers(connection: int) -> list[Sent]:
        flow = rig.flow("ucm1", "192.0.2.101:40002", transport="WS", connection=connection)
        contact = f"Contact: <{CONTACT}>"
        via = f"SIP/2.0/WS df7jal23ls0d.invalid;branch=z9hG4bK56sdasks{connection}"
        message = text("REGISTER", "sip:lab.example", contact, user="2001", via=via)
        return rig.feed("ucm1", message, flow)

    (registered,) = registers(8)
    rig.run_to(1_000)
    rig.close("ucm1", registered.flow)
    (trying,) = send(rig, invite())  # it sleeps: parked
    assert answer([trying]).status == 100
    response, offered = registers(9)
    assert answer([response]).status == 200
    assert (offered.flow, offered.flow.connection) == (response.flow, 9)
    (copy,) = forwarded([offered])
    assert copy.uri_text == CONTACT


def test_15_offer_of_a_browser_leaves_by_tcp_for_a_phone_that_registered_by_udp(
    rig: EngineRig,
) -> None:
    assert len(BROWSER_SDP) > 2_000
    data = with_body(invite("Content-Type: application/sdp"), BROWSER_SDP)
    copy = copy_of(rig, data, "INVITE")
    flow = rig.sent[-1].flow
    assert (flow.transport, copy.top_via.transport, copy.body) == ("TCP", "TCP", BROWSER_SDP)
    # Nobody takes it there: then as a datagram, however large.
    before = len(rig.sent)
    rig.close("ucm1", flow)
    (again,) = forwarded(rig.sent[before:])
    assert rig.sent[-1].flow.transport == "UDP"
    assert again.body == BROWSER_SDP
