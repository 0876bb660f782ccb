"""F. Routing and abuse: ways out of the cluster, ways round in it, and who pays for them.

Each test is one line of the list, in its order; the number stands in its docstring.
"""

from __future__ import annotations

import pytest

from helpers.engine_rig import EngineRig, Sent, authorization
from hostile.messages import (
    CALLEE,
    answer,
    contacts_of,
    finals,
    in_dialog,
    message,
    pass_ms,
    register,
    register_text,
    requests,
    send,
    statuses,
    world,
)
from sipstack.message.message import Request, Response

METHODS = ["INVITE", "MESSAGE", "SUBSCRIBE", "REFER", "OPTIONS", "FOO"]
PREMIUM = "+49900123456"


@pytest.fixture
def rig() -> EngineRig:
    rig = world()
    assert register(rig).status == 200
    return rig


def send_with_password(rig: EngineRig, method: str, uri: str, *headers: str) -> list[Sent]:
    """A request of 1001 that is challenged and comes again with his password."""
    first = send(rig, message(method, uri, *headers))
    challenge = first[0].message
    assert isinstance(challenge, Response)
    assert challenge.status == 407
    line = authorization(challenge, method, uri, "1001", "pw1001")
    return send(rig, message(method, uri, *headers, line, cseq=2))


def strangers(sent: list[Sent]) -> list[Sent]:
    """Requests that left for anybody."""
    return [each for each in sent if isinstance(each.message, Request)]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "uri",
    [
        "sip:2001@elsewhere.example",
        f"sip:{PREMIUM}@198.51.100.7",
        "sip:2001@198.51.100.7:5060;transport=tcp",
        "sip:2001@192.0.2.1:5999",
        "sip:2001@lab.example.elsewhere.example",
        "sips:2001@elsewhere.example",
    ],
)
def test_request_for_a_foreign_domain_is_403_and_nothing_leaves(method: str, uri: str) -> None:
    """69. Who has no password does not even hear that."""
    rig = world("digest")
    refused = send_with_password(rig, method, uri)
    assert statuses(refused) == [403]
    assert strangers(rig.sent) == []
    assert rig.lookups == []


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "routes",
    [
        ("Route: <sip:198.51.100.7;lr>",),
        ("Route: <sip:192.0.2.1:5060;lr>, <sip:198.51.100.7;lr>",),
        ("Route: <sip:lab.example;lr>", "Route: <sip:elsewhere.example;lr>"),
        ("Route: <sip:h--b1--0123456789abcdef@198.51.100.7;lr>",),
    ],
)
def test_route_of_a_third_party_is_403_and_nothing_is_sent(
    rig: EngineRig, method: str, routes: tuple[str, ...]
) -> None:
    """70. With a To tag there is no dialog of ours behind it either: 481."""
    before = len(rig.sent)
    assert statuses(send(rig, message(method, "sip:2001@lab.example", *routes))) == [403]
    tagged = message(method, "sip:2001@198.51.100.7", *routes, to="<sip:x@y.example>;tag=t")
    assert statuses(send(rig, tagged)) == [481]
    assert strangers(rig.sent[before:]) == []
    assert rig.lookups == []


def test_70_routes_that_all_name_us_are_taken_off_in_one_pass(rig: EngineRig) -> None:
    """71."""
    routes = [f"Route: <sip:{host};lr>" for host in ("192.0.2.1:5060", "lab.example") * 35]
    sent = send(rig, message("INVITE", "sip:2001@lab.example", *routes))
    (copy,) = requests(sent)
    assert copy.flow.remote_host == "192.0.2.60"
    assert not copy.message.headers.has("route")


def test_70_routes_from_node_to_node_are_one_pass_each_even_with_our_own_tokens(
    rig: EngineRig,
) -> None:
    """71, by a caller who puts the Route we gave him into a ring of nodes."""
    (copy,) = requests(send(rig, message("INVITE")))
    (final,) = finals(answer(rig, copy, 200))
    token = final.record_routes[0].uri.user
    hosts = ["192.0.2.1:5060", "192.0.2.2:5060"] * 35
    ring = [f"Route: <sip:{token}@{host};lr>" for host in hosts]
    bye = message("BYE", f"sip:2001@{CALLEE}", *ring, to=final.headers.first("to") or "", cseq=2)
    passed = requests(send(rig, bye), "BYE")
    assert 0 < len(passed) <= 70
    assert passed[-1].flow.remote_host in ("192.0.2.60", "192.0.2.1", "192.0.2.2")
    plain = [f"Route: <sip:{host};lr>" for host in hosts]
    bye = message("BYE", f"sip:2001@{CALLEE}", *plain, to=final.headers.first("to") or "", cseq=3)
    assert strangers(send(rig, bye)) == []


