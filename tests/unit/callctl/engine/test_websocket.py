"""Browsers at a node, as literal messages in the spelling of JsSIP and SIP.js (RFC 7118)."""

from __future__ import annotations

import pytest

from callctl.engine.address_book import AddressBook
from callctl.model.build import iphone, make_cluster, make_node, softphone
from callctl.model.device import ClientType
from callctl.model.node import Listener, Node
from callctl.model.service_parameter import ServiceParameters
from helpers.engine_rig import EngineRig, Sent
from sipstack.message.message import Request, Response
from sipstack.message.response import respond
from sipstack.message.uri import Uri
from sipstack.transport.flow import Flow

BROWSER = "192.0.2.70:49700"
OTHER = "192.0.2.71:49701"
DESK = "192.0.2.60:5060"
JSSIP = ';+sip.ice;reg-id=1;+sip.instance="<urn:uuid:1>";expires=600'
PUSH = ";pn-provider=apns;pn-param=TEAM.org.example.frame;pn-prid=1f2e"

_numbers = iter(range(1, 10_000))


@pytest.fixture
def rig() -> EngineRig:
    nodes = [make_node(f"ucm{n}", n, websocket_port=8080) for n in (1, 2)]
    cluster = make_cluster(
        nodes=nodes,
        devices=[softphone("1001"), softphone("2001"), iphone("3001", client=ClientType.STANDARD)],
        parameters=ServiceParameters(authentication="none"),
    )
    return EngineRig(cluster)


def flow_of(rig: EngineRig, *, node: str = "ucm1", transport: str = "WS", number: int = 7) -> Flow:
    return rig.flow(node, BROWSER, transport=transport, connection=number)


def message(
    method: str, uri: str, flow: Flow, *headers: str, user: str, to: str = "", tag: str = ""
) -> str:
    number = next(_numbers)
    sent_by = "df7jal23ls0d.invalid" if flow.transport.startswith("WS") else DESK
    lines = (
        f"{method} {uri} SIP/2.0",
        f"Via: SIP/2.0/{flow.transport} {sent_by};branch=z9hG4bK{number}",
        "Max-Forwards: 70",
        f"From: <sip:{user}@lab.example>;tag=f{user}",
        f"To: <sip:{to or user}@lab.example>{tag and f';tag={tag}'}",
        f"Call-ID: {method if method == 'REGISTER' else 'call'}-{user}",
        f"CSeq: {number} {method}",
        *headers,
    )
    return "\n".join(lines)


def register(
    rig: EngineRig,
    flow: Flow,
    *,
    user: str = "2001",
    params: str = JSSIP,
    push: str = "",
    supported: str = "path,gruu,outbound",
    node: str = "ucm1",
    contact: str = "",
) -> Response:
    contact = contact or f"sip:{user}x@df7jal23ls0d.invalid;transport=ws{push}"
    headers = (f"Contact: <{contact}>{params}", f"Supported: {supported}")
    text = message("REGISTER", "sip:lab.example", flow, *headers, user=user)
    sent = rig.feed(node, text, flow)
    answered = sent[0].message
    assert isinstance(answered, Response)
    assert answered.status == 200
    assert sent[0].flow == flow
    return answered


def invite(rig: EngineRig, dn: str, *, node: str = "ucm1", flow: Flow | None = None) -> list[Sent]:
    flow = flow or rig.flow(node, DESK)
    contact = "Contact: <sip:1001@192.0.2.60:5060>"
    if flow.transport == "WS":
        contact = "Contact: <sip:1001y@a1b2.invalid;transport=ws;ob>"
    uri = f"sip:{dn}@lab.example"
    return rig.feed(node, message("INVITE", uri, flow, contact, user="1001", to=dn), flow)


def requests(sent: list[Sent], method: str = "INVITE") -> list[tuple[Request, Flow]]:
    return [
        (each.message, each.flow)
        for each in sent
        if isinstance(each.message, Request) and each.message.method == method
    ]


def statuses(sent: list[Sent]) -> list[int]:
    return [each.message.status for each in sent if isinstance(each.message, Response)]


@pytest.mark.req("REG-09")
@pytest.mark.parametrize("transport", ["WS", "WSS"])
def test_browser_is_called_over_the_connection_it_registered_by(
    rig: EngineRig, transport: str
) -> None:
    flow = flow_of(rig, transport=transport)
    ok = register(rig, flow)
    assert ok.headers.first("require") == "outbound"
    ((copy, way),) = requests(invite(rig, "2001"))
    assert way == flow
    assert copy.uri_text == "sip:2001x@df7jal23ls0d.invalid;transport=ws"
    port = 8080 if transport == "WS" else 8081
    assert (copy.top_via.transport, copy.top_via.host, copy.top_via.port) == (
        transport,
        "192.0.2.1",
        port,
    )


def test_record_route_is_double_where_transports_differ_and_each_side_can_use_its_own(
    rig: EngineRig,
) -> None:
    """RFC 5658 §3, RFC 7118 §5.2.2: a browser's is `transport=ws`, whether secure or not."""
    register(rig, flow_of(rig, transport="WSS"))
    ((copy, _),) = requests(invite(rig, "2001"))
    first, second = (route.uri for route in copy.record_routes)
    assert (first.host_port(), first.params.get("transport")) == (("192.0.2.1", 8081), "ws")
    assert (second.host_port(), second.params.get("transport")) == (("192.0.2.1", 5060), None)
    assert first.params.has("lr")


