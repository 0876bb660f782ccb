"""Clouds that fail for a while, tokens that end, targets that die: stories of several calls."""

from __future__ import annotations

from dataclasses import replace

import pytest

from callctl.cloud.faults import Fault
from callctl.model.build import iphone
from callctl.model.service_parameter import ServiceParameters
from callctl.phone.event import CallEnded
from callctl.sim.cloud_way import Way
from callctl.sim.scenario import CloudPlan
from callctl.sim.weather import Weather
from simulation.cloud_story import (
    INVALID_TARGET,
    NO_TOKEN,
    OTHER,
    TAKES_IT,
    TOKEN_INVALID,
    CloudStory,
)
from simulation.story import PHONE_DN, phone_plan
from sipstack.timing import MS, SECOND

BURST = 500
FAR = Weather(delay_min_ns=50 * MS, delay_max_ns=50 * MS)
GONE_FOR_NOW = Fault(status=410, reason="Unregistered", times=1)


def many(count: int) -> list[str]:
    """Numbers of that many phones, too long to turn up by chance."""
    return [f"4989600{number:04}" for number in range(count)]


def burst() -> CloudStory:
    """One sleeping phone for each call of the burst."""
    phones = [
        replace(
            phone_plan(wake_s=None),
            device=iphone(f"user{dn}", dn, name=f"TCT{dn}", device_pool="phones"),
            host=f"198.51.{100 + index // 250}.{index % 250 + 1}",
        )
        for index, dn in enumerate(many(BURST))
    ]
    return CloudStory(*phones, parameters=ServiceParameters(parked_calls_max=2 * BURST))


@pytest.mark.req("CPNS-05", "ALARM-10")
def test_token_refused_in_a_burst_of_500_calls_is_fetched_once_and_no_call_is_lost() -> None:
    story = burst()
    story.run_to(-1)
    story.cloud.revoke()
    story.run_to(0)
    story.cloud.way.weather = FAR
    for dn in many(BURST):
        story.call(dn)
    story.run_to(40)
    assert story.fetches == [(0.1, TAKES_IT)]
    assert story.alarms() == []
    ids = [post.tracking_id for _, _, post in story.posts]
    again = len(ids) - len(set(ids))
    assert 1 <= again <= 64  # those under way with the old token, and none of the others
    assert all(ids.count(each) <= 2 for each in set(ids[:200]))
    rings = [kind for _, kind in story.posted() if kind == "incoming"]
    assert len(rings) == BURST + again
    assert story.counted() == (2 * BURST, 2 * BURST, 0)
    assert {status for _, status in story.ends()} == {480}  # nobody woke: not the cloud's fault
    assert len(story.ends()) == BURST
    story.rests()


@pytest.mark.req("CPNS-05", "CPNS-06", "ALARM-10", "CALL-18")
def test_suspended_account_in_a_burst_of_500_calls_is_one_fetch_and_one_alarm_of_each_kind() -> (
    None
):
    story = burst()
    story.run_to(-1)
    story.cloud.suspend(True)
    story.run_to(0)
    story.cloud.way.weather = FAR
    for dn in many(BURST):
        story.call(dn)
    story.run_to(40)
    assert story.fetches == [(0.1, TAKES_IT)]
    assert sorted(name for _, name, _ in story.alarms()) == [TOKEN_INVALID, NO_TOKEN]
    assert {status for _, status in story.ends()} == {503}
    assert max(at for at, _ in story.ends()) < 1
    assert len(story.ends()) == BURST
    assert len(story.posts) <= 2 * 64 * 2  # room for 64: each once, and once more
    story.rests()