@pytest.mark.parametrize(
    "contact",
    [
        "<sip:2001@192.0.2.1:5060>",
        "<sip:2001@192.0.2.1>",
        "<sip:2001@192.0.2.3:5060>",
        "<sip:2002@192.0.2.2:5060>",
        "<sip:2001@192.0.2.1:5061;transport=tls>",
        "<sip:2001@192.0.2.1;transport=tcp>",
        "<sip:2001@192.0.2.1:5060;lr>;q=0.1",
    ],
)
def test_contact_that_leads_back_to_a_node_is_403(rig: EngineRig, contact: str) -> None:
    """72. Else each call would go round until it is found out; with passwords, end in a 407."""
    assert register(rig, "2001", contact).status == 403
    assert contacts_of(rig) == [f"sip:2001@{CALLEE}"]


def test_contact_that_is_its_own_address_of_record_is_reached_where_it_registered(
    rig: EngineRig,
) -> None:
    """72. Its host is a name, so that its flow is all there is: no loop to refuse."""
    assert register(rig, "2002", "<sip:2002@lab.example>").status == 200
    (copy,) = requests(send(rig, message("INVITE", "sip:2002@lab.example")))
    assert copy.flow.remote_host == "192.0.2.60"


def test_contact_of_a_lost_connection_that_leads_back_to_a_node_is_not_dialled(
    rig: EngineRig,
) -> None:
    """72. While its connection is up it does no harm, so it is not refused."""
    connection = rig.flow("ucm1", "192.0.2.61:40000", transport="TCP", connection=7)
    contact = "Contact: <sip:2002@192.0.2.1:5060;transport=tcp>"
    text = register_text("2002", contact, peer="192.0.2.61:40000", transport="TCP")
    assert statuses(rig.feed("ucm1", text, connection), to="192.0.2.61") == [200]
    (copy,) = requests(send(rig, message("INVITE", "sip:2002@lab.example", call_id="up")))
    assert copy.flow == connection
    answer(rig, copy, 486)
    pass_ms(rig, 1)
    rig.close("ucm1", connection)
    sent = send(rig, message("INVITE", "sip:2002@lab.example", call_id="down"))
    assert statuses(sent) == [100, 480]
    assert requests(sent) == []


def test_request_that_a_contact_sends_back_to_us_is_482(rig: EngineRig) -> None:
    """72, by a phone that forwards its calls to its own number (RFC 5393 §4.2)."""
    (copy,) = requests(send(rig, message("INVITE")))
    assert isinstance(copy.message, Request)
    back = copy.message.copy()
    back.set_uri("sip:2001@lab.example")
    back.headers.remove("record-route")
    back.headers.prepend("Via", f"SIP/2.0/UDP {CALLEE};branch=z9hG4bKback")
    looped = rig.feed_bytes("ucm1", back.to_bytes(), rig.flow("ucm1", CALLEE))
    assert statuses(looped, to="192.0.2.60") == [482]
    assert requests(looped) == []


@pytest.mark.parametrize("disguise", ["", ";x={}"])
def test_two_lines_that_fork_to_each_other_through_phones_stay_below_60_branches(
    rig: EngineRig, disguise: str
) -> None:
    """73. Four contacts each, all of which send the call on to the other line (RFC 5393 §4, §5).

    The contacts are phones: one that is a node is refused when it registers (72). A Request-URI
    that is new each time is no loop, and so a matter of Max-Breadth.
    """
    sends_on: dict[str, str] = {}
    for user, other, base in (("2001", "2002", 100), ("2002", "2001", 110)):
        for number in range(4):
            pass_ms(rig, 1)
            peer = f"192.0.2.{base + number}:5060"
            assert register(rig, user, peer=peer).status == 200
            sends_on[peer] = other
    waiting = requests(send(rig, message("INVITE")))
    branches = 0
    while waiting and branches <= 100:
        copy = waiting.pop(0)
        branches += 1
        assert isinstance(copy.message, Request)
        peer = f"{copy.flow.remote_host}:{copy.flow.remote_port}"
        if peer in sends_on:
            back = copy.message.copy()
            back.set_uri(f"sip:{sends_on[peer]}@lab.example{disguise.format(branches)}")
            back.headers.remove("record-route")
            back.headers.prepend("Via", f"SIP/2.0/UDP {peer};branch=z9hG4bKf{branches}")
            data = back.to_bytes()
            waiting += requests(rig.feed_bytes("ucm1", data, rig.flow("ucm1", peer)))
    assert branches <= 60