def test_request_in_the_dialog_of_two_browsers_goes_over_the_connection_of_each(
    rig: EngineRig,
) -> None:
    called = flow_of(rig)
    register(rig, called)
    calling = rig.flow("ucm1", OTHER, transport="WS", connection=8)  # it never registered
    ((copy, _),) = requests(invite(rig, "2001", flow=calling))
    routes = [str(route) for route in copy.record_routes]
    assert len(routes) == 1
    headers = (("Record-Route", routes[0]), ("Contact", "<sip:2001x@df7jal23ls0d.invalid>"))
    ok = respond(copy, 200, to_tag="b", headers=headers)
    passed = rig.feed_bytes("ucm1", ok.to_bytes(), called)
    assert (passed[0].flow, statuses(passed)) == (calling, [200])
    target = "sip:2001x@df7jal23ls0d.invalid;transport=ws"
    ack = message("ACK", target, calling, f"Route: {routes[0]}", user="1001", to="2001", tag="b")
    ((_, way),) = requests(rig.feed("ucm1", ack, calling), "ACK")
    assert way == called
    bye = (
        "BYE sip:1001y@a1b2.invalid;transport=ws SIP/2.0\nVia: SIP/2.0/WS c.invalid;branch=z9hG4bKb"
        f"\nMax-Forwards: 70\nRoute: {routes[0]}\nFrom: <sip:2001@lab.example>;tag=b\n"
        f"To: <sip:1001@lab.example>;tag=f1001\nCall-ID: call-1001\nCSeq: 1 BYE"
    )
    ((_, way),) = requests(rig.feed("ucm1", bye, called), "BYE")
    assert way == calling


@pytest.mark.req("REG-09")
@pytest.mark.parametrize(
    ("params", "supported"),
    [
        pytest.param(";expires=600", "outbound, path, gruu", id="SIP.js-without-instance"),
        pytest.param(";expires=600", "path", id="neither-instance-nor-outbound"),
        pytest.param(JSSIP, "path,gruu,outbound", id="JsSIP"),
    ],
)
def test_browser_whose_connection_ended_is_not_reachable_and_never_dialled(
    rig: EngineRig, params: str, supported: str
) -> None:
    flow = flow_of(rig)
    # Its Contact even names an address at which somebody could be dialled.
    contact = "sip:2001x@192.0.2.70:8080;transport=ws"
    ok = register(rig, flow, params=params, supported=supported, contact=contact)
    asked = "reg-id" in params
    assert (ok.headers.first("require") == "outbound") is asked
    rig.run_to(10)
    rig.close("ucm1", flow)
    for node in rig.engines:
        sent = invite(rig, "2001", node=node)  # no other node tries either
        assert requests(sent) == []
        assert statuses(sent) == [100, 480]
    (binding,) = rig.engines["ucm1"].bindings
    assert binding.flow is None


@pytest.mark.req("REG-03", "CALL-01", "CALL-02")
def test_browser_with_push_parameters_sleeps_when_its_page_closes_and_is_woken(
    rig: EngineRig,
) -> None:
    flow = flow_of(rig)
    register(rig, flow, user="3001", push=PUSH)
    rig.run_to(10)
    rig.close("ucm1", flow)
    assert requests(invite(rig, "3001")) == []
    (push,) = rig.pushes
    assert push.device_name == "TCT3001"
    rig.run_to(500)
    again = rig.flow("ucm2", OTHER, transport="WSS", connection=9)
    before = len(rig.sent)
    register(rig, again, user="3001", push=PUSH, node="ucm2")
    (*_, last) = [(copy, way) for copy, way in requests(rig.sent[before:]) if way == again]
    assert last[0].uri_text.startswith("sip:3001x@df7jal23ls0d.invalid;transport=ws;pn-provider")


def test_nodes_reach_one_another_by_tcp_also_for_a_call_between_browsers(rig: EngineRig) -> None:
    called = flow_of(rig, node="ucm2")
    register(rig, called, node="ucm2")
    calling = rig.flow("ucm1", OTHER, transport="WS", connection=8)
    sent = requests(invite(rig, "2001", flow=calling))
    assert [way.transport for _, way in sent] == ["TCP", "WS"]
    assert sent[1][1] == called
    assert [via.transport for via in sent[1][0].vias] == ["WS", "TCP", "WS"]


def test_no_flow_leads_to_a_browser_but_the_one_it_made(rig: EngineRig) -> None:
    book = AddressBook(rig.cluster, "ucm1")
    assert book.flow_towards("192.0.2.70", 8080, "WS") is None
    assert book.flow_towards("192.0.2.70", 8080, "WSS") is None
    assert book.transports == ("UDP", "TCP", "TLS")
    assert book.names_us(Uri.parse("sip:x@192.0.2.1:8080;transport=ws"))


def test_node_that_has_listeners_in_any_order_is_reached_by_those_that_can_be_dialled() -> None:
    browsers_first = (Listener("WS", "192.0.2.1", 8080), Listener("TLS", "192.0.2.1", 5061))
    udp_only = (Listener("WSS", "192.0.2.2", 8443), Listener("UDP", "192.0.2.2", 5060))
    nodes = [
        Node("ucm1", browsers_first, "ucm1.lab.example", publisher=True),
        Node("ucm2", udp_only, "ucm2.lab.example"),
    ]
    cluster = make_cluster(nodes=nodes, devices=[softphone("1001")])
    flow, listener = AddressBook(cluster, "ucm1").flow_to(cluster.nodes["ucm2"])
    assert listener == Listener("UDP", "192.0.2.2", 5060)
    assert flow == Flow("UDP", "192.0.2.1", 5061, "192.0.2.2", 5060)
