"""Who may call whom: clients, the peers of trunks, and strangers; and what they may claim to be."""

from __future__ import annotations

from dataclasses import replace

import pytest

from callctl.model.build import iphone, make_cluster, softphone
from callctl.model.hunt_pilot import HuntPilot
from callctl.model.line import Line
from callctl.model.service_parameter import ServiceParameters
from callctl.model.trunk import RoutePattern, SipTrunk, TrunkCredentials, TrunkDestination
from callctl.model.user import Secret
from helpers.engine_rig import EngineRig, Sent, authorization, iphone_binding
from sipstack.message.message import Request, Response

PEER = "192.0.2.90:5060"
CALLER = "192.0.2.50:5060"
PHONE = "192.0.2.60:5060"

PSTN = SipTrunk("pstn", (TrunkDestination("UDP", "192.0.2.90", 5060),), options_ping_s=0)
OTHER = SipTrunk("other", (TrunkDestination("UDP", "192.0.2.95", 5060),), options_ping_s=0)

_branches = iter(range(1, 10_000))


def rig_of(trunk: SipTrunk = PSTN, **parameters: object) -> EngineRig:
    """1001 may call, 2001 is registered, 3001 asleep; 5000, 5001 hunt to them; 0... is outside."""
    cluster = make_cluster(
        devices=[softphone("1001"), softphone("2001"), iphone("3001")],
        lines=[Line("1001", "Front Desk")],
        hunt_pilots=[HuntPilot("5000", ("2001",)), HuntPilot("5001", ("3001",))],
        trunks=[trunk, OTHER],
        route_patterns=[RoutePattern("0!", (trunk.name,)), RoutePattern("9!", ("other",))],
        parameters=ServiceParameters(**parameters),  # type: ignore[arg-type]
    )
    rig = EngineRig(cluster)
    rig.sign_in(iphone_binding(cluster.devices["TCT3001"]))
    register(rig, "2001", PHONE)
    return rig


def register(rig: EngineRig, user: str, peer: str) -> None:
    line = "X-None: 1"
    for _ in range(2):
        text = f"""
REGISTER sip:lab.example SIP/2.0
Via: SIP/2.0/UDP {peer};branch=z9hG4bKr{next(_branches)}
From: <sip:{user}@lab.example>;tag=p1
To: <sip:{user}@lab.example>
Call-ID: reg-{user}
CSeq: {next(_branches)} REGISTER
Contact: <sip:{user}@{peer}>
{line}
Content-Length: 0
"""
        answer = rig.feed("ucm1", text, rig.flow("ucm1", peer))[0].message
        assert isinstance(answer, Response)
        if answer.status == 200:
            return
        line = authorization(answer, "REGISTER", "sip:lab.example", user, f"pw{user}")
    raise AssertionError("not registered")


def request(
    uri: str,
    *extra: str,
    method: str = "INVITE",
    sender: str = '"Desk" <sip:1001@lab.example>',
    peer: str = PEER,
) -> str:
    lines = "\n".join(extra) or "X-None: 1"
    return f"""
{method} {uri} SIP/2.0
Via: SIP/2.0/UDP {peer};branch=z9hG4bKi{next(_branches)}
Max-Forwards: 70
From: {sender};tag=a1
To: <{uri}>
Call-ID: call-{next(_branches)}@{peer}
CSeq: 1 {method}
Contact: <sip:1001@{peer}>
{lines}
Content-Length: 0
"""


OUTSIDE = '"Harbour Office" <sip:+49301112@pstn.example>'


def from_peer(rig: EngineRig, text: str, peer: str = PEER) -> list[Sent]:
    return rig.feed("ucm1", text, rig.flow("ucm1", peer))


def by_user(rig: EngineRig, uri: str, *extra: str, user: str = "1001", **more: str) -> list[Sent]:
    """A request of an authenticated user."""
    method = more.get("method", "INVITE")
    first = from_peer(rig, request(uri, *extra, peer=CALLER, **more), CALLER)[0].message
    assert isinstance(first, Response)
    assert first.status == 407
    line = authorization(first, method, uri, user, f"pw{user}")
    return from_peer(rig, request(uri, *extra, line, peer=CALLER, **more), CALLER)


def statuses(sent: list[Sent]) -> list[int]:
    return [it.message.status for it in sent if isinstance(it.message, Response)]


def copies(sent: list[Sent], method: str = "INVITE") -> list[Request]:
    return [
        it.message for it in sent if isinstance(it.message, Request) and it.message.method == method
    ]


def test_the_peer_of_a_trunk_calls_a_line_without_password_and_under_its_own_name() -> None:
    sent = from_peer(rig_of(), request("sip:2001@lab.example", sender=OUTSIDE))
    assert statuses(sent) == [100]
    [copy] = copies(sent)
    assert copy.uri_text == f"sip:2001@{PHONE}"
    assert copy.headers.all("p-asserted-identity") == [
        '"Harbour Office" <sip:+49301112@lab.example>'
    ]


