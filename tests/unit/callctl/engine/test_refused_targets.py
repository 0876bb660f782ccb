"""410: pushes to a device stop in the whole cluster until its client gives a token that is good."""

from __future__ import annotations

from dataclasses import replace

import pytest

from callctl.cluster.event import (
    ClusterEvent,
    PushBindingRemoved,
    PushBindingStored,
    SnapshotRequested,
)
from callctl.cluster.membership import Publish
from callctl.engine.engine import Engine
from callctl.engine.event import ClusterEventReceived, DeviceSignedIn, DeviceSignedOut, EngineAction
from callctl.model.build import desk_phone, iphone, make_cluster
from callctl.model.device import ClientType
from callctl.model.release import Release
from callctl.model.service_parameter import ServiceParameters
from callctl.push.events import Outcome, PushOutcome
from callctl.registration.push_binding import PushBinding, mark_of
from callctl.serviceability.alarm import AlarmCleared, AlarmRaised
from callctl.serviceability.alarms import AlarmBoard
from callctl.serviceability.condition import ConditionEntered, ConditionLeft
from helpers.engine_rig import CountedEntropy, EngineRig, iphone_binding
from sipstack.message.message import Response
from sipstack.timing import MS, Instant

ALARM = "PushNotificationInvalidDeviceTokenResponse"
INVITE = """
INVITE sip:{dn}@lab.example SIP/2.0
Via: SIP/2.0/UDP 192.0.2.50:5060;branch=z9hG4bK{number}
Max-Forwards: 70
From: <sip:1001@lab.example>;tag=a{number}
To: <sip:{dn}@lab.example>
Call-ID: call-{number}
CSeq: 1 INVITE
Contact: <sip:1001@192.0.2.50:5060>
Content-Length: 0
"""
REGISTER = """
REGISTER sip:lab.example SIP/2.0
Via: SIP/2.0/UDP 192.0.2.60:5060;branch=z9hG4bKr{number}
Max-Forwards: 70
From: <sip:3001@lab.example>;tag=p1
To: <sip:3001@lab.example>
Call-ID: reg
CSeq: {number} REGISTER
Contact: <sip:3001@192.0.2.60;pn-provider=apns;pn-param=TEAM.app;pn-prid={prid}>
Expires: {expires}
Content-Length: 0
"""


class Rig(EngineRig):
    """Three nodes with a managed iPhone, 2001, and a standard client, 3001; keeps what they say."""

    def __init__(self) -> None:
        self.said: list[tuple[str, EngineAction]] = []
        self.board = AlarmBoard(Release.parse("15"))
        self.alarms: list[str] = []
        self.numbers = 0
        super().__init__(
            make_cluster(
                devices=[
                    desk_phone("1001"),
                    iphone("2001"),
                    iphone("3001", client=ClientType.STANDARD),
                ],
                parameters=ServiceParameters(authentication="none"),
            )
        )

    def perform(self, name: str, actions: tuple[EngineAction, ...]) -> None:
        for action in actions:
            self.said.append((name, action))
            if isinstance(action, ConditionEntered | ConditionLeft) and action.alarm == ALARM:
                for told in self.board.receive(action, self.now):
                    assert isinstance(told, AlarmRaised | AlarmCleared)
                    verb = "raised" if isinstance(told, AlarmRaised) else "cleared"
                    self.alarms.append(verb)
        super().perform(name, actions)

    def later(self) -> None:
        self.run_to(self.now / MS + 1)

    def call(self, node: str, dn: str = "2001") -> list[int]:
        """Statuses of the answers a caller has at once."""
        self.numbers += 1
        text = INVITE.format(dn=dn, number=self.numbers)
        sent = self.feed(node, text, self.flow(node, "192.0.2.50:5060"))
        return [it.message.status for it in sent if isinstance(it.message, Response)]

    def register(self, node: str, prid: str = "t1:voip", expires: int = 600) -> None:
        self.later()
        self.numbers += 1
        text = REGISTER.format(number=self.numbers, prid=prid, expires=expires)
        (sent,) = self.feed(node, text, self.flow(node, "192.0.2.60:5060"))
        assert isinstance(sent.message, Response)
        assert sent.message.status == 200

    def answer_410(self, node: str, token: str | None = None) -> None:
        """The cloud's answer to the newest push, of which `node` is told."""
        push = self.pushes[-1]
        token = token or push.binding.voip_token or push.binding.message_token
        assert token is not None
        mark = mark_of(token)
        outcome = PushOutcome(push.intent_id, Outcome.REFUSED_TOKEN, 410, "Gone", "t", mark)
        self.perform(node, self.engines[node].receive(outcome, self.now))

    def hear(self, node: str, event: ClusterEvent) -> None:
        self.perform(node, self.engines[node].receive(ClusterEventReceived(event), self.now))

    def tokens(self, device: str) -> list[list[str]]:
        """What each node would push to."""
        found = []
        for engine in self.engines.values():
            binding = engine.push_binding(device)
            both = [] if binding is None else [binding.voip_token, binding.message_token]
            found.append([token for token in both if token is not None])
        return found

    def restart(self, node: str) -> None:
        self.kill(node)
        engine = Engine(self.cluster, node, CountedEntropy(9), key=b"k" * 32, incarnation=2)
        self.engines[node] = engine
        self.perform(node, engine.start(self.now))


