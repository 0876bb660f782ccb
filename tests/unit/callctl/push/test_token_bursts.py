"""Many calls at once while the machine token is old, gone or on its way: in virtual time."""

from __future__ import annotations

from collections import Counter

import pytest

from callctl.cloud.faults import Fault
from callctl.push.events import Outcome, RenewToken, ServiceStarted, ServiceStopped
from helpers.machine import ACCOUNT, alarms
from helpers.pushes import at, intent
from helpers.token_run import WAY_MS, TokenRun
from sipstack.timing import SECOND

BURST = 500
INVALID = "AccessTokenInvalid"


def burst(run: TokenRun, count: int = BURST, *, within_ms: int = 13_000, name: str = "c") -> None:
    """So many calls for sleeping phones, now."""
    now_ms = run.now // at(1)
    for number in range(count):
        run.feed(intent(call_uuid=f"{name}{number}", deadline_ms=now_ms + within_ms))


def ended(run: TokenRun) -> Counter[Outcome]:
    return Counter(outcome.outcome for outcome in run.outcomes())


def check_posts(run: TokenRun) -> None:
    """Nothing was posted past its deadline, or with a token that CI does not know of."""
    for when, post in run.posts():
        assert when < post.deadline
        assert "Bearer None" not in dict(post.headers)["Authorization"]
    accepted = Counter(r.tracking_id for r in run.push_rest.log if r.status == 200)
    assert set(accepted.values()) <= {1}


@pytest.mark.req("CPNS-05")
def test_pushes_wait_for_the_first_token_and_none_leaves_before() -> None:
    run = TokenRun()
    burst(run, 10)
    run.until(2 * WAY_MS - 1)
    assert run.posts() == []
    run.until(1_000)
    assert ended(run) == {Outcome.ACCEPTED: 10}
    assert run.fetches() == [at(0)]
    assert run.statuses() == [200] * 10


@pytest.mark.req("CPNS-05")
def test_without_a_token_no_push_leaves_and_no_call_waits_for_one() -> None:
    """OP-06: CI errs, and there is no token in store."""
    run = TokenRun()
    run.ci.faults.add(Fault(status=503, reason="down"))
    run.until(1_000)
    burst(run, 10)
    assert [(o.outcome, o.reason) for o in run.outcomes()] == [
        (Outcome.REFUSED, "no access token")
    ] * 10
    assert run.posts() == []
    assert run.fetches() == [at(0)]


def test_500_calls_that_meet_a_revoked_token_cost_one_refresh_and_all_get_through() -> None:
    """6.I 95, OP-13."""
    run = TokenRun()
    run.until(1_000)
    run.ci.accounts.revoke()
    burst(run)
    run.until(14_000)
    assert ended(run) == {Outcome.ACCEPTED: BURST}
    assert len(run.fetches()) == 2  # that of the start, and one
    assert not [action for action in run.actions() if isinstance(action, RenewToken)]
    statuses = Counter(run.statuses())
    assert statuses[200] == BURST
    assert statuses[401] <= 64  # what was under way when the first refusal came
    assert alarms(run.actions()) == []
    check_posts(run)


def test_500_calls_while_the_new_token_is_late_wait_for_it_and_leave_once() -> None:
    """6.I 95: the old one has ended, the renewal is under way."""
    run = TokenRun()
    run.ci.accounts.access_lifetime_s = 6
    run.until(1_000)
    run.ci.faults.add(Fault(delay_ns=3 * SECOND, times=1))
    run.until(6_500)  # ended at 6 s; the renewal began at 4.8 s
    burst(run)
    assert run.posts() == []
    run.until(7_500)
    assert run.posts() == []
    run.until(9_000)
    assert ended(run) == {Outcome.ACCEPTED: BURST}
    assert run.statuses() == [200] * BURST
    assert len(run.fetches()) == 2
    assert alarms(run.actions()) == []
    check_posts(run)


def test_call_whose_time_is_up_before_the_token_comes_is_not_pushed_any_more() -> None:
    """I5."""
    run = TokenRun()
    run.ci.faults.add(Fault(delay_ns=4 * SECOND, times=1))
    burst(run, 100, within_ms=2_000, name="short")
    burst(run, 100, within_ms=13_000, name="long")
    run.until(14_000)
    assert ended(run) == {Outcome.EXPIRED: 100, Outcome.ACCEPTED: 100}
    assert run.statuses() == [200] * 100
    check_posts(run)


@pytest.mark.req("CPNS-06")
def test_token_that_cannot_be_renewed_in_time_stops_pushes_until_the_next_fetch_10_minutes_on() -> (
    None
):
    """OP-14: CI is away for a minute, just when it is needed."""
    run = TokenRun()
    run.ci.accounts.access_lifetime_s = 100
    run.until(79_000)
    run.ci.faults.add(Fault(silent=True, ends_at=at(140_000)))
    run.until(90_000)
    burst(run, 1, name="old")
    run.until(91_000)
    assert ended(run) == {Outcome.ACCEPTED: 1}  # the old token still lives
    run.until(100_000)
    assert alarms(run.actions()) == [("entered", INVALID)]
    burst(run)
    assert ended(run)[Outcome.REFUSED] == BURST
    assert len(run.posts()) == 1
    run.until(684_999)
    assert len(run.fetches()) == 2
    run.until(686_000)  # 80 s, 5 s of silence, 10 minutes
    assert run.fetches()[2] == at(685_000)
    assert alarms(run.actions()) == [("entered", INVALID), ("left", INVALID)]
    burst(run, 3, name="new")
    run.until(687_000)
    assert ended(run)[Outcome.ACCEPTED] == 4
    check_posts(run)


@pytest.mark.req("CPNS-06")
def test_push_rest_that_refuses_every_token_costs_one_fetch_and_raises_one_alarm() -> None:
    """OP-13."""
    run = TokenRun()
    run.until(1_000)
    run.ci.accounts.suspend(ACCOUNT.account_id)
    burst(run)
    run.until(14_000)
    assert len(run.fetches()) == 2
    assert alarms(run.actions()) == [("entered", INVALID)]
    assert ended(run) == {Outcome.REFUSED: BURST}
    assert len(run.statuses()) <= 128
    assert set(run.statuses()) == {403}
    for second in range(20, 120):
        run.until(second * 1_000)
        burst(run, 1, name=f"later {second} ")
    assert len(run.fetches()) == 2
    check_posts(run)


def test_clock_that_was_asleep_past_the_end_of_the_token_fetches_before_it_pushes() -> None:
    """A laptop lid, a stopped virtual machine: nothing was renewed, and now there is a call."""
    run = TokenRun()
    run.until(1_000)
    run.now = at(50_000_000)
    burst(run, 5)
    assert run.posts() == []
    run.until(50_001_000)
    assert ended(run) == {Outcome.ACCEPTED: 5}
    assert len(run.fetches()) == 2
    assert alarms(run.actions()) == []


def test_restarted_service_has_a_token_of_its_own() -> None:
    """CPNS-11."""
    run = TokenRun()
    run.until(1_000)
    run.feed(ServiceStopped())
    run.until(100_000_000)
    assert len(run.fetches()) == 1
    run.feed(ServiceStarted())
    burst(run, 2)
    run.until(100_001_000)
    assert ended(run) == {Outcome.ACCEPTED: 2}
    assert run.fetches() == [at(0), at(100_000_000)]
