"""E. The registrar: what a REGISTER asks for that it must not get, and what must survive it.

Each test is one line of the list, in its order; the number stands in its docstring.
"""

from __future__ import annotations

import pytest

from helpers.engine_rig import EngineRig, authorization
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
from sipstack.message.message import Response

CONTACT = "Contact: <sip:2001@192.0.2.60:5060>"
INSTANCE = ';+sip.instance="<urn:uuid:00000000-0000-1000-8000-000A95A0E128>"'


@pytest.fixture
def rig() -> EngineRig:
    return world()


def put(rig: EngineRig, *headers: str, user: str = "2001", cseq: int = 0) -> Response:
    """One REGISTER from the phone; its answer."""
    return _answer(rig, register_text(user, *headers, cseq=cseq))


def _answer(rig: EngineRig, text: str) -> Response:
    pass_ms(rig, 1)
    (sent,) = send(rig, text, peer=CALLEE)
    assert isinstance(sent.message, Response)
    return sent.message


def bindings(rig: EngineRig, user: str = "2001") -> list[str]:
    """Contacts and their seconds left, as a REGISTER without Contact is told."""
    return put(rig, user=user).headers.values("contact")


def test_register_for_the_line_of_another_user_is_403_and_his_binding_stays() -> None:
    """59."""
    rig = world("digest")
    assert register(rig).status == 200
    before = bindings_of(rig)
    for contact in ("Contact: <sip:evil@192.0.2.66>", "Contact: *"):
        headers = (contact, "Expires: 0") if "*" in contact else (contact,)
        asked = _answer(rig, register_text("2001", *headers))
        line = authorization(asked, "REGISTER", "sip:lab.example", "2002", "pw2002")
        assert _answer(rig, register_text("2001", *headers, line)).status == 403
    assert bindings_of(rig) == before


def bindings_of(rig: EngineRig) -> list[tuple[str, int, int]]:
    """What every node knows of 2001."""
    return [
        (binding.contact, binding.cseq, binding.expires_at)
        for engine in rig.engines.values()
        for binding in engine.bindings.of_dn("2001", rig.now)
    ]


def test_register_whose_cseq_is_older_changes_nothing(rig: EngineRig) -> None:
    """60."""
    assert put(rig, CONTACT, cseq=50).status == 200
    before = bindings_of(rig)
    for cseq in (49, 50, 1):
        for changed in (f"{CONTACT};expires=0", f"{CONTACT};q=0.1;expires=60"):
            assert put(rig, changed, cseq=cseq).status == 500
    assert put(rig, "Contact: *", "Expires: 0", cseq=50).status == 500
    assert bindings_of(rig) == before


@pytest.mark.parametrize(
    "headers",
    [
        ("Contact: *", "Expires: 60"),
        ("Contact: *",),
        ("Contact: *;expires=0",),
        ("Contact: *, <sip:2001@192.0.2.60>", "Expires: 0"),
        ("Contact: *", "Contact: <sip:2001@192.0.2.60>", "Expires: 0"),
    ],
)
def test_star_removes_nothing_unless_it_stands_alone_with_expires_0(
    rig: EngineRig, headers: tuple[str, ...]
) -> None:
    """61."""
    assert put(rig, CONTACT).status == 200
    assert put(rig, *headers).status == 400
    assert len(contacts_of(rig)) == 1


@pytest.mark.parametrize(
    ("asked", "status", "left"),
    [
        ("0", 200, []),
        ("1", 423, ["3600"]),
        ("59", 423, ["3600"]),
        ("60", 200, ["60"]),
        ("86401", 200, ["86400"]),
        ("4294967295", 200, ["86400"]),
        ("99999999999999999999", 200, ["86400"]),
        ("00000000000000000060", 200, ["60"]),
        # What is no number counts as the default: RFC 3261 §10.2.1.1, and so does a sign.
        ("-1", 200, ["3600"]),
        ("soon", 200, ["3600"]),
        ("+60", 200, ["3600"]),
        ("٦٠", 400, ["3600"]),
    ],
)
def test_interval_is_held_between_its_least_and_its_greatest(
    rig: EngineRig, asked: str, status: int, left: list[str]
) -> None:
    """62, as a parameter of the Contact."""
    assert put(rig, CONTACT).status == 200
    response = put(rig, f"{CONTACT};expires={asked}")
    assert response.status == status
    assert (response.headers.first("min-expires") == "60") is (status == 423)
    assert [contact.rpartition("=")[2] for contact in bindings(rig)] == left


@pytest.mark.parametrize(
    ("asked", "status"),
    [("1", 423), ("4294967295", 200), ("4294967296", 400), ("-1", 400), ("soon", 400)],
)
def test_expires_header_out_of_range_is_refused_or_held(
    rig: EngineRig, asked: str, status: int
) -> None:
    """62, as the header."""
    assert put(rig, CONTACT, f"Expires: {asked}").status == status
    left = [contact.rpartition("=")[2] for contact in bindings(rig)]
    assert left == (["86400"] if status == 200 else [])