@pytest.fixture
def rig() -> Rig:
    rig = Rig()
    rig.sign_in(managed(rig), "ucm1")
    rig.later()
    return rig


def managed(rig: EngineRig) -> PushBinding:
    return iphone_binding(rig.cluster.devices["TCT2001"])


STOPPED: list[list[str]] = [[], [], []]


@pytest.mark.req("REG-06", "CLOUD-06", "ALARM-05")
def test_410_stops_the_device_in_the_whole_cluster_at_once_and_raises_one_alarm(rig: Rig) -> None:
    assert rig.call("ucm1") == [100]
    rig.answer_410("ucm1")
    assert rig.tokens("TCT2001") == STOPPED
    assert rig.alarms == ["raised"]
    (active,) = rig.board.active
    assert active.subject == "TCT2001"
    for node in rig.engines:
        assert rig.call(node) == [100, 480]  # and none waits
    assert len(rig.pushes) == 1


@pytest.mark.req("REG-06")
def test_call_that_waited_for_the_refused_push_ends_with_it(rig: Rig) -> None:
    rig.call("ucm1")
    before = len(rig.sent)
    rig.answer_410("ucm1")
    (answer,) = rig.sent[before:]
    assert isinstance(answer.message, Response)
    assert answer.message.status == 480


@pytest.mark.req("REG-06", "CLOUD-06", "ALARM-05")
@pytest.mark.parametrize("node", ["ucm1", "ucm2"])
def test_managed_client_that_signs_in_is_pushed_to_again_even_with_the_same_token(
    rig: Rig, node: str
) -> None:
    rig.call("ucm1")
    rig.answer_410("ucm1")
    rig.later()
    rig.sign_in(managed(rig), node)
    assert rig.tokens("TCT2001") == [["voip-TCT2001", "message-TCT2001"]] * 3
    assert rig.alarms == ["raised", "cleared"]
    assert rig.call("ucm3") == [100]
    assert len(rig.pushes) == 2


@pytest.mark.req("ALARM-10")
def test_second_410_for_a_token_that_was_signed_in_again_is_a_second_alarm(rig: Rig) -> None:
    for _ in range(2):
        rig.call("ucm1")
        rig.answer_410("ucm1")
        rig.later()
        rig.sign_in(managed(rig), "ucm2")
    assert rig.alarms == ["raised", "cleared"] * 2