@pytest.mark.parametrize(
    ("via", "port"),
    [
        ("192.0.2.50:5060;branch=z9hG4bK1;maddr=203.0.113.9", 5060),
        ("192.0.2.50:5060;branch=z9hG4bK1;received=203.0.113.9", 5060),
        ("203.0.113.9:5060;branch=z9hG4bK1", 5060),
        ("203.0.113.9:5060;branch=z9hG4bK1;rport", 4444),
        ("203.0.113.9:5060;branch=z9hG4bK1;rport=9;received=203.0.113.9;maddr=203.0.113.9", 4444),
        ("victim.example;branch=z9hG4bK1;rport;ttl=200;maddr=224.0.1.75", 4444),
    ],
)
def test_answer_goes_to_the_source_of_the_packet_whatever_its_via_says(via: str, port: int) -> None:
    """74. RFC 3261 §18.2.2, RFC 3581 §4. Without rport the port of sent-by is the sender's own."""
    rig = world()
    text = message("INVITE", "sip:9999@lab.example")
    lines = text.split("\n")
    lines[1] = f"Via: SIP/2.0/UDP {via}"
    sent = rig.feed("ucm1", "\n".join(lines), rig.flow("ucm1", "192.0.2.50:4444"))
    sent += rig.run_to(1_000)  # and so do the repetitions of the 404
    assert {(each.flow.remote_host, each.flow.remote_port) for each in sent} == {
        ("192.0.2.50", port)
    }
    assert len(sent) > 1


@pytest.mark.parametrize("status", [300, 301, 302, 305, 380])
def test_redirection_to_a_premium_number_is_passed_on_and_not_followed(
    rig: EngineRig, status: int
) -> None:
    """75. The caller may follow it, on his own account."""
    (copy,) = requests(send(rig, message("INVITE")))
    passed = answer(rig, copy, status, contact=f"<sip:{PREMIUM}@lab.example>")
    assert statuses(passed) == [status]
    assert requests(passed) == []
    assert requests(rig.run_to(40_000)) == []


def test_refer_to_a_premium_number_is_for_the_phone_it_was_sent_to(rig: EngineRig) -> None:
    """75. In a dialog and outside of one."""
    refer_to = f"Refer-To: <sip:{PREMIUM}@198.51.100.7>"
    outside = send(rig, message("REFER", "sip:2001@lab.example", refer_to))
    (copy,) = requests(send(rig, message("INVITE", call_id="other")))
    (final,) = finals(answer(rig, copy, 200))
    inside = send(rig, in_dialog("REFER", 2, final, refer_to))
    for sent in (outside, inside):
        assert [each.flow.remote_host for each in strangers(sent)] == ["192.0.2.60"]
        assert requests(sent) == []


@pytest.mark.parametrize(
    "uri",
    [
        "tel:" + "1" * 1_000,
        "tel:+" + "2001" * 250,
        "tel:+2001",
        "tel:2001;phone-context=elsewhere.example",
        "tel:2001;phone-context=+49",
        "sip:2001;phone-context=elsewhere.example@lab.example;user=phone",
        "sip:2001%3Bphone-context=lab.example@lab.example",
        "sip:2001%00@lab.example",
        "sip:+2001@lab.example;user=phone",
        "sip:2001,2002@lab.example",
        "sip:" + "2" * 1_000 + "@lab.example",
    ],
)
def test_number_that_is_not_one_of_ours_is_404_however_it_is_dressed(
    rig: EngineRig, uri: str
) -> None:
    """76. A local number is local to its phone-context (RFC 3966 §5.1.5)."""
    sent = send(rig, message("INVITE", uri))
    assert statuses(sent)[-1] in (404, 484)
    assert requests(sent) == []


def test_local_number_in_our_own_context_is_ours(rig: EngineRig) -> None:
    """76, the other way round."""
    for uri in ("tel:2001", "tel:20-01;phone-context=lab.example", "tel:2001;isub=1"):
        sent = send(rig, message("INVITE", uri))
        assert [each.flow.remote_host for each in requests(sent)] == ["192.0.2.60"]
