"""What is sent to the peer of a trunk, and how its challenge is answered."""

from __future__ import annotations

from dataclasses import replace

import pytest

from callctl.engine.trunk_peers import TrunkPeers
from callctl.engine.trunks import ANSWERS_MAX, Trunks, answer_challenge, to_trunk
from callctl.model.build import make_cluster, make_node, softphone
from callctl.model.node import Listener, Node
from callctl.model.service_parameter import ServiceParameters
from callctl.model.trunk import SipTrunk, TrunkCredentials, TrunkDestination
from callctl.model.user import Secret
from helpers.trunk_rig import context_of
from sipstack.digest.compute import ha1, response_of
from sipstack.digest.credentials import Credentials
from sipstack.message.headers import Headers
from sipstack.message.message import Request, Response
from sipstack.message.parser import parse_message
from sipstack.message.response import respond
from sipstack.timing import Instant
from sipstack.transport.flow import Flow

OURS = TrunkCredentials("lab", Secret("cello"))
PEER = TrunkDestination("UDP", "192.0.2.90", 5060)
SPARE = TrunkDestination("TCP", "2001:db8::91", 5080)
PSTN = SipTrunk("pstn", (PEER, SPARE), outbound=OURS)
CALLER = Flow("UDP", "192.0.2.1", 5060, "192.0.2.50", 5060)

INVITE = """\
INVITE sip:049301112@lab.example SIP/2.0
Via: SIP/2.0/UDP 192.0.2.50:5060;branch=z9hG4bKcaller
Max-Forwards: 70
From: "Desk" <sip:1001@lab.example>;tag=a1
To: <sip:049301112@lab.example>
Call-ID: call-1@192.0.2.50
CSeq: 7 INVITE
Contact: <sip:1001@192.0.2.50:5060>
Privacy: none
X-Other: stays
P-Asserted-Identity: <sip:boss@lab.example>
P-Preferred-Identity: <sip:boss@lab.example>
Remote-Party-ID: <sip:boss@lab.example>
X-Push-Call-UUID: 00000000-0000-4000-8000-000000000001
Authorization: Digest username="1001", realm="x", nonce="n", uri="sip:x", response="00"
Content-Type: application/sdp
Content-Length: 5

v=0\r
"""


def invite() -> Request:
    head, _, body = INVITE.partition("\n\n")
    message = parse_message((head.replace("\n", "\r\n") + "\r\n\r\n" + body).encode())
    assert isinstance(message, Request)
    return message


def sent_to(
    destination: TrunkDestination, trunk: SipTrunk = PSTN, number: str = "+49301112"
) -> tuple[Request, Flow]:
    context = context_of(make_cluster(devices=[softphone("1001")], trunks=[trunk]))
    asserted = (("P-Asserted-Identity", "<sip:1001@lab.example>"),)
    outgoing = to_trunk(
        context, invite(), number, trunk, destination, "", CALLER, asserted=asserted
    )
    assert outgoing is not None
    return outgoing.request, outgoing.flow


def test_the_copy_for_a_peer_is_addressed_to_it_and_comes_back_through_us() -> None:
    request, flow = sent_to(PEER)
    assert flow == Flow("UDP", "192.0.2.1", 5060, "192.0.2.90", 5060)
    assert request.uri_text == "sip:+49301112@192.0.2.90:5060"
    assert request.top_via.host == "192.0.2.1"
    assert len(request.vias) == 2
    assert request.max_forwards == 69
    assert [route.uri.host for route in request.record_routes] == ["192.0.2.1"]
    assert request.cseq.number == 7
    assert request.body == b"v=0\r\n"
    assert request.headers.first("x-other") == "stays"
    assert request.headers.first("privacy") == "none"


def test_over_another_transport_both_sides_get_a_route_they_can_use() -> None:
    request, flow = sent_to(SPARE)
    assert (flow.transport, flow.remote_host, flow.remote_port) == ("TCP", "2001:db8::91", 5080)
    assert request.uri_text == "sip:+49301112@[2001:db8::91]:5080;transport=tcp"
    assert [route.uri.transport for route in request.record_routes] == ["tcp", None]


@pytest.mark.req("OP-16")
def test_only_our_own_word_for_the_caller_leaves_the_cluster_and_nothing_internal() -> None:
    request, _ = sent_to(PEER)
    headers = request.headers
    assert headers.all("p-asserted-identity") == ["<sip:1001@lab.example>"]
    for key in ("p-preferred-identity", "remote-party-id", "x-push-call-uuid"):
        assert not headers.has(key)
    assert not headers.has("authorization")
    open_trunk, _ = sent_to(PEER, replace(PSTN, outbound=None))
    assert open_trunk.headers.has("authorization")  # the caller's own business with the peer


def test_a_number_is_escaped_where_a_uri_needs_it() -> None:
    request, _ = sent_to(PEER, number="*21#")
    assert request.uri_text == "sip:*21%23@192.0.2.90:5060"
    assert request.uri.user_unescaped == "*21#"