@pytest.mark.req("REG-06", "CLOUD-06")
def test_late_410_for_an_old_token_stops_nothing_and_is_counted(rig: Rig) -> None:
    rig.call("ucm1")
    rig.later()
    rig.sign_in(replace(managed(rig), voip_token="new"), "ucm2")
    rig.answer_410("ucm1")
    assert rig.tokens("TCT2001") == [["new", "message-TCT2001"]] * 3
    assert rig.alarms == []
    assert rig.engines["ucm1"].ignored["late refusal of a push target"] == 1
    rig.call("ucm3")
    assert len(rig.pushes) == 2


def test_two_410_for_one_token_are_one_refusal(rig: Rig) -> None:
    rig.call("ucm1")
    first = rig.pushes[-1]
    rig.call("ucm1")
    rig.answer_410("ucm1")
    rig.pushes.append(first)
    rig.answer_410("ucm1")
    assert rig.alarms == ["raised"]
    removals = [it.event for _, it in rig.said if isinstance(it, Publish)]
    assert len([it for it in removals if isinstance(it, PushBindingRemoved)]) == 1


@pytest.mark.parametrize("clock_ns", [0, 1], ids=["clock is behind", "clock is a little behind"])
@pytest.mark.parametrize("node", ["ucm1", "ucm3"])
@pytest.mark.req("REG-06")
def test_sign_in_that_the_refusing_node_has_not_heard_of_yet_stands(
    node: str, clock_ns: int
) -> None:
    """I12: it was answered 200, whatever the clock of its node says."""
    rig = Rig()
    rig.later()
    rig.sign_in(managed(rig), "ucm2")
    rig.call("ucm2")
    new = replace(managed(rig), voip_token="new")
    late: list[tuple[str, ClusterEvent]] = []
    at = Instant(clock_ns)
    for action in rig.engines[node].receive(DeviceSignedIn(new), at):
        assert isinstance(action, Publish)
        late += [(it, action.event) for it in rig.engines if it != node]
    rig.answer_410("ucm2")
    for to, event in late:
        rig.hear(to, event)
    assert rig.tokens("TCT2001") == [["new", "message-TCT2001"]] * 3
    assert rig.alarms == ["raised", "cleared"]


@pytest.mark.req("REG-06", "CLOUD-06")
@pytest.mark.parametrize("node", ["ucm1", "ucm2"])
def test_standard_client_that_says_the_refused_token_again_is_not_pushed_to(
    rig: Rig, node: str
) -> None:
    """RFC 8599: it says it with each REGISTER."""
    rig.register("ucm1")
    assert rig.tokens("TCT3001") == [["t1"]] * 3
    push_to(rig, "ucm1", "t1")
    for expires in (600, 600, 0, 600):
        rig.register(node, expires=expires)
        assert rig.tokens("TCT3001") == STOPPED
    assert rig.alarms[:1] == ["raised"]
    assert rig.engines[node].ignored["push target that was refused"] == 3
    rig.register(node, "t2:voip")
    assert rig.tokens("TCT3001") == [["t2"]] * 3
    assert rig.alarms == ["raised", "cleared"]
    rig.register(node, "t1:voip")
    assert rig.tokens("TCT3001") == [["t2"]] * 3  # that is no new one


def push_to(rig: Rig, node: str, token: str) -> None:
    """A push to 3001 that is answered 410 for `token`."""
    rig.call("ucm1")
    push = rig.pushes[-1]
    binding = rig.engines[node].push_binding("TCT3001")
    assert binding is not None
    engine = rig.engines[node]
    wanted = replace(push, intent_id=f"x{len(rig.said)}", device_name="TCT3001", binding=binding)
    engine.calls.pushes.wanted(wanted, rig.now)
    rig.pushes.append(wanted)
    rig.answer_410(node, token)


