"""What a node does with requests other than calls to sleepers: checks, identity, dialogs."""

from __future__ import annotations

import pytest

from callctl.engine.event import LookedUp
from callctl.model.build import desk_phone, iphone, make_cluster, softphone
from callctl.model.line import ExternalPresentation, Line
from callctl.model.service_parameter import ServiceParameters
from helpers.engine_rig import EngineRig, Sent, authorization, iphone_binding
from sipstack.message.message import Request, Response
from sipstack.message.response import respond
from sipstack.transport.flow import Flow

CALLER = "192.0.2.50:5060"
CALLEE = "192.0.2.60:5060"

INVITE = """
INVITE {uri} SIP/2.0
Via: SIP/2.0/UDP 192.0.2.50:5060;branch=z9hG4bK{branch}
Max-Forwards: {hops}
From: "Desk" <sip:1001@lab.example>;tag=a1
To: <sip:2001@lab.example>
Call-ID: call-1@192.0.2.50
CSeq: 1 INVITE
Contact: <sip:1001@192.0.2.50:5060>
X-Ours: keeps its   blanks
Content-Length: 0
"""

_branches = iter(range(1, 10_000))


def invite(uri: str = "sip:2001@lab.example", *, hops: int = 70) -> str:
    return INVITE.format(uri=uri, hops=hops, branch=f"i{next(_branches)}")


def rig_of(authentication: str = "none") -> EngineRig:
    cluster = make_cluster(
        devices=[softphone("1001"), softphone("2001"), iphone("3001"), desk_phone("4001")],
        lines=[Line("1001", "Front Desk")],
        parameters=ServiceParameters(authentication=authentication),  # type: ignore[arg-type]
    )
    return EngineRig(cluster)


@pytest.fixture
def rig() -> EngineRig:
    rig = rig_of()
    register(rig, "2001", CALLEE, "ucm1")
    return rig


def register(
    rig: EngineRig, user: str, peer: str, node: str, *, extra: str = "", params: str = ""
) -> Response:
    text = f"""
REGISTER sip:lab.example SIP/2.0
Via: SIP/2.0/UDP {peer};branch=z9hG4bKr{next(_branches)}
Max-Forwards: 70
From: <sip:{user}@lab.example>;tag=p1
To: <sip:{user}@lab.example>
Call-ID: reg-{user}
CSeq: {next(_branches)} REGISTER
Contact: <sip:{user}@{peer}>{params}
{extra or "X-None: 1"}
Content-Length: 0
"""
    sent = rig.feed(node, text, rig.flow(node, peer))
    message = sent[0].message
    assert isinstance(message, Response)
    assert message.status == 200
    return message


def statuses(sent: list[Sent]) -> list[int]:
    return [s.message.status for s in sent if isinstance(s.message, Response)]


def forwarded(sent: list[Sent], method: str = "INVITE") -> list[Sent]:
    return [s for s in sent if isinstance(s.message, Request) and s.message.method == method]


def send(rig: EngineRig, text: str, node: str = "ucm1") -> list[Sent]:
    return rig.feed(node, text, rig.flow(node, CALLER))


@pytest.mark.req("CALL-19", "MODE-04")
def test_invite_goes_to_the_registered_contact_with_unknown_headers_and_body_untouched(
    rig: EngineRig,
) -> None:
    body = b"v=0\r\n\x00\xff"
    head = invite().strip().replace("Length: 0", f"Length: {len(body)}").replace("\n", "\r\n")
    data = head.encode() + b"\r\n\r\n" + body
    sent = rig.feed_bytes("ucm1", data, rig.flow("ucm1", CALLER))
    assert statuses(sent) == [100]
    (copy,) = forwarded(sent)
    message = copy.message
    assert isinstance(message, Request)
    assert copy.flow.remote_host == "192.0.2.60"
    assert message.uri_text == "sip:2001@192.0.2.60:5060"
    assert message.max_forwards == 69
    assert "X-Ours: keeps its   blanks" in message.headers.lines
    assert message.body == body
    assert message.headers.first("from") == '"Desk" <sip:1001@lab.example>;tag=a1'