def test_we_stay_in_the_path_of_a_trunk_call_even_where_only_flows_ask_for_it() -> None:
    cluster = make_cluster(trunks=[PSTN], parameters=ServiceParameters(record_route="flows"))
    outgoing = to_trunk(context_of(cluster), invite(), "1", PSTN, PEER, "", CALLER)
    assert outgoing is not None
    assert len(outgoing.request.record_routes) == 1


def test_a_node_without_the_transport_of_a_destination_cannot_send_there() -> None:
    node = Node("ucm1", (Listener("UDP", "192.0.2.1", 5060),), "ucm1.lab.example")
    context = context_of(make_cluster(nodes=[node], trunks=[PSTN]))
    assert to_trunk(context, invite(), "1", PSTN, SPARE, "", CALLER) is None


def challenge(status: int, *values: str) -> Response:
    name = "WWW-Authenticate" if status == 401 else "Proxy-Authenticate"
    return respond(invite(), status, to_tag="p", headers=tuple((name, value) for value in values))


def proves(request: Request, field: str, algorithm: str = "MD5") -> Credentials:
    """The credentials in `request`, after checking that they are right for lab and cello."""
    [text] = request.headers.all(field)
    given = Credentials.parse(text)
    assert given is not None
    assert given.username == "lab"
    assert given.uri == request.uri_text
    expected = response_of(
        ha1("lab", given.realm, "cello", algorithm),
        "INVITE",
        given.uri,
        given.nonce,
        qop=given.qop,
        nc=given.nc,
        cnonce=given.cnonce,
        algorithm=algorithm,
    )
    assert given.response == expected
    return given


@pytest.mark.parametrize(
    ("status", "field"), [(401, "authorization"), (407, "proxy-authorization")]
)
@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256", "SHA-512-256"])
def test_a_challenge_is_answered_in_its_own_algorithm_and_the_cseq_stays(
    status: int, field: str, algorithm: str
) -> None:
    sent, _ = sent_to(PEER)
    asked = challenge(
        status, f'Digest realm="pstn", nonce="n1", qop="auth,auth-int", algorithm={algorithm}'
    )
    again = answer_challenge(sent, asked, OURS, "c1")
    assert again is not None
    given = proves(again, field, algorithm)
    assert (given.qop, given.nc, given.cnonce, given.realm) == ("auth", "00000001", "c1", "pstn")
    assert again.cseq.number == 7
    assert again.body == sent.body
    assert not sent.headers.has(field)


def test_a_challenge_without_qop_is_answered_in_the_old_manner() -> None:
    sent, _ = sent_to(PEER)
    again = answer_challenge(sent, challenge(407, 'Digest realm="r", nonce="n"'), OURS, "c")
    assert again is not None
    assert proves(again, "proxy-authorization").qop is None


def test_of_several_challenges_the_first_that_can_be_met_is_answered() -> None:
    """RFC 8760 §2.4."""
    sent, _ = sent_to(PEER)
    asked = challenge(
        401,
        'Digest realm="r", nonce="a", algorithm=AKAv1-MD5, qop="auth"',
        'Digest realm="r", nonce="b", qop="auth-int"',
        'Digest realm="r", nonce="c", algorithm=SHA-256, qop="auth"',
        'Digest realm="r", nonce="d", qop="auth"',
    )
    again = answer_challenge(sent, asked, OURS, "c")
    assert again is not None
    assert proves(again, "authorization", "SHA-256").nonce == "c"


@pytest.mark.parametrize(
    "values",
    [
        (),
        ("Basic realm=x",),
        ("Digest nonce=x",),
        ('Digest realm="r", nonce="n", algorithm=MD6',),
        ('Digest realm="r", nonce="n", qop="auth-int"',),
    ],
)
def test_a_challenge_that_cannot_be_met_is_left(values: tuple[str, ...]) -> None:
    sent, _ = sent_to(PEER)
    assert answer_challenge(sent, challenge(401, *values), OURS, "c") is None


def test_a_refused_password_is_not_tried_again_but_a_stale_nonce_is() -> None:
    sent, _ = sent_to(PEER)
    first = answer_challenge(sent, challenge(407, 'Digest realm="r", nonce="n1"'), OURS, "c")
    assert first is not None
    for refused in (
        'Digest realm="r", nonce="n1"',
        'Digest realm="r", nonce="n1", stale=true',  # the very nonce we used
        'Digest realm="r", nonce="n2"',  # a wrong password
    ):
        assert answer_challenge(first, challenge(407, refused), OURS, "c") is None
    stale = challenge(407, 'Digest realm="r", nonce="n2", stale=true')
    second = answer_challenge(first, stale, OURS, "c")
    assert second is not None
    assert proves(second, "proxy-authorization").nonce == "n2"


