"""What each answer of Push REST, or none, does to the push, its channel and what comes after."""

from __future__ import annotations

import pytest

from callctl.push.channel import Channels
from callctl.push.cpns import Cpns, CpnsSettings
from callctl.push.events import (
    AbandonPush,
    FetchToken,
    LostReason,
    Outcome,
    PushAnswered,
    PushLost,
    TokenFetchLost,
)
from callctl.push.rest import PushRestChannel
from helpers.machine import alarms, granted_answer, machine_token, only
from helpers.pushes import (
    ANDROID,
    IPHONE,
    UNIX_MS,
    URL,
    CountedEntropy,
    at,
    features_in,
    intent,
    outcomes,
    posts,
)


def service() -> Cpns:
    """A push service that has its first token, "t1"."""
    channel = PushRestChannel(URL, machine_token(), unix_ms_at_zero=UNIX_MS)
    bindings = {binding.device_name: binding for binding in (IPHONE, ANDROID)}
    made = Cpns(
        CpnsSettings(URL, unix_ms_at_zero=UNIX_MS),
        CountedEntropy(),
        bindings.get,
        features_in(),
        Channels(channel),
    )
    assert only(FetchToken, made.advance(at(0)))
    made.receive(granted_answer(), at(0))
    made.advance(at(0))
    return made


@pytest.mark.req("CLOUD-08")
@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, Outcome.ACCEPTED),
        (400, Outcome.REFUSED),
        (410, Outcome.REFUSED_TOKEN),
        (413, Outcome.REFUSED),
        (429, Outcome.FAILED),
        (500, Outcome.FAILED),
        (502, Outcome.FAILED),
        (503, Outcome.FAILED),
        (504, Outcome.FAILED),
        (201, Outcome.FAILED),
        (204, Outcome.FAILED),
        (302, Outcome.REFUSED),
        (404, Outcome.REFUSED),
        (408, Outcome.FAILED),
    ],
)
def test_only_200_is_a_success_and_no_other_status_sends_a_call_push_again(
    status: int, outcome: Outcome
) -> None:
    """OP-13: rows 200, 400, 410, 413, 429 and 5xx."""
    cpns = service()
    (post,) = posts(cpns.receive(intent(), at(0)))
    (ended,) = cpns.receive(PushAnswered(post.tracking_id, status, b'{"error":"Why"}'), at(10))
    assert outcomes((ended,)) == [ended]
    assert (ended.outcome, ended.status) == (outcome, status)  # type: ignore[union-attr]
    # The token was not to blame, and nothing of this push is left.
    assert cpns.next_deadline() is not None
    later = [action for when in range(20, 12_000, 500) for action in cpns.advance(at(when))]
    assert later == []
    assert cpns.counts()["posted_pushes"] == 0
    assert len(posts(cpns.receive(intent(call_uuid="c2", deadline_ms=30_000), at(13_000)))) == 1


@pytest.mark.parametrize("status", [401, 403])
def test_401_and_403_cost_the_token_and_one_fetch_and_the_push_goes_once_more(status: int) -> None:
    """OP-13."""
    cpns = service()
    (first,) = posts(cpns.receive(intent(), at(0)))
    refused = cpns.receive(PushAnswered(first.tracking_id, status), at(10))
    assert [type(action) for action in refused] == [FetchToken]
    (second,) = posts(cpns.receive(granted_answer("t2"), at(20)))
    assert dict(second.headers)["Authorization"] == "Bearer t2"
    assert second.tracking_id == first.tracking_id
    (ended,) = outcomes(cpns.receive(PushAnswered(second.tracking_id, 200), at(30)))
    assert ended.outcome is Outcome.ACCEPTED


