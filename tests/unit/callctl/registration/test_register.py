"""REGISTER at a node, as literal messages: RFC 3261 §10.3, 5626, 3327, 5627, 8599."""

from __future__ import annotations

import pytest

from callctl.model.build import desk_phone, iphone, make_cluster, softphone
from callctl.model.device import ClientType
from callctl.model.service_parameter import ServiceParameters
from helpers.engine_rig import EngineRig, Sent, authorization
from sipstack.message.message import Response
from sipstack.timing import MS, Instant

PEER = "192.0.2.60:5060"

REGISTER = """
REGISTER sip:lab.example SIP/2.0
Via: SIP/2.0/UDP 192.0.2.60:5060;branch=z9hG4bK{branch}
Max-Forwards: 70
From: <sip:{user}@lab.example>;tag=p1
To: <sip:{user}@lab.example>
Call-ID: {call_id}
CSeq: {cseq} REGISTER
{headers}
Content-Length: 0
"""

_branches = iter(range(1, 10_000))


def register(
    *headers: str, user: str = "2001", call_id: str = "reg", cseq: int = 1, branch: str = ""
) -> str:
    branch = branch or f"b{next(_branches)}"
    lines = "\n".join(headers) if headers else "X-None: 1"
    return REGISTER.format(user=user, call_id=call_id, cseq=cseq, headers=lines, branch=branch)


@pytest.fixture
def rig() -> EngineRig:
    cluster = make_cluster(
        devices=[
            softphone("2001"),
            desk_phone("1001"),
            iphone("3001", client=ClientType.STANDARD),
            iphone("4001"),
        ],
        parameters=ServiceParameters(authentication="none"),
    )
    return EngineRig(cluster)


def answer(sent: list[Sent]) -> Response:
    (only,) = sent
    assert isinstance(only.message, Response)
    return only.message


def put(
    rig: EngineRig,
    *headers: str,
    node: str = "ucm1",
    user: str = "2001",
    call_id: str = "reg",
    cseq: int = 1,
) -> Response:
    text = register(*headers, user=user, call_id=call_id, cseq=cseq)
    return answer(rig.feed(node, text, rig.flow(node, PEER)))


def contacts(response: Response) -> list[str]:
    return response.headers.values("contact")


@pytest.mark.req("REG-01", "REG-09")
def test_contact_is_stored_with_its_node_and_returned_with_the_seconds_left(
    rig: EngineRig,
) -> None:
    response = put(rig, "Contact: <sip:2001@192.0.2.60:5060>;q=0.5", "Expires: 600")
    assert response.status == 200
    assert contacts(response) == ["<sip:2001@192.0.2.60:5060>;q=0.5;expires=600"]
    rig.run_to(10_000)
    again = put(rig, cseq=2)
    assert contacts(again) == ["<sip:2001@192.0.2.60:5060>;q=0.5;expires=590"]
    (binding,) = rig.engines["ucm1"].bindings.of_dn("2001", rig.now)
    assert binding.node == "ucm1"


@pytest.mark.req("REG-01", "REG-11")
def test_any_node_of_the_group_takes_the_register_and_every_node_knows_it(rig: EngineRig) -> None:
    for index, node in enumerate(("ucm1", "ucm2", "ucm3"), start=1):
        put(rig, "Contact: <sip:2001@192.0.2.60>", node=node, cseq=index)
        for engine in rig.engines.values():
            (binding,) = engine.bindings.of_dn("2001", rig.now)
            assert binding.node == node


def test_expires_parameter_wins_over_header_and_both_over_the_default(rig: EngineRig) -> None:
    assert (
        ";expires=300"
        in contacts(put(rig, "Contact: <sip:a@192.0.2.60>;expires=300", "Expires: 600"))[0]
    )
    assert ";expires=3600" in contacts(put(rig, "Contact: <sip:a@192.0.2.60>", cseq=2))[0]
    assert (
        ";expires=86400"
        in contacts(put(rig, "Contact: <sip:a@192.0.2.60>", "Expires: 999999", cseq=3))[0]
    )


def test_too_brief_an_interval_is_refused_with_the_least_one(rig: EngineRig) -> None:
    response = put(rig, "Contact: <sip:a@192.0.2.60>", "Expires: 59")
    assert (response.status, response.headers.first("min-expires")) == (423, "60")


def test_expires_0_removes_one_contact_and_star_removes_all(rig: EngineRig) -> None:
    put(rig, "Contact: <sip:a@192.0.2.60>, <sip:b@192.0.2.61>")
    left = put(rig, "Contact: <sip:a@192.0.2.60>;expires=0", cseq=2)
    assert contacts(left) == ["<sip:b@192.0.2.61>;expires=3600"]
    assert contacts(put(rig, "Contact: *", "Expires: 0", cseq=3)) == []
    assert not any(len(engine.bindings) for engine in rig.engines.values())


