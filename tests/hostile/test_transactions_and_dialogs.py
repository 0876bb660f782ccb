"""C. Transactions and dialogs: what is repeated, crossed, doubled or sent to the wrong place.

Each test is one line of the list, in its order; the number stands in its docstring.
"""

from __future__ import annotations

import pytest

from helpers.engine_rig import EngineRig, Sent
from hostile.messages import (
    CALLEE,
    SLEEPER,
    answer,
    cancel_of,
    finals,
    from_callee,
    in_dialog,
    message,
    pass_ms,
    register,
    requests,
    send,
    statuses,
    world,
)
from sipstack.message.message import Response


@pytest.fixture
def rig() -> EngineRig:
    rig = world()
    assert register(rig).status == 200
    return rig


def ringing(rig: EngineRig, text: str) -> Sent:
    """The copy of an INVITE at the phone, which rings."""
    (copy,) = requests(send(rig, text))
    assert statuses(answer(rig, copy, 180)) == [180]
    return copy


def answered(rig: EngineRig) -> tuple[Sent, Response]:
    """A call that is up: the copy at the phone, and the 200 that the caller got."""
    copy = ringing(rig, message("INVITE"))
    (final,) = finals(answer(rig, copy, 200))
    (ack,) = requests(send(rig, in_dialog("ACK", 1, final)), "ACK")
    assert ack.flow.remote_host == "192.0.2.60"
    return copy, final


def at_rest(rig: EngineRig, after_s: float = 60) -> bool:
    """Nothing is alive once every timer has run out."""
    pass_ms(rig, after_s * 1000)
    return not any(rig.counts().values())


def test_invite_that_comes_eight_times_is_one_call_and_gets_its_last_answer_again(
    rig: EngineRig,
) -> None:
    """32."""
    text = message("INVITE")
    ringing(rig, text)
    for _ in range(7):
        again = send(rig, text)
        assert requests(again) == []
        assert statuses(again) == [180]
    assert rig.counts()["calls"] == 1
    assert rig.counts()["server_transactions"] == 2  # with the REGISTER's, until Timer J


def test_cancel_after_the_200_is_answered_and_changes_nothing(rig: EngineRig) -> None:
    """33."""
    text = message("INVITE")
    copy = ringing(rig, text)
    (final,) = finals(answer(rig, copy, 200))
    late = send(rig, cancel_of(text))
    assert statuses(late) == [200]
    assert finals(late)[0].cseq.method == "CANCEL"
    assert requests(late, "CANCEL") == requests(late, "BYE") == []
    assert len(requests(send(rig, in_dialog("ACK", 1, final)), "ACK")) == 1
    assert len(requests(send(rig, in_dialog("INFO", 2, final)), "INFO")) == 1


def test_cancel_of_an_unknown_branch_is_481_and_the_parked_call_waits_on(rig: EngineRig) -> None:
    """34."""
    send(rig, message("INVITE", SLEEPER, branch="parked"))
    stranger = cancel_of(message("INVITE", SLEEPER, branch="guessed"))
    assert statuses(send(rig, stranger)) == [481]
    assert statuses(rig.run_to(13_000)) == [180, 480]


def test_cancel_that_comes_twice_is_answered_twice_and_ends_the_call_once(rig: EngineRig) -> None:
    """35."""
    text = message("INVITE")
    ringing(rig, text)
    assert statuses(send(rig, cancel_of(text))) == [200, 487]
    assert statuses(send(rig, cancel_of(text))) == [200]


@pytest.mark.parametrize("rang", [True, False])
def test_200_that_crosses_the_cancel_is_forwarded_and_its_dialog_ended_at_once(
    rig: EngineRig, rang: bool
) -> None:
    """36. Also if the phone had said nothing before, so that no CANCEL could be sent to it."""
    text = message("INVITE")
    (copy,) = requests(send(rig, text))
    if rang:
        answer(rig, copy, 180)
    rig.run_to(1000)
    assert statuses(send(rig, cancel_of(text))) == [200, 487]
    rig.run_to(1050)
    late = answer(rig, copy, 200)
    assert statuses(late) == [200]
    assert [len(requests(late, method)) for method in ("ACK", "BYE")] == [1, 1]
    (bye,) = requests(late, "BYE")
    assert bye.at < 3_000_000_000
    assert bye.flow.remote_host == "192.0.2.60"
    answer(rig, bye, 200)
    repeated = answer(rig, copy, 200)  # the ACK was lost: acknowledged again, hung up only once
    assert [len(requests(repeated, method)) for method in ("ACK", "BYE")] == [1, 0]
    assert at_rest(rig, 80)


def test_487_without_its_ack_is_repeated_on_timer_g_until_32_s_and_forgotten(
    rig: EngineRig,
) -> None:
    """37. RFC 3261 §17.2.1: 0.5 s, doubled up to 4 s, for 64*T1."""
    text = message("INVITE")
    copy = ringing(rig, text)
    assert statuses(send(rig, cancel_of(text))) == [200, 487]
    answer(rig, copy, 487)
    repeats = [each for each in rig.run_to(100_000) if each.flow.remote_host == "192.0.2.50"]
    assert statuses(repeats) == [487] * 10
    assert [each.at // 1_000_000 for each in repeats] == [
        500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500,
    ]  # fmt: skip
    assert not any(rig.counts().values()), rig.counts()