@pytest.mark.req("CPNS-06")
@pytest.mark.parametrize("status", [401, 403])
def test_push_that_is_refused_with_the_new_token_too_ends_and_the_alarm_is_raised(
    status: int,
) -> None:
    """OP-13."""
    cpns = service()
    (first,) = posts(cpns.receive(intent(), at(0)))
    cpns.receive(PushAnswered(first.tracking_id, status), at(10))
    cpns.receive(granted_answer("t2"), at(20))
    told = cpns.receive(PushAnswered(first.tracking_id, status), at(30))
    assert [ended.outcome for ended in outcomes(told)] == [Outcome.REFUSED]
    assert cpns.next_deadline() == at(30)
    assert alarms(cpns.advance(at(30))) == [("entered", "AccessTokenInvalid")]
    assert outcomes(cpns.receive(intent(call_uuid="c2"), at(40)))[0].reason == "no access token"


@pytest.mark.parametrize("status", [401, 403])
def test_push_that_was_refused_ends_at_once_if_no_other_token_can_be_had(status: int) -> None:
    """CALL-18."""
    cpns = service()
    (post,) = posts(cpns.receive(intent(), at(0)))
    cpns.receive(PushAnswered(post.tracking_id, status), at(10))
    told = cpns.receive(TokenFetchLost("push rest", "connect"), at(20))
    assert [(o.outcome, o.reason) for o in outcomes(told)] == [(Outcome.REFUSED, "no access token")]
    assert ("entered", "AccessTokenInvalid") in alarms((*told, *cpns.advance(at(20))))


def test_push_whose_deadline_comes_while_its_token_is_replaced_is_not_posted_again() -> None:
    """I5."""
    cpns = service()
    (post,) = posts(cpns.receive(intent(deadline_ms=1_000), at(0)))
    cpns.receive(PushAnswered(post.tracking_id, 401), at(900))
    (ended,) = outcomes(cpns.advance(at(1_000)))
    assert ended.outcome is Outcome.EXPIRED
    assert posts(cpns.receive(granted_answer("t2"), at(1_001))) == []


@pytest.mark.parametrize("reason", ["tls", "connect", "closed", "bad answer"])
def test_single_handshake_or_connection_that_fails_is_no_condition_and_is_not_tried_again(
    reason: LostReason,
) -> None:
    """OP-13, CPNS-08."""
    cpns = service()
    (post,) = posts(cpns.receive(intent(), at(0)))
    told = cpns.receive(PushLost(post.tracking_id, reason), at(10))
    assert [(o.outcome, o.status, o.reason) for o in outcomes(told)] == [
        (Outcome.FAILED, None, reason)
    ]
    assert len(told) == 1
    assert [*cpns.advance(at(20)), *cpns.advance(at(12_999))] == []


def test_push_without_an_answer_in_5_s_has_failed_where_there_is_no_other_address() -> None:
    """OP-13, OP-35."""
    cpns = service()
    (post,) = posts(cpns.receive(intent(), at(0)))
    assert cpns.advance(at(4_999)) == ()
    told = cpns.advance(at(5_000))
    assert AbandonPush(post.tracking_id) in told
    assert [(o.outcome, o.reason) for o in outcomes(told)] == [(Outcome.FAILED, "no answer")]
    assert posts(told) == []


@pytest.mark.parametrize("status", [429, 503])
def test_nothing_leaves_before_the_time_that_retry_after_names(status: int) -> None:
    """6.I 90."""
    cpns = service()
    under_way = [posts(cpns.receive(intent(call_uuid=f"c{n}"), at(0)))[0] for n in range(2)]
    cpns.receive(PushAnswered(under_way[0].tracking_id, status, retry_after="30"), at(0))
    # A shorter wish that comes after it does not end it early.
    cpns.receive(PushAnswered(under_way[1].tracking_id, status, retry_after="1"), at(0))
    for second in range(30):
        wanted = intent(binding=ANDROID, call_uuid=f"d{second}", deadline_ms=60_000)
        told = cpns.receive(wanted, at(second * 1_000))
        assert posts(told) == []
        assert [o.reason for o in outcomes(told)] == ["asked to retry later"]
    again = intent(binding=ANDROID, call_uuid="e", deadline_ms=60_000)
    assert len(posts(cpns.receive(again, at(30_000)))) == 1
