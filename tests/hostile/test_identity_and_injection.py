"""H. Identity and injection: who a caller says he is, and what he hides in it.

Each test is one line of the list, in its order; the number stands in its docstring. A name goes
three ways: into the INVITE for the phone, into the sealed push, and (its number) into the story of
the call. All three are looked at.
"""

from __future__ import annotations

import json
import unicodedata
from typing import Any

import pytest

from callctl.model.build import iphone, make_cluster, softphone
from callctl.model.line import Line
from callctl.model.service_parameter import ServiceParameters
from helpers.engine_rig import EngineRig, authorization, iphone_binding
from helpers.pushes import FULL
from hostile.messages import (
    CALLEE,
    answer,
    finals,
    from_callee,
    in_dialog,
    message,
    register,
    requests,
    send,
    statuses,
    world,
)
from sipstack.message.message import Request, Response
from sipstack.message.parser import parse_message

CLAIMED = "P-Asserted-Identity: <sip:boss@lab.example>"
METHODS = ["INVITE", "MESSAGE", "SUBSCRIBE", "REFER", "PUBLISH", "OPTIONS"]


@pytest.fixture
def rig() -> EngineRig:
    rig = world()
    assert register(rig).status == 200
    return rig


@pytest.mark.parametrize("method", ["INVITE", "MESSAGE", "SUBSCRIBE", "REFER"])
@pytest.mark.parametrize("name", ["P-Asserted-Identity", "p-asserted-identity"])
def test_identity_that_a_client_asserts_is_replaced_by_what_we_know(
    rig: EngineRig, method: str, name: str
) -> None:
    """84. Ours is the line's, whoever the client says he is."""
    claimed = (f"{name}: <sip:boss@lab.example>", f"{name} : <tel:+1>, <sip:ceo@lab.example>")
    (copy,) = requests(send(rig, message(method, "sip:2001@lab.example", *claimed)), method)
    assert copy.message.headers.all("p-asserted-identity") == ["<sip:1001@lab.example>"]
    assert b"boss" not in copy.message.to_bytes()


@pytest.mark.parametrize("method", ["INVITE", "UPDATE", "INFO"])
def test_identity_that_a_client_asserts_in_a_dialog_is_removed(rig: EngineRig, method: str) -> None:
    """84, where a phone shows who it is connected with by now. From either side."""
    (copy,) = requests(send(rig, message("INVITE")))
    (final,) = finals(answer(rig, copy, 200))
    sent = [
        *requests(send(rig, in_dialog(method, 2, final, CLAIMED)), method),
        *requests(send(rig, from_callee(method, 1, final, CLAIMED), peer=CALLEE), method),
    ]
    assert len(sent) == 2
    assert [each.message.headers.all("p-asserted-identity") for each in sent] == [[], []]


def calling(
    name: str | bytes, *, lines: tuple[Line, ...] = (), number: str = "1001"
) -> tuple[EngineRig, list[int]]:
    """1001 calls the iPhone 3001, awake at 192.0.2.60, as `name`: what is between the quotes."""
    cluster = make_cluster(
        devices=[softphone("1001"), iphone("3001")],
        lines=lines,
        parameters=ServiceParameters(authentication="none"),
    )
    rig = EngineRig(cluster)
    rig.sign_in(iphone_binding(cluster.devices["TCT3001"]))
    register(rig, "3001")
    raw = name.encode() if isinstance(name, str) else name
    text = message(
        "INVITE", "sip:3001@lab.example", from_=f'"NAME" <sip:{number}@lab.example>;tag=a'
    )
    data = text.replace("\n", "\r\n").encode() + b"\r\n\r\n"
    rig.sent.clear()
    sent = rig.feed_bytes("ucm1", data.replace(b"NAME", raw), rig.flow("ucm1", "192.0.2.50:5060"))
    return rig, statuses(sent)


def payload(rig: EngineRig) -> dict[str, Any]:
    """The content of the ring push, before it is sealed: one line of JSON in UTF-8."""
    (push,) = rig.pushes
    octets = push.content.plaintext(FULL)
    text = octets.decode("utf-8")
    assert text.isprintable()
    content: dict[str, Any] = json.loads(text)
    return content


def invite_of(rig: EngineRig) -> Request:
    """The INVITE that went to the phone, as a parser reads it."""
    (copy,) = requests(rig.sent)
    again = parse_message(copy.message.to_bytes())
    assert isinstance(again, Request)
    return again


def story_of(rig: EngineRig) -> list[str]:
    """Every text that the record of the call holds."""
    (record,) = rig.engines["ucm1"].calls.records
    return [record.caller, record.dn, *(step.sentence() for step in record.steps)]