@pytest.mark.req("REG-06", "CLOUD-06")
def test_standard_client_with_two_tokens_is_stopped_until_it_brings_a_new_one(rig: Rig) -> None:
    """To say both again sets no valid token; a new one does, and goes beside the good old one."""
    both = "t1:voip&t2:remote"
    rig.register("ucm1", both)
    assert rig.tokens("TCT3001") == [["t1", "t2"]] * 3
    push_to(rig, "ucm1", "t1")
    for node in ("ucm2", "ucm1", "ucm3"):
        rig.register(node, both)
        assert rig.tokens("TCT3001") == STOPPED
    assert rig.alarms == ["raised"]
    rig.register("ucm2", "t3:voip&t2:remote")
    assert rig.tokens("TCT3001") == [["t3", "t2"]] * 3
    assert rig.alarms == ["raised", "cleared"]
    rig.register("ucm3", both)
    assert rig.tokens("TCT3001") == [["t2"]] * 3  # t1 stays refused


@pytest.mark.req("REG-06")
def test_register_with_the_token_that_crosses_its_refusal_does_not_bring_it_back(rig: Rig) -> None:
    rig.register("ucm1")
    binding = rig.engines["ucm1"].push_binding("TCT3001")
    assert binding is not None
    rig.later()
    newer = replace(binding, stamp=(rig.now, "ucm2"))
    rig.engines["ucm2"].receive(ClusterEventReceived(PushBindingStored(newer)), rig.now)
    push_to(rig, "ucm1", "t1")
    assert rig.tokens("TCT3001") == STOPPED
    rig.hear("ucm1", PushBindingStored(newer))
    rig.hear("ucm3", PushBindingStored(newer))
    assert rig.tokens("TCT3001") == STOPPED


@pytest.mark.req("ALARM-05")
@pytest.mark.parametrize("node", ["ucm1", "ucm2"])
def test_alarm_of_a_device_ends_when_its_client_signs_out(rig: Rig, node: str) -> None:
    rig.call("ucm1")
    rig.answer_410("ucm1")
    signed_out = DeviceSignedOut("TCT2001")
    rig.perform(node, rig.engines[node].receive(signed_out, rig.now))
    assert rig.alarms == ["raised", "cleared"]


@pytest.mark.req("REG-06", "CLOUD-06")
def test_node_that_restarts_learns_which_tokens_were_refused(rig: Rig) -> None:
    rig.register("ucm1")
    push_to(rig, "ucm1", "t1")
    rig.call("ucm1")
    rig.answer_410("ucm1")
    rig.restart("ucm3")
    assert rig.tokens("TCT2001") == rig.tokens("TCT3001") == STOPPED
    rig.register("ucm3")
    assert rig.tokens("TCT3001") == STOPPED
    rig.register("ucm3", "t2:voip")
    assert rig.tokens("TCT3001") == [["t2"]] * 3
    rig.sign_in(managed(rig), "ucm3")
    assert rig.tokens("TCT2001") == [["voip-TCT2001", "message-TCT2001"]] * 3


@pytest.mark.req("REG-06")
def test_node_that_was_cut_off_does_not_bring_a_refused_token_back(rig: Rig) -> None:
    rig.register("ucm1")
    rig.cut.add("ucm3")
    push_to(rig, "ucm1", "t1")
    rig.register("ucm3")  # beyond the cut: newer, and refused all the same
    rig.cut.clear()
    for node in rig.engines:
        others = [it for it in rig.engines if it != node]
        for other in others:
            rig.hear(other, SnapshotRequested(node))
    assert rig.tokens("TCT3001") == STOPPED


def test_marks_of_a_client_that_says_ever_new_bad_tokens_are_few(rig: Rig) -> None:
    for number in range(20):
        rig.register("ucm1", f"bad{number}:voip")
        push_to(rig, "ucm1", f"bad{number}")
    marks = rig.engines["ucm1"]._context.push_bindings.refused_of("TCT3001")
    assert marks == tuple(mark_of(f"bad{number}") for number in range(16, 20))