def test_an_answer_is_sent_to_the_challenger_alone_in_a_transaction_of_its_own() -> None:
    context = context_of(make_cluster(trunks=[PSTN]))
    trunks = Trunks(context, lambda outputs, now, out: None)
    outgoing = to_trunk(context, invite(), "1", PSTN, PEER, "", CALLER)
    assert outgoing is not None
    transaction, _ = context.stack.request(outgoing.request, outgoing.flow, Instant(0), None)
    asked = challenge(407, 'Digest realm="r", nonce="n1"')
    again = trunks.answer_challenge(transaction, asked, 0)
    assert again is not None
    assert again.flow == outgoing.flow
    assert again.request.top_via.branch != outgoing.request.top_via.branch
    assert again.request.top_via.host == "192.0.2.1"
    assert [str(via) for via in again.request.vias[1:]] == [
        str(via) for via in outgoing.request.vias[1:]
    ]
    context.stack.request(again.request, again.flow, Instant(0), None)  # has a branch of its own
    assert trunks.answer_challenge(transaction, asked, ANSWERS_MAX) is None
    assert trunks.answer_challenge(transaction, respond(invite(), 403, to_tag="p"), 0) is None


@pytest.mark.parametrize(
    "flow",
    [
        Flow("UDP", "192.0.2.1", 5060, "192.0.2.60", 5060),  # a device
        Flow("UDP", "192.0.2.1", 5060, "192.0.2.90", 5061),  # the peer's host, another port
        Flow("TCP", "192.0.2.1", 5060, "192.0.2.90", 5060),  # another transport
        Flow("UDP", "192.0.2.1", 5060, "192.0.2.95", 5060),  # a peer that we have no password for
    ],
)
def test_nobody_else_gets_an_answer_by_our_password(flow: Flow) -> None:
    """Reliability 83: a device that challenges our INVITE learns nothing."""
    other = SipTrunk("other", (TrunkDestination("UDP", "192.0.2.95", 5060),))
    context = context_of(make_cluster(trunks=[PSTN, other]))
    trunks = Trunks(context, lambda outputs, now, out: None)
    sent, _ = sent_to(PEER)
    transaction, _ = context.stack.request(sent, flow, Instant(0), None)
    asked = challenge(407, 'Digest realm="pstn", nonce="n1"')
    assert trunks.answer_challenge(transaction, asked, 0) is None


def from_peer(host: str, port: int, transport: str = "UDP") -> Flow:
    return Flow(transport, "192.0.2.1", 5060, host, port)


def test_a_peer_is_known_by_its_address_from_whatever_port_it_sends() -> None:
    other = SipTrunk("other", (TrunkDestination("UDP", "192.0.2.95", 5060),))
    peers = TrunkPeers(context_of(make_cluster(trunks=[PSTN, other])))

    def name(host: str, port: int, transport: str = "UDP") -> str | None:
        trunk = peers.trunk_of(from_peer(host, port, transport))
        return None if trunk is None else trunk.name

    assert name("192.0.2.90", 5060) == name("192.0.2.90", 31_000, "TCP") == "pstn"
    assert name("2001:db8::91", 5080, "TLS") == "pstn"
    assert name("192.0.2.95", 1) == "other"
    assert name("192.0.2.96", 5060) is None


def test_where_two_trunks_share_a_host_the_port_tells_which_of_them_calls() -> None:
    twin = SipTrunk("twin", (TrunkDestination("UDP", "192.0.2.90", 5070),))
    peers = TrunkPeers(context_of(make_cluster(trunks=[PSTN, twin])))
    found = [
        peers.trunk_of(from_peer("192.0.2.90", source), via)
        for source, via in ((5060, None), (5070, None), (40_000, 5070), (40_000, None))
    ]
    assert [trunk and trunk.name for trunk in found] == ["pstn", "twin", "twin", None]


def test_in_a_lab_on_one_machine_a_client_is_not_taken_for_the_peer() -> None:
    trunk = SipTrunk("pstn", (TrunkDestination("UDP", "127.0.0.1", 5090),))
    cluster = make_cluster(nodes=[make_node("ucm1", 1, host="127.0.0.1")], trunks=[trunk])
    peers = TrunkPeers(context_of(cluster))
    assert peers.trunk_of(from_peer("127.0.0.1", 40_000), 40_000) is None
    assert peers.trunk_of(from_peer("127.0.0.1", 5090), 5090) is trunk
    assert peers.trunk_of(from_peer("127.0.0.1", 40_000, "TCP"), 5090) is trunk


def test_headers_of_a_request_stay_as_they_are_when_it_is_answered() -> None:
    sent, _ = sent_to(PEER)
    before = Headers(list(sent.headers.keys), list(sent.headers.lines))
    answer_challenge(sent, challenge(407, 'Digest realm="r", nonce="n1"'), OURS, "c")
    assert sent.headers.lines == before.lines