def test_identity_of_the_line_is_asserted_and_a_claimed_one_removed(rig: EngineRig) -> None:
    claimed = invite().replace("From:", "P-Asserted-Identity: <sip:boss@lab.example>\nFrom:")
    sent = send(rig, claimed)
    (copy,) = forwarded(sent)
    assert copy.message.headers.all("p-asserted-identity") == [
        '"Front Desk" <sip:1001@lab.example>'
    ]


@pytest.mark.req("CID-09")
def test_push_and_invite_show_the_same_external_presentation() -> None:
    cluster = make_cluster(
        devices=[softphone("1001"), iphone("3001")],
        lines=[Line("1001", "Front Desk", ExternalPresentation("Sales", "+4930555XXXX"))],
        parameters=ServiceParameters(authentication="none"),
    )
    rig = EngineRig(cluster)
    rig.sign_in(iphone_binding(cluster.devices["TCT3001"]))
    register(rig, "3001", CALLEE, "ucm2")
    sent = send(rig, invite("sip:3001@lab.example"))
    shown = rig.pushes[0].content
    assert (shown.display_name, shown.display_number) == ("Sales", "+49305551001")
    copy = forwarded(sent)[-1]
    assert (
        copy.message.headers.first("p-asserted-identity")
        == '"Sales" <sip:+49305551001@lab.example>'
    )


@pytest.mark.parametrize(
    ("uri", "status"),
    [
        ("sip:9999@lab.example", 404),
        ("sip:4001@lab.example", 480),
        ("sip:2001@elsewhere.example", 403),
        ("sip:2001@192.0.2.99:5060", 403),
        ("urn:service:sos", 416),
        ("sip:lab.example", 405),
    ],
)
def test_request_uri_that_leads_nowhere_gets_its_answer(
    rig: EngineRig, uri: str, status: int
) -> None:
    sent = send(rig, invite(uri))
    assert statuses(sent)[-1] == status
    assert forwarded(sent) == []


@pytest.mark.parametrize(
    "uri", ["tel:2001", "tel:20-01", "sip:2001@192.0.2.1:5060", "sip:20%301@lab.example"]
)
def test_number_is_found_however_it_is_written(rig: EngineRig, uri: str) -> None:
    assert len(forwarded(send(rig, invite(uri)))) == 1


def test_no_hops_left_is_483_and_no_push(rig: EngineRig) -> None:
    rig.sign_in(iphone_binding(rig.cluster.devices["TCT3001"]))
    assert statuses(send(rig, invite("sip:3001@lab.example", hops=0))) == [483]
    assert rig.pushes == []


def test_route_to_a_stranger_is_refused(rig: EngineRig) -> None:
    text = invite().replace("From:", "Route: <sip:192.0.2.200;lr>\nFrom:")
    assert statuses(send(rig, text)) == [403]


def test_preloaded_route_that_names_us_is_taken_off(rig: EngineRig) -> None:
    text = invite().replace("From:", "Route: <sip:192.0.2.1:5060;lr>\nFrom:")
    (copy,) = forwarded(send(rig, text))
    assert not copy.message.headers.has("route")


def test_proxy_require_that_is_unknown_is_420(rig: EngineRig) -> None:
    text = invite().replace("From:", "Proxy-Require: noSuch\nFrom:")
    sent = send(rig, text)
    assert statuses(sent) == [420]
    assert sent[0].message.headers.first("unsupported") == "nosuch"


def test_request_that_comes_round_again_is_482(rig: EngineRig) -> None:
    (copy,) = forwarded(send(rig, invite()))
    assert isinstance(copy.message, Request)
    looped = copy.message.copy()
    looped.set_uri("sip:2001@lab.example")
    looped.headers.remove("record-route")
    looped.headers.prepend("Via", "SIP/2.0/UDP 192.0.2.60:5060;branch=z9hG4bKloop")
    sent = rig.feed_bytes("ucm1", looped.to_bytes(), rig.flow("ucm1", CALLEE))
    assert statuses(sent) == [482]


