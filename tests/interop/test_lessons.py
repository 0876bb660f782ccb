"""What real clients taught, as literal messages in their spelling. No client is needed here.

Lesson -> the tests that hold it, here and with the clients themselves:

 1 one MD5 challenge, qop=auth       test_lessons_digest.py; registration/test_register.py
 2 credentials as clients write them, nonce count, a nonce used again unasked
                                     test_lessons_digest.py; test_linphone.py
 3 challenge code 401                test_lessons_digest.py; test_lessons_on_sockets.py
 4 GRUU as Contact                   test_lessons_on_sockets.py; test_browsers.py
 5 own URI by host and port          here; engine/test_requests.py
 6 live flow first, else Contact     test_lessons_on_sockets.py; test_lessons_calls.py
 7 keep-alives                       test_lessons_on_sockets.py; test_browsers.py
 8 forms of Contact                  here; registration/test_register.py; test_browsers.py
 9 linphone's spelling               here; test_linphone.py
10 deflated message/imdn+xml         test_lessons_calls.py; test_linphone.py
11 PySIPio and sippy                 here; test_lessons_calls.py; test_sippy.py
   order of Record-Route parameters  engine/test_requests.py
12 ;transport= added by baresip      here; test_baresip_calls.py
   100rel that baresip does not know test_lessons_calls.py; who knows it: test_prack.py
13 session timers are the ends'      here; test_lessons_calls.py; test_browsers.py
14 one message a frame, of its kind  test_lessons_calls.py; transport/test_websocket.py
15 long offers of browsers           test_lessons_calls.py; test_browsers.py
16 scanners                          here; registration/test_register.py
"""

from __future__ import annotations

import re

import pytest

from helpers.engine_rig import EngineRig, authorization
from interop.literal import (
    CALLEE,
    CALLER,
    NODE,
    answer,
    contact_of,
    forwarded,
    invite,
    register,
    rig_of,
    send,
    text,
)
from sipstack.message.response import respond


@pytest.fixture
def guarded() -> EngineRig:
    return rig_of()


@pytest.fixture
def open_rig() -> EngineRig:
    """A rig that asks nobody for a password."""
    return rig_of(authentication="none")


# 5: what is ours.


def test_5_peer_on_the_host_of_a_node_is_told_from_it_by_its_port(open_rig: EngineRig) -> None:
    rig, neighbour = open_rig, f"{NODE}:6000"
    register(rig, user="2001", peer=neighbour)
    sent = send(rig, invite())
    (copy,) = forwarded(sent)
    assert [s.flow.remote_port for s in sent if s.message is copy] == [6000]
    refused = send(rig, invite(uri=f"sip:2001@{neighbour}"))  # not our URI: no relay, no loop
    assert answer(refused).status == 403
    # The ACK of the 2xx goes to the neighbour; taken for our own it would go round until 483.
    headers = [("Record-Route", str(route)) for route in copy.record_routes]
    headers.append(("Contact", f"<sip:2001@{neighbour}>"))
    ok = respond(copy, 200, to_tag="b", headers=tuple(headers)).to_bytes()
    rig.feed_bytes("ucm1", ok, rig.flow("ucm1", neighbour))
    ack = text(
        "ACK",
        f"sip:2001@{neighbour}",
        *(f"Route: {route}" for route in copy.record_routes),
        to="<sip:2001@lab.example>;tag=b",
        call_id="call",
    )
    sent = send(rig, ack)
    assert [each.flow.remote_port for each in sent] == [6000]


# 8: Contacts.


@pytest.mark.parametrize(
    ("contact", "kept"),
    [
        pytest.param(
            '<sip:2001-0x55d0c6a3f2b0@192.0.2.60:5060>;expires=60;+sip.instance="<urn:uuid:1>"',
            '<sip:2001-0x55d0c6a3f2b0@192.0.2.60:5060>;+sip.instance="<urn:uuid:1>";expires=60',
            id="baresip",
        ),
        pytest.param(
            '"Two" <sip:2001@192.0.2.60:5060;transport=udp>;+sip.instance="<urn:uuid:1>"',
            '<sip:2001@192.0.2.60:5060;transport=udp>;+sip.instance="<urn:uuid:1>";expires=600',
            id="linphone",
        ),
        pytest.param(
            "<sip:2001@192.0.2.60>;expires=3600", "<sip:2001@192.0.2.60>;expires=3600", id="twinkle"
        ),
        pytest.param("sip:2001@192.0.2.60", "<sip:2001@192.0.2.60>;expires=600", id="sipsak"),
        pytest.param(
            "Anonymous <sip:192.0.2.60:5067>", "<sip:192.0.2.60:5067>;expires=600", id="sippy"
        ),
        pytest.param(
            '<sip:8k3@192.0.2.60>;+sip.ice;reg-id=1;+sip.instance="<urn:uuid:1>";expires=600',
            '<sip:8k3@192.0.2.60>;+sip.ice;reg-id=1;+sip.instance="<urn:uuid:1>";expires=600',
            id="JsSIP",
        ),
        pytest.param(
            '<sip:x@192.0.2.60>;+sip.instance="<urn:uuid:1>";reg-id=1;+sip.instance="<urn:uuid:1>"',
            '<sip:x@192.0.2.60>;+sip.instance="<urn:uuid:1>";reg-id=1;'
            '+sip.instance="<urn:uuid:1>";expires=600',
            id="SIP.js-and-IP-Communicator",
        ),
    ],
)
def test_8_contact_is_kept_as_its_client_wrote_it_and_can_be_called_and_removed(
    open_rig: EngineRig, contact: str, kept: str
) -> None:
    registered = register(open_rig, f"Contact: {contact}", "Expires: 600")
    assert (registered.status, registered.headers.values("contact")) == (200, [kept])
    (copy,) = forwarded(send(open_rig, invite()))
    assert copy.uri_text == kept.partition(">")[0].removeprefix("<")
    gone = re.sub(r";expires=\d+", ";expires=0", kept)
    assert register(open_rig, f"Contact: {gone}").headers.values("contact") == []


