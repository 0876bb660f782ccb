"""A connection whose keep-alives stop is dead, and its phone sleeps (RFC 5626 §4.4, OP-29)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from callctl.model.build import desk_phone, iphone, make_cluster
from callctl.model.service_parameter import ServiceParameters
from callctl.push.kind import PushKind
from helpers.engine_rig import EngineRig, Sent, iphone_binding
from sipstack.message.message import Request, Response
from sipstack.transport.flow import BytesReceived, CloseFlow, Flow

REGISTER = """
REGISTER sip:lab.example SIP/2.0
Via: SIP/2.0/TCP 192.0.2.60:40000;branch=z9hG4bK{branch}
Max-Forwards: 70
From: <sip:2001@lab.example>;tag=p1
To: <sip:2001@lab.example>
Call-ID: reg-1
CSeq: {cseq} REGISTER
Contact: <sip:2001@192.0.2.60:40000;transport=tcp>;reg-id=1;+sip.instance="<urn:uuid:1>"
Supported: path, outbound
Expires: 3600
Content-Length: 0

"""

INVITE = """
INVITE sip:2001@lab.example SIP/2.0
Via: SIP/2.0/UDP 192.0.2.50:5060;branch=z9hG4bKcall1
Max-Forwards: 70
From: <sip:1001@lab.example>;tag=a1
To: <sip:2001@lab.example>
Call-ID: call-1@192.0.2.50
CSeq: 1 INVITE
Contact: <sip:1001@192.0.2.50:5060>
Content-Length: 0

"""


def registered(**parameters: int) -> tuple[EngineRig, Flow, Response]:
    cluster = make_cluster(
        devices=[desk_phone("1001"), iphone("2001")],
        parameters=replace(ServiceParameters(authentication="none"), **parameters),  # type: ignore[arg-type]
    )
    rig = EngineRig(cluster)
    rig.sign_in(iphone_binding(cluster.devices["TCT2001"]))
    flow = rig.flow("ucm1", "192.0.2.60:40000", transport="TCP", connection=7)
    (sent,) = rig.feed("ucm1", REGISTER.format(branch="r1", cseq=1), flow)
    assert isinstance(sent.message, Response)
    return rig, flow, sent.message


def ping(rig: EngineRig, flow: Flow) -> None:
    rig.perform("ucm1", rig.engines["ucm1"].receive(BytesReceived(flow, b"\r\n\r\n"), rig.now))


def closed_at(rig: EngineRig, flow: Flow, until_s: int) -> int | None:
    """The second in which the node closes the flow; its shell then reports the end."""
    engine = rig.engines["ucm1"]
    while (due := engine.next_deadline()) is not None and due <= until_s * 1_000_000_000:
        rig.now = due
        actions = engine.advance(due)
        rig.perform("ucm1", actions)
        if CloseFlow(flow) in actions:
            rig.close("ucm1", flow)
            return due // 1_000_000_000
    return None


def invites(sent: list[Sent]) -> list[Sent]:
    return [s for s in sent if isinstance(s.message, Request) and s.message.method == "INVITE"]


@pytest.mark.req("REG-09")
def test_outbound_registration_is_told_how_long_it_may_be_silent() -> None:
    assert registered()[2].headers.first("flow-timer") == "120"
    assert registered(flow_timer_s=0)[2].headers.first("flow-timer") is None


@pytest.mark.req("REG-03", "REG-13")
def test_phone_whose_keep_alives_stop_sleeps_and_is_woken_by_push() -> None:
    rig, flow, _ = registered()
    ping(rig, flow)
    rig.now = type(rig.now)(100_000_000_000)
    ping(rig, flow)
    assert closed_at(rig, flow, 400) == 230  # 120 s and the grace after the last of them
    sent = rig.feed("ucm1", INVITE, rig.flow("ucm1", "192.0.2.50:5060"))
    assert invites(sent) == []
    assert [push.kind for push in rig.pushes] == [PushKind.INCOMING]


def test_any_message_counts_as_a_sign_of_life() -> None:
    rig, flow, _ = registered()
    ping(rig, flow)
    rig.now = type(rig.now)(100_000_000_000)
    rig.feed("ucm1", REGISTER.format(branch="r2", cseq=2), flow)
    assert closed_at(rig, flow, 229) is None
    assert closed_at(rig, flow, 400) == 230


def test_client_that_never_sent_a_keep_alive_is_not_held_to_any() -> None:
    rig, flow, _ = registered()
    assert closed_at(rig, flow, 3_000) is None


def test_nobody_is_held_to_it_where_the_timer_is_off() -> None:
    rig, flow, _ = registered(flow_timer_s=0)
    ping(rig, flow)
    assert closed_at(rig, flow, 3_000) is None