def test_options_to_the_node_is_answered_even_without_hops(rig: EngineRig) -> None:
    text = (
        invite("sip:lab.example", hops=0)
        .replace("INVITE sip", "OPTIONS sip")
        .replace("1 INVITE", "1 OPTIONS")
    )
    sent = send(rig, text)
    assert statuses(sent) == [200]
    assert "INVITE" in (sent[0].message.headers.first("allow") or "")


def test_bye_of_no_dialog_is_481(rig: EngineRig) -> None:
    text = invite().replace("INVITE sip", "BYE sip").replace("1 INVITE", "1 BYE")
    assert statuses(send(rig, text)) == [481]


@pytest.mark.parametrize("method", ["INVITE", "MESSAGE", "SUBSCRIBE", "PUBLISH", "REFER", "FOO"])
def test_every_method_outside_a_dialog_is_challenged(method: str) -> None:
    rig = rig_of("digest")
    text = invite().replace("INVITE sip", f"{method} sip").replace("1 INVITE", f"1 {method}")
    sent = send(rig, text)
    assert statuses(sent) == [407]
    assert forwarded(sent, method) == []


def test_authenticated_user_speaks_only_as_himself() -> None:
    rig = rig_of("digest")
    challenge = send(rig, invite())[0].message
    assert isinstance(challenge, Response)
    for user, status in (("1001", 480), ("2001", 403)):
        line = authorization(challenge, "INVITE", "sip:2001@lab.example", user, f"pw{user}")
        sent = send(rig, invite().replace("From:", f"{line}\nFrom:").replace("CSeq: 1", "CSeq: 2"))
        assert statuses(sent)[-1] == status
        challenge = send(rig, invite())[0].message
        assert isinstance(challenge, Response)


def test_credentials_for_us_go_no_further() -> None:
    rig = rig_of("digest")
    challenge = register_with_digest(rig, "2001", CALLEE)
    assert challenge.status == 200
    asked = send(rig, invite())[0].message
    assert isinstance(asked, Response)
    line = authorization(asked, "INVITE", "sip:2001@lab.example", "1001", "pw1001")
    (copy,) = forwarded(send(rig, invite().replace("From:", f"{line}\nFrom:")))
    assert not copy.message.headers.has("proxy-authorization")


def register_with_digest(rig: EngineRig, user: str, peer: str) -> Response:
    def text(extra: str) -> str:
        return f"""
REGISTER sip:lab.example SIP/2.0
Via: SIP/2.0/UDP {peer};branch=z9hG4bKr{next(_branches)}
From: <sip:{user}@lab.example>;tag=p1
To: <sip:{user}@lab.example>
Call-ID: reg-{user}
CSeq: {next(_branches)} REGISTER
Contact: <sip:{user}@{peer}>
{extra}
Content-Length: 0
"""

    first = rig.feed("ucm1", text("X-None: 1"), rig.flow("ucm1", peer))[0].message
    assert isinstance(first, Response)
    line = authorization(first, "REGISTER", "sip:lab.example", user, f"pw{user}")
    second = rig.feed("ucm1", text(line), rig.flow("ucm1", peer))[0].message
    assert isinstance(second, Response)
    return second


def answer(
    rig: EngineRig, node: str, copy: Sent, status: int, contact: str = f"<sip:2001@{CALLEE}>"
) -> list[Sent]:
    assert isinstance(copy.message, Request)
    headers = [("Record-Route", str(r)) for r in copy.message.record_routes]
    headers.append(("Contact", contact))
    data = respond(copy.message, status, to_tag="b1", headers=tuple(headers)).to_bytes()
    back = Flow(*copy.flow)
    return rig.feed_bytes(node, data, back)


