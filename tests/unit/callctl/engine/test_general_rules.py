"""Rules of every call: push as a feature that is on or off, and as the only way to an app."""

from __future__ import annotations

from dataclasses import replace

import pytest

from callctl.call.event import MobilityOutcome
from callctl.engine.event import SendPush, WithdrawPush
from callctl.model.build import PUSH_ON, desk_phone, iphone, make_cluster, make_user
from callctl.model.cloud import CloudSettings
from callctl.model.cluster import Cluster
from callctl.model.deployment import Deployment, DeploymentType
from callctl.model.device import SUBSCRIBER_SERVICES, ClientType, Device, Platform
from callctl.model.hunt_pilot import HuntPilot
from callctl.model.line import Forwarding, Line
from callctl.model.release import Release
from callctl.model.service_parameter import ServiceParameters
from callctl.push.events import PushSent
from callctl.push.kind import PushKind
from helpers.engine_rig import EngineRig, Sent, iphone_binding
from sipstack.message.message import Request, Response
from sipstack.transport.flow import BytesReceived, Flow

CALLER = "192.0.2.50:5060"

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

VIDEO = """v=0
o=- 1 1 IN IP4 192.0.2.50
s=-
t=0 0
m=audio 9 RTP/AVP 0
m=video 9 RTP/AVP 96
"""

REGISTER = """
REGISTER sip:lab.example SIP/2.0
Via: SIP/2.0/TCP 192.0.2.60:40000;branch=z9hG4bKreg
Max-Forwards: 70
From: <sip:2001@lab.example>;tag=p1
To: <sip:2001@lab.example>
Call-ID: reg-1
CSeq: 1 REGISTER
Contact: <sip:2001@192.0.2.60:40000;transport=tcp>
Expires: 600
Content-Length: 0

"""

IPHONE = iphone("2001")
OPEN = ServiceParameters(authentication="none")


def cluster_with(
    device: Device = IPHONE,
    *,
    push: bool = True,
    mobility_identity: str | None = None,
    parameters: ServiceParameters = OPEN,
) -> Cluster:
    return make_cluster(
        devices=[desk_phone("1001"), desk_phone("1002"), device],
        users=[replace(make_user("2001"), mobility_identity=mobility_identity)],
        parameters=parameters,
        cloud=PUSH_ON if push else CloudSettings(push_enabled=False),
    )


def rig_of(cluster: Cluster, *, service: str = "APNS", custom_region: bool = False) -> EngineRig:
    rig = EngineRig(cluster)
    binding = iphone_binding(cluster.devices["TCT2001"])
    rig.sign_in(replace(binding, subscriber_service=service, custom_region=custom_region))
    return rig


def connection(rig: EngineRig, node: str = "ucm1") -> Flow:
    return rig.flow(node, "192.0.2.60:40000", transport="TCP", connection=7)


def register(rig: EngineRig) -> Flow:
    flow = connection(rig)
    assert statuses(rig.feed("ucm1", REGISTER, flow)) == [200]
    return flow


def call(rig: EngineRig, text: str = INVITE) -> list[Sent]:
    return rig.feed("ucm1", text, rig.flow("ucm1", CALLER))


def statuses(sent: list[Sent]) -> list[int]:
    return [s.message.status for s in sent if isinstance(s.message, Response)]


def invites(sent: list[Sent]) -> list[Sent]:
    return [s for s in sent if isinstance(s.message, Request) and s.message.method == "INVITE"]


@pytest.mark.req("GEN-02", "GEN-09")
def test_no_push_leaves_while_push_is_off_and_the_call_is_one_to_an_unregistered_device() -> None:
    rig = rig_of(cluster_with(push=False))
    assert statuses(call(rig)) == [100, 480]
    assert rig.pushes == []
    rig = rig_of(cluster_with(push=True))
    assert statuses(call(rig)) == [100]
    assert [push.kind for push in rig.pushes] == [PushKind.INCOMING]


@pytest.mark.req("GEN-09")
def test_no_second_push_leaves_either_while_push_is_off() -> None:
    rig = rig_of(cluster_with(push=False))
    register(rig)
    assert len(invites(call(rig))) == 1  # a live flow needs no push
    call(rig, CANCEL)
    assert rig.pushes == []


