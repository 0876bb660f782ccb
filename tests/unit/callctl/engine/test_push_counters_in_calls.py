"""The counters of a node through whole calls, in virtual time: its push service is the script."""

from __future__ import annotations

from dataclasses import replace

import pytest

from callctl.model.build import PUSH_ON, desk_phone, iphone, make_cluster, make_user
from callctl.model.service_parameter import ServiceParameters
from callctl.push.events import Outcome, PushOutcome, PushSent
from callctl.push.kind import PushKind
from helpers.engine_rig import EngineRig, iphone_binding

INVITE = """
INVITE sip:2001@lab.example SIP/2.0
Via: SIP/2.0/UDP 192.0.2.50:5060;branch=z9hG4bKcall1
Max-Forwards: 70
From: "Front Desk" <sip:1001@lab.example>;tag=a1
To: <sip:2001@lab.example>
Call-ID: call-1@192.0.2.50
CSeq: 1 INVITE
Contact: <sip:1001@192.0.2.50:5060>
Content-Length: 0

"""
CANCEL = INVITE.replace("INVITE sip", "CANCEL sip").replace("1 INVITE", "1 CANCEL")
REGISTER = """
REGISTER sip:lab.example SIP/2.0
Via: SIP/2.0/TCP 192.0.2.60:40000;branch=z9hG4bKreg1;rport
Max-Forwards: 70
From: <sip:2001@lab.example>;tag=r1
To: <sip:2001@lab.example>
Call-ID: reg-1@192.0.2.60
CSeq: 1 REGISTER
Contact: <sip:2001@192.0.2.60:40000;transport=tcp>
Content-Length: 0

"""

REQ, RES, ERR = (
    "NumberOfPushReqSent",
    "NumberOfPushResReceived",
    "NumberOfPushErrorResReceived",
)
MSG, MISSED = "CustomRegionNumofMsgPushReqSent", "CustomRegionNumofMissedCallMsgPushReqSent"
TO_JABBER = "MobilityPushNotificationCallsExtendedToJabber"
TO_MI = "MobilityPushNotificationCallsExtendedToMIDueToTimeout"


def rig_of(
    *, service: str = "APNS", custom_region: bool = False, mobility: str | None = None
) -> EngineRig:
    """One node with a sleeping phone, 2001."""
    cluster = make_cluster(
        devices=[desk_phone("1001"), desk_phone("1002"), iphone("2001")],
        users=[replace(make_user("2001"), mobility_identity=mobility)],
        parameters=ServiceParameters(authentication="none"),
        cloud=PUSH_ON,
    )
    rig = EngineRig(cluster)
    binding = iphone_binding(cluster.devices["TCT2001"])
    rig.sign_in(replace(binding, subscriber_service=service, custom_region=custom_region))
    return rig


def call(rig: EngineRig, text: str = INVITE) -> None:
    rig.feed("ucm1", text, rig.flow("ucm1", "192.0.2.50:5060"))


def tell(rig: EngineRig, event: PushSent | PushOutcome) -> None:
    rig.perform("ucm1", rig.engines["ucm1"].receive(event, rig.now))


def answer(rig: EngineRig, status: int) -> None:
    """Everything that was pushed and is still open leaves, and gets this answer."""
    outcome = Outcome.ACCEPTED if status == 200 else Outcome.FAILED
    for push in rig.pushes:
        tell(rig, PushSent(push.intent_id))
        tell(rig, PushOutcome(push.intent_id, outcome, status, "", "t1"))


def moved(rig: EngineRig) -> dict[str, int]:
    table = rig.engines["ucm1"].counters.table
    return {it.name: it.value for it in table.read_all(rig.now) if it.value}


@pytest.mark.req("CTR-05")
def test_call_that_is_pushed_and_missed_is_two_requests_and_two_responses() -> None:
    rig = rig_of()
    call(rig)
    assert moved(rig) == {}  # wanted, and nobody has said that it left
    tell(rig, PushSent(rig.pushes[0].intent_id))
    assert moved(rig) == {REQ: 1}
    answer(rig, 200)
    assert moved(rig) == {REQ: 1, RES: 1}
    call(rig, CANCEL)
    assert [push.kind for push in rig.pushes] == [PushKind.INCOMING, PushKind.MISSED]
    answer(rig, 200)
    assert moved(rig) == {REQ: 2, RES: 2}


@pytest.mark.req("CTR-05", "CPNS-14")
def test_call_whose_push_could_not_be_sent_for_want_of_tls_is_an_error_alone() -> None:
    rig = rig_of()
    call(rig)
    tell(rig, PushOutcome(rig.pushes[0].intent_id, Outcome.FAILED, None, "tls"))
    assert moved(rig) == {ERR: 1}


@pytest.mark.req("CTR-05")
def test_call_whose_push_gets_no_answer_is_a_request_and_an_error() -> None:
    rig = rig_of()
    call(rig)
    tell(rig, PushSent(rig.pushes[0].intent_id))
    tell(rig, PushOutcome(rig.pushes[0].intent_id, Outcome.FAILED, None, "no answer", "t1"))
    assert moved(rig) == {REQ: 1, ERR: 1}


@pytest.mark.req("CHN-08")
def test_call_to_the_custom_region_counts_by_kind_and_as_a_request() -> None:
    rig = rig_of(custom_region=True)
    call(rig)
    answer(rig, 200)
    assert moved(rig) == {REQ: 1, RES: 1, MSG: 1}
    call(rig, CANCEL)
    answer(rig, 200)
    assert moved(rig) == {REQ: 2, RES: 2, MSG: 1, MISSED: 1}


@pytest.mark.req("CHN-08")
def test_push_to_the_custom_region_that_could_not_be_sent_is_none() -> None:
    rig = rig_of(custom_region=True)
    call(rig)
    tell(rig, PushOutcome(rig.pushes[0].intent_id, Outcome.FAILED, None, "tls"))
    assert moved(rig) == {ERR: 1}


@pytest.mark.req("CTR-03")
def test_call_to_an_android_moves_nothing() -> None:
    rig = rig_of(service="FCM")
    call(rig)
    assert len(rig.pushes) == 1
    answer(rig, 503)
    assert moved(rig) == {}


@pytest.mark.req("MOB-02", "MOB-03", "MOB-06")
def test_wait_with_a_mobility_identity_moves_one_counter_or_the_other_or_none() -> None:
    late = rig_of(mobility="1002")
    call(late)
    late.run_to(10_000)
    assert moved(late) == {TO_MI: 1}
    in_time = rig_of(mobility="1002")
    call(in_time)
    in_time.run_to(9_000)
    flow = in_time.flow("ucm1", "192.0.2.60:40000", transport="TCP", connection=7)
    in_time.feed("ucm1", REGISTER, flow)
    in_time.run_to(20_000)
    assert moved(in_time) == {TO_JABBER: 1}
    gave_up = rig_of(mobility="1002")
    call(gave_up)
    gave_up.run_to(5_000)
    call(gave_up, CANCEL)
    gave_up.run_to(20_000)
    assert moved(gave_up) == {}


def test_nothing_is_left_once_every_push_has_its_outcome() -> None:
    rig = rig_of()
    call(rig)
    call(rig, CANCEL)
    answer(rig, 200)
    assert len(rig.engines["ucm1"].calls.pushes) == 0