def in_dialog(
    method: str, cseq: int, *, uri: str, routes: list[str], from_: str, to: str, via: str
) -> str:
    lines = [
        f"{method} {uri} SIP/2.0",
        f"Via: SIP/2.0/UDP {via};branch=z9hG4bKd{next(_branches)}",
        "Max-Forwards: 70",
        *(f"Route: {route}" for route in routes),
        f"From: {from_}",
        f"To: {to}",
        "Call-ID: call-1@192.0.2.50",
        f"CSeq: {cseq} {method}",
        "Content-Length: 0",
    ]
    return "\n".join(lines)


def test_requests_of_both_sides_follow_the_record_route_in_any_parameter_order(
    rig: EngineRig,
) -> None:
    (copy,) = forwarded(send(rig, invite()))
    ok = answer(rig, "ucm1", copy, 200)[-1].message
    assert isinstance(ok, Response)
    (route,) = [str(value) for value in ok.record_routes]
    reordered = route.replace(";lr", ";ftag=x;lr=on")
    caller = {
        "from_": '"Desk" <sip:1001@lab.example>;tag=a1',
        "to": "<sip:2001@lab.example>;tag=b1",
    }
    ack = rig.feed(
        "ucm1",
        in_dialog("ACK", 1, uri=f"sip:2001@{CALLEE}", routes=[reordered], via=CALLER, **caller),
        rig.flow("ucm1", CALLER),
    )
    assert [s.flow.remote_host for s in forwarded(ack, "ACK")] == ["192.0.2.60"]
    callee = {
        "from_": "<sip:2001@lab.example>;tag=b1",
        "to": '"Desk" <sip:1001@lab.example>;tag=a1',
    }
    bye = rig.feed(
        "ucm1",
        in_dialog("BYE", 7, uri=f"sip:1001@{CALLER}", routes=[route], via=CALLEE, **callee),
        rig.flow("ucm1", CALLEE),
    )
    assert [s.flow.remote_host for s in forwarded(bye, "BYE")] == ["192.0.2.50"]


def test_route_that_we_never_made_opens_no_way_out(rig: EngineRig) -> None:
    forged = "<sip:d-b123--00000000-0123456789abcdef@192.0.2.1:5060;lr>"
    text = in_dialog(
        "BYE",
        2,
        uri="sip:victim@198.51.100.7",
        routes=[forged],
        via=CALLER,
        from_="<sip:1001@lab.example>;tag=a1",
        to="<sip:x@lab.example>;tag=b1",
    )
    sent = rig.feed("ucm1", text, rig.flow("ucm1", CALLER))
    assert statuses(sent) == [481]
    assert forwarded(sent, "BYE") == []


def test_cancel_of_a_ringing_call_reaches_the_device_and_ends_487(rig: EngineRig) -> None:
    text = invite()
    (copy,) = forwarded(send(rig, text))
    answer(rig, "ucm1", copy, 180)
    cancel = text.replace("INVITE sip", "CANCEL sip").replace("1 INVITE", "1 CANCEL")
    sent = send(rig, cancel)
    assert statuses(sent)[:2] == [200, 487]
    assert len(forwarded(sent, "CANCEL")) == 1


def test_late_2xx_after_the_cancel_is_forwarded_acknowledged_and_ended(rig: EngineRig) -> None:
    text = invite()
    (copy,) = forwarded(send(rig, text))
    answer(rig, "ucm1", copy, 180)
    send(rig, text.replace("INVITE sip", "CANCEL sip").replace("1 INVITE", "1 CANCEL"))
    late = answer(rig, "ucm1", copy, 200)
    assert statuses(late) == [200]
    assert [len(forwarded(late, method)) for method in ("ACK", "BYE")] == [1, 1]
    assert {s.flow.remote_host for s in forwarded(late, "BYE")} == {"192.0.2.60"}