@pytest.mark.req("CPNS-05", "CPNS-06", "ALARM-10", "CALL-18")
@pytest.mark.parametrize("gone", [Way.CONNECT, Way.TLS, Way.PROXY, Way.BLACK_HOLE])
def test_ci_that_is_down_when_the_token_ends_stops_calls_until_it_is_asked_again(
    gone: Way,
) -> None:
    """Fetched at -20 s for 100 s: renewed at 60 s, ends at 80 s, asked again after 10 minutes."""
    story = CloudStory(cloud=CloudPlan(token_life_s=100))
    story.run_to(59)
    story.cloud.way.ci = gone
    story.run_to(70)
    story.call()  # the old token is still good
    story.run_to(79)
    assert story.alarms() == []
    story.run_to(90)
    assert [name for at, name, _ in story.alarms() if at == 80] == 3 * [TOKEN_INVALID, NO_TOKEN]
    posted = len(story.posts)
    story.call()
    story.run_to(200)
    assert story.ends() == [(83.0, 480), (90.0, 503)]
    assert len(story.posts) == posted  # without a token nothing leaves
    story.cloud.way.ci = Way.OPEN
    story.run_to(655)
    assert len([node for _, node in story.fetches if node == TAKES_IT]) == 1
    story.run_to(670)
    assert [at for at, node in story.fetches if node == TAKES_IT][1] in (660.0, 665.0)
    assert sorted(name for _, name, state in story.alarms() if state == "cleared") == sorted(
        3 * [TOKEN_INVALID, NO_TOKEN]  # of each node
    )
    story.call()
    story.run_to(690)
    assert story.ends()[2] == (683.0, 480)
    assert len(story.posts) == posted + 2
    story.rests()


@pytest.mark.req("CLOUD-08", "CPNS-08", "ALARM-10")
def test_partner_cloud_that_is_down_for_a_minute_costs_the_calls_of_that_minute_alone() -> None:
    story = CloudStory(phone_plan(wake_s=1))
    story.cloud.spoil(Fault(status=503, reason="ServiceUnavailable", ends_at=story.at_s(60)))
    for start in (0, 15, 30, 45):
        story.run_to(start)
        story.call()
    story.run_to(61)
    story.call(hang_up_s=4)
    story.run_to(90)
    assert story.ends()[:4] == [(13.0, 503), (28.0, 503), (43.0, 503), (58.0, 503)]
    assert story.answered() == [story.at_s(64)]
    ids = [post.tracking_id for _, _, post in story.posts]
    assert len(ids) == len(set(ids)) == 9  # four rings, four missed, and the one that rang
    assert story.counted() == (9, 9, 8)
    assert story.alarms() == []
    story.rests()


@pytest.mark.req("CPNS-15", "CPNS-08")
def test_push_that_gets_no_answer_goes_once_more_by_the_proxys_next_address() -> None:
    story = CloudStory(phone_plan(wake_s=1), cloud=CloudPlan(proxy=True))
    story.cloud.way.first_address = Way.BLACK_HOLE
    story.run_to(0)
    story.call(hang_up_s=4)
    story.run_to(30)
    assert [(at, post.attempt) for at, _, post in story.posts] == [(0.0, 0), (5.0, 1)]
    assert len({post.tracking_id for _, _, post in story.posts}) == 1
    assert len({post.deadline for _, _, post in story.posts}) == 1
    assert story.answered() == [story.at_s(8)]
    assert story.counted() == (1, 1, 0)
    story.rests()


@pytest.mark.req("CPNS-15", "CPNS-08")
@pytest.mark.parametrize(
    ("fault", "posts"),
    [
        (Fault(silent=True), 2),
        (Fault(break_after=5), 1),
        (Fault(status=500, reason="Down"), 1),
        (Fault(status=429, reason="Slow"), 1),
    ],
    ids=["silent", "reset", "500", "429"],
)
def test_only_silence_sends_a_push_to_the_next_address_and_no_answer_or_error(
    fault: Fault, posts: int
) -> None:
    story = CloudStory(cloud=CloudPlan(proxy=True))
    story.cloud.push_rest.faults.add(fault)
    story.run_to(0)
    story.call()
    story.run_to(12)
    assert len(story.posts) == posts
    story.run_to(40)
    assert story.ends() == [(13.0, 503)]
    story.rests()