def test_8_baresip_that_starts_again_with_another_user_part_takes_the_place_of_itself(
    open_rig: EngineRig,
) -> None:
    for suffix in ("0x55d0c6a3f2b0", "0x7f1be40c1a90"):
        contact = f'<sip:2001-{suffix}@192.0.2.60>;+sip.instance="<urn:uuid:1>"'
        (value,) = register(open_rig, f"Contact: {contact}").headers.values("contact")
        assert suffix in value


# 9: linphone's spelling.


def test_9_linphone_registers_without_content_length_port_or_brackets(open_rig: EngineRig) -> None:
    message = text(
        "REGISTER",
        f"sip:{NODE}",
        "Contact: <sip:2001@192.0.2.60:5060;transport=udp>",
        "Expires: 600",
        "Accept: application/sdp",
        "Accept: text/plain",
        "Accept: application/vnd.gsma.rcs-ft-http+xml",
        user="2001",
        to=f"sip:2001@{NODE}",
        via=f"SIP/2.0/UDP {CALLEE};branch=z9hG4bK.~9;rport;alias",
    )
    assert "Content-Length" not in message
    assert answer(send(open_rig, message, CALLEE)).status == 200


def test_9_response_without_content_length_gets_one_on_its_way(open_rig: EngineRig) -> None:
    register(open_rig)
    (copy,) = forwarded(send(open_rig, invite()))
    for status in (100, 180, 200):
        response = respond(copy, status, to_tag="b")
        response.headers.remove("content-length")
        response.headers.append("Record-route", str(copy.record_routes[0]))  # as it spells it
        sent = open_rig.feed_bytes("ucm1", response.to_bytes(), open_rig.flow("ucm1", CALLEE))
        if status > 100:
            back = answer(sent)
            assert back.headers.all("content-length") == ["0"]
            assert len(back.record_routes) == 1


# 11: PySIPio.


def test_11_register_that_brings_its_old_branch_and_the_to_tag_of_the_401_is_a_new_one(
    guarded: EngineRig,
) -> None:
    def message(cseq: int, *headers: str, to: str = "") -> str:
        return text(
            "REGISTER",
            "sip:lab.example",
            contact_of("2001", CALLEE),
            *headers,
            user="2001",
            to=to,
            cseq=cseq,
            via=f"SIP/2.0/UDP {CALLEE};branch=abcdef0123",  # without the magic cookie
        )

    challenge = answer(send(guarded, message(1), CALLEE))
    line = authorization(challenge, "REGISTER", "sip:lab.example", "2001", "pw2001")
    tagged = challenge.headers.first("to") or ""
    assert ";tag=" in tagged
    assert answer(send(guarded, message(2, line, to=tagged), CALLEE)).status == 200


# 12, 13: what callers add.


@pytest.mark.parametrize("added", [";transport=udp", ";transport=tcp;transport=tcp"])
def test_12_transport_that_baresip_adds_to_what_is_dialled_changes_nothing(
    open_rig: EngineRig, added: str
) -> None:
    register(open_rig)
    (copy,) = forwarded(send(open_rig, invite(uri=f"sip:2001@lab.example{added}")))
    assert copy.uri_text == f"sip:2001@{CALLEE}"


def test_13_session_timers_are_left_to_the_ends(open_rig: EngineRig) -> None:
    register(open_rig)
    wishes = ("Session-Expires: 90", "Min-SE: 90", "Supported: timer,ice,replaces,outbound")
    (copy,) = forwarded(send(open_rig, invite(*wishes)))
    assert all(wish in copy.headers.lines for wish in wishes)


# 16: scanners.


@pytest.mark.parametrize("method", ["REGISTER", "INVITE", "OPTIONS"])
def test_16_scanner_cannot_tell_an_extension_that_exists_from_one_that_does_not(
    guarded: EngineRig, method: str
) -> None:
    def asked(extension: str) -> list[str]:
        uri = "sip:lab.example" if method == "REGISTER" else f"sip:{extension}@lab.example"
        message = text(
            method,
            uri,
            "User-Agent: friendly-scanner",
            "Contact: sip:123@1.1.1.1",
            user=extension,
            call_id="scan",
            cseq=1,
            via=f"SIP/2.0/UDP {CALLER};branch=z9hG4bK-{extension}",
        )
        response = answer(send(guarded, message))
        assert response.status in (401, 407)
        shape = [response.reason]
        for line in response.headers.lines:
            known = line.replace(extension, "EXT")
            known = known.partition("nonce=")[0] + known.partition('", algo')[2]
            shape.append(known.partition(";tag=")[0] if line.startswith("To") else known)
        return shape

    assert asked("2001") == asked("9999")
