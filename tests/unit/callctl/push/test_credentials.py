"""Access tokens that are refused or run out, and services that ask to be left alone."""

from __future__ import annotations

import pytest

from callctl.push.channel import HOLDS_MAX, Holds, retry_after_ns
from callctl.push.events import (
    CpnsAction,
    Outcome,
    PushAnswered,
    PushWithdrawn,
    RenewToken,
    TokenChanged,
)
from callctl.push.kind import PushKind
from helpers.pushes import (
    ANDROID,
    CHINA,
    IPHONE,
    UNIX_MS,
    Service,
    at,
    intent,
    outcomes,
    posts,
)
from sipstack.timing import SECOND

UNIX_S = UNIX_MS // 1000


def renewals(actions: tuple[CpnsAction, ...]) -> int:
    return sum(isinstance(action, RenewToken) for action in actions)


@pytest.mark.parametrize("status", [401, 403])
def test_refused_access_token_is_replaced_and_the_push_sent_again_with_the_new_one(
    status: int,
) -> None:
    """OP-13."""
    cpns = Service().cpns
    (first,) = posts(cpns.receive(intent(), at(0)))
    refused = cpns.receive(PushAnswered(first.tracking_id, status), at(10))
    assert refused == (RenewToken(),)
    (second,) = posts(cpns.receive(TokenChanged("new"), at(50)))
    assert dict(second.headers)["Authorization"] == "Bearer new"
    assert second.tracking_id == first.tracking_id  # the same push, PUSH-06
    (outcome,) = outcomes(cpns.receive(PushAnswered(second.tracking_id, 200), at(60)))
    assert outcome.outcome is Outcome.ACCEPTED


def test_burst_that_meets_an_expired_token_asks_for_one_new_token_and_goes_on() -> None:
    """OP-13, CPNS-06."""
    cpns = Service().cpns
    sent = [posts(cpns.receive(intent(call_uuid=f"c{n}"), at(0)))[0] for n in range(40)]
    asked = 0
    for post in sent:
        asked += renewals(cpns.receive(PushAnswered(post.tracking_id, 401), at(5)))
    # More calls come while the token is on its way: they wait, and ask for nothing.
    for number in range(40, 50):
        waiting = cpns.receive(intent(call_uuid=f"c{number}"), at(6))
        assert waiting == ()
    assert asked == 1
    resumed = posts(cpns.receive(TokenChanged("new"), at(100)))
    assert len(resumed) == 50
    for post in resumed:
        (outcome,) = outcomes(cpns.receive(PushAnswered(post.tracking_id, 200), at(110)))
        assert outcome.outcome is Outcome.ACCEPTED


def test_push_that_comes_back_after_the_token_was_replaced_costs_no_second_renewal() -> None:
    cpns = Service().cpns
    one, two = (posts(cpns.receive(intent(call_uuid=f"c{n}"), at(0)))[0] for n in range(2))
    cpns.receive(PushAnswered(one.tracking_id, 401), at(5))
    cpns.receive(TokenChanged("new"), at(6))
    late = cpns.receive(PushAnswered(two.tracking_id, 401), at(7))
    assert renewals(late) == 0
    (again,) = posts(late)
    assert dict(again.headers)["Authorization"] == "Bearer new"


def test_push_that_is_refused_with_the_new_token_too_is_refused_for_good() -> None:
    """CALL-18: the call does not wait for a push that cannot leave."""
    cpns = Service().cpns
    (post,) = posts(cpns.receive(intent(), at(0)))
    cpns.receive(PushAnswered(post.tracking_id, 401), at(5))
    cpns.receive(TokenChanged("new"), at(6))
    refused = cpns.receive(PushAnswered(post.tracking_id, 401), at(7))
    assert [(o.outcome, o.status) for o in outcomes(refused)] == [(Outcome.REFUSED, 401)]
    # Its fault is not the token's age: nobody is asked for another one again and again.
    next_call = cpns.receive(intent(call_uuid="c2"), at(8))
    assert renewals(refused) == renewals(next_call) == 0
    assert [o.outcome for o in outcomes(next_call)] == [Outcome.REFUSED]
    a_minute_later = cpns.receive(intent(call_uuid="c3", deadline_ms=73_000), at(60_100))
    assert renewals(a_minute_later) == 1


