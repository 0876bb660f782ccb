"""Who is in service, as one node sees it; and which node a device is to use (CMG-07, OP-30)."""

from __future__ import annotations

import pytest

from callctl.cluster.active_node import active_node
from callctl.cluster.event import Heartbeat, NodeLeaving
from callctl.cluster.membership import Membership, NodeDown, NodeUp, Publish
from sipstack.timing import MS, Instant


def at(milliseconds: float) -> Instant:
    return Instant(round(milliseconds * MS))


@pytest.fixture
def membership() -> Membership:
    membership = Membership(
        "ucm1", ("ucm1", "ucm2", "ucm3"), heartbeat_ns=500 * MS, suspect_ns=2000 * MS
    )
    membership.start(at(0))
    return membership


def beat(node: str, incarnation: int = 1, cpns: bool = True) -> Heartbeat:
    return Heartbeat(node, incarnation, cpns)


def test_heartbeats_leave_at_once_and_then_twice_a_second(membership: Membership) -> None:
    assert membership.next_deadline() == at(500)
    assert membership.advance(at(499)) == ()
    assert membership.advance(at(500)) == (Publish(beat("ucm1")),)
    assert membership.next_deadline() == at(1000)


@pytest.mark.req("CMG-10")
def test_silent_node_is_out_of_service_after_2_s_and_back_with_its_next_heartbeat(
    membership: Membership,
) -> None:
    assert membership.receive(beat("ucm2"), at(100)) == (NodeUp("ucm2"),)
    assert membership.is_up("ucm2")
    assert NodeDown("ucm2") not in membership.advance(at(2099))
    assert NodeDown("ucm2") in membership.advance(at(2100))
    assert not membership.is_up("ucm2")
    assert membership.receive(beat("ucm2"), at(3000)) == (NodeUp("ucm2"),)


@pytest.mark.req("CMG-10")
def test_node_that_leaves_in_order_is_gone_at_once(membership: Membership) -> None:
    membership.receive(beat("ucm2"), at(100))
    assert membership.receive(NodeLeaving("ucm2"), at(200)) == (NodeDown("ucm2"),)
    assert membership.receive(NodeLeaving("ucm2"), at(300)) == ()


def test_restart_between_two_heartbeats_is_seen_as_a_loss(membership: Membership) -> None:
    membership.receive(beat("ucm2", incarnation=1), at(100))
    again = membership.receive(beat("ucm2", incarnation=2), at(300))
    assert again == (NodeDown("ucm2"), NodeUp("ucm2"))
    assert membership.incarnation("ucm2") == 2


@pytest.mark.req("CMG-10")
def test_node_whose_push_service_is_down_is_up_but_not_in_service(membership: Membership) -> None:
    membership.receive(beat("ucm2", cpns=False), at(100))
    assert membership.is_up("ucm2")
    assert not membership.in_service("ucm2")
    assert membership.set_cpns(False, at(200)) == (Publish(beat("ucm1", cpns=False)),)
    assert not membership.in_service("ucm1")


def test_stranger_is_no_member(membership: Membership) -> None:
    assert membership.receive(beat("elsewhere"), at(100)) == ()
    assert not membership.is_up("elsewhere")


GROUP = ("ucm1", "ucm2", "ucm3")


@pytest.mark.req("CMG-02", "CMG-07", "CMG-11")
@pytest.mark.parametrize(
    ("last", "up", "expected"),
    [
        ("ucm2", "ucm1 ucm2 ucm3", "ucm2"),
        ("ucm2", "ucm1 ucm3", "ucm1"),
        ("ucm1", "ucm2 ucm3", "ucm2"),
        ("ucm1", "ucm3", "ucm3"),
        (None, "ucm2 ucm3", "ucm2"),
        ("elsewhere", "elsewhere ucm1", "ucm1"),
        ("ucm1", "", None),
    ],
)
def test_active_node_is_the_former_one_if_up_else_the_first_of_the_group_that_is(
    last: str | None, up: str, expected: str | None
) -> None:
    assert active_node(GROUP, last, lambda node: node in up.split()) == expected