@pytest.mark.req("CALL-20")
def test_the_peer_of_a_trunk_calls_a_hunt_pilot() -> None:
    rig = rig_of()
    assert len(copies(from_peer(rig, request("sip:5000@lab.example", sender=OUTSIDE)))) == 1
    from_peer(rig, request("sip:5001@lab.example", sender=OUTSIDE))
    content = rig.pushes[0].content
    assert (content.hunt_pilot_dn, content.display_number) == ("5001", "+49301112")


@pytest.mark.req("CID-09", "OP-16")
def test_push_and_invite_of_a_trunk_call_show_the_identity_that_the_peer_asserts() -> None:
    rig = rig_of()
    asserted = 'P-Asserted-Identity: "Pier 7" <tel:+49-30-5557>'
    from_peer(rig, request("sip:3001@lab.example", asserted, sender=OUTSIDE))
    content = rig.pushes[0].content
    assert (content.display_name, content.display_number) == ("Pier 7", "+49305557")
    [copy] = copies(from_peer(rig, request("sip:2001@lab.example", asserted, sender=OUTSIDE)))
    assert copy.headers.all("p-asserted-identity") == ['"Pier 7" <sip:+49305557@lab.example>']


@pytest.mark.req("CID-10")
def test_a_hidden_caller_of_a_trunk_shows_neither_in_push_nor_in_invite() -> None:
    rig = rig_of()
    hidden = ("Privacy: id", "P-Asserted-Identity: <tel:+49305557>")
    from_peer(rig, request("sip:3001@lab.example", *hidden, sender=OUTSIDE))
    content = rig.pushes[0].content
    assert (content.display_name, content.display_number) == ("Anonymous", "")
    [copy] = copies(from_peer(rig, request("sip:2001@lab.example", *hidden, sender=OUTSIDE)))
    assert not copy.headers.has("p-asserted-identity")


def test_the_word_of_a_peer_that_is_not_trusted_counts_for_nothing() -> None:
    rig = rig_of(replace(PSTN, trust_identity=False))
    asserted = "P-Asserted-Identity: <sip:boss@lab.example>"
    [copy] = copies(from_peer(rig, request("sip:2001@lab.example", asserted, sender=OUTSIDE)))
    assert copy.headers.all("p-asserted-identity") == [
        '"Harbour Office" <sip:+49301112@lab.example>'
    ]


@pytest.mark.parametrize("uri", ["sip:049301112@lab.example", "sip:9112@lab.example", "tel:0112"])
def test_a_peer_reaches_no_trunk_through_us_not_even_its_own(uri: str) -> None:
    rig = rig_of()
    sent = from_peer(rig, request(uri, sender=OUTSIDE))
    assert statuses(sent) == [403]
    # To speak as one of our lines helps it as little.
    assert statuses(from_peer(rig, request(uri))) == [403]
    assert copies(rig.sent) == []


@pytest.mark.parametrize(
    ("uri", "status"),
    [
        ("sip:7777@lab.example", 404),
        ("sip:2001@elsewhere.example", 403),
        ("sip:+4930@192.0.2.95:5060", 403),
        ("tel:2001;phone-context=elsewhere.example", 404),
        ("tel:" + "0" * 1000, 404),
        ("sip:2001;phone-context=+49@lab.example", 404),
    ],
)
def test_a_number_that_is_nobodys_gets_its_answer(uri: str, status: int) -> None:
    rig = rig_of()
    assert statuses(from_peer(rig, request(uri, sender=OUTSIDE))) == [status]
    assert copies(rig.sent) == []


@pytest.mark.parametrize(
    "uri", ["tel:2001;phone-context=lab.example", "tel:2001", "tel:20-01;phone-context=LAB.example"]
)
def test_a_local_number_of_our_own_context_is_ours(uri: str) -> None:
    assert len(copies(from_peer(rig_of(), request(uri, sender=OUTSIDE)))) == 1


def test_a_global_number_may_be_written_with_its_context() -> None:
    cluster = make_cluster(devices=[softphone("+4930555")], trunks=[PSTN])
    rig = EngineRig(cluster)
    sent = from_peer(rig, request("tel:555;phone-context=+49-30", sender=OUTSIDE))
    assert statuses(sent) == [100, 480]


def test_a_peer_with_a_password_of_its_own_has_to_prove_it() -> None:
    inbound = TrunkCredentials("harbour", Secret("viola"))
    rig = rig_of(replace(PSTN, inbound=inbound))
    uri = "sip:2001@lab.example"
    first = from_peer(rig, request(uri, sender=OUTSIDE))[0].message
    assert isinstance(first, Response)
    assert first.status == 407
    for user, password in (("harbour", "wrong"), ("1001", "pw1001")):
        line = authorization(first, "INVITE", uri, user, password)
        assert statuses(from_peer(rig, request(uri, line, sender=OUTSIDE))) == [407]
    line = authorization(first, "INVITE", uri, "harbour", "viola")
    [copy] = copies(from_peer(rig, request(uri, line, sender=OUTSIDE)))
    assert not copy.headers.has("proxy-authorization")


