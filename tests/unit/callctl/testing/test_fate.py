"""What befalls nodes, network and clouds, and that it does: seen in what becomes of a call."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from callctl.testing import NotAsExpected, NotHere, SetUpError
from callctl.testing.live_hands import LiveNetwork
from callctl.testing.running import by_hand as perform
from callctl.testing.stage import Trouble

from .conftest import World

Word = Coroutine[Any, Any, None]


def status_of_a_call(world: World) -> int | None:
    """The phone is never picked up, so it is 480 or 503, and 487 where it rings."""
    call = perform(world.caller.calls(world.phone))
    perform(world.clock.passes(14))
    if not call.has_final:
        perform(world.caller.gives_up())
        perform(call.ends())
    return call.status


def test_nodes_that_die_stop_or_lose_power_are_out_of_service_until_they_are_back(
    world: World,
) -> None:
    cluster, clock = world.cluster, world.clock
    one, two, three = cluster.nodes
    assert all(node.running for node in cluster.nodes)
    perform(one.stops())
    perform(one.is_out_of_service(within=0.1))  # it says so itself
    perform(two.dies())
    with pytest.raises(NotAsExpected, match="all nodes take ucm2 for out of service within 1 s"):
        perform(two.is_out_of_service(within=1))
    perform(two.is_out_of_service(within=2))
    assert [node.running for node in cluster.nodes] == [False, False, True]
    perform(one.comes_back())
    perform(two.comes_back())
    perform(cluster.is_in_service())
    perform(three.loses_power())
    perform(three.is_out_of_service(within=3))
    perform(three.comes_back())
    perform(cluster.is_in_service())
    perform(clock.passes(60))
    perform(world.caller.registers())  # its connection is gone, and nobody has told it
    assert status_of_a_call(world) == 487


@pytest.mark.parametrize(("end", "status"), [("dies", None), ("stops", 503)])
def test_a_caller_hears_of_the_end_of_its_node(world: World, end: str, status: int | None) -> None:
    call = perform(world.caller.calls(world.phone))
    perform(world.phone.rings())
    perform(getattr(world.cluster.node("ucm3"), end)())
    perform(call.ends(within=1))
    assert call.status == status


def test_a_caller_hears_nothing_of_a_node_that_has_lost_its_power(world: World) -> None:
    call = perform(world.caller.calls(world.phone))
    perform(world.phone.rings())
    perform(world.cluster.node("ucm3").loses_power())
    perform(world.clock.passes(30))
    assert not call.over


def test_nodes_that_do_not_run_cannot_be_lost_and_those_that_do_not_come_back(
    world: World,
) -> None:
    ucm1 = world.cluster.node("ucm1")
    with pytest.raises(SetUpError, match="ucm1 comes back: it runs"):
        perform(ucm1.comes_back())
    perform(ucm1.dies())
    with pytest.raises(SetUpError, match="ucm1 loses power: it does not run"):
        perform(ucm1.loses_power())


@pytest.mark.parametrize("end", ["stops", "dies", "hangs"])
def test_a_push_service_that_is_gone_takes_its_node_out_of_service(world: World, end: str) -> None:
    ucm1 = world.cluster.node("ucm1")
    service = ucm1.push_service
    perform(getattr(service, end)())
    perform(ucm1.is_out_of_service())
    perform(service.goes_on() if end == "hangs" else service.starts())
    perform(ucm1.is_in_service())


@pytest.mark.parametrize(
    ("trouble", "status"),
    [
        (lambda world: world.cloud.push_rest.answers(503), 503),
        (lambda world: world.cloud.push_rest.answers(410), 480),
        (lambda world: world.cloud.push_rest.is_silent(), 503),
        (lambda world: world.cloud.push_rest.delays_pushes(20), 503),
        (lambda world: world.cloud.apns.answers(410), 480),
        (lambda world: world.cloud.apns.answers(503), 503),
        (lambda world: world.cloud.apns.loses_pushes(), 480),
        (lambda world: world.cloud.apns.delays_pushes(20), 480),
        (lambda world: world.cloud.apns.doubles_pushes(), 487),
        (lambda world: world.cloud.fcm.answers(503), 487),  # not the cloud of an iPhone
        (lambda world: world.cloud.ci.suspends_account(), 503),
        (lambda world: world.cloud.ci.revokes_tokens(), 487),  # another one is fetched
    ],
)
def test_a_cloud_in_trouble_shows_in_the_call_and_recovers(
    world: World, trouble: Callable[[World], Word], status: int
) -> None:
    perform(trouble(world))
    assert status_of_a_call(world) == status
    perform(world.cloud.recovers())
    perform(world.clock.passes(minutes=15))  # refused tokens and targets have their time
    if status == 480 and not world.phone.pushes:
        return
    perform(world.phone.opens_app())
    assert world.play.ladder.find("", source="push cloud")


@pytest.mark.parametrize("trouble", ["refused", "tls", "proxy", "black hole"])
def test_a_cloud_that_cannot_be_reached_ends_the_call_with_503(
    world: World, trouble: Trouble
) -> None:
    perform(world.cloud.push_rest.is_unreachable(trouble))
    assert status_of_a_call(world) == 503
    perform(world.cloud.push_rest.recovers())
    perform(world.clock.passes(60))
    assert status_of_a_call(world) == 487


def test_a_fault_may_last_for_so_many_requests(world: World) -> None:
    perform(world.cloud.push_rest.answers(503, times=1, retry_after=1))
    assert status_of_a_call(world) == 503
    perform(world.clock.passes(60))
    assert status_of_a_call(world) == 487


def test_one_link_is_cut_and_another_stays_cut_when_a_phone_finds_its_network(
    world: World,
) -> None:
    network, phone = world.network, world.phone
    perform(network.cuts("ucm3", "ucm1"))
    perform(phone.loses_network())
    assert status_of_a_call(world) == 480
    perform(phone.finds_network())
    perform(world.clock.passes(60))
    call = perform(world.caller.calls(phone))
    perform(phone.is_woken(node="ucm2"))  # ucm3 cannot hear ucm1
    perform(world.caller.gives_up())
    perform(call.ends())
    perform(network.heals())
    perform(world.cluster.is_in_service())


def test_a_push_that_was_kept_reaches_the_phone_when_it_has_a_network_again(world: World) -> None:
    phone = world.cluster.android()
    perform(phone.loses_network())
    perform(world.caller.calls(phone))
    perform(phone.stays_asleep(2))
    perform(phone.finds_network())
    perform(phone.rings())


def test_packets_are_lost_and_delayed_as_they_are_told(world: World) -> None:
    network = world.network
    perform(network.loses(1))
    call = perform(world.caller.calls(world.phone))
    perform(world.clock.passes(2))
    assert not call.node
    perform(network.heals())
    perform(network.delays(0.5, 0.6))
    perform(world.caller.gives_up())
    perform(world.clock.passes(60))
    call = perform(world.caller.calls(world.phone))
    perform(world.caller.hears_ringing())
    assert (call.rang_after_s or 0) > 5


def test_nonsense_is_refused_with_what_there_is(world: World) -> None:
    network = world.network
    with pytest.raises(SetUpError, match="a share is from 0 to 1"):
        perform(network.loses(30))
    with pytest.raises(SetUpError, match="least and most"):
        perform(network.delays(0.2, 0.1))
    with pytest.raises(SetUpError, match="nobody is called ucm9; there are SEP1001, ucm1"):
        perform(network.cuts("ucm1", "ucm9"))
    with pytest.raises(SetUpError, match="there is no node ucm9; there are ucm1, ucm2, ucm3"):
        world.cluster.node("ucm9")


def test_a_trunk_peer_dies_and_comes_back(world: World) -> None:
    first, second = world.cluster.trunk(peers=2, options_ping=0).peers
    perform(first.dies())
    perform(world.caller.calls("0049171555"))
    perform(second.rings())
    perform(first.stays_quiet(1))
    perform(world.caller.gives_up())
    perform(first.comes_back())
    perform(world.clock.passes(60))
    perform(world.caller.calls("0049171555"))
    perform(first.rings())


@pytest.mark.parametrize(
    "cannot",
    [
        lambda network: network.cut("ucm1", "ucm2"),
        lambda network: network.isolate("ucm1"),
        lambda network: network.lose(0.1),
        lambda network: network.delay(1, 2),
    ],
)
def test_loopback_says_what_it_cannot_do(cannot: Callable[[LiveNetwork], None]) -> None:
    with pytest.raises(NotHere, match="a live test cannot do that"):
        cannot(LiveNetwork())