def test_200_that_the_phone_repeats_is_forwarded_each_time_and_so_is_each_ack(
    rig: EngineRig,
) -> None:
    """38."""
    copy = ringing(rig, message("INVITE"))
    (final,) = finals(answer(rig, copy, 200))
    for _ in range(3):
        assert statuses(answer(rig, copy, 200)) == [200]
        (ack,) = requests(send(rig, in_dialog("ACK", 1, final)), "ACK")
        assert ack.flow.remote_host == "192.0.2.60"


def test_bye_of_both_sides_at_once_is_answered_to_both_and_leaves_one_record(
    rig: EngineRig,
) -> None:
    """39."""
    _, final = answered(rig)
    (to_phone,) = requests(send(rig, in_dialog("BYE", 2, final)), "BYE")
    text = from_callee("BYE", 1, final)
    (to_caller,) = requests(send(rig, text, peer=CALLEE), "BYE")
    assert to_caller.flow.remote_host == "192.0.2.50"
    assert statuses(answer(rig, to_phone, 200)) == [200]
    assert statuses(answer(rig, to_caller, 200), to="192.0.2.60") == [200]
    assert len(rig.engines["ucm1"].calls.records) == 1
    assert at_rest(rig)


def test_491_of_crossing_re_invites_passes_both_ways(rig: EngineRig) -> None:
    """40. RFC 3261 §14.2."""
    _, final = answered(rig)
    (to_phone,) = requests(send(rig, in_dialog("INVITE", 2, final)))
    (to_caller,) = requests(send(rig, from_callee("INVITE", 1, final), peer=CALLEE))
    assert statuses(answer(rig, to_phone, 491)) == [491]
    assert statuses(answer(rig, to_caller, 491), to="192.0.2.60") == [491]
    assert [each.status for each in finals(rig.sent)][-1] == 491


def test_provisional_answers_of_every_fork_are_forwarded_and_one_dialog_is_confirmed(
    rig: EngineRig,
) -> None:
    """41."""
    other = "192.0.2.61:5060"
    assert register(rig, contact=f"<sip:2001@{other}>", peer=other).status == 200
    first, second = requests(send(rig, message("INVITE")))
    heard = answer(rig, first, 183, tag="b1") + answer(rig, second, 199, tag="c1")
    heard += answer(rig, second, 183, tag="c2")
    assert [each.message.to_tag for each in heard] == ["b1", "c1", "c2"]
    done = answer(rig, first, 200, tag="b1")
    assert [each.to_tag for each in finals(done)] == ["b1"]
    (cancel,) = requests(done, "CANCEL")
    assert cancel.flow == second.flow
    assert finals(answer(rig, second, 487, tag="c2")) == []


@pytest.mark.parametrize("method", ["UPDATE", "PRACK", "BYE", "INFO"])
@pytest.mark.parametrize("to", ["<sip:2002@lab.example>", "<sip:2002@lab.example>;tag=none"])
def test_request_of_a_dialog_that_nobody_knows_is_481(rig: EngineRig, method: str, to: str) -> None:
    """42."""
    sent = send(rig, message(method, "sip:2002@lab.example", to=to))
    assert statuses(sent) == [481]
    assert requests(sent, method) == []


@pytest.mark.parametrize("host", ["192.0.2.1:5060", "192.0.2.2:5060", "lab.example"])
def test_contact_that_names_the_cluster_itself_makes_no_loop(rig: EngineRig, host: str) -> None:
    """43. Our Route knows the way to both ends, whatever they say of themselves."""
    copy = ringing(rig, message("INVITE"))
    (final,) = finals(answer(rig, copy, 200, contact=f"<sip:2001@{host}>"))
    for method, cseq in (("ACK", 1), ("BYE", 2)):
        (passed,) = requests(send(rig, in_dialog(method, cseq, final)), method)
        assert passed.flow.remote_host == "192.0.2.60"
    # And the caller's own Contact: the line it names is not registered, so nobody is there.
    back = send(rig, from_callee("BYE", 1, final, uri=f"sip:1001@{host}"), peer=CALLEE)
    assert statuses(back, to="192.0.2.60") == [481]
    assert len(requests(back, "BYE")) <= 1  # once to the node that was named, never round
    assert at_rest(rig)


def test_final_answer_that_a_broken_phone_repeats_is_acknowledged_and_absorbed(
    rig: EngineRig,
) -> None:
    """44."""
    copy = ringing(rig, message("INVITE"))
    assert statuses(answer(rig, copy, 500)) == [500]
    for _ in range(4):
        again = answer(rig, copy, 500)
        assert statuses(again) == []
        assert len(requests(again, "ACK")) == 1
    text = message("MESSAGE", call_id="m1")
    (copy,) = requests(send(rig, text), "MESSAGE")
    assert statuses(answer(rig, copy, 500)) == [500]
    assert answer(rig, copy, 500) == []


def test_message_to_a_dead_phone_gets_no_late_408_and_is_forgotten_at_32_s(
    rig: EngineRig,
) -> None:
    """45. RFC 4320 §4.2."""
    rig.run_to(40_000)  # the REGISTER is forgotten
    assert not any(rig.counts().values())
    send(rig, message("MESSAGE"))
    assert statuses(rig.run_to(71_999)) == []
    assert rig.counts()["client_transactions"] == 1
    assert statuses(rig.run_to(72_000)) == []
    assert not any(rig.counts().values()), rig.counts()