@pytest.mark.req("GEN-06", "AND-05")
@pytest.mark.parametrize("client", [ClientType.JABBER, ClientType.WEBEX])
def test_app_without_its_flow_is_reached_by_push_and_in_no_other_way(client: ClientType) -> None:
    version = "14.3" if client is ClientType.JABBER else "44.1"
    device = replace(IPHONE, client=client, client_version=version)
    rig = rig_of(cluster_with(device))
    rig.close("ucm1", register(rig))
    assert invites(call(rig)) == []
    assert [push.kind for push in rig.pushes] == [PushKind.INCOMING]
    silent = EngineRig(cluster_with(device))  # it never signed in
    silent.close("ucm1", register(silent))
    sent = call(silent)
    assert invites(sent) == []  # its contact is not dialled, as that of a desk phone is
    assert statuses(sent) == [100, 480]


@pytest.mark.req("GEN-11")
def test_video_call_follows_the_same_rules_and_its_push_says_so() -> None:
    kind = f"Content-Type: application/sdp\nContent-Length: {len(VIDEO.strip())}"
    with_video = INVITE.replace("Content-Length: 0", kind) + VIDEO
    for text, video in ((INVITE, False), (with_video, True)):
        rig = rig_of(cluster_with())
        assert statuses(call(rig, text)) == [100]
        assert [push.content.video for push in rig.pushes] == [video]
        assert statuses(rig.run_to(5_000)) == [180]
        assert statuses(rig.run_to(13_000)) == [480]
        assert [push.kind for push in rig.pushes] == [PushKind.INCOMING, PushKind.MISSED]


@pytest.mark.req("GEN-01")
@pytest.mark.parametrize("kind", list(DeploymentType))
def test_calls_are_pushed_the_same_whoever_carries_the_messages(kind: DeploymentType) -> None:
    rig = rig_of(replace(cluster_with(), deployment=Deployment(type=kind)))
    assert statuses(call(rig)) == [100]
    assert [push.kind for push in rig.pushes] == [PushKind.INCOMING]
    (invite,) = invites(rig.feed("ucm1", REGISTER, connection(rig)))
    assert invite.message.call_id == "call-1@192.0.2.50"


@pytest.mark.req("CALL-13")
def test_phone_that_takes_12_9_s_to_come_is_no_error_in_any_count() -> None:
    rig = rig_of(cluster_with())
    call(rig)
    rig.run_to(12_900)
    (invite,) = invites(rig.feed("ucm1", REGISTER, connection(rig)))
    assert isinstance(invite.message, Request)
    engine = rig.engines["ucm1"]
    assert engine.ignored == {}
    assert set(engine.counters.values.values()) == {0}
    (record,) = engine.calls.records
    assert {"failed", "dropped", "push-failed"}.isdisjoint(step.code for step in record.steps)


@pytest.mark.req("CHN-08")
def test_message_pushes_to_a_custom_region_are_counted_by_their_kind() -> None:
    def counted(rig: EngineRig) -> list[int]:
        """Once the push service has told that all of them have left."""
        for push in rig.pushes:
            rig.perform("ucm1", rig.engines["ucm1"].receive(PushSent(push.intent_id), rig.now))
        values = rig.engines["ucm1"].counters.values
        assert values["NumberOfPushReqSent"] == len(rig.pushes)
        names = ("MsgPushReqSent", "MissedCallMsgPushReqSent", "SharedCancelMsgPushReqSent")
        return [values[f"CustomRegionNumof{name}"] for name in names]

    rig = rig_of(cluster_with(), custom_region=True)
    call(rig)
    assert counted(rig) == [1, 0, 0]
    call(rig, CANCEL)
    assert counted(rig) == [1, 1, 0]
    shared = make_cluster(
        devices=[desk_phone("1001"), desk_phone("hall", "2001", name="SEPHALL"), IPHONE],
        parameters=OPEN,
    )
    rig = rig_of(shared, custom_region=True)
    desk = rig.flow("ucm1", "192.0.2.70:5060")
    rig.feed("ucm1", REGISTER.replace("TCP", "UDP").replace(".60:40000", ".70:5060"), desk)
    copies = [sent for sent in invites(call(rig)) if sent.flow.remote_host == "192.0.2.70"]
    answer_200(rig, copies[0])
    assert counted(rig) == [1, 0, 1]
    elsewhere = rig_of(cluster_with())
    call(elsewhere)
    call(elsewhere, CANCEL)
    assert counted(elsewhere) == [0, 0, 0]


