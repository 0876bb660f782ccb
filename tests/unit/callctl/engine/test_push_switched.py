"""Push is a switch of the whole cluster: while it is off nothing leaves, for no call."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from callctl.cluster.event import NodeLeaving
from callctl.engine.event import ClusterEventReceived, PushSwitched
from callctl.model.build import PUSH_ON, desk_phone, iphone, make_cluster
from callctl.model.cloud import CloudSettings
from callctl.model.service_parameter import ServiceParameters
from callctl.push.kind import PushKind
from helpers.engine_rig import EngineRig, iphone_binding
from sipstack.message.message import Response

INVITE = """
INVITE sip:2001@lab.example SIP/2.0
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


def rig_of(cloud: CloudSettings = PUSH_ON) -> EngineRig:
    """Three nodes and a sleeping phone, 2001."""
    cluster = make_cluster(
        devices=[desk_phone("1001"), iphone("2001")],
        parameters=ServiceParameters(authentication="none"),
        cloud=cloud,
    )
    rig = EngineRig(cluster)
    rig.sign_in(iphone_binding(cluster.devices["TCT2001"]))
    return rig


def call(rig: EngineRig, text: str = INVITE, number: int = 1) -> list[int]:
    """Statuses of what the caller hears at once."""
    sent = rig.feed("ucm2", text.format(number=number), rig.flow("ucm2", "192.0.2.50:5060"))
    return [it.message.status for it in sent if isinstance(it.message, Response)]


def switch(rig: EngineRig, *, on: bool) -> None:
    for name, engine in rig.engines.items():
        rig.perform(name, engine.receive(PushSwitched(on), rig.now))


def codes(rig: EngineRig) -> list[str]:
    return [step.code for step in rig.engines["ucm2"].calls.records[-1].steps]


@pytest.mark.req("GEN-02", "GEN-09")
def test_while_push_is_off_a_sleeping_phone_is_an_unregistered_one() -> None:
    rig = rig_of()
    switch(rig, on=False)
    assert call(rig) == [100, 480]
    assert rig.pushes == []
    switch(rig, on=True)
    assert call(rig, number=2) == [100]
    assert [push.kind for push in rig.pushes] == [PushKind.INCOMING]


@pytest.mark.req("GEN-02")
def test_push_is_off_until_onboarding_has_switched_it_on() -> None:
    rig = rig_of(CloudSettings())
    assert call(rig) == [100, 480]
    switch(rig, on=True)
    assert call(rig, number=2) == [100]
    assert len(rig.pushes) == 1


def gives_up(rig: EngineRig) -> None:
    assert 487 in call(rig, CANCEL)


def nobody_comes(rig: EngineRig) -> None:
    rig.run_to(13_000)


def its_node_leaves(rig: EngineRig) -> None:
    """The node that the push named is gone: another would be named (CALL-16)."""
    named = rig.pushes[0].content.active_node
    assert named is not None
    node = named.fqdn.partition(".")[0]
    assert node == "ucm1"
    rig.kill(node)
    event = ClusterEventReceived(NodeLeaving(node))
    rig.perform("ucm2", rig.engines["ucm2"].receive(event, rig.now))


@pytest.mark.req("GEN-02", "GEN-09")
@pytest.mark.parametrize("end", [gives_up, nobody_comes, its_node_leaves])
def test_call_under_way_pushes_no_more_once_push_is_off(end: Callable[[EngineRig], None]) -> None:
    on = rig_of()
    call(on)
    end(on)
    assert len(on.pushes) == 2  # that is what it would do
    off = rig_of()
    call(off)
    switch(off, on=False)
    end(off)
    assert len(off.pushes) == 1
    assert "push-off" in codes(off)


@pytest.mark.req("GEN-09")
def test_what_waits_at_a_push_service_finds_no_target_once_push_is_off() -> None:
    rig = rig_of()
    engine = rig.engines["ucm1"]
    assert engine.push_binding("TCT2001") is not None
    switch(rig, on=False)
    assert engine.push_binding("TCT2001") is None
    assert len(engine.push_bindings) == 1  # and nobody has to sign in again
    switch(rig, on=True)
    assert engine.push_binding("TCT2001") is not None
