"""A dialog at either end: RFC 3261 §12."""

from __future__ import annotations

import pytest

from helpers.sip_text import INVITE, request, response
from sipstack.dialog.dialog import MOVES, Dialog, DialogId, DialogState
from sipstack.errors import LocalProtocolError, SipSyntaxError
from sipstack.message.message import Request, Response
from sipstack.message.parser import parse_message

VIA = "SIP/2.0/UDP 192.0.2.101:5060;branch=z9hG4bKnext"
CONTACT = "<sip:bob@192.0.2.201:5062>"
RECORD_ROUTES = "<sip:p2.example.com;lr>, <sip:p1.example.com;lr>"


def answered(
    invite: Request,
    status: int,
    *,
    contact: str | None = CONTACT,
    record_routes: str | None = RECORD_ROUTES,
    tag: str = "8321234356",
) -> Response:
    """A response of the called side as the caller gets it."""
    answer = response(invite, status, tag)
    if contact is not None:
        answer.headers.append("Contact", contact)
    if record_routes is not None:
        answer.headers.append("Record-Route", record_routes)
    return answer


def in_dialog(method: str, number: int, *, contact: str | None = None) -> Request:
    """A request the caller of INVITE sends to the called side within the dialog."""
    incoming = request(
        INVITE,
        ("INVITE sip:bob@biloxi.example.com", f"{method} {CONTACT[1:-1]}"),
        ("<sip:bob@biloxi.example.com>\n", "<sip:bob@biloxi.example.com>;tag=8321234356\n"),
        ("CSeq: 1 INVITE", f"CSeq: {number} {method}"),
    )
    if contact is None:
        incoming.headers.remove("contact")
    else:
        incoming.headers.set("Contact", contact)
    return incoming


def called_side() -> Dialog:
    invite = request(INVITE)
    return Dialog.of_server(invite, answered(invite, 200, record_routes=None))


def test_caller_learns_target_and_route_set_from_the_response() -> None:
    """§12.1.2."""
    invite = request(INVITE)
    dialog = Dialog.of_client(invite, answered(invite, 200))
    assert dialog.id == DialogId(invite.call_id, "9fxced76sl", "8321234356")
    assert dialog.state is DialogState.CONFIRMED
    assert dialog.remote_target == "sip:bob@192.0.2.201:5062"
    assert dialog.route_set == ("<sip:p1.example.com;lr>", "<sip:p2.example.com;lr>")
    assert dialog.next_hop() == "sip:p1.example.com;lr"


def test_called_side_learns_target_and_route_set_from_the_request() -> None:
    """§12.1.1."""
    invite = request(INVITE)
    invite.headers.append("Record-Route", RECORD_ROUTES)
    ringing = answered(invite, 180, record_routes=None)
    dialog = Dialog.of_server(invite, ringing)
    assert dialog.id == DialogId(invite.call_id, "8321234356", "9fxced76sl")
    assert dialog.state is DialogState.EARLY
    assert dialog.remote_target == "sip:alice@192.0.2.101"
    assert dialog.route_set == ("<sip:p2.example.com;lr>", "<sip:p1.example.com;lr>")


def test_called_side_confirms_by_its_own_2xx_which_may_be_said_twice() -> None:
    invite = request(INVITE)
    dialog = Dialog.of_server(invite, answered(invite, 180, record_routes=None))
    dialog.confirm()
    dialog.confirm()
    assert dialog.state is DialogState.CONFIRMED


def test_request_within_the_dialog_goes_to_the_target_over_the_route_set() -> None:
    """§12.2.1.1."""
    invite = request(INVITE)
    dialog = Dialog.of_client(invite, answered(invite, 200))
    bye = dialog.request("BYE", VIA, headers=(("Reason", "SIP;cause=200"),))
    assert bye.to_bytes() == (
        b"BYE sip:bob@192.0.2.201:5062 SIP/2.0\r\n"
        b"Via: SIP/2.0/UDP 192.0.2.101:5060;branch=z9hG4bKnext\r\n"
        b"Route: <sip:p1.example.com;lr>\r\n"
        b"Route: <sip:p2.example.com;lr>\r\n"
        b"Max-Forwards: 70\r\n"
        b"From: Alice <sip:alice@atlanta.example.com>;tag=9fxced76sl\r\n"
        b"To: Bob <sip:bob@biloxi.example.com>;tag=8321234356\r\n"
        b"Call-ID: 3848276298220188511@atlanta.example.com\r\n"
        b"CSeq: 2 BYE\r\n"
        b"Reason: SIP;cause=200\r\n"
        b"Content-Length: 0\r\n"
        b"\r\n"
    )


def test_called_side_begins_its_own_numbers_and_counts_up() -> None:
    dialog = called_side()
    assert dialog.next_hop() == "sip:alice@192.0.2.101"
    assert dialog.request("INFO", VIA).cseq.number == 1
    reinvite = dialog.request(
        "INVITE", VIA, headers=(("Content-Type", "application/sdp"),), body=b"v=0\r\n"
    )
    assert reinvite.cseq.number == 2
    assert reinvite.headers.first("contact") == CONTACT
    assert reinvite.from_tag == "8321234356"
    assert isinstance(parse_message(reinvite.to_bytes()), Request)
    assert parse_message(reinvite.to_bytes()).body == b"v=0\r\n"


def test_ack_of_a_2xx_has_the_number_of_its_invite_and_no_contact() -> None:
    """§13.2.2.4."""
    invite = request(INVITE)
    dialog = Dialog.of_client(invite, answered(invite, 200))
    dialog.request("INFO", VIA)
    ack = dialog.ack(1, VIA)
    assert ack.headers.first("cseq") == "1 ACK"
    assert ack.uri_text == "sip:bob@192.0.2.201:5062"
    assert ack.headers.all("route") == list(dialog.route_set)
    assert not ack.headers.has("contact")