@pytest.mark.req("CPNS-06", "CPNS-08")
def test_429_with_retry_after_keeps_pushes_back_for_that_long_and_no_longer() -> None:
    story = CloudStory()
    story.cloud.push_rest.faults.add(
        Fault(status=429, reason="TooManyRequests", retry_after_s=30, times=1)
    )
    for start in (0, 20, 31):
        story.run_to(start)
        story.call()
    story.run_to(60)
    assert story.posted() == [(0.0, "incoming"), (31.0, "incoming"), (44.0, "missed")]
    assert story.ends() == [(13.0, 503), (20.0, 503), (44.0, 480)]
    assert story.alarms() == []
    story.rests()


# A target that is no more.


@pytest.mark.req("CLOUD-06", "ALARM-05", "REG-06")
def test_410_at_one_node_stops_pushes_at_the_others_within_a_second() -> None:
    story = CloudStory(phone_plan(wake_s=None), OTHER)
    story.cloud.apns.faults.add(GONE_FOR_NOW)
    story.run_to(0)
    story.simulation.bus.weather = Weather(delay_min_ns=300 * MS, delay_max_ns=300 * MS)
    story.call()
    story.run_to(1)
    caller = story.simulation.phones["TCTOTHER"]
    caller.call(PHONE_DN)
    story.run_to(1.5)
    assert story.sent("ucm1", "SIP/2.0 480")  # it was taken there, and did not wait
    assert len(caller.events(CallEnded)) == 1
    assert [(at, node) for at, node, _ in story.posts] == [(0.0, TAKES_IT)]
    assert story.alarms() == [(0.0, INVALID_TARGET, "raised")]
    story.run_to(20)
    story.rests()


@pytest.mark.req("CLOUD-06", "ALARM-05", "ALARM-10", "REG-06")
def test_sign_in_with_a_new_token_starts_pushes_again_and_clears_the_alarm() -> None:
    story = CloudStory(phone_plan(wake_s=1))
    story.cloud.apns.faults.add(GONE_FOR_NOW)
    story.run_to(0)
    story.call()
    for start in (2, 4):
        story.run_to(start)
        story.call()
    story.run_to(5)
    assert story.ends() == [(0.0, 480), (2.0, 480), (4.0, 480)]
    assert story.posted() == [(0.0, "incoming")]
    assert story.alarms() == [(0.0, INVALID_TARGET, "raised")]  # once, not for each call
    story.phone.take_new_targets()
    story.run_to(6)
    assert story.alarms()[1:] == [(5.0, INVALID_TARGET, "cleared")]
    story.call(hang_up_s=4)
    story.run_to(30)
    assert story.posted()[1:] == [(6.0, "incoming")]
    assert story.answered() == [story.at_s(9)]
    story.rests()


@pytest.mark.req("CLOUD-06", "REG-06", "ALARM-10")
@pytest.mark.parametrize("bus_ms", [0, 700])
def test_410_that_comes_late_for_the_old_token_does_not_stop_the_new_one(bus_ms: int) -> None:
    """The push sets out to the old token at 0 s; the phone has a new one at 2.9 s, signs in at
    another node, and the old one's 410 comes at 3 s, perhaps before the news of the sign-in."""
    story = CloudStory(phone_plan(wake_s=1))
    story.cloud.push_rest.faults.add(Fault(delay_ns=3 * SECOND, times=1))
    story.run_to(0)
    bus = Weather(delay_min_ns=bus_ms * MS, delay_max_ns=bus_ms * MS)
    story.simulation.bus.weather = bus
    story.call()
    story.run_to(2.9)
    story.phone.take_new_targets()
    story.run_to(5)
    statuses = [record.status for record in story.cloud.push_rest.log]
    assert statuses == [410]
    assert [name for _, name, state in story.alarms() if state == "raised"] == (
        [INVALID_TARGET] if bus_ms else []  # not yet known to be late
    )
    raised_and_cleared = [state for _, _, state in story.alarms()]
    assert raised_and_cleared == (["raised", "cleared"] if bus_ms else [])
    story.call(hang_up_s=4)
    story.run_to(30)
    assert story.posted() == [(0.0, "incoming"), (5.0, "incoming")]
    assert story.answered() == [story.at_s(8)]
    story.rests()
