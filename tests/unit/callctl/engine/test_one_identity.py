"""Whatever a caller writes about itself: push, INVITE and call record say one and the same."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callctl.call.explanation import explanation
from callctl.call.telling import story_fields
from callctl.model.build import iphone, make_cluster, softphone
from callctl.model.service_parameter import ServiceParameters
from callctl.model.trunk import SipTrunk, TrunkDestination
from helpers.engine_rig import EngineRig, iphone_binding
from sipstack.message.grammar import quote
from sipstack.message.message import Request
from sipstack.message.nameaddr import NameAddr

PEER = "192.0.2.90:5060"
CALLER = "192.0.2.50:5060"
PHONE = "192.0.2.60:5060"

NAMES = st.one_of(
    st.text(max_size=40),
    st.text(min_size=300, max_size=1000),
    st.sampled_from(
        [
            "Bob\r\nX-Evil: y",
            'Bob" <sip:boss@lab.example>',
            "\N{RIGHT-TO-LEFT OVERRIDE}ecneirF yzzarC",
            "${jndi:ldap://x}",
            "[bold red]Bob[/]",
            "%s%n{{7*7}}'; --",
            "a\u2028b\x85c",
        ]
    ),
)
USERS = st.one_of(
    st.sampled_from(
        [
            "1001",
            "%31001",
            "+49-30-111",
            "+4930111;isub=2",
            "a%40b",
            "%0d%0aX",
            "%00",
            "%E2%80%AE1001",
            "%ff%fe",
            "*21#",
            "boss%22%3E",
        ]
    ),
    st.from_regex(r"[a-z0-9%41+]{1,200}", fullmatch=True),
)
HEADERS = st.lists(
    st.sampled_from(
        [
            "P-Asserted-Identity: <tel:+49-30-5557>",
            'P-Asserted-Identity: "Pier, 7" <sip:+49305557;x=1@pstn.example>, <tel:+49305558>',
            "P-Asserted-Identity: nonsense",
            "P-Asserted-Identity: <sip:%0d%0a@x>",
            "P-Preferred-Identity: <sip:boss@lab.example>",
            "Remote-Party-ID: <sip:boss@lab.example>",
            "Privacy: id",
            "Privacy: none",
            "privacy: USER;critical",
        ]
    ),
    max_size=4,
    unique=True,
)


def rig_of() -> EngineRig:
    """Line 2000 rings a softphone that is registered and an iPhone that sleeps."""
    cluster = make_cluster(
        nodes=("ucm1",),
        devices=[softphone("1001"), softphone("2001", "2000"), iphone("3001", "2000")],
        trunks=[SipTrunk("pstn", (TrunkDestination("UDP", "192.0.2.90", 5060),), options_ping_s=0)],
        parameters=ServiceParameters(authentication="none"),
    )
    rig = EngineRig(cluster)
    rig.sign_in(iphone_binding(cluster.devices["TCT3001"]))
    register = f"""
REGISTER sip:lab.example SIP/2.0
Via: SIP/2.0/UDP {PHONE};branch=z9hG4bKr
From: <sip:2000@lab.example>;tag=p1
To: <sip:2000@lab.example>
Call-ID: reg
CSeq: 1 REGISTER
Contact: <sip:2000@{PHONE}>
Content-Length: 0
"""
    rig.feed("ucm1", register, rig.flow("ucm1", PHONE))
    return rig


def call(rig: EngineRig, source: str, sender: str, headers: list[str]) -> None:
    lines = [
        "INVITE sip:2000@lab.example SIP/2.0",
        f"Via: SIP/2.0/UDP {source};branch=z9hG4bKi",
        "Max-Forwards: 70",
        f"From: {sender};tag=a1",
        "To: <sip:2000@lab.example>",
        "Call-ID: call-1",
        "CSeq: 1 INVITE",
        f"Contact: <sip:x@{source}>",
        *headers,
        "Content-Length: 0",
    ]
    data = "\r\n".join(lines).encode("utf-8", "surrogateescape") + b"\r\n\r\n"
    rig.feed_bytes("ucm1", data, rig.flow("ucm1", source))


@pytest.mark.req("CID-09")
@settings(max_examples=300, deadline=None)
@given(
    source=st.sampled_from([PEER, CALLER]),
    name=NAMES.filter(lambda text: not any("\ud800" <= char <= "\udfff" for char in text)),
    user=USERS,
    headers=HEADERS,
)
def test_push_invite_and_record_name_one_caller_or_the_call_is_refused(
    source: str, name: str, user: str, headers: list[str]
) -> None:
    rig = rig_of()
    call(rig, source, f"{quote(name)} <sip:{user}@elsewhere.example>", headers)
    if not rig.pushes:
        assert list(rig.engines["ucm1"].calls.records) == []
        return
    [push] = rig.pushes
    [record] = rig.engines["ucm1"].calls.records
    invites = [it.message for it in rig.sent if isinstance(it.message, Request)]
    [invite] = [it for it in invites if it.method == "INVITE"]
    asserted = invite.headers.all("p-asserted-identity")
    pushed = json.loads(push.content.plaintext(rig.engines["ucm1"].features(push.binding)))
    shown = (pushed.get("displayName", ""), pushed.get("displayNumber", ""))
    if any(header.lower() in ("privacy: id", "privacy: user;critical") for header in headers):
        assert shown == ("Anonymous", "")
        assert asserted == []
    elif asserted:
        [value] = asserted
        read = NameAddr.parse(value)
        assert (read.display_name, read.uri.user_unescaped) == shown
        assert read.uri.host == "lab.example"
    else:
        assert shown[1] == ""
    assert record.caller == shown[1]
    for header in ("p-preferred-identity", "remote-party-id"):
        assert not invite.headers.has(header)


@pytest.mark.parametrize(
    "user",
    [
        "%0d%0aEvil",
        "%1b%5B31m",
        "%E2%80%AE1001",
        "%E2%80%A8x",
        "%5Bred%5D1001",
        "%7Bdevice%7D",
        "%25s",
        "%ff",
    ],
)
def test_the_story_of_a_call_is_told_line_by_line_whatever_its_caller_is_called(user: str) -> None:
    """Reliability 85, 87, 88."""
    plain, told = story_of("1001"), story_of(user)
    assert len(told.splitlines()) == len(plain.splitlines())
    assert told.replace("\n", "").isprintable()


def story_of(user: str) -> str:
    """What `callctl explain` prints of a call from this user."""
    rig = rig_of()
    call(rig, PEER, f"<sip:{user}@elsewhere.example>", [])
    [record] = rig.engines["ucm1"].calls.records
    began = datetime(2026, 1, 1, tzinfo=UTC)
    return explanation(story_fields(record, (), lambda _: began), began)