@pytest.mark.parametrize("headers", [("Contact: *", "Expires: 60"), ("Contact: *",)])
def test_star_without_expires_0_is_400(rig: EngineRig, headers: tuple[str, ...]) -> None:
    assert put(rig, *headers).status == 400


def test_older_cseq_of_the_same_call_id_changes_nothing(rig: EngineRig) -> None:
    put(rig, "Contact: <sip:a@192.0.2.60>", cseq=5)
    assert put(rig, "Contact: <sip:a@192.0.2.60>;expires=0", cseq=4).status == 500
    assert len(contacts(put(rig, cseq=6))) == 1


def test_same_instance_from_a_new_address_replaces_the_old_contact(rig: EngineRig) -> None:
    instance = ';+sip.instance="<urn:uuid:00000000-0000-1000-8000-000A95A0E128>"'
    put(rig, f"Contact: <sip:a@192.0.2.60>{instance};reg-id=1")
    response = put(
        rig, f"Contact: <sip:a@192.0.2.99>{instance};reg-id=1", call_id="new", node="ucm2"
    )
    assert [value.partition(">")[0] for value in contacts(response)] == ["<sip:a@192.0.2.99"]


def test_instance_given_twice_is_taken_once(rig: EngineRig) -> None:
    """As SIP.js and Cisco IP Communicator write it."""
    twice = ';+sip.instance="<urn:uuid:1>";reg-id=1;+sip.instance="<urn:uuid:1>"'
    assert put(rig, f"Contact: <sip:a@192.0.2.60>{twice}").status == 200


def test_contact_without_brackets_has_no_uri_parameters(rig: EngineRig) -> None:
    response = put(rig, "Contact: sip:2001@192.0.2.60:5099;expires=120")
    assert contacts(response) == ["<sip:2001@192.0.2.60:5099>;expires=120"]


def test_escaped_header_in_a_contact_is_echoed_and_never_used(rig: EngineRig) -> None:
    """RFC 4475 §3.3.14."""
    contact = "<sip:2001@192.0.2.60?Route=%3Csip:evil.example%3E>"
    assert contacts(put(rig, f"Contact: {contact}"))[0] == f"{contact};expires=3600"
    (binding,) = rig.engines["ucm1"].bindings.of_dn("2001", rig.now)
    assert binding.contact == "sip:2001@192.0.2.60"


def test_escaped_header_in_a_contact_without_brackets_is_400(rig: EngineRig) -> None:
    """RFC 4475 §3.1.2.13."""
    assert put(rig, "Contact: sip:user@192.0.2.60?Route=%3Csip:evil.example%3E").status == 400


def test_too_many_contacts_are_refused_whole(rig: EngineRig) -> None:
    many = ", ".join(f"<sip:a{n}@192.0.2.60>" for n in range(50))
    assert put(rig, f"Contact: {many}").status == 403
    assert contacts(put(rig, cseq=2)) == []


def test_required_extension_that_is_unknown_is_420_and_named(rig: EngineRig) -> None:
    response = put(rig, "Require: path, nothingSupportsThis", "Contact: <sip:a@192.0.2.60>")
    assert (response.status, response.headers.first("unsupported")) == (420, "nothingsupportsthis")


@pytest.mark.req("REG-09")
def test_path_is_kept_for_requests_and_echoed_if_supported(rig: EngineRig) -> None:
    response = put(
        rig, "Supported: path", "Path: <sip:edge@192.0.2.80;lr>", "Contact: <sip:2001@10.0.0.1>"
    )
    assert response.headers.all("path") == ["<sip:edge@192.0.2.80;lr>"]
    (binding,) = rig.engines["ucm1"].bindings.of_dn("2001", rig.now)
    assert binding.path == ("<sip:edge@192.0.2.80;lr>",)
    # What is for the phone goes to the proxy that gave the Path, not past it (RFC 3327 §5.3).
    assert binding.flow == rig.flow("ucm1", PEER)


@pytest.mark.req("REG-09")
def test_outbound_registration_is_confirmed_and_gruu_given_where_it_is_supported(
    rig: EngineRig,
) -> None:
    contact = 'Contact: <sip:a@192.0.2.60>;+sip.instance="<urn:uuid:1>";reg-id=1'
    response = put(rig, "Supported: gruu, outbound, path", contact)
    assert "outbound" in response.require
    assert 'pub-gruu="sip:2001@lab.example;gr=urn:uuid:1"' in contacts(response)[0]
    assert "pub-gruu" not in contacts(put(rig, contact, call_id="x"))[0]


