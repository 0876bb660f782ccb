"""What a judge reads of a message."""

from __future__ import annotations

from callctl.sim.glance import Glance, is_message

RESPONSE = (
    b"SIP/2.0 180 Ringing\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKtop;rport\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bKlow\r\n"
    b'To: "A;tag=no" <sip:2001@lab.example;x=1>;tag=t1\r\n'
    b"From: <sip:1001@lab.example>;tag=f1\r\n"
    b"Call-ID: c1\r\n"
    b"CSeq: 2 INVITE\r\n\r\nVia: body"
)


def test_glance_finds_the_fields_of_a_response() -> None:
    seen = Glance(RESPONSE)
    assert (seen.status, seen.method, seen.number) == (180, "INVITE", 2)
    assert (seen.branch, seen.vias, seen.to_tag, seen.call_id) == ("z9hG4bKtop", 2, "t1", "c1")
    assert not seen.final


def test_glance_of_a_request_has_no_status() -> None:
    seen = Glance(b"INVITE sip:x SIP/2.0\r\nCSeq: 1 INVITE\r\nX-Push-Call-UUID: u\r\n\r\n")
    assert (seen.status, seen.method, seen.uuid, seen.to_tag) == (0, "INVITE", "u", "")


def test_keep_alives_are_no_messages() -> None:
    assert not is_message(b"\r\n\r\n")
    assert is_message(RESPONSE)
