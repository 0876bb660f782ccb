"""Calls that leave over trunks: who is asked, in which order, and what the caller hears of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from callctl.engine.event import EngineEvent
from callctl.model.build import iphone, make_cluster, make_user, softphone
from callctl.model.line import ExternalPresentation, Forwarding, Line
from callctl.model.service_parameter import ServiceParameters
from callctl.model.trunk import RoutePattern, SipTrunk, TrunkCredentials, TrunkDestination
from callctl.model.user import Secret
from helpers.engine_rig import EngineRig, Sent, iphone_binding
from sipstack.digest.credentials import Credentials
from sipstack.message.message import Request, Response
from sipstack.message.response import respond
from sipstack.transport.flow import Flow, FlowClosed

CALLER = "192.0.2.50:5060"
PHONE = "192.0.2.60:5060"
FIRST = TrunkDestination("UDP", "192.0.2.90", 5060)
SECOND = TrunkDestination("TCP", "192.0.2.91", 5080)
PSTN = SipTrunk(
    "pstn",
    (FIRST, SECOND),
    options_ping_s=0,
    try_s=4,
    outbound=TrunkCredentials("lab", Secret("cello")),
)
SPARE = SipTrunk("spare", (TrunkDestination("UDP", "192.0.2.95", 5060),), options_ping_s=0)

_branches = iter(range(1, 100_000))


def rig_of(
    *,
    trunk: SipTrunk = PSTN,
    forwarding: Forwarding | None = None,
    mobility: str | None = None,
    presentation: ExternalPresentation | None = None,
) -> EngineRig:
    """1001 calls; 2001 is registered; 3001 sleeps; 00... goes to the trunks, 0... without 00."""
    cluster = make_cluster(
        nodes=("ucm1", "ucm2"),
        users=[replace(make_user("3001"), mobility_identity=mobility)],
        devices=[softphone("1001"), softphone("2001"), iphone("3001")],
        lines=[
            Line("1001", "Front Desk", presentation),
            Line("2001", forwarding=forwarding or Forwarding()),
        ],
        trunks=[trunk, SPARE],
        route_patterns=[RoutePattern("00!", (trunk.name, "spare"), strip=2, prefix="+")],
        parameters=ServiceParameters(authentication="none"),
    )
    rig = EngineRig(cluster)
    rig.sign_in(iphone_binding(cluster.devices["TCT3001"]))
    text = request("sip:lab.example", method="REGISTER", sender="<sip:2001@lab.example>", via=PHONE)
    text = text.replace("<sip:lab.example>\n", "<sip:2001@lab.example>\n")
    assert statuses(feed(rig, text.replace("sip:1001@", "sip:2001@"), PHONE)) == [200]
    return rig


def request(
    uri: str,
    *extra: str,
    method: str = "INVITE",
    sender: str = '"Desk" <sip:1001@lab.example>',
    via: str = CALLER,
    cseq: int = 1,
    tag: str = "",
) -> str:
    lines = "\n".join(extra) or "X-None: 1"
    to_tag = f";tag={tag}" if tag else ""
    return f"""
{method} {uri} SIP/2.0
Via: SIP/2.0/UDP {via};branch=z9hG4bKt{next(_branches)}
Max-Forwards: 70
From: {sender};tag=a1
To: <{uri}>{to_tag}
Call-ID: call-1@{via}
CSeq: {cseq} {method}
Contact: <sip:1001@{via}>
{lines}
Content-Length: 0
"""


def feed(rig: EngineRig, text: str, peer: str = CALLER) -> list[Sent]:
    return rig.feed("ucm1", text, rig.flow("ucm1", peer))


def answer(rig: EngineRig, copy: Sent, status: int, *headers: tuple[str, str]) -> list[Sent]:
    """The peer answers one request that it got."""
    assert isinstance(copy.message, Request)
    routes = [("Record-Route", str(route)) for route in copy.message.record_routes]
    host = f"{copy.flow.remote_host}:{copy.flow.remote_port}"
    contact = ("Contact", f"<sip:pstn@{host}>")
    data = respond(copy.message, status, to_tag="b1", headers=(*routes, contact, *headers))
    return rig.feed_bytes(copy.node, data.to_bytes(), Flow(*copy.flow))


def statuses(sent: list[Sent], to: str = "") -> list[int]:
    """Of the answers that left; of those to one host only, if it is given."""
    return [
        it.message.status
        for it in sent
        if isinstance(it.message, Response) and to in it.flow.remote_host
    ]


def copies(sent: list[Sent], method: str = "INVITE") -> list[Sent]:
    return [it for it in sent if isinstance(it.message, Request) and it.message.method == method]


def asked(sent: list[Sent]) -> list[str]:
    """Hosts that got an INVITE, each once."""
    return list(dict.fromkeys(it.flow.remote_host for it in copies(sent)))


def challenge(nonce: str, more: str = "") -> tuple[str, str]:
    return "Proxy-Authenticate", f'Digest realm="pstn", nonce="{nonce}", qop="auth"{more}'


DIALLED = "sip:004930777@lab.example"


def test_a_call_goes_to_the_first_destination_with_the_number_as_the_peer_knows_it() -> None:
    rig = rig_of()
    sent = feed(rig, request(DIALLED))
    assert statuses(sent) == [100]
    [copy] = copies(sent)
    message = copy.message
    assert isinstance(message, Request)
    assert message.uri_text == "sip:+4930777@192.0.2.90:5060"
    assert message.headers.first("p-asserted-identity") == '"Front Desk" <sip:1001@lab.example>'
    assert not message.headers.has("x-push-call-uuid")
    assert statuses(answer(rig, copy, 180)) == [180]
    assert statuses(answer(rig, copy, 200)) == [200]
    [record] = rig.engines["ucm1"].calls.records
    assert [step.code for step in record.steps] == [
        "received",
        "trunk",
        "ringing",
        "answered",
    ]


def test_requests_in_the_dialog_go_both_ways_through_us() -> None:
    rig = rig_of()
    [copy] = copies(feed(rig, request(DIALLED)))
    ok = answer(rig, copy, 200)[0].message
    assert isinstance(ok, Response)
    [route] = ok.record_routes
    ack = request("sip:pstn@192.0.2.90:5060", f"Route: {route}", method="ACK", tag="b1")
    assert [it.flow.remote_host for it in copies(feed(rig, ack), "ACK")] == ["192.0.2.90"]
    bye = request(
        f"sip:1001@{CALLER}",
        f"Route: {route}",
        method="BYE",
        sender=f"<{DIALLED}>",
        via="192.0.2.90:5060",
        tag="a1",
    ).replace(";tag=a1\nTo", ";tag=b1\nTo")
    [back] = copies(feed(rig, bye, "192.0.2.90:5060"), "BYE")
    assert back.flow.remote_host == "192.0.2.50"


def test_the_peers_challenge_is_answered_by_us_and_the_caller_hears_nothing_of_it() -> None:
    rig = rig_of()
    [copy] = copies(feed(rig, request(DIALLED, cseq=7)))
    after = answer(rig, copy, 407, challenge("n1"))
    assert statuses(after) == []
    [ack], [again] = copies(after, "ACK"), copies(after)
    assert isinstance(again.message, Request)
    assert isinstance(copy.message, Request)
    assert ack.flow == again.flow == copy.flow
    credentials = Credentials.parse(again.message.headers.first("proxy-authorization") or "")
    assert credentials is not None
    assert (credentials.username, credentials.nonce) == ("lab", "n1")
    assert again.message.cseq.number == 7
    assert again.message.top_via.branch != copy.message.top_via.branch
    assert statuses(answer(rig, again, 200)) == [200]


def test_a_stale_nonce_is_answered_once_more_and_not_for_ever() -> None:
    rig = rig_of()
    [copy] = copies(feed(rig, request(DIALLED)))
    for number in range(1, 3):
        [copy] = copies(answer(rig, copy, 407, challenge(f"n{number}", ", stale=true")))
        assert copy.flow.remote_host == "192.0.2.90"
    last = answer(rig, copy, 407, challenge("n3", ", stale=true"))
    assert asked(last) == ["192.0.2.91"]
    assert statuses(last) == []


def test_a_peer_that_refuses_our_password_is_left_for_the_next_and_the_caller_not_challenged() -> (
    None
):
    rig = rig_of()
    [copy] = copies(feed(rig, request(DIALLED)))
    [copy] = copies(answer(rig, copy, 407, challenge("n1")))
    after = answer(rig, copy, 407, challenge("n2"))
    assert asked(after) == ["192.0.2.91"]
    for status in (401, 407):
        assert status not in statuses(rig.sent)


@pytest.mark.parametrize("method", ["BYE", "INVITE"])
def test_a_challenge_within_the_dialog_is_answered_too(method: str) -> None:
    rig = rig_of()
    [copy] = copies(feed(rig, request(DIALLED)))
    ok = answer(rig, copy, 200)[0].message
    assert isinstance(ok, Response)
    [route] = ok.record_routes
    within = request("sip:pstn@192.0.2.90:5060", f"Route: {route}", method=method, tag="b1", cseq=2)
    [passed] = copies(feed(rig, within), method)
    after = answer(rig, passed, 407, challenge("n1"))
    assert statuses(after) == []
    [again] = copies(after, method)
    assert again.message.headers.has("proxy-authorization")
    assert statuses(answer(rig, again, 200)) == [200]


def test_the_challenge_of_a_device_is_passed_to_the_caller_and_never_answered() -> None:
    """Reliability 83."""
    rig = rig_of()
    [copy] = copies(feed(rig, request("sip:2001@lab.example")))
    after = answer(rig, copy, 407, challenge("n1"))
    assert statuses(after) == [407]
    assert copies(after) == []


def test_a_silent_destination_is_given_up_for_the_next_after_its_time() -> None:
    rig = rig_of()
    assert asked(feed(rig, request(DIALLED))) == ["192.0.2.90"]
    assert asked(rig.run_to(3999)) == ["192.0.2.90"]  # repetitions
    assert "192.0.2.91" in asked(rig.run_to(4001))
    [second] = [it for it in copies(rig.sent) if it.flow.remote_host == "192.0.2.91"]
    assert isinstance(second.message, Request)
    assert second.message.uri_text == "sip:+4930777@192.0.2.91:5080;transport=tcp"
    assert statuses(answer(rig, second, 200)) == [200]


def test_a_connection_that_cannot_be_had_leads_to_the_next_trunk_at_once() -> None:
    trunk = replace(PSTN, destinations=(SECOND,))
    rig = rig_of(trunk=trunk)
    [copy] = copies(feed(rig, request(DIALLED)))
    event: EngineEvent = FlowClosed(copy.flow, "refused")
    before = len(rig.sent)
    rig.perform("ucm1", rig.engines["ucm1"].receive(event, rig.now))
    assert asked(rig.sent[before:]) == ["192.0.2.95"]


@pytest.mark.parametrize("status", [500, 503, 408])
def test_a_destination_in_trouble_is_left_for_the_next(status: int) -> None:
    rig = rig_of()
    [copy] = copies(feed(rig, request(DIALLED)))
    assert asked(answer(rig, copy, status)) == ["192.0.2.91"]


@pytest.mark.parametrize("status", [404, 486, 480, 603])
def test_what_the_called_party_answers_is_the_answer(status: int) -> None:
    rig = rig_of()
    [copy] = copies(feed(rig, request(DIALLED)))
    after = answer(rig, copy, status)
    assert statuses(after) == [status]
    assert copies(after) == []


def test_when_nobody_takes_the_call_the_caller_may_try_later() -> None:
    rig = rig_of()
    feed(rig, request(DIALLED))
    rig.run_to(8_500)
    third = [it for it in copies(rig.sent) if it.flow.remote_host == "192.0.2.95"]
    after = answer(rig, third[0], 503)
    [final] = [it.message for it in after if isinstance(it.message, Response)]
    assert final.status == 503
    assert final.headers.has("retry-after")
    rig.run_to(120_000)
    assert not any(rig.counts().values()), rig.counts()


def test_a_caller_who_gives_up_is_given_up_at_the_peer() -> None:
    rig = rig_of()
    text = request(DIALLED)
    [copy] = copies(feed(rig, text))
    answer(rig, copy, 180)
    cancel = text.replace("INVITE sip", "CANCEL sip").replace("1 INVITE", "1 CANCEL")
    sent = feed(rig, cancel)
    assert statuses(sent, "192.0.2.50") == [200, 487]
    assert [it.flow.remote_host for it in copies(sent, "CANCEL")] == ["192.0.2.90"]
    answer(rig, copy, 487)
    rig.run_to(120_000)
    assert not any(rig.counts().values()), rig.counts()


def test_a_destination_that_does_not_answer_options_is_tried_last() -> None:
    rig = rig_of(trunk=replace(PSTN, options_ping_s=60))
    rig.run_to(1_000)
    for options in copies(rig.sent, "OPTIONS"):
        if options.node == "ucm1":
            answer(rig, options, 503 if options.flow.remote_host == "192.0.2.90" else 200)
    states = rig.engines["ucm1"].trunks.states()
    assert [state.in_service for state in states] == [False, True, True]
    assert asked(feed(rig, request(DIALLED))) == ["192.0.2.91"]


@pytest.mark.req("CALL-09", "CALL-14")
def test_a_call_that_a_device_declines_is_forwarded_over_the_trunk() -> None:
    rig = rig_of(forwarding=Forwarding(busy="004930777"))
    [copy] = copies(feed(rig, request("sip:2001@lab.example")))
    [onward] = copies(answer(rig, copy, 486))
    message = onward.message
    assert isinstance(message, Request)
    assert message.uri_text == "sip:+4930777@192.0.2.90:5060"
    assert message.headers.has("history-info")
    assert message.headers.first("p-asserted-identity") == '"Front Desk" <sip:1001@lab.example>'


def test_a_call_from_one_trunk_may_be_forwarded_to_another_by_whom_it_was_for() -> None:
    rig = rig_of(forwarding=Forwarding(all="004930777"))
    outside = '"Harbour Office" <sip:+49301112@pstn.example>'
    sent = feed(rig, request("sip:2001@lab.example", sender=outside), "192.0.2.95:5060")
    [copy] = copies(sent)
    assert copy.flow.remote_host == "192.0.2.90"
    assert copy.message.headers.first("p-asserted-identity") == (
        '"Harbour Office" <sip:+49301112@lab.example>'
    )
    # Dialled by the peer itself the same number is none of its business.
    direct = request(DIALLED, sender=outside, via="192.0.2.95:5060")
    assert statuses(feed(rig, direct, "192.0.2.95:5060")) == [403]


@pytest.mark.req("MOB-01", "MOB-02")
def test_an_iphone_that_does_not_come_is_called_on_its_mobile_number() -> None:
    rig = rig_of(mobility="00491701234")
    feed(rig, request("sip:3001@lab.example"))
    assert copies(rig.run_to(9_999)) == []
    [copy] = copies(rig.run_to(10_000))
    message = copy.message
    assert isinstance(message, Request)
    assert message.uri_text == "sip:+491701234@192.0.2.90:5060"
    assert statuses(answer(rig, copy, 200)) == [200]


@pytest.mark.req("CID-03", "OP-16")
def test_the_trunks_own_presentation_comes_before_that_of_the_line() -> None:
    shown = ExternalPresentation("Sales", "+4930555XXXX")
    rig = rig_of(presentation=ExternalPresentation("Line", "1"))
    [copy] = copies(feed(rig, request(DIALLED)))
    assert copy.message.headers.first("p-asserted-identity") == '"Line" <sip:1@lab.example>'
    rig = rig_of(
        trunk=replace(PSTN, external_presentation=shown),
        presentation=ExternalPresentation("Line", "1"),
    )
    [copy] = copies(feed(rig, request(DIALLED)))
    assert copy.message.headers.first("p-asserted-identity") == (
        '"Sales" <sip:+49305551001@lab.example>'
    )


@pytest.mark.req("CID-10", "OP-16")
def test_a_caller_who_wants_privacy_keeps_it_outside() -> None:
    rig = rig_of()
    [copy] = copies(feed(rig, request(DIALLED, "Privacy: id")))
    assert not copy.message.headers.has("p-asserted-identity")
    assert copy.message.headers.all("privacy") == ["id"]
    hidden = rig_of(presentation=ExternalPresentation("", "", anonymous=True))
    [copy] = copies(feed(hidden, request(DIALLED)))
    assert not copy.message.headers.has("p-asserted-identity")
    assert copy.message.headers.all("privacy") == ["id"]


def test_what_a_device_claims_to_be_in_its_answer_is_removed() -> None:
    """Reliability 84, the other way round."""
    rig = rig_of()
    [copy] = copies(feed(rig, request("sip:2001@lab.example")))
    for status in (180, 200):
        [back] = answer(rig, copy, status, ("P-Asserted-Identity", "<sip:boss@lab.example>"))
        assert not back.message.headers.has("p-asserted-identity")


@pytest.mark.parametrize("trusted", [True, False])
def test_who_answered_is_told_by_a_trusted_peer_alone(trusted: bool) -> None:
    rig = rig_of(trunk=replace(PSTN, trust_identity=trusted))
    [copy] = copies(feed(rig, request(DIALLED)))
    [back] = answer(rig, copy, 200, ("P-Asserted-Identity", "<sip:+4930777@pstn.example>"))
    assert back.message.headers.has("p-asserted-identity") == trusted


SPARE_PEER = "192.0.2.95:5060"
OUTSIDE = '"Harbour Office" <sip:+49301112@pstn.example>'


def route_of_a_call_from_outside(rig: EngineRig) -> str:
    """What a dialog between a peer and a phone of ours is routed by."""
    invite = request("sip:2001@lab.example", sender=OUTSIDE, via=SPARE_PEER)
    [copy] = copies(feed(rig, invite, SPARE_PEER))
    [ok] = answer(rig, copy, 200)
    assert isinstance(ok.message, Response)
    [route] = ok.message.record_routes
    return str(route)


@pytest.mark.parametrize("method", ["INVITE", "REFER", "MESSAGE"])
@pytest.mark.parametrize("second_route", ["", ", <sip:192.0.2.90:5060;lr>"])
@pytest.mark.parametrize("tag", ["a1", "zz"])
def test_who_had_a_call_through_us_cannot_go_on_from_it_to_a_trunk(
    method: str, second_route: str, tag: str
) -> None:
    """Our Route of one dialog is no ticket to numbers outside, least of all with our password."""
    rig = rig_of()
    route = route_of_a_call_from_outside(rig)
    text = request(
        "sip:+49900@192.0.2.90:5060",
        f"Route: {route}{second_route}",
        method=method,
        sender=OUTSIDE,
        via=SPARE_PEER,
        tag="bogus",
        cseq=2,
    ).replace(";tag=a1", f";tag={tag}")
    sent = feed(rig, text, SPARE_PEER)
    assert "192.0.2.90" not in [it.flow.remote_host for it in sent]


def test_a_call_that_came_over_a_trunk_is_ended_there_from_inside() -> None:
    rig = rig_of()
    route = route_of_a_call_from_outside(rig)
    bye = request(
        f"sip:1001@{SPARE_PEER}",
        f"Route: {route}",
        method="BYE",
        sender="<sip:2001@lab.example>",
        via=PHONE,
        tag="a1",
    ).replace(";tag=a1\nTo", ";tag=b1\nTo")
    [back] = copies(feed(rig, bye, PHONE), "BYE")
    assert back.flow.remote_host == "192.0.2.95"


def test_a_dialog_whose_phone_is_gone_leads_to_no_trunk() -> None:
    rig = rig_of()
    route = route_of_a_call_from_outside(rig)
    leaves = request(
        "sip:lab.example",
        "Expires: 0",
        method="REGISTER",
        sender="<sip:2001@lab.example>",
        via=PHONE,
        cseq=9,
    ).replace("<sip:lab.example>\n", "<sip:2001@lab.example>\n")
    assert statuses(feed(rig, leaves.replace("sip:1001@", "sip:2001@"), PHONE)) == [200]
    onward = request(
        "sip:+49900@192.0.2.90:5060",
        f"Route: {route}",
        sender=OUTSIDE,
        via=SPARE_PEER,
        tag="bogus",
        cseq=2,
    )
    sent = feed(rig, onward, SPARE_PEER)
    assert "192.0.2.90" not in [it.flow.remote_host for it in sent]