def test_strict_router_gets_itself_as_request_uri_and_the_target_as_last_route() -> None:
    """§12.2.1.1; §16.12.1.2 shows the walk."""
    invite = request(INVITE)
    routes = "<sip:p2.example.com;lr>, <sip:p1.example.com;method=INVITE>"
    dialog = Dialog.of_client(invite, answered(invite, 200, record_routes=routes))
    bye = dialog.request("BYE", VIA)
    assert bye.uri_text == "sip:p1.example.com"
    assert bye.headers.all("route") == ["<sip:p2.example.com;lr>", "<sip:bob@192.0.2.201:5062>"]


def test_early_dialog_becomes_confirmed_with_the_route_set_of_its_2xx() -> None:
    """§13.2.2.4."""
    invite = request(INVITE)
    dialog = Dialog.of_client(invite, answered(invite, 180, record_routes=None))
    assert (dialog.state, dialog.route_set) == (DialogState.EARLY, ())
    dialog.receive_response(answered(invite, 200, contact="<sip:bob@192.0.2.202>"))
    assert dialog.state is DialogState.CONFIRMED
    assert dialog.route_set == ("<sip:p1.example.com;lr>", "<sip:p2.example.com;lr>")
    assert dialog.remote_target == "sip:bob@192.0.2.202"


def test_later_provisional_without_record_route_keeps_the_route_set() -> None:
    invite = request(INVITE)
    dialog = Dialog.of_client(invite, answered(invite, 183))
    dialog.receive_response(answered(invite, 180, contact=None, record_routes=None))
    assert len(dialog.route_set) == 2
    assert dialog.remote_target == "sip:bob@192.0.2.201:5062"


def test_target_refresh_moves_the_target_and_never_the_route_set() -> None:
    """§12.2: both ways."""
    invite = request(INVITE)
    caller = Dialog.of_client(invite, answered(invite, 200))
    reinvite = caller.request("INVITE", VIA)
    caller.receive_response(
        answered(reinvite, 200, contact="<sip:bob@192.0.2.203>", record_routes=None)
    )
    assert caller.remote_target == "sip:bob@192.0.2.203"
    assert len(caller.route_set) == 2
    called = called_side()
    assert called.receive_request(in_dialog("INVITE", 2, contact="<sip:alice@192.0.2.9>")) is None
    assert called.remote_target == "sip:alice@192.0.2.9"
    assert called.receive_request(in_dialog("INFO", 3, contact="<sip:evil@192.0.2.66>")) is None
    assert called.remote_target == "sip:alice@192.0.2.9"


def test_lower_number_is_answered_500_gaps_are_accepted_and_ack_says_nothing_new() -> None:
    """§12.2.2."""
    dialog = called_side()
    assert dialog.receive_request(in_dialog("ACK", 1)) is None
    assert dialog.receive_request(in_dialog("INFO", 7)) is None
    assert dialog.receive_request(in_dialog("INFO", 6)) == 500
    assert dialog.receive_request(in_dialog("BYE", 8)) is None
    assert dialog.remote_cseq == 8


def test_ended_dialog_answers_481_and_sends_nothing_more() -> None:
    dialog = called_side()
    dialog.terminate()
    dialog.terminate()
    assert dialog.receive_request(in_dialog("INFO", 2)) == 481
    assert dialog.receive_request(in_dialog("ACK", 1)) is None
    with pytest.raises(LocalProtocolError):
        dialog.request("BYE", VIA)


def test_ended_dialog_is_not_brought_back_by_a_late_response() -> None:
    invite = request(INVITE)
    dialog = Dialog.of_client(invite, answered(invite, 180))
    dialog.terminate()
    dialog.receive_response(answered(invite, 200, contact="<sip:bob@192.0.2.202>"))
    assert dialog.state is DialogState.TERMINATED
    assert dialog.remote_target == "sip:bob@192.0.2.201:5062"


def test_responses_and_methods_that_make_no_dialog_are_our_own_mistakes() -> None:
    invite = request(INVITE)
    for status in (100, 302, 486):
        with pytest.raises(LocalProtocolError):
            Dialog.of_client(invite, response(invite, status))
        with pytest.raises(LocalProtocolError):
            Dialog.of_server(invite, response(invite, status))
    with pytest.raises(LocalProtocolError):
        Dialog.of_server(invite, response(invite, 200, to_tag=None))
    with pytest.raises(LocalProtocolError):
        called_side().request("CANCEL", VIA)


def test_contact_that_cannot_be_read_raises_and_leaves_the_target() -> None:
    dialog = called_side()
    with pytest.raises(SipSyntaxError):
        dialog.receive_request(in_dialog("INVITE", 2, contact="<sip:alice@"))
    assert dialog.remote_target == "sip:alice@192.0.2.101"
    assert dialog.remote_cseq == 2  # It has come, and will be answered.


def test_peer_without_tag_and_contact_is_reached_by_what_there_is() -> None:
    """§12.1.1: a From without tag is a peer of RFC 2543."""
    invite = request(INVITE, (";tag=9fxced76sl", ""))
    invite.headers.remove("contact")
    dialog = Dialog.of_server(invite, answered(invite, 200))
    assert dialog.id.remote_tag == ""
    assert dialog.request("BYE", VIA).uri_text == "sip:alice@atlanta.example.com"


def test_table_of_moves_is_complete() -> None:
    assert set(MOVES) == set(DialogState)
    reached = {target for targets in MOVES.values() for target in targets}
    assert reached == {DialogState.CONFIRMED, DialogState.TERMINATED}
