"""The two ends of an INVITE above its transactions: RFC 3261 §13."""

from __future__ import annotations

import pytest

from helpers.sip_text import INVITE, of_same_call, request, response
from helpers.transactions import ms
from sipstack.dialog.dialog import DialogState
from sipstack.dialog.invite_client import AckLost, Answered, InviteClientUsage, Progress, Refused
from sipstack.dialog.invite_server import (
    MOVES,
    AcceptedInvite,
    AckMissing,
    AckReceived,
    Ignored,
    RepeatAccept,
)
from sipstack.errors import LocalProtocolError
from sipstack.timing import MS

VIA = "SIP/2.0/UDP 192.0.2.101:5060;branch=z9hG4bKack"


def test_every_2xx_is_acknowledged_and_a_repeated_one_gets_the_same_ack() -> None:
    """§13.2.2.4."""
    usage = InviteClientUsage(request(INVITE))
    answer = response(usage.request, 200)
    answered = usage.receive(answer)
    assert isinstance(answered, Answered)
    assert answered.dialog.state is DialogState.CONFIRMED
    assert usage.receive(answer) == AckLost(None, answered.dialog)
    ack = usage.acknowledge(answered.dialog, VIA)
    assert (ack.method, ack.cseq.number) == ("ACK", 1)
    assert usage.receive(answer) == AckLost(ack, answered.dialog)


def test_forked_invite_makes_a_dialog_for_each_phone_that_rings_or_answers() -> None:
    """§13.2.2.1, §13.2.2.4."""
    usage = InviteClientUsage(request(INVITE))
    trying = response(usage.request, 100)
    assert usage.receive(trying) == Progress(trying, None)
    for tag in ("one", "two", "one"):
        usage.receive(response(usage.request, 180, tag))
    assert [dialog.id.remote_tag for dialog in usage.dialogs.values()] == ["one", "two"]
    second = usage.receive(response(usage.request, 200, "two"))
    third = usage.receive(response(usage.request, 200, "three"))
    assert isinstance(second, Answered)
    assert isinstance(third, Answered)
    usage.give_up()
    assert [dialog.state for dialog in usage.dialogs.values()] == [
        DialogState.TERMINATED,
        DialogState.CONFIRMED,
        DialogState.CONFIRMED,
    ]


def test_2xx_of_a_dialog_given_up_before_brings_it_back_to_be_ended_by_bye() -> None:
    usage = InviteClientUsage(request(INVITE))
    usage.receive(response(usage.request, 180, "one"))
    usage.give_up()
    answered = usage.receive(response(usage.request, 200, "one"))
    assert isinstance(answered, Answered)
    usage.acknowledge(answered.dialog, VIA)
    assert answered.dialog.request("BYE", VIA).to_tag == "one"


def test_failure_ends_what_was_early() -> None:
    """§12.3."""
    usage = InviteClientUsage(request(INVITE))
    progress = usage.receive(response(usage.request, 180))
    assert isinstance(progress, Progress)
    assert progress.dialog is not None
    busy = response(usage.request, 486)
    assert usage.receive(busy) == Refused(busy)
    assert progress.dialog.state is DialogState.TERMINATED


def test_refused_reinvite_leaves_its_dialog_up() -> None:
    """§14.1."""
    first = InviteClientUsage(request(INVITE))
    answered = first.receive(response(first.request, 200))
    assert isinstance(answered, Answered)
    dialog = answered.dialog
    again = InviteClientUsage(dialog.request("INVITE", VIA), dialog)
    assert isinstance(again.receive(response(again.request, 491)), Refused)
    assert dialog.state is DialogState.CONFIRMED
    once_more = InviteClientUsage(dialog.request("INVITE", VIA), dialog)
    accepted = once_more.receive(response(once_more.request, 200))
    assert isinstance(accepted, Answered)
    assert accepted.dialog is dialog
    assert once_more.acknowledge(dialog, VIA).cseq.number == 3


def test_2xx_is_repeated_until_its_ack_comes() -> None:
    """§13.3.1.4."""
    invite = request(INVITE)
    answer = response(invite, 200)
    accepted = AcceptedInvite(answer, ms(0))
    for at, then in ((500, 1_500), (1_500, 3_500), (3_500, 7_500), (7_500, 11_500)):
        assert accepted.next_deadline() == ms(at)
        assert accepted.advance(ms(at - 1)) == ()
        assert accepted.advance(ms(at)) == (RepeatAccept(answer),)
        assert accepted.next_deadline() == ms(then)
    other = request(INVITE, ("CSeq: 1 INVITE", "CSeq: 2 INVITE"))
    unrelated = accepted.receive(of_same_call(other, "ACK"), ms(8_000))
    assert unrelated == (Ignored("ACK of another INVITE"),)
    ack = of_same_call(invite, "ACK")
    assert accepted.receive(ack, ms(8_001)) == (AckReceived(ack),)
    assert accepted.next_deadline() is None
    assert accepted.advance(ms(100_000)) == ()
    assert accepted.receive(ack, ms(8_002)) == (Ignored("repeated ACK"),)


def test_2xx_without_ack_is_given_up_after_64_t1() -> None:
    accepted = AcceptedInvite(response(request(INVITE), 200), ms(0))
    outputs = []
    while (deadline := accepted.next_deadline()) is not None:
        outputs += [(deadline // MS, output) for output in accepted.advance(deadline)]
    assert len(outputs) == 11
    assert outputs[-1] == (32_000, AckMissing())


def test_only_a_2xx_accepts() -> None:
    with pytest.raises(LocalProtocolError):
        AcceptedInvite(response(request(INVITE), 486), ms(0))
    assert sum(len(targets) for targets in MOVES.values()) == 2