def test_waiting_for_a_token_ends_after_5_s_and_when_there_is_none() -> None:
    for silent in (True, False):
        cpns = Service().cpns
        (post,) = posts(cpns.receive(intent(), at(0)))
        cpns.receive(PushAnswered(post.tracking_id, 401), at(0))
        if silent:
            assert cpns.next_deadline() == at(5_000)
            ended = cpns.advance(at(5_000))
        else:
            ended = cpns.receive(TokenChanged(None), at(10))
        assert [(o.outcome, o.reason) for o in outcomes(ended)] == [
            (Outcome.REFUSED, "no access token")
        ]
        assert cpns.counts()["queued_calls"] == 0


def test_ring_push_whose_call_ended_while_its_token_was_refused_is_not_sent_again() -> None:
    """I5."""
    cpns = Service().cpns
    (post,) = posts(cpns.receive(intent(), at(0)))
    cpns.receive(PushWithdrawn("c1", IPHONE.device_name), at(5))
    ended = cpns.receive(PushAnswered(post.tracking_id, 401), at(6))
    assert posts(ended) == []
    assert [o.outcome for o in outcomes(ended)] == [Outcome.REFUSED]
    assert posts(cpns.receive(TokenChanged("new"), at(7))) == []


def test_second_push_goes_only_if_the_ring_push_came_through_at_last() -> None:
    """I6: a ring push that was refused unread has nothing to be followed by."""
    for comes in (True, False):
        cpns = Service().cpns
        (ring,) = posts(cpns.receive(intent(), at(0)))
        cpns.receive(PushAnswered(ring.tracking_id, 401), at(5))
        if comes:
            cpns.receive(TokenChanged("new"), at(6))
            cpns.receive(PushAnswered(ring.tracking_id, 200), at(7))
        else:
            cpns.receive(TokenChanged(None), at(6))
        second = cpns.receive(intent(PushKind.MISSED), at(8))
        assert len(posts(second)) == comes
        assert [o.outcome for o in outcomes(second)] == ([] if comes else [Outcome.WITHDRAWN])


@pytest.mark.parametrize("status", [429, 503])
def test_cloud_that_asks_to_come_later_gets_no_push_before_and_calls_fail_at_once(
    status: int,
) -> None:
    cpns = Service().cpns
    (post,) = posts(cpns.receive(intent(), at(0)))
    answer = PushAnswered(post.tracking_id, status, retry_after="30")
    assert [o.outcome for o in outcomes(cpns.receive(answer, at(10)))] == [Outcome.FAILED]
    early = cpns.receive(intent(binding=ANDROID, call_uuid="c2", deadline_ms=43_000), at(30_009))
    assert [(o.outcome, o.reason) for o in outcomes(early)] == [
        (Outcome.REFUSED, "asked to retry later")
    ]
    later = intent(binding=ANDROID, call_uuid="c3", deadline_ms=43_000)
    assert len(posts(cpns.receive(later, at(30_010)))) == 1


def test_partner_cloud_behind_push_rest_that_asks_to_come_later_silences_its_own_only() -> None:
    for status, partner, silent in (
        (429, 429, [IPHONE]),
        (503, 503, [IPHONE, CHINA]),
    ):
        cpns = Service().cpns
        (post,) = posts(cpns.receive(intent(), at(0)))
        body = b'{"error":"later","partnerStatus":%d}' % partner
        cpns.receive(PushAnswered(post.tracking_id, status, body, "10"), at(1))
        for binding in (IPHONE, CHINA, ANDROID):
            asked = cpns.receive(intent(binding=binding, call_uuid="c2"), at(2))
            assert bool(posts(asked)) == (binding not in silent)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        (" 12 ", 12),
        ("99999", 3_600),
        ("Wed, 10 Jul 2024 09:00:30 GMT", 30),
        ("Wed, 10 Jul 2024 08:59:00 GMT", 0),
        ("Wednesday, 10-Jul-24 09:00:30 GMT", 30),
        ("-1", None),
        ("1.5", None),
        ("٣", None),
        ("9" * 5_000, None),
        ("soon", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_an_hour_at_most(
    text: str | None, seconds: int | None
) -> None:
    """RFC 9110 §10.2.3."""
    expected = None if seconds is None else seconds * SECOND
    assert retry_after_ns(text, UNIX_S) == expected


def test_holds_are_bounded_and_the_longer_one_counts() -> None:
    holds = Holds()
    holds.set("a", at(50), at(0))
    holds.set("a", at(20), at(0))
    assert holds.until(("a", "b"), at(49)) == at(50)
    assert holds.until(("a", "b"), at(50)) is None
    for number in range(HOLDS_MAX + 10):
        holds.set(f"target {number}", at(1_000), at(0))
    assert len(holds) <= HOLDS_MAX
    holds.set("new", at(9_000), at(2_000))
    assert len(holds) == 1