LINE_ENDS = {
    "percent": "Bob%0D%0AX-Evil: y",
    "double percent": "Bob%250D%250AX-Evil: y",
    "quoted pairs": "Bob\\\\r\\\\nX-Evil: y",
    "next line": "Bob\u0085X-Evil: y",
    "line separator": "Bob\u2028X-Evil: y",
    "paragraph separator": "Bob\u2029X-Evil: y",
    "overlong": b"Bob\xc0\x8d\xc0\x8aX-Evil: y",
    "half a character": b"Bob\xe5\x98X-Evil: y",
    "wide look-alike": "Bob\u560d\u560aX-Evil: y",  # cut to one octet a character it is CR LF
    "json": 'Bob\\",\\"event\\":\\"missed',
    "html": "Bob&#13;&#10;X-Evil: y",
}


@pytest.mark.parametrize("name", LINE_ENDS.values(), ids=LINE_ENDS.keys())
def test_line_end_hidden_in_a_name_ends_no_line_anywhere(name: str | bytes) -> None:
    """85."""
    rig, answered = calling(name)
    assert answered == [100]
    invite = invite_of(rig)
    assert not invite.headers.has("x-evil")
    assert len(invite.headers.all("from")) == 1
    content = payload(rig)
    assert content["event"] == "incoming"
    assert content["displayNumber"] == "1001"
    assert content["displayName"].startswith("Bob")
    assert all(text.isprintable() for text in story_of(rig))


@pytest.mark.parametrize(
    "name", [b"Bob\r\nX-Evil: y", b"Bob\\\r\nX-Evil: y", b"Bob\nX-Evil: y", b"Bob\rX", b"Bob\\\rX"]
)
def test_bare_line_end_in_a_name_is_400(name: bytes) -> None:
    """85. Within quotes or behind a backslash too (RFC 3261 §25.1, quoted-pair)."""
    rig, answered = calling(name)
    assert answered == [400]
    assert requests(rig.sent) == []
    assert rig.pushes == []


def test_folded_name_is_one_name() -> None:
    """85. The one line end that a name may hold: with a blank behind it (RFC 3261 §7.3.1)."""
    rig, answered = calling(b"Bob\r\n X-Evil: y")
    assert answered == [100]
    assert not invite_of(rig).headers.has("x-evil")
    assert payload(rig)["displayName"] == "Bob X-Evil: y"


@pytest.mark.parametrize("method", METHODS)
def test_authenticated_user_who_says_he_is_another_is_403(method: str) -> None:
    """86."""
    rig = world("digest")
    uri = "sip:2001@lab.example"
    challenge = send(rig, message(method, uri, from_="<sip:2002@lab.example>;tag=a"))[0].message
    assert isinstance(challenge, Response)
    line = authorization(challenge, method, uri, "1001", "pw1001")
    forged = message(method, uri, line, from_='"1001" <sip:2002@lab.example>;tag=a', cseq=2)
    assert statuses(send(rig, forged)) == [403]
    assert requests(rig.sent, method) == []


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Lab\u202egnp.exe", "Labgnp.exe"),
        ("\u2066\u2067Desk\u2069\u2069", "Desk"),
        ("\u200e\u200f\u061cDesk", "Desk"),
        ("De\u001b[31msk", None),
        ("Büro Süd", "Büro Süd"),
    ],
)
def test_marks_that_turn_text_round_do_not_reach_the_screen(name: str, shown: str | None) -> None:
    """87."""
    rig, answered = calling(name)
    if shown is None:
        assert answered == [400]
        return
    assert payload(rig)["displayName"] == shown
    for value in invite_of(rig).headers.all("p-asserted-identity"):
        assert not any(unicodedata.bidirectional(char) in ("RLO", "LRO") for char in value)


@pytest.mark.parametrize("name", ["Fr\u043ent D\u0435sk", "\uff26ront Desk", "Front\u200bDesk"])
def test_look_alike_of_a_name_is_not_shown_where_the_line_has_one_of_its_own(name: str) -> None:
    """87. Letters of other scripts are somebody's real name, so they are not changed; but what the
    administrator calls a line wins over what its phone says, and the number is always the line's.
    """
    rig, _ = calling(name, lines=(Line("1001", "Loading Dock"),))
    content = payload(rig)
    assert (content["displayName"], content["displayNumber"]) == ("Loading Dock", "1001")
    asserted = invite_of(rig).headers.all("p-asserted-identity")
    assert asserted == ['"Loading Dock" <sip:1001@lab.example>']


@pytest.mark.parametrize(
    "name",
    [
        "${jndi:ldap://192.0.2.9/a}",
        "%s%n%x%99999d",
        "{{7*7}}",
        "{0.__class__}",
        "'; DROP TABLE calls; --",
        "<script>alert(1)</script>",
        "$(reboot)`id`",
        "../../etc/passwd",
        "[red]Desk[/red]",
    ],
)
def test_name_that_looks_like_code_is_shown_as_it_is(name: str) -> None:
    """88."""
    rig, answered = calling(name)
    assert answered == [100]
    assert payload(rig)["displayName"] == name
    invite = invite_of(rig)
    assert invite.from_.display_name == name
    assert invite.headers.all("p-asserted-identity") == [f'"{name}" <sip:1001@lab.example>']
    rig.run_to(20_000)  # through ring-back, drop and second push
    assert {push.content.display_name for push in rig.pushes} == {name}