@pytest.mark.req("MOB-04", "MOB-07")
@pytest.mark.parametrize("service", sorted(SUBSCRIBER_SERVICES))
def test_both_mobility_counters_count_for_every_apns_service_and_for_no_other(service: str) -> None:
    apple = SUBSCRIBER_SERVICES[service] is Platform.IOS
    late = rig_of(cluster_with(mobility_identity="1002"), service=service)
    call(late)
    late.run_to(10_000)
    in_time = rig_of(cluster_with(mobility_identity="1002"), service=service)
    call(in_time)
    in_time.run_to(9_000)
    in_time.feed("ucm1", REGISTER, connection(in_time))
    expected = {rig: int(apple) for rig in ("late", "in time")}
    assert extended(late, MobilityOutcome.TO_MOBILITY_IDENTITY) == expected["late"]
    assert extended(late, MobilityOutcome.TO_JABBER) == 0
    assert extended(in_time, MobilityOutcome.TO_JABBER) == expected["in time"]
    assert extended(in_time, MobilityOutcome.TO_MOBILITY_IDENTITY) == 0


def extended(rig: EngineRig, outcome: MobilityOutcome) -> int:
    return rig.engines["ucm1"].counters.values[outcome.value]


def answer_200(rig: EngineRig, copy: Sent) -> None:
    message = copy.message
    vias = "\n".join(f"Via: {via}" for via in message.headers.all("via"))
    rig.feed(
        "ucm1",
        f"SIP/2.0 200 OK\n{vias}\nFrom: {message.headers.first('from')}\n"
        f"To: {message.headers.first('to')};tag=desk\nCall-ID: {message.call_id}\n"
        "CSeq: 1 INVITE\nContact: <sip:2001@192.0.2.70:5060>\nContent-Length: 0\n\n",
        copy.flow,
    )


def test_ring_push_is_withdrawn_also_by_a_release_that_sends_no_second_push() -> None:
    """It may wait for an access token still: without a second push nothing else would stop it."""
    cluster = replace(cluster_with(), release=Release.parse("12.5(1)SU2"))
    rig = rig_of(cluster)
    call(rig)
    engine = rig.engines["ucm1"]
    data = CANCEL.strip().replace("\n", "\r\n").encode() + b"\r\n\r\n"
    actions = engine.receive(BytesReceived(rig.flow("ucm1", CALLER), data), rig.now)
    assert [it.withdrawn.device_name for it in actions if isinstance(it, WithdrawPush)] == [
        "TCT2001"
    ]
    assert not any(isinstance(it, SendPush) for it in actions)


@pytest.mark.req("MOB-02")
def test_mobility_identity_may_be_a_hunt_or_a_line_that_forwards_and_rings_all_of_it() -> None:
    base = cluster_with()
    pilot = HuntPilot("3000", ("1001", "1002"))
    for number in ("3000", "1002"):
        lines = {**base.lines, "1002": Line("1002", forwarding=Forwarding(all="1001"))}
        users = {**base.users, "2001": replace(base.users["2001"], mobility_identity=number)}
        cluster = replace(base, lines=lines, users=users, hunt_pilots={"3000": pilot})
        rig = rig_of(cluster)
        for dn, port in (("1001", 7001), ("1002", 7002)):
            text = REGISTER.replace("TCP", "UDP").replace(".60:40000", f".70:{port}")
            text = text.replace("2001", dn).replace(";transport=tcp", "").replace("reg-1", dn)
            rig.feed("ucm1", text, rig.flow("ucm1", f"192.0.2.70:{port}"))
        call(rig)
        rung = {sent.flow.remote_port for sent in invites(rig.run_to(10_000))}
        assert rung == ({7001, 7002} if number == "3000" else {7002})