def test_unknown_line_is_404_and_foreign_domain_403(rig: EngineRig) -> None:
    assert put(rig, "Contact: <sip:a@192.0.2.60>", user="9999").status == 404
    text = register("Contact: <sip:a@192.0.2.60>").replace(
        "REGISTER sip:lab.example", "REGISTER sip:elsewhere.example"
    )
    assert answer(rig.feed("ucm1", text, rig.flow("ucm1", PEER))).status == 403


@pytest.mark.req("REG-10")
def test_push_provider_that_is_not_supported_is_555_and_nothing_is_stored(rig: EngineRig) -> None:
    response = put(rig, "Contact: <sip:a@192.0.2.60;pn-provider=webpush;pn-prid=x>", user="3001")
    assert response.status == 555
    assert contacts(put(rig, user="3001", cseq=2)) == []


@pytest.mark.req("REG-03", "REG-04", "REG-09")
def test_rfc_8599_parameters_make_a_push_binding_that_outlives_the_contact(rig: EngineRig) -> None:
    contact = "<sip:3001@192.0.2.60;pn-provider=apns;pn-param=TEAM.app;pn-prid=t1:voip&t2:remote>"
    response = put(rig, f"Contact: {contact}", "Expires: 60", user="3001")
    assert response.headers.first("feature-caps") == '*;+sip.pns="apns"'
    for engine in rig.engines.values():
        push = engine.push_binding("TCT3001")
        assert push is not None
        assert (push.voip_token, push.message_token, push.key) == ("t1", "t2", None)
    rig.run_to(120_000)
    assert rig.engines["ucm2"].bindings.of_dn("3001", rig.now) == ()
    assert rig.engines["ucm2"].push_binding("TCT3001") is not None
    newer = contact.replace("t1:voip", "t9:voip")
    put(rig, f"Contact: {newer}", user="3001", cseq=2)
    push = rig.engines["ucm3"].push_binding("TCT3001")
    assert push is not None
    assert push.voip_token == "t9"


@pytest.mark.req("REG-08")
def test_standard_client_that_unregisters_is_not_pushed_to_any_more(rig: EngineRig) -> None:
    contact = "<sip:3001@192.0.2.60;pn-provider=apns;pn-prid=t1>"
    put(rig, f"Contact: {contact}", user="3001")
    put(rig, f"Contact: {contact};expires=0", user="3001", cseq=2)
    assert all(engine.push_binding("TCT3001") is None for engine in rig.engines.values())


def test_empty_pn_provider_asks_which_there_are(rig: EngineRig) -> None:
    response = put(rig, "Contact: <sip:3001@192.0.2.60;pn-provider>", user="3001")
    assert response.status == 200
    assert '+sip.pns="apns"' in (response.headers.first("feature-caps") or "")
    assert '+sip.pns="fcm"' in (response.headers.first("feature-caps") or "")
    assert rig.engines["ucm1"].push_binding("TCT3001") is None


def test_control_character_in_a_push_token_is_400(rig: EngineRig) -> None:
    contact = "<sip:3001@192.0.2.60;pn-provider=apns;pn-prid=a%0D%0Ab>"
    assert put(rig, f"Contact: {contact}", user="3001").status == 400


def test_no_cluster_event_brings_back_a_contact_that_was_removed(rig: EngineRig) -> None:
    put(rig, "Contact: <sip:a@192.0.2.60>")
    (binding,) = rig.engines["ucm1"].bindings.of_dn("2001", rig.now)
    put(rig, "Contact: <sip:a@192.0.2.60>;expires=0", cseq=2)
    table = rig.engines["ucm2"].bindings
    assert table.store(binding) is False
    assert table.of_dn("2001", rig.now) == ()


@pytest.mark.parametrize(("node", "behind_ms"), [("ucm1", 0), ("ucm2", 500)])
def test_newer_register_is_the_one_that_counts_though_its_node_has_a_late_clock(
    rig: EngineRig, node: str, behind_ms: int
) -> None:
    """I12. Also in one and the same instant, which only virtual time knows."""
    rig.run_to(10_000)
    instance = ';+sip.instance="<urn:uuid:1>"'
    put(rig, f"Contact: <sip:a@192.0.2.60>{instance}")
    rig.now = Instant(rig.now - behind_ms * MS)
    answered = put(rig, f"Contact: <sip:a@192.0.2.99>{instance}", cseq=2, node=node)
    assert [value.partition(">")[0] for value in contacts(answered)] == ["<sip:a@192.0.2.99"]
    for engine in rig.engines.values():
        (binding,) = engine.bindings.of_dn("2001", rig.now)
        assert (binding.node, binding.contact) == (node, "sip:a@192.0.2.99")


@pytest.fixture
def guarded() -> EngineRig:
    return EngineRig(make_cluster(devices=[softphone("2001"), softphone("2002")]))


