"""Faults of the product that the simulation found, each as the shortest story that shows it."""

from __future__ import annotations

import pytest

from callctl.model.build import desk_phone
from callctl.phone.settings import AnswerPlan
from callctl.sim.network import Sockets
from callctl.sim.party import Party, Role
from callctl.sim.scenario import AgentPlan
from callctl.sim.weather import STILL, Weather
from simulation.story import PHONE, PHONE_DN, Story, at, awake, phone_plan
from sipstack.timing import MS, SECOND
from sipstack.transport.flow import Flow, Send

DESK = AgentPlan(
    desk_phone("owner", PHONE_DN, name="SEPDESK", device_pool="desks"),
    "203.0.113.2",
    "UDP",
    AnswerPlan(after_ns=None),
)


def test_node_that_restarts_does_not_send_over_connections_of_its_former_life() -> None:
    """It hears of its own old bindings from the others; their connections are gone (I3)."""
    story = Story(awake(phone_plan()))
    story.run_to(-5)
    story.nodes["ucm1"].kill(power=True)
    story.run_to(-4)
    story.nodes["ucm1"].restart()
    story.run_to(0)
    call = story.call()
    story.run_to(1)
    streams = [entry for entry in story.sent("ucm1", "INVITE") if entry[0] < at(1)]
    assert streams == []
    story.caller.hang_up(call)
    story.rests()


def test_large_invite_falls_back_to_a_datagram_only_while_the_call_lasts() -> None:
    """TCP is tried first; the refusal comes when the caller has given up already (I3)."""
    story = Story(desks=(DESK,))
    story.run_to(0)
    story.simulation.network.weather = Weather(delay_min_ns=100 * MS, delay_max_ns=100 * MS)
    headers = (("X-Padding", "x" * 1300),)
    agent = story.caller.agent
    call, actions = agent.invite(PHONE_DN, story.simulation.world.now, headers=headers)
    story.caller.perform(actions)
    story.run_to(0.35)  # INVITE, 407, ACK and INVITE have passed; TCP is being refused
    story.caller.hang_up(call)
    story.run_to(0.4)
    story.simulation.network.weather = STILL
    story.run_to(5)
    assert [status for _, status in story.ended()] == [487]
    story.rests()


@pytest.mark.parametrize("late_s", [6, 40])
def test_ack_of_a_failure_that_is_forgotten_goes_nowhere(late_s: int) -> None:
    """A late or doubled ACK finds no transaction: it must not reach the devices (I10)."""
    story = Story(desks=(DESK,))
    story.run_to(0)
    call = story.call(target="4711")
    story.run_to(0.1)
    assert story.ended() == [(at(0), 404)]
    assert call
    acks = [e for e in story.simulation.watch.trace.entries if e[2] == ">" and _is_ack(e[4])]
    data = acks[-1][4].data.replace(b"sip:4711@", b"sip:%s@" % PHONE_DN.encode())  # type: ignore[union-attr]
    story.run_to(late_s)
    stranger = Party("stranger", Role.AGENT, story.simulation.world, story.simulation.network)
    sockets = Sockets(stranger, "203.0.113.1", (("UDP", 5060),), lambda event: None)
    story.simulation.network.send(
        sockets, Send(Flow("UDP", "203.0.113.1", 5060, "192.0.2.3", 5060), data)
    )
    story.run_to(late_s + 1)
    assert story.sent("ucm3", "ACK") == []
    assert story.heard(PHONE, "ACK") == []
    story.rests()


def _is_ack(what: object) -> bool:
    return getattr(what, "start", "").startswith("ACK")


def test_answer_of_a_leg_that_was_dropped_is_the_answer_while_the_call_goes_on() -> None:
    """The phone's stream brings the INVITE after 14 s; the desk phone still rings (I1, I4)."""
    story = Story(awake(phone_plan(None, AnswerPlan(after_ns=0))), desks=(DESK,))
    story.run_to(-0.1)
    phone = story.phone.sockets.host
    story.simulation.network.cut("192.0.2.1", phone)
    story.run_to(0)
    story.call(hang_up_s=5)
    story.run_to(14)
    assert story.rang()[0] == (at(0), 180)  # the desk phone
    story.simulation.network.heal()
    story.run_to(15)
    assert story.answered() == [at(14)]
    assert story.heard("SEPDESK", "CANCEL") != []
    story.run_to(30)
    assert [when for when, _ in story.ended()] == [at(19)]
    story.rests()


def test_invite_under_way_at_a_node_that_loses_power_is_given_up_for_good() -> None:
    """Its transaction has no timer of its own once it rings, and its stream falls silent (I13)."""
    story = Story(phone_plan(1, AnswerPlan(after_ns=None)))
    story.run_to(0)
    call = story.call()
    story.run_to(2)
    assert story.rang() == [(at(1), 180)]
    story.nodes["ucm1"].kill(power=True)
    story.run_to(60)  # meanwhile the phone was fetched to the next node, where it rings on
    assert [name for _, name, _ in story.pushes()] == ["ucm3 incoming", "ucm3 incoming"]
    story.caller.hang_up(call)
    story.run_to(61)
    assert story.ended() == [(at(60), 487)]
    story.rests()


@pytest.mark.req("CMG-11")
def test_no_second_ring_push_when_no_node_of_the_group_is_left() -> None:
    """The phone would be woken and have nowhere to go."""
    story = Story(phone_plan(None), group=("ucm1",))
    story.run_to(0)
    story.call()
    story.run_to(3)
    story.nodes["ucm1"].stop()
    story.run_to(30)
    assert [push for _, push, _ in story.pushes()] == ["ucm3 incoming", "ucm3 missed"]
    assert story.ended() == [(at(13), 480)]
    story.rests()


def test_decline_over_a_node_that_was_held_for_lost_is_heard() -> None:
    """Two nodes were cut off from one another; their links mended, CANCEL and the 486 cross."""
    story = Story(phone_plan(1, AnswerPlan(after_ns=4 * SECOND, status=486)))
    story.run_to(0)
    story.call()
    story.run_to(2)
    assert story.rang() == [(at(1), 180)]
    story.simulation.network.cut("192.0.2.1", "192.0.2.3")
    story.run_to(5.9)
    story.simulation.network.heal()
    story.run_to(30)
    pushes = [push for _, push, _ in story.pushes()]
    assert pushes == ["ucm3 incoming", "ucm3 incoming"]
    assert [status for _, status in story.ended()] == [486]
    story.rests()