def test_message_goes_to_every_contact_and_one_answer_comes_back(rig: EngineRig) -> None:
    text = invite().replace("INVITE sip", "MESSAGE sip").replace("1 INVITE", "1 MESSAGE")
    (copy,) = forwarded(send(rig, text), "MESSAGE")
    assert not copy.message.headers.has("record-route")
    assert statuses(answer(rig, "ucm1", copy, 200)) == [200]


def test_message_to_a_silent_device_gets_no_late_408(rig: EngineRig) -> None:
    """RFC 4320 §4.2."""
    text = invite().replace("INVITE sip", "MESSAGE sip").replace("1 INVITE", "1 MESSAGE")
    send(rig, text)
    assert statuses(rig.run_to(60_000)) == []
    assert not any(rig.counts().values()), rig.counts()


def test_silent_desk_phone_is_408_after_timer_b(rig: EngineRig) -> None:
    send(rig, invite())
    assert statuses(rig.run_to(31_999)) == []
    assert statuses(rig.run_to(32_000)) == [408]


def test_to_tag_alone_gets_nobody_past_the_password() -> None:
    rig = rig_of("digest")
    assert register_with_digest(rig, "2001", CALLEE).status == 200
    for method in ("MESSAGE", "INVITE", "BYE"):
        text = in_dialog(
            method,
            1,
            uri="sip:2001@lab.example",
            routes=[],
            via=CALLER,
            from_="<sip:1001@lab.example>;tag=a",
            to="<sip:2001@lab.example>;tag=b",
        )
        sent = rig.feed("ucm1", text, rig.flow("ucm1", CALLER))
        assert statuses(sent) == [407]
        assert forwarded(sent, method) == []


def test_gruu_of_another_domain_is_no_way_past_the_password() -> None:
    rig = rig_of("digest")
    assert register_with_digest(rig, "2001", CALLEE).status == 200
    text = in_dialog(
        "MESSAGE",
        1,
        uri="sip:2001@elsewhere.example;gr=urn:uuid:1",
        routes=[],
        via=CALLER,
        from_="<sip:1001@lab.example>;tag=a",
        to="<sip:2001@lab.example>;tag=b",
    )
    sent = rig.feed("ucm1", text, rig.flow("ucm1", CALLER))
    assert statuses(sent) == [481]
    assert forwarded(sent, "MESSAGE") == []


def test_gruu_in_the_request_uri_of_a_dialog_finds_its_instance_without_route(
    rig: EngineRig,
) -> None:
    register(
        rig, "1001", CALLER, "ucm1", extra="Supported: gruu", params=';+sip.instance="<urn:uuid:5>"'
    )
    for gr in ("urn:uuid:5", "urn%3Auuid%3A5"):
        text = in_dialog(
            "BYE",
            next(_branches),
            uri=f"sip:1001@lab.example;gr={gr}",
            routes=[],
            via=CALLEE,
            from_="<sip:2001@lab.example>;tag=b1",
            to="<sip:1001@lab.example>;tag=a1",
        )
        (copy,) = forwarded(rig.feed("ucm1", text, rig.flow("ucm1", CALLEE)), "BYE")
        assert copy.flow.remote_host == "192.0.2.50"


def test_request_too_large_for_a_datagram_goes_by_tcp_and_by_udp_if_nobody_takes_it(
    rig: EngineRig,
) -> None:
    text = invite().replace("X-Ours", "X-Large: " + "x" * 1300 + "\nX-Ours")
    (copy,) = forwarded(send(rig, text))
    assert (copy.flow.transport, copy.flow.remote_port) == ("TCP", 5060)
    assert copy.message.top_via.transport == "TCP"
    before = len(rig.sent)
    rig.close("ucm1", copy.flow)
    (again,) = forwarded(rig.sent[before:])
    assert again.flow.transport == "UDP"
    assert again.message.top_via.transport == "UDP"
    assert statuses(answer(rig, "ucm1", again, 486)) == [486]
    rig.run_to(60_000)
    counts = rig.counts()
    assert not counts["calls"], counts


