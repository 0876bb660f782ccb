"""Faults of the product that clouds in virtual time have found, each as the shortest story."""

from __future__ import annotations

from callctl.cloud.faults import Fault
from callctl.sim.cloud_way import Way
from simulation.cloud_story import INVALID_TARGET, TAKES_IT, CloudStory
from simulation.story import phone_plan


def test_service_that_hung_posts_nothing_for_calls_that_are_over_meanwhile() -> None:
    """It finds on the wire that it shall push, and behind that, that it shall not (I5)."""
    story = CloudStory()
    story.run_to(-1)
    story.nodes[TAKES_IT].hang_cpns(True)
    story.run_to(0)
    call = story.call()
    story.run_to(3)
    story.caller.hang_up(call)
    story.run_to(5)
    story.nodes[TAKES_IT].hang_cpns(False)
    story.run_to(20)
    assert story.posted() == []
    story.rests()


def test_service_that_hung_for_a_moment_posts_what_is_still_wanted() -> None:
    story = CloudStory(phone_plan(wake_s=1))
    story.run_to(-1)
    story.nodes[TAKES_IT].hang_cpns(True)
    story.run_to(0)
    story.call(hang_up_s=4)
    story.run_to(5)
    story.nodes[TAKES_IT].hang_cpns(False)
    story.run_to(30)
    assert [kind for _, kind in story.posted()] == ["incoming"]
    assert len(story.answered()) == 1
    story.rests()


def test_ring_push_that_died_unread_with_its_service_is_followed_by_no_missed_push() -> None:
    """I6: the new service would tell of a call that the phone never heard of."""
    story = CloudStory()
    node = story.nodes[TAKES_IT]
    story.run_to(-1)
    node.hang_cpns(True)
    story.run_to(0)
    call = story.call()
    story.run_to(0.3)
    node.kill_cpns()
    node.set_cpns(True)
    story.run_to(1)
    story.caller.hang_up(call)
    story.run_to(20)
    assert story.posted() == []
    story.rests()


def test_401_is_a_response_and_an_error_also_if_no_new_token_can_be_had() -> None:
    """OP-13: response +1, error +1."""
    story = CloudStory()
    story.run_to(-1)
    story.cloud.revoke()
    story.cloud.way.ci = Way.CONNECT
    story.run_to(0)
    story.call()
    story.run_to(20)
    assert story.ends() == [(0.0, 503)]
    assert story.counted() == (1, 1, 1)


def test_alarm_about_a_target_is_cleared_by_a_sign_in_after_all_nodes_were_restarted() -> None:
    story = CloudStory()
    gone = Fault(status=410, reason="TargetExpired", times=1)
    story.cloud.push_rest.faults.add(gone)
    story.run_to(0)
    story.call()
    story.run_to(1)
    assert story.alarms() == [(0.0, INVALID_TARGET, "raised")]
    for node in story.nodes.values():
        node.kill(power=False)
    story.run_to(2)
    for node in story.nodes.values():
        node.restart()
    story.run_to(10)
    story.phone.take_new_targets()
    story.run_to(12)
    assert story.alarms()[1:] == [(10.0, INVALID_TARGET, "cleared")]
