"""The machine token: fetched, renewed, refused, lost, and what is told of it."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import parse_qs

import pytest

from callctl.push.channel import Readiness
from callctl.push.events import (
    AbandonFetch,
    FetchToken,
    Ignored,
    TokenChanged,
    TokenFetched,
    TokenFetchLost,
)
from callctl.push.machine_token import MachineToken, MachineTokenSettings
from callctl.push.token_alarms import XCP_ALARMS
from callctl.push.token_events import (
    MachineAccountGiven,
    MachineAccountRenewed,
    RepairStateChanged,
    TokenFetchFailed,
    TokenObtained,
    TokenStateChanged,
)
from callctl.serviceability.condition import ConditionEntered, ConditionLeft
from helpers.machine import (
    ACCOUNT,
    CI_TOKEN_URL,
    MINUTE_MS,
    alarms,
    granted_answer,
    machine_token,
    only,
    refused_answer,
    with_token,
)
from helpers.pushes import at

LOST = TokenFetchLost("push rest", "connect")
INVALID = "AccessTokenInvalid"


@pytest.mark.req("CPNS-05", "CLOUD-03")
def test_token_is_fetched_when_the_service_starts_and_no_push_is_needed_for_it() -> None:
    """OP-14; RFC 6749 §6."""
    machine = machine_token()
    assert machine.next_deadline() == at(0)
    (fetch,) = machine.advance(at(0))
    assert isinstance(fetch, FetchToken)
    assert (fetch.channel, fetch.url) == ("push rest", CI_TOKEN_URL)
    assert parse_qs(fetch.body.decode()) == {
        "grant_type": ["refresh_token"],
        "refresh_token": ["refresh-secret-1"],
        "client_id": ["callctl-push"],
    }
    assert machine.receive(granted_answer(), at(20)) == (
        TokenObtained("push rest", 3_600),
        TokenStateChanged(True),
    )
    assert machine.token(at(20)) == "t1"


@pytest.mark.req("CPNS-05")
def test_token_is_renewed_at_80_percent_of_its_life_though_nobody_pushes() -> None:
    """OP-14."""
    machine = machine_token()
    with_token(machine)
    assert machine.next_deadline() == at(48 * MINUTE_MS)
    assert machine.advance(at(48 * MINUTE_MS - 1)) == ()
    assert only(FetchToken, machine.advance(at(48 * MINUTE_MS)))
    assert machine.prepare(at(48 * MINUTE_MS)) == (Readiness.READY, ())  # the old one meanwhile
    assert machine.token(at(48 * MINUTE_MS)) == "t1"
    assert machine.receive(granted_answer("t2"), at(48 * MINUTE_MS)) == (
        TokenObtained("push rest", 3_600),
    )
    assert machine.token(at(60 * MINUTE_MS)) == "t2"
    assert machine.next_deadline() == at(96 * MINUTE_MS)


def test_life_of_a_token_is_counted_from_the_request_so_that_it_never_outlives_that_at_ci() -> None:
    machine = machine_token()
    machine.advance(at(0))
    machine.receive(granted_answer(lifetime_s=10), at(4_000))
    assert machine.next_deadline() == at(8_000)
    assert machine.token(at(9_999)) == "t1"
    assert machine.token(at(10_000)) is None


def test_token_that_was_dead_before_it_came_is_none() -> None:
    machine = machine_token()
    machine.advance(at(0))
    told = machine.receive(granted_answer(lifetime_s=2), at(2_000))
    assert only(TokenStateChanged, told) == [
        TokenStateChanged(False, "no token in the answer of CI")
    ]


@pytest.mark.parametrize("failure", [LOST, refused_answer("x", 500), refused_answer("x", 401)])
def test_token_that_still_lives_stays_in_use_while_its_renewal_fails_every_10_minutes(
    failure: TokenFetched | TokenFetchLost,
) -> None:
    """OP-14."""
    machine = machine_token()
    with_token(machine, lifetime_s=10_000)
    machine.advance(at(8_000_000))
    for number in range(3):
        now_ms = 8_000_000 + number * 600_000
        (failed,) = machine.receive(failure, at(now_ms))
        assert isinstance(failed, TokenFetchFailed)
        assert failed.again_at == machine.next_deadline() == at(now_ms + 600_000)
        assert machine.advance(at(now_ms + 599_999)) == ()
        assert machine.prepare(at(now_ms + 599_999)) == (Readiness.READY, ())
        assert only(FetchToken, machine.advance(at(now_ms + 600_000)))


@pytest.mark.req("CPNS-06")
def test_access_token_invalid_holds_from_the_end_of_the_token_until_there_is_another() -> None:
    machine = machine_token()
    with_token(machine)
    machine.advance(at(48 * MINUTE_MS))
    assert alarms(machine.receive(LOST, at(48 * MINUTE_MS))) == []
    machine.advance(at(58 * MINUTE_MS))
    assert alarms(machine.receive(LOST, at(58 * MINUTE_MS))) == []
    assert machine.next_deadline() == at(60 * MINUTE_MS)
    assert machine.advance(at(60 * MINUTE_MS)) == (
        TokenStateChanged(False, "CI not reached: connect"),
        ConditionEntered(INVALID, "cm1", detail="CI not reached: connect"),
    )
    assert machine.prepare(at(60 * MINUTE_MS)) == (Readiness.NONE, ())
    # It fails again: the condition is the same one, and no news.
    machine.advance(at(68 * MINUTE_MS))
    assert alarms(machine.receive(LOST, at(68 * MINUTE_MS))) == []
    machine.advance(at(78 * MINUTE_MS))
    assert machine.receive(granted_answer("t2"), at(78 * MINUTE_MS)) == (
        TokenObtained("push rest", 3_600),
        TokenStateChanged(True),
        ConditionLeft(INVALID, "cm1"),
    )


def test_cluster_that_never_had_a_token_has_none_but_none_that_became_invalid() -> None:
    """F3 is for that, F5 is not."""
    machine = machine_token()
    machine.advance(at(0))
    told = machine.receive(LOST, at(0))
    assert told == (
        TokenFetchFailed("push rest", "CI not reached: connect", at(10 * MINUTE_MS)),
        TokenStateChanged(False, "CI not reached: connect"),
    )


def test_fetch_that_gets_no_answer_is_given_up_after_5_s() -> None:
    machine = machine_token()
    machine.advance(at(0))
    assert machine.next_deadline() == at(5_000)
    assert machine.prepare(at(4_999)) == (Readiness.WAITING, ())
    given_up = machine.advance(at(5_000))
    assert given_up[0] == AbandonFetch("push rest")
    assert only(TokenStateChanged, given_up) == [TokenStateChanged(False, "no answer of CI")]
    late = machine.receive(granted_answer(), at(5_001))
    assert late == (Ignored("late answer for a token", "push rest"),)
    assert machine.token(at(5_001)) is None


@pytest.mark.parametrize(
    ("retry_after", "again_ms"),
    [("1800", 1_800_000), ("30", 600_000), ("Wed, 10 Jul 2024 09:20:00 GMT", 1_200_000)],
)
def test_ci_that_asks_for_patience_is_not_asked_before(retry_after: str, again_ms: int) -> None:
    """Nor before the 10 minutes are over."""
    machine = machine_token()
    machine.advance(at(0))
    machine.receive(refused_answer("slow_down", 429, retry_after), at(0))
    assert machine.next_deadline() == at(again_ms)


@pytest.mark.req("CLOUD-07", "TRB-20")
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ("invalid_request", "invalid request"),
        ("unsupported_grant_type", "unsupported grant type"),
        ("invalid_client", "invalid client"),
        ("invalid_grant", "invalid refresh token"),
        ("token_limit_reached", "token limit reached"),
        ("something else", "bad request"),
    ],
)
def test_400_of_ci_means_that_the_machine_account_has_to_be_repaired(
    error: str, reason: str
) -> None:
    """OP-14: each reason can be told from the others."""
    machine = machine_token()
    machine.advance(at(0))
    told = machine.receive(refused_answer(error), at(0))
    assert told == (
        TokenFetchFailed("push rest", f"400 of CI: {reason}", at(10 * MINUTE_MS), 400),
        RepairStateChanged(True, reason),
        TokenStateChanged(False, f"400 of CI: {reason}"),
    )
    # Until CI has answered otherwise it stays due, whatever else goes wrong.
    machine.advance(at(10 * MINUTE_MS))
    assert only(RepairStateChanged, machine.receive(LOST, at(10 * MINUTE_MS))) == []
    machine.advance(at(20 * MINUTE_MS))
    good = machine.receive(granted_answer(), at(20 * MINUTE_MS))
    assert only(RepairStateChanged, good) == [RepairStateChanged(False)]


def test_repair_is_due_while_the_old_token_still_lives() -> None:
    machine = machine_token()
    with_token(machine)
    machine.advance(at(48 * MINUTE_MS))
    told = machine.receive(refused_answer("invalid_grant"), at(48 * MINUTE_MS))
    assert only(RepairStateChanged, told) == [RepairStateChanged(True, "invalid refresh token")]
    assert only(TokenStateChanged, told) == []
    assert machine.token(at(50 * MINUTE_MS)) == "t1"


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503, 302])
def test_no_other_status_of_ci_means_a_repair(status: int) -> None:
    machine = machine_token()
    machine.advance(at(0))
    told = machine.receive(refused_answer("invalid_grant", status), at(0))
    assert only(RepairStateChanged, told) == []
    assert only(TokenStateChanged, told) == [TokenStateChanged(False, f"{status} of CI")]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b"[" * 100_000,
        b'{"access_token":"t","token_type":"mac","expires_in":60}',
        b'{"access_token":"t\\r\\nX: y","token_type":"Bearer","expires_in":60}',
        b'{"access_token":"t","token_type":"Bearer","expires_in":0}',
        b'{"access_token":"t","token_type":"Bearer","expires_in":"60"}',
        b'{"access_token":"t","token_type":"Bearer","expires_in":2592001}',
    ],
)
def test_answer_without_a_usable_token_is_a_failure(body: bytes) -> None:
    machine = machine_token()
    machine.advance(at(0))
    told = machine.receive(TokenFetched("push rest", 200, body), at(0))
    assert [failed.reason for failed in only(TokenFetchFailed, told)] == [
        "no token in the answer of CI"
    ]
    assert machine.token(at(0)) is None


def test_refused_token_is_dropped_and_one_other_fetched_at_once() -> None:
    """OP-13."""
    machine = machine_token()
    with_token(machine)
    (fetch,) = machine.refused("t1", at(1_000))
    assert isinstance(fetch, FetchToken)
    assert machine.refused("t1", at(1_001)) == ()  # of another push of the same burst
    assert machine.prepare(at(1_002)) == (Readiness.WAITING, ())
    machine.receive(granted_answer("t2"), at(1_100))
    assert machine.refused("t1", at(1_101)) == ()
    assert machine.prepare(at(1_101)) == (Readiness.READY, ())


@pytest.mark.req("CPNS-06")
def test_new_token_that_is_refused_too_raises_the_alarm_and_waits_10_minutes() -> None:
    """OP-13."""
    machine = machine_token()
    with_token(machine)
    machine.refused("t1", at(0))
    machine.receive(granted_answer("t2"), at(100))
    told = machine.refused("t2", at(200))
    assert told == (
        TokenStateChanged(False, "refused by Push REST"),
        ConditionEntered(INVALID, "cm1", detail="refused by Push REST"),
    )
    assert machine.next_deadline() == at(600_200)
    machine.advance(at(600_200))
    # A new one alone proves nothing; one that Push REST takes does.
    assert alarms(machine.receive(granted_answer("t3"), at(600_200))) == []
    assert alarms(machine.accepted("t3", at(600_300))) == [("left", INVALID)]
    assert machine.accepted("t3", at(600_301)) == ()


def test_refused_token_whose_successor_cannot_be_had_raises_the_alarm() -> None:
    machine = machine_token()
    with_token(machine)
    machine.refused("t1", at(0))
    assert alarms(machine.receive(LOST, at(100))) == [("entered", INVALID)]


def test_push_rest_that_refuses_now_and_then_costs_one_fetch_a_minute() -> None:
    machine = machine_token()
    with_token(machine)
    fetched = 0
    token = "t1"
    for second in range(60):
        told = machine.refused(token, at(second * 1_000))
        if only(FetchToken, told):
            fetched += 1
            token = f"r{second}"
            machine.receive(granted_answer(token), at(second * 1_000))
            machine.accepted(token, at(second * 1_000))
    assert fetched == 1
    assert machine.next_deadline() == at(60_000)
    assert only(FetchToken, machine.advance(at(60_000)))


def test_refusal_while_the_renewal_is_under_way_waits_for_that_one() -> None:
    machine = machine_token()
    with_token(machine)
    machine.advance(at(48 * MINUTE_MS))
    assert machine.refused("t1", at(48 * MINUTE_MS)) == ()
    assert machine.prepare(at(48 * MINUTE_MS)) == (Readiness.WAITING, ())
    machine.receive(granted_answer("t2"), at(48 * MINUTE_MS + 1))
    assert machine.token(at(48 * MINUTE_MS + 1)) == "t2"


def test_unproved_token_that_is_refused_during_its_renewal_waits_for_that_one_too() -> None:
    machine = machine_token()
    with_token(machine)
    machine.refused("t1", at(0))
    machine.receive(granted_answer("t2"), at(0))
    assert only(FetchToken, machine.advance(at(48 * MINUTE_MS)))
    assert machine.refused("t2", at(48 * MINUTE_MS)) == ()
    assert machine.prepare(at(48 * MINUTE_MS)) == (Readiness.WAITING, ())
    assert alarms(machine.receive(granted_answer("t3"), at(48 * MINUTE_MS))) == []
    assert alarms(machine.refused("t3", at(48 * MINUTE_MS))) == [("entered", INVALID)]


def test_token_may_live_for_weeks() -> None:
    machine = machine_token()
    with_token(machine, lifetime_s=14 * 86_400)
    assert machine.token(at(14 * 86_400_000 - 1)) == "t1"


def test_ci_that_asked_for_patience_is_left_alone_even_for_a_refused_token() -> None:
    machine = machine_token()
    with_token(machine)
    machine.advance(at(48 * MINUTE_MS))
    machine.receive(refused_answer("slow_down", 429, "1800"), at(48 * MINUTE_MS))
    told = machine.refused("t1", at(50 * MINUTE_MS))
    assert only(FetchToken, told) == []
    assert alarms(told) == [("entered", INVALID)]
    assert machine.next_deadline() == at(78 * MINUTE_MS)


def test_refresh_token_that_ci_rotates_is_handed_up_and_used_from_then_on() -> None:
    """RFC 6749 §6."""
    machine = machine_token()
    machine.advance(at(0))
    told = machine.receive(granted_answer("t1", 3_600, refresh_token="refresh-secret-2"), at(0))
    renewed = replace(ACCOUNT, refresh_token="refresh-secret-2")
    assert only(MachineAccountRenewed, told) == [MachineAccountRenewed(renewed)]
    (fetch,) = machine.advance(at(48 * MINUTE_MS))
    assert isinstance(fetch, FetchToken)
    assert b"refresh-secret-2" in fetch.body
    # The same one again is no news, and it outlives a restart.
    again = machine.receive(
        granted_answer("t2", 3_600, refresh_token="refresh-secret-2"), at(48 * MINUTE_MS)
    )
    assert only(MachineAccountRenewed, again) == []
    (restarted,) = only(FetchToken, machine.start(at(50 * MINUTE_MS)))
    assert b"refresh-secret-2" in restarted.body


@pytest.mark.parametrize("rotated", ["", "a b", "x" * 20_000])
def test_refresh_token_that_can_be_none_is_not_taken(rotated: str) -> None:
    machine = machine_token()
    machine.advance(at(0))
    told = machine.receive(granted_answer("t1", 3_600, refresh_token=rotated), at(0))
    assert only(MachineAccountRenewed, told) == []
    assert machine.account == ACCOUNT


def test_new_machine_account_is_taken_up_when_the_service_starts_again_and_not_before() -> None:
    """ONB: a restart is due after onboarding."""
    machine = machine_token(None)
    assert machine.advance(at(0)) == (TokenStateChanged(False, "no machine account"),)
    assert machine.next_deadline() is None
    assert machine.receive(MachineAccountGiven(ACCOUNT), at(10)) == ()
    assert machine.advance(at(20)) == ()
    assert machine.stop() == ()
    assert only(FetchToken, machine.start(at(30)))
    machine.receive(granted_answer(), at(30))
    machine.receive(MachineAccountGiven(None), at(40))
    assert machine.token(at(40)) == "t1"
    assert machine.start(at(50)) == (TokenStateChanged(False, "no machine account"),)


@pytest.mark.req("TRB-20")
def test_repaired_refresh_token_gets_a_token_after_the_restart() -> None:
    machine = machine_token()
    machine.advance(at(0))
    machine.receive(refused_answer("invalid_grant"), at(0))
    machine.receive(MachineAccountGiven(replace(ACCOUNT, refresh_token="repaired")), at(1))
    assert machine.stop() == (RepairStateChanged(False),)
    (fetch,) = only(FetchToken, machine.start(at(2)))
    assert b"refresh_token=repaired&" in fetch.body
    assert only(TokenStateChanged, machine.receive(granted_answer(), at(3))) == [
        TokenStateChanged(True)
    ]


def test_stopped_service_fetches_nothing_and_its_conditions_are_no_more() -> None:
    machine = machine_token()
    with_token(machine, lifetime_s=10)
    machine.advance(at(8_000))
    machine.receive(LOST, at(8_000))
    assert alarms(machine.advance(at(10_000))) == [("entered", INVALID)]
    assert machine.stop() == (ConditionLeft(INVALID, "cm1"),)
    assert machine.next_deadline() is None
    assert machine.advance(at(3_600_000)) == ()
    assert machine.prepare(at(3_600_000)) == (Readiness.NONE, ())


def test_stop_gives_up_the_fetch_under_way() -> None:
    machine = machine_token()
    machine.advance(at(0))
    assert machine.stop() == (AbandonFetch("push rest"),)
    assert machine.receive(granted_answer(), at(1))[0] == Ignored(
        "late answer for a token", "push rest"
    )
    assert machine.token(at(1)) is None


def test_token_that_is_handed_in_is_not_taken_where_ci_gives_them() -> None:
    machine = machine_token()
    (ignored,) = machine.receive(TokenChanged("handed"), at(0))
    assert isinstance(ignored, Ignored)
    assert machine.token(at(0)) is None


@pytest.mark.req("CLOUD-11")
def test_im_and_presence_node_fetches_for_itself_and_has_alarms_of_its_own() -> None:
    """OP-37: the request failed, or it did not and there is no token all the same."""
    settings = MachineTokenSettings("imp1", "xcp", XCP_ALARMS)
    machine = MachineToken(settings, ACCOUNT)
    (fetch,) = machine.advance(at(0))
    assert isinstance(fetch, FetchToken)
    assert (fetch.channel, fetch.url) == ("xcp", CI_TOKEN_URL)
    assert alarms(machine.receive(TokenFetchLost("xcp", "connect"), at(0))) == [
        ("entered", "AccessTokenFetchFailed")
    ]
    machine.advance(at(600_000))
    assert alarms(machine.receive(TokenFetched("xcp", 200, b"{}"), at(600_000))) == [
        ("left", "AccessTokenFetchFailed"),
        ("entered", "XCPConfigMgrAccessTokenIsNull"),
    ]
    machine.advance(at(1_200_000))
    assert alarms(machine.receive(granted_answer(), at(1_200_000))) == [
        ("left", "XCPConfigMgrAccessTokenIsNull")
    ]
    # That Push REST refuses a token is no failed fetch.
    machine.refused("t1", at(1_200_000))
    machine.receive(granted_answer("t2"), at(1_200_000))
    assert alarms(machine.refused("t2", at(1_200_000))) == []
    none = MachineToken(settings, None)
    assert alarms(none.advance(at(0))) == [("entered", "XCPConfigMgrAccessTokenIsNull")]


def test_nothing_that_is_told_or_shown_holds_a_secret() -> None:
    """I14, P6."""
    machine = machine_token()
    shown = [repr(ACCOUNT), repr(MachineAccountGiven(ACCOUNT))]
    shown += map(repr, machine.advance(at(0)))
    answer = granted_answer("access-secret", 3_600, refresh_token="refresh-secret-2")
    shown.append(repr(answer))
    shown += map(repr, machine.receive(answer, at(0)))
    shown += map(repr, machine.refused("access-secret", at(1)))
    error = refused_answer("invalid_grant refresh-secret-2")
    shown += map(repr, machine.receive(error, at(2)))
    assert len(shown) >= 9
    assert not [text for text in shown if "secret" in text]