def test_datagram_is_not_sent_after_a_failed_dial_once_the_call_is_over(rig: EngineRig) -> None:
    text = invite().replace("X-Ours", "X-Large: " + "x" * 1300 + "\nX-Ours")
    (copy,) = forwarded(send(rig, text))
    send(rig, text.replace("INVITE sip", "CANCEL sip").replace("1 INVITE", "1 CANCEL"))
    before = len(rig.sent)
    rig.close("ucm1", copy.flow)
    assert forwarded(rig.sent[before:]) == []


def test_ack_of_a_forgotten_failure_goes_no_further(rig: EngineRig) -> None:
    text = in_dialog(
        "ACK",
        1,
        uri="sip:2001@lab.example",
        routes=[],
        via=CALLER,
        from_="<sip:1001@lab.example>;tag=a",
        to="<sip:2001@lab.example>;tag=ours",
    )
    assert rig.feed("ucm1", text, rig.flow("ucm1", CALLER)) == []
    assert rig.engines["ucm1"].ignored["ACK without our Route"] == 1


def test_next_hop_that_is_a_name_is_looked_up_before_the_request_goes_on(rig: EngineRig) -> None:
    """RFC 3263, in a dialog: the Contact of the caller is a host name."""
    (copy,) = forwarded(send(rig, invite()))
    ok = answer(rig, "ucm1", copy, 200)[-1].message
    assert isinstance(ok, Response)
    (route,) = [str(value) for value in ok.record_routes]
    text = in_dialog(
        "BYE",
        7,
        uri="sip:1001@phone.lab.example:5070",
        routes=[route],
        via=CALLEE,
        from_="<sip:2001@lab.example>;tag=b1",
        to='"Desk" <sip:1001@lab.example>;tag=a1',
    )
    assert forwarded(rig.feed("ucm1", text, rig.flow("ucm1", CALLEE)), "BYE") == []
    (wanted,) = rig.lookups
    assert [(q.name, q.kind) for q in wanted.queries] == [
        ("phone.lab.example", "A"),
        ("phone.lab.example", "AAAA"),
    ]
    before = len(rig.sent)
    found = tuple((q, ("192.0.2.77",) if q.kind == "A" else ()) for q in wanted.queries)
    rig.perform("ucm1", rig.engines["ucm1"].receive(LookedUp(wanted.lookup_id, found), rig.now))
    (bye,) = forwarded(rig.sent[before:], "BYE")
    assert (bye.flow.remote_host, bye.flow.remote_port) == ("192.0.2.77", 5070)


def test_invite_on_a_connection_that_turns_out_dead_is_dialled_at_the_contact(
    rig: EngineRig,
) -> None:
    """A client may register over a connection it gives up, and listen at its Contact."""
    connection = rig.flow("ucm1", "192.0.2.70:41000", transport="TCP", connection=5)
    text = f"""
REGISTER sip:lab.example SIP/2.0
Via: SIP/2.0/TCP 192.0.2.70:41000;branch=z9hG4bKr{next(_branches)}
From: <sip:4001@lab.example>;tag=p1
To: <sip:4001@lab.example>
Call-ID: reg-tcp
CSeq: 1 REGISTER
Contact: <sip:4001@192.0.2.70:5075;transport=tcp>
Content-Length: 0
"""
    rig.feed("ucm1", text, connection)
    (first,) = forwarded(send(rig, invite("sip:4001@lab.example")))
    assert first.flow == connection
    before = len(rig.sent)
    rig.close("ucm1", connection)
    (second,) = forwarded(rig.sent[before:])
    assert (second.flow.transport, second.flow.connection) == ("TCP", 0)
    assert (second.flow.remote_host, second.flow.remote_port) == ("192.0.2.70", 5075)
    assert statuses(rig.sent[before:]) == []