def test_the_password_of_a_peer_opens_nothing_to_anybody_else() -> None:
    rig = rig_of(replace(PSTN, inbound=TrunkCredentials("harbour", Secret("viola"))))
    uri = "sip:2001@lab.example"
    first = from_peer(rig, request(uri, peer=CALLER), CALLER)[0].message
    assert isinstance(first, Response)
    line = authorization(first, "INVITE", uri, "harbour", "viola")
    sent = from_peer(rig, request(uri, line, sender=OUTSIDE, peer=CALLER), CALLER)
    assert statuses(sent) == [407]


@pytest.mark.parametrize("method", ["INVITE", "MESSAGE", "REFER", "SUBSCRIBE", "PUBLISH"])
@pytest.mark.parametrize("uri", ["sip:049301112@lab.example", "sip:+4930@192.0.2.90:5060"])
def test_a_stranger_gets_no_further_than_a_challenge(method: str, uri: str) -> None:
    """Reliability 69 and 82: no open relay."""
    rig = rig_of()
    sent = from_peer(rig, request(uri, method=method, peer=CALLER), CALLER)
    assert statuses(sent) == [407]
    assert len(sent) == 1


@pytest.mark.parametrize("uri", ["sip:0112@lab.example", "sip:5000@lab.example"])
def test_only_calls_go_to_hunt_pilots_and_outside(uri: str) -> None:
    sent = by_user(rig_of(), uri, method="MESSAGE")
    assert statuses(sent) == [405]
    assert sent[0].message.headers.first("allow") == "INVITE, ACK, CANCEL"
    assert copies(sent, "MESSAGE") == []


def test_a_message_of_a_peer_reaches_a_line_under_the_peers_name() -> None:
    sent = from_peer(rig_of(), request("sip:2001@lab.example", method="MESSAGE", sender=OUTSIDE))
    [copy] = copies(sent, "MESSAGE")
    assert copy.headers.first("p-asserted-identity") == (
        '"Harbour Office" <sip:+49301112@lab.example>'
    )


CLAIMS = (
    "P-Asserted-Identity: <sip:boss@lab.example>",
    "P-Preferred-Identity: <sip:boss@lab.example>",
    "Remote-Party-ID: <sip:boss@lab.example>;screen=yes",
    "X-Push-Call-UUID: 00000000-0000-4000-8000-000000000001",
)


@pytest.mark.parametrize("method", ["INVITE", "MESSAGE"])
@pytest.mark.parametrize("authentication", ["digest", "none"])
def test_what_a_client_claims_to_be_is_removed_and_its_line_asserted(
    method: str, authentication: str
) -> None:
    """Reliability 84."""
    rig = rig_of(authentication=authentication)
    uri = "sip:2001@lab.example"
    if authentication == "digest":
        sent = by_user(rig, uri, *CLAIMS, method=method)
    else:
        sent = from_peer(rig, request(uri, *CLAIMS, method=method, peer=CALLER), CALLER)
    [copy] = copies(sent, method)
    assert copy.headers.all("p-asserted-identity") == ['"Front Desk" <sip:1001@lab.example>']
    for claim in CLAIMS[1:]:
        assert not copy.headers.has(claim.partition(":")[0].lower())


def test_a_claim_within_a_dialog_is_removed_too() -> None:
    rig = rig_of()
    [copy] = copies(by_user(rig, "sip:2001@lab.example"))
    [route] = copy.record_routes
    update = request(f"sip:2001@{PHONE}", *CLAIMS, f"Route: {route}", method="UPDATE", peer=CALLER)
    update = update.replace(f"To: <sip:2001@{PHONE}>", "To: <sip:2001@lab.example>;tag=b1")
    [passed] = copies(from_peer(rig, update, CALLER), "UPDATE")
    for claim in CLAIMS:
        assert not passed.headers.has(claim.partition(":")[0].lower())


@pytest.mark.parametrize(
    "sender", ["<sip:2001@lab.example>", "<sip:boss@lab.example>", "<sip:049301112@lab.example>"]
)
def test_an_authenticated_user_cannot_speak_as_another(sender: str) -> None:
    """Reliability 86."""
    rig = rig_of()
    sent = by_user(rig, "sip:2001@lab.example", sender=sender)
    assert statuses(sent) == [403]
    assert copies(sent) == []


@pytest.mark.req("CID-10")
def test_an_authenticated_user_may_call_as_nobody() -> None:
    sent = by_user(
        rig_of(), "sip:2001@lab.example", sender='"Anonymous" <sip:anonymous@anonymous.invalid>'
    )
    [copy] = copies(sent)
    assert not copy.headers.has("p-asserted-identity")


def test_a_peer_that_keeps_its_dialog_by_address_alone_needs_no_password_of_a_user() -> None:
    """A To tag and our own address, without our Route: the peer is known, a stranger is not."""
    rig = rig_of()
    text = request("sip:2001@lab.example", method="MESSAGE", sender=OUTSIDE)
    text = text.replace("To: <sip:2001@lab.example>", "To: <sip:2001@lab.example>;tag=b1")
    assert len(copies(from_peer(rig, text), "MESSAGE")) == 1
    stranger = text.replace(PEER, CALLER).replace("z9hG4bKi", "z9hG4bKs")
    assert statuses(from_peer(rig, stranger, CALLER)) == [407]
