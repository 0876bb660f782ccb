"""Every fault of the cloud against a call to a sleeping phone: what the caller gets, what is
posted, which alarms are raised, what is counted. Virtual time, exact to the nanosecond.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest

from callctl.cloud.faults import Fault
from callctl.sim.cloud_way import Way
from simulation.cloud_story import (
    INVALID_TARGET,
    NO_SERVICE,
    NO_TOKEN,
    TAKES_IT,
    TOKEN_INVALID,
    CloudStory,
)
from sipstack.timing import SECOND

RING = (0.0, "incoming")
MISSED = (13.0, "missed")
UNTRUSTED = ((0.0, TOKEN_INVALID), (0.0, NO_TOKEN))

Spoil = Callable[[CloudStory], object]


class Row(NamedTuple):
    """One fault, in force from one second before the call, and all that comes of it."""

    name: str
    spoil: Spoil
    end: tuple[float, int]
    posted: tuple[tuple[float, str], ...] = (RING, MISSED)
    counted: tuple[int, int, int] = (2, 2, 2)  # requests, responses, errors
    raised: tuple[tuple[float, str], ...] = ()


def answer(status: int, retry_after_s: int | None = None) -> Spoil:
    """Push REST gives this answer, and does nothing else."""
    fault = Fault(status=status, reason="Fault", retry_after_s=retry_after_s)
    return lambda story: story.cloud.push_rest.faults.add(fault)


def push_rest(fault: Fault) -> Spoil:
    """A fault of Push REST."""
    return lambda story: story.cloud.push_rest.faults.add(fault)


def way(to_push_rest: Way, to_ci: Way = Way.OPEN) -> Spoil:
    """Faults of the way there."""

    def spoil(story: CloudStory) -> None:
        story.cloud.way.push_rest, story.cloud.way.ci = to_push_rest, to_ci

    return spoil


def revoked(to_ci: Way = Way.OPEN) -> Spoil:
    """The token is good no more, and CI may be gone."""

    def spoil(story: CloudStory) -> None:
        story.cloud.revoke()
        story.cloud.way.ci = to_ci

    return spoil


AT_ONCE = (0.0, 503)
IN_THE_END = (13.0, 503)
NOT_THERE = (13.0, 480)
ONE_ERROR = (1, 1, 1)
ONLY_RING = (RING,)

ROWS = (
    Row("200", lambda _: None, NOT_THERE, counted=(2, 2, 0)),
    # Refused for good: no reason to wait (CALL-18).
    Row("400", answer(400), AT_ONCE, ONLY_RING, ONE_ERROR),
    Row("401", answer(401), AT_ONCE, (RING, RING), ONE_ERROR, UNTRUSTED),
    Row("403", answer(403), AT_ONCE, (RING, RING), ONE_ERROR, UNTRUSTED),
    Row("410", answer(410), (0.0, 480), ONLY_RING, ONE_ERROR, ((0.0, INVALID_TARGET),)),
    Row("413", answer(413), AT_ONCE, ONLY_RING, ONE_ERROR),
    # A matter of time: the phone may have got it, or may come by itself.
    Row("429", answer(429), IN_THE_END),
    Row("429 with Retry-After", answer(429, 30), IN_THE_END, ONLY_RING, ONE_ERROR),
    Row("500", answer(500), IN_THE_END),
    Row("502", answer(502), IN_THE_END),
    Row("503", answer(503), IN_THE_END),
    Row("503 with Retry-After", answer(503, 30), IN_THE_END, ONLY_RING, ONE_ERROR),
    Row("504", answer(504), IN_THE_END),
    Row("3 s late", push_rest(Fault(delay_ns=3 * SECOND)), NOT_THERE, counted=(2, 2, 0)),
    Row("7 s late", push_rest(Fault(delay_ns=7 * SECOND)), IN_THE_END, counted=(2, 0, 2)),
    Row("lost answer", push_rest(Fault(silent=True)), IN_THE_END, counted=(2, 0, 2)),
    Row("reset", push_rest(Fault(break_after=5)), IN_THE_END, counted=(2, 0, 2)),
    Row("slow answer", push_rest(Fault(octet_every_ns=SECOND)), IN_THE_END, counted=(2, 0, 2)),
    Row("half open", way(Way.BLACK_HOLE), IN_THE_END, counted=(0, 0, 2)),
    Row("certificate", way(Way.TLS), IN_THE_END, ONLY_RING, (0, 0, 1)),
    Row("no connection", way(Way.CONNECT), IN_THE_END, ONLY_RING, (0, 0, 0)),
    Row("no tunnel", way(Way.PROXY), IN_THE_END, ONLY_RING, (0, 0, 0)),
    Row("token revoked", revoked(), NOT_THERE, (RING, RING, MISSED), (2, 2, 0)),
    Row(
        "account suspended",
        lambda story: story.cloud.suspend(True),
        AT_ONCE,
        (RING, RING),
        ONE_ERROR,
        UNTRUSTED,
    ),
    Row(
        "partner cloud down",
        lambda story: story.cloud.spoil(Fault(status=503, reason="ServiceUnavailable")),
        IN_THE_END,
    ),
    Row(
        "partner cloud loses it",
        lambda story: story.cloud.spoil(Fault(lose=True)),
        NOT_THERE,
        counted=(2, 2, 0),
    ),
    Row(
        "push service stopped",
        lambda story: story.nodes[TAKES_IT].set_cpns(False),
        AT_ONCE,
        (),
        (0, 0, 0),
        ((0.0, NO_SERVICE),),
    ),
    Row(
        "push service hangs",
        lambda story: story.nodes[TAKES_IT].hang_cpns(True),
        IN_THE_END,
        (),
        (0, 0, 0),
        ((10.0, NO_SERVICE),),  # two heartbeats, of 0 s and of 5 s, without an answer
    ),
)


@pytest.mark.req("CALL-18", "CLOUD-06", "CLOUD-08", "CPNS-08", "CPNS-14", "CTR-05", "ALARM-10")
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_call_ends_as_its_cloud_fault_says_and_nothing_is_posted_that_must_not(row: Row) -> None:
    story = CloudStory()
    story.run_to(-1)
    row.spoil(story)
    story.run_to(0)
    story.call()
    story.run_to(40)
    assert story.ends() == [row.end]
    assert story.posted() == list(row.posted)
    assert story.counted() == row.counted
    assert story.alarms() == [(at, name, "raised") for at, name in row.raised]
    story.simulation.make_well()
    if NO_TOKEN in {name for _, name in row.raised}:
        story.run_to(1_300)  # CI is asked again after 10 minutes
        story.call()  # and it takes a push to know that Push REST trusts the token again
    story.simulation.settle()
    node_alarms = {name for _, name in row.raised} - {INVALID_TARGET}
    assert {name for _, name, state in story.alarms() if state == "cleared"} == node_alarms
    story.rests()


@pytest.mark.req("CPNS-13")
@pytest.mark.parametrize("restart", ["killed", "goes on"])
def test_service_that_hangs_is_missed_within_15_s_and_found_again(restart: str) -> None:
    story = CloudStory()
    story.run_to(-1)
    story.nodes[TAKES_IT].hang_cpns(True)
    story.run_to(20)
    assert story.alarms() == [(10.0, NO_SERVICE, "raised")]
    if restart == "killed":
        story.nodes[TAKES_IT].kill_cpns()
        story.nodes[TAKES_IT].set_cpns(True)
    else:
        story.nodes[TAKES_IT].hang_cpns(False)
    story.run_to(21)
    assert [state for _, _, state in story.alarms()] == ["raised", "cleared"]
    story.call()
    story.run_to(40)
    assert story.posted() == [(21.0, "incoming"), (34.0, "missed")]
    story.rests()
