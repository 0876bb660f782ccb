"""CallManager with its link: what a caller hears when the push service is not there."""

from __future__ import annotations

import pytest

from callctl.cluster.event import Heartbeat, PushBindingRemoved
from callctl.cluster.membership import Publish
from callctl.engine.node_core import NodeAction, NodeCore
from callctl.model.build import PUSH_ON, desk_phone, iphone, make_cluster
from callctl.model.service_parameter import ServiceParameters
from callctl.push.call_manager_link import LinkClosed, LinkEvent, LinkOctets, LinkOpened, OpenLink
from callctl.push.history import PushEntry
from callctl.registration.push_binding import mark_of
from callctl.serviceability.condition import ConditionEntered, ConditionLeft
from helpers.engine_rig import EngineRig, iphone_binding
from helpers.push_link import framed, written
from sipstack.message.message import Response
from sipstack.message.parser import parse_message
from sipstack.timing import MS, Instant
from sipstack.transport.flow import BytesReceived, Send

F1 = "PushNotificationServiceUnavailable"
WELCOME = LinkOctets(framed('{"type":"welcome","node":"ucm1"}'))
INVITE = """INVITE sip:2001@lab.example SIP/2.0
Via: SIP/2.0/UDP 192.0.2.50:5060;branch=z9hG4bKcall{number}
Max-Forwards: 70
From: <sip:1001@lab.example>;tag=a1
To: <sip:2001@lab.example>
Call-ID: call-{number}
CSeq: 1 INVITE
Contact: <sip:1001@192.0.2.50:5060>
Content-Length: 0

"""
CANCEL = INVITE.replace("INVITE sip", "CANCEL sip").replace("1 INVITE", "1 CANCEL")


class Node:
    """A node, ucm1, that knows of two others, and the sleeping phone 2001."""

    def __init__(self) -> None:
        self.rig = EngineRig(
            make_cluster(
                devices=[desk_phone("1001"), iphone("2001")],
                parameters=ServiceParameters(authentication="none"),
                cloud=PUSH_ON,
            )
        )
        self.rig.sign_in(iphone_binding(self.rig.cluster.devices["TCT2001"]))
        self.core = NodeCore(self.rig.engines["ucm1"])
        self.now = Instant(0)
        assert OpenLink() in self.core.start(self.now)

    def hear(self, *events: LinkEvent) -> list[NodeAction]:
        return [it for event in events for it in self.core.receive(event, self.now)]

    def call(self, text: str = INVITE, number: int = 1) -> list[NodeAction]:
        flow = self.rig.flow("ucm1", "192.0.2.50:5060")
        octets = text.format(number=number).replace("\n", "\r\n").encode()
        return list(self.core.receive(BytesReceived(flow, octets), self.now))

    def not_taken(self) -> list[PushEntry]:
        return list(self.core.engine.calls.pushes.not_taken)


def answers(actions: list[NodeAction]) -> list[int]:
    sent = [parse_message(action.data) for action in actions if isinstance(action, Send)]
    return [message.status for message in sent if isinstance(message, Response)]


@pytest.fixture
def node() -> Node:
    return Node()


@pytest.mark.req("CPNS-03", "CPNS-13")
def test_call_to_a_sleeping_phone_ends_at_once_where_the_service_of_the_node_is_missing(
    node: Node,
) -> None:
    told = node.hear(LinkClosed("connection refused"))
    alarm = ConditionEntered(F1, "ucm1", detail="connection refused")
    assert alarm not in told  # nobody has missed it yet
    called = node.call()
    assert alarm in called
    assert answers(called) == [100, 503]
    (entry,) = node.not_taken()
    assert (entry.device_name, entry.reason) == ("TCT2001", "no push service")
    assert node.core.counts()["pushes"] == 0


@pytest.mark.req("CPNS-03")
def test_other_nodes_hear_that_no_phone_should_be_sent_here_and_once(node: Node) -> None:
    told = node.hear(LinkClosed("connection refused"), LinkClosed("connection refused"))
    beats = [it.event for it in told if isinstance(it, Publish)]
    assert beats == [Heartbeat("ucm1", 1, cpns=False)]
    told = node.hear(LinkOpened(), WELCOME)
    assert [it.event for it in told if isinstance(it, Publish)] == [Heartbeat("ucm1", 1, cpns=True)]
    assert ConditionLeft(F1, "ucm1") in told


@pytest.mark.req("CPNS-03", "CPNS-04")
def test_push_of_a_node_that_just_started_waits_for_its_service(node: Node) -> None:
    assert written(node.call()) == []
    node.hear(LinkOpened())
    (frame,) = written(node.hear(WELCOME))
    assert (frame["type"], frame["device_name"]) == ("push", "TCT2001")


def test_call_that_is_over_asks_for_a_second_push_and_withdraws_the_first(node: Node) -> None:
    node.hear(LinkOpened(), WELCOME)
    (push,) = written(node.call())
    said = written(node.call(CANCEL))
    assert [it["type"] for it in said] == ["push", "withdraw"]
    assert (push["kind"], said[0]["kind"]) == ("incoming", "missed")
    assert said[1]["call_uuid"] == push["call_uuid"]


@pytest.mark.req("CPNS-13")
def test_service_that_is_lost_in_the_middle_of_a_call_does_not_end_the_call(node: Node) -> None:
    """The push may have left: its phone may come."""
    node.hear(LinkOpened(), WELCOME)
    node.call()
    assert answers(node.hear(LinkClosed("closed by the service"))) == []
    assert [it.reason for it in node.not_taken()] == ["push service lost"]
    assert node.core.counts()["calls"] == 1


@pytest.mark.req("CLOUD-06", "ALARM-05")
@pytest.mark.parametrize(("token", "stopped"), [("voip-TCT2001", True), ("the one before", False)])
def test_410_ends_the_call_and_stops_the_device_if_that_has_this_token(
    node: Node, token: str, *, stopped: bool
) -> None:
    node.hear(LinkOpened(), WELCOME)
    (push,) = written(node.call())
    ended = (
        f'{{"type":"ended","intent_id":"{push["intent_id"]}","outcome":"refused token",'
        f'"status":410,"tracking_id":"t","target_mark":"{mark_of(token)}"}}'
    )
    told = node.hear(LinkOctets(framed(ended)))
    assert answers(told) == [480]
    assert (node.core.engine.push_binding("TCT2001") is None) is stopped
    alarms = [it.alarm for it in told if isinstance(it, ConditionEntered)]
    assert alarms == ["PushNotificationInvalidDeviceTokenResponse"] * stopped
    published = [it.event for it in told if isinstance(it, Publish)]
    assert [type(it) for it in published] == [PushBindingRemoved] * stopped


def test_earliest_deadline_of_both_is_the_node_s(node: Node) -> None:
    node.hear(LinkClosed("connection refused"))
    assert node.core.next_deadline() == Instant(200 * MS)
    assert node.core.advance(Instant(200 * MS))[0] == OpenLink()