def test_register_is_challenged_once_with_md5_and_qop_auth(guarded: EngineRig) -> None:
    challenge = put(guarded, "Contact: <sip:a@192.0.2.60>")
    assert challenge.status == 401
    (value,) = challenge.headers.all("www-authenticate")
    assert "algorithm=MD5" in value
    assert 'qop="auth"' in value
    assert guarded.engines["ucm1"].bindings.of_dn("2001", guarded.now) == ()


def login(
    rig: EngineRig,
    user: str,
    password: str,
    *headers: str,
    to: str = "",
    nc: int = 1,
    node: str = "ucm1",
) -> Response:
    challenge = put(rig, *headers, user=to or user)
    line = authorization(challenge, "REGISTER", "sip:lab.example", user, password, nc=nc)
    return put(rig, *headers, line, user=to or user, cseq=2, node=node)


def test_right_password_registers_and_wrong_or_unknown_user_get_the_same_challenge(
    guarded: EngineRig,
) -> None:
    contact = "Contact: <sip:a@192.0.2.60>"
    assert login(guarded, "2001", "pw2001", contact).status == 200
    wrong = login(guarded, "2001", "guess", contact)
    unknown = login(guarded, "nobody", "guess", contact, to="2001")
    assert (wrong.status, unknown.status) == (401, 401)
    for response in (wrong, unknown):
        assert "stale" not in (response.headers.first("www-authenticate") or "")


def test_nobody_registers_for_the_line_of_another(guarded: EngineRig) -> None:
    response = login(guarded, "2001", "pw2001", "Contact: <sip:evil@192.0.2.66>", to="2002")
    assert response.status == 403
    assert guarded.engines["ucm1"].bindings.of_dn("2002", guarded.now) == ()


def test_replayed_count_is_stale_here_and_the_nonce_is_nothing_at_another_node(
    guarded: EngineRig,
) -> None:
    challenge = put(guarded, "Contact: <sip:a@192.0.2.60>")
    line = authorization(challenge, "REGISTER", "sip:lab.example", "2001", "pw2001")
    assert put(guarded, "Contact: <sip:a@192.0.2.60>", line, cseq=2).status == 200
    replay = put(guarded, "Contact: <sip:evil@192.0.2.66>", line, cseq=3)
    assert (replay.status, "stale=true" in str(replay.headers.lines)) == (401, True)
    elsewhere = put(guarded, "Contact: <sip:evil@192.0.2.66>", line, cseq=4, node="ucm2")
    assert elsewhere.status == 401
    (binding,) = guarded.engines["ucm2"].bindings.of_dn("2001", guarded.now)
    assert binding.contact == "sip:a@192.0.2.60"


def test_old_nonce_is_answered_stale(guarded: EngineRig) -> None:
    challenge = put(guarded, "Contact: <sip:a@192.0.2.60>")
    line = authorization(challenge, "REGISTER", "sip:lab.example", "2001", "pw2001")
    guarded.run_to(301_000)
    response = put(guarded, "Contact: <sip:a@192.0.2.60>", line, cseq=2)
    assert (response.status, "stale=true" in str(response.headers.lines)) == (401, True)


def test_retransmitted_register_gets_the_same_200_and_is_no_replay(guarded: EngineRig) -> None:
    challenge = put(guarded, "Contact: <sip:a@192.0.2.60>")
    line = authorization(challenge, "REGISTER", "sip:lab.example", "2001", "pw2001")
    text = register("Contact: <sip:a@192.0.2.60>", line, cseq=2, branch="same")
    first = answer(guarded.feed("ucm1", text, guarded.flow("ucm1", PEER)))
    second = answer(guarded.feed("ucm1", text, guarded.flow("ucm1", PEER)))
    assert first.to_bytes() == second.to_bytes()


@pytest.mark.parametrize("algorithm", ["SHA-256", "SHA-512-256"])
def test_cluster_that_asks_for_sha_takes_no_md5(algorithm: str) -> None:
    """RFC 8760 §2.1; one challenge only, as most clients break on two."""
    parameters = ServiceParameters(digest_algorithm=algorithm)  # type: ignore[arg-type]
    rig = EngineRig(make_cluster(devices=[softphone("2001")], parameters=parameters))
    for offered, status in (("MD5", 401), (algorithm, 200)):
        challenge = put(rig, "Contact: <sip:a@192.0.2.60>")
        (value,) = challenge.headers.all("www-authenticate")
        assert f"algorithm={algorithm}" in value
        line = authorization(
            challenge, "REGISTER", "sip:lab.example", "2001", "pw2001", algorithm=offered
        )
        assert put(rig, "Contact: <sip:a@192.0.2.60>", line, cseq=2).status == status