@pytest.mark.parametrize("count", [5, 50, 150, 1_000])
def test_too_many_contacts_are_403_and_none_of_them_is_stored(rig: EngineRig, count: int) -> None:
    """63."""
    assert put(rig, CONTACT).status == 200
    many = ", ".join(f"<sip:a{number}@192.0.2.60>" for number in range(count))
    assert put(rig, f"Contact: {many}").status == 403
    assert contacts_of(rig) == ["sip:2001@192.0.2.60:5060"]


@pytest.mark.parametrize("good", [0, 1, 2])
def test_one_bad_contact_among_good_ones_stores_none(rig: EngineRig, good: int) -> None:
    """63, the other half: all or nothing (RFC 3261 §10.3)."""
    for bad, status in (
        ("<sip:b@192.0.2.60>;expires=1", 423),
        ("<sip:b@192.0.2.60;pn-provider=webpush;pn-prid=x>", 555),
        ("<sip:b@192.0.2.60;pn-provider=apns;pn-prid=x%00y>", 400),
        ("<tel:2001>", 400),
        ("<sip:b@192.0.2.60", 400),
    ):
        values = [f"<sip:good{number}@192.0.2.60>" for number in range(2)]
        values.insert(good, bad)
        assert put(rig, f"Contact: {', '.join(values)}").status == status
        assert contacts_of(rig) == []


@pytest.mark.parametrize("params", ["", f"{INSTANCE};reg-id=1"])
def test_contact_that_stands_twice_in_a_register_is_one_binding(
    rig: EngineRig, params: str
) -> None:
    """64, within one REGISTER: two bindings would make two INVITEs of each call (I3)."""
    twice = f"Contact: <sip:2001@{CALLEE}>{params};expires=60, <sip:2001@{CALLEE}>{params}"
    assert put(rig, twice).status == 200
    assert contacts_of(rig) == [f"sip:2001@{CALLEE}"]
    assert len(requests(send(rig, message("INVITE")))) == 1
    put(rig, f"{twice};expires=0")
    assert contacts_of(rig) == []


def test_same_instance_at_a_new_address_is_one_binding_and_is_called_there(
    rig: EngineRig,
) -> None:
    """64."""
    roamed = "198.51.100.9:5060"
    register(rig, contact=f"<sip:2001@{CALLEE}>{INSTANCE};reg-id=1")
    pass_ms(rig, 1)
    register(rig, contact=f"<sip:2001@{roamed}>{INSTANCE};reg-id=1", peer=roamed)
    assert contacts_of(rig) == contacts_of(rig, node="ucm3") == [f"sip:2001@{roamed}"]
    (copy,) = requests(send(rig, message("INVITE")))
    assert copy.flow.remote_host == "198.51.100.9"


def test_push_provider_that_is_unknown_is_555_and_one_without_target_is_stored_without_push(
    rig: EngineRig,
) -> None:
    """65. RFC 8599 §4.1."""
    webpush = "Contact: <sip:2001@192.0.2.60;pn-provider=webpush;pn-prid=x>"
    assert put(rig, webpush).status == 555
    assert contacts_of(rig) == []
    assert put(rig, "Contact: <sip:2001@192.0.2.60;pn-provider=apns>").status == 200
    assert len(contacts_of(rig)) == 1
    assert rig.engines["ucm1"].push_binding("CSF2001") is None


@pytest.mark.parametrize(
    "target", ["x" * 10_240, "a%0D%0Ab", "a%0d%0aX: b", "a%00b", "a%7Fb", "a\tb", "a b", 'a"b']
)
def test_push_target_that_is_too_long_or_hides_a_line_end_is_400(
    rig: EngineRig, target: str
) -> None:
    """66."""
    contact = f"Contact: <sip:2001@192.0.2.60;pn-provider=apns;pn-prid={target}>"
    assert put(rig, contact).status == 400
    assert contacts_of(rig) == []
    assert rig.engines["ucm1"].push_binding("CSF2001") is None


def test_register_that_comes_twice_gets_the_same_200_and_is_no_replay() -> None:
    """67."""
    rig = world("digest")
    asked = _answer(rig, register_text("2001", CONTACT))
    line = authorization(asked, "REGISTER", "sip:lab.example", "2001", "pw2001")
    text = register_text("2001", CONTACT, line, branch="same")
    first = _answer(rig, text)
    assert first.status == 200
    for _ in range(3):
        pass_ms(rig, 500)
        assert _answer(rig, text).to_bytes() == first.to_bytes()
    assert len(contacts_of(rig)) == 1


def test_call_goes_on_though_the_contact_it_went_to_expires_meanwhile(rig: EngineRig) -> None:
    """68. Through its answer, and the dialog after it."""
    assert put(rig, f"{CONTACT};expires=60").status == 200
    rig.run_to(59_000)
    (copy,) = requests(send(rig, message("INVITE")))
    answer(rig, copy, 180)
    rig.run_to(90_000)
    assert contacts_of(rig) == []
    (final,) = finals(answer(rig, copy, 200))
    for method, cseq in (("ACK", 1), ("BYE", 2)):
        (passed,) = requests(send(rig, in_dialog(method, cseq, final)), method)
        assert f"{passed.flow.remote_host}:{passed.flow.remote_port}" == CALLEE
    assert statuses(answer(rig, passed, 200)) == [200]
    assert statuses(send(rig, message("INVITE", call_id="next")))[-1] == 480
