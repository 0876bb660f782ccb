"""A push that was not answered in 5 s goes once more, by the next address of the proxy (OP-35)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from callctl.engine.counters import Counters
from callctl.engine.pushes import PushesUnderWay
from callctl.push.cpns import Cpns
from callctl.push.events import (
    AbandonPush,
    CallersGone,
    CpnsAction,
    LostReason,
    Outcome,
    PostPush,
    PushAnswered,
    PushLost,
    PushOutcome,
    PushSent,
    PushWithdrawn,
    PushWritten,
)
from callctl.push.kind import PushKind
from helpers.pushes import Service, at, intent, outcomes, posts

RING = "c1/TCTALICE/incoming"


def posted(**settings: Any) -> tuple[Cpns, PostPush]:  # noqa: ANN401
    """A service behind a proxy, and a push that left at 0."""
    cpns = Service(next_address=True, **settings).cpns
    (post,) = posts(cpns.receive(intent(), at(0)))
    return cpns, post


def resent() -> tuple[Cpns, PostPush]:
    """A push that has left once more, at 5 s."""
    cpns, post = posted()
    cpns.advance(at(5_000))
    return cpns, post


def outcome(actions: tuple[CpnsAction, ...]) -> Outcome:
    (ended,) = outcomes(actions)
    return ended.outcome


@pytest.mark.req("CPNS-15", "PROXY-06")
def test_push_without_an_answer_in_5_s_goes_once_more_as_the_same_push() -> None:
    cpns, post = posted()
    assert post.attempt == 0
    assert cpns.advance(at(4_999)) == ()
    assert cpns.advance(at(5_000)) == (AbandonPush(post.tracking_id), replace(post, attempt=1))
    answered = cpns.receive(PushAnswered(post.tracking_id, 200), at(5_080))
    assert answered == (PushOutcome(RING, Outcome.ACCEPTED, 200, "", post.tracking_id),)
    assert cpns.counts()["posted_pushes"] == 0


@pytest.mark.req("PROXY-06")
def test_it_goes_once_more_and_not_twice() -> None:
    cpns, post = resent()
    assert cpns.advance(at(10_000)) == (
        AbandonPush(post.tracking_id),
        PushOutcome(RING, Outcome.FAILED, None, "no answer", post.tracking_id),
    )
    assert cpns.advance(at(15_000)) == ()


def test_without_another_address_nothing_goes_twice() -> None:
    cpns = Service().cpns
    (post,) = posts(cpns.receive(intent(), at(0)))
    assert cpns.advance(at(5_000)) == (
        AbandonPush(post.tracking_id),
        PushOutcome(RING, Outcome.FAILED, None, "no answer", post.tracking_id),
    )


@pytest.mark.req("PROXY-06")
def test_proxy_that_has_no_other_address_ends_it() -> None:
    cpns, post = resent()
    assert cpns.receive(PushLost(post.tracking_id, "no other address"), at(5_000)) == (
        PushOutcome(RING, Outcome.FAILED, None, "no other address", post.tracking_id),
    )


@pytest.mark.req("CPNS-08", "PROXY-06")
@pytest.mark.parametrize("status", [200, 400, 410, 413, 429, 500, 503])
def test_what_was_answered_does_not_go_again(status: int) -> None:
    cpns, post = posted()
    assert posts(cpns.receive(PushAnswered(post.tracking_id, status), at(4_999))) == []
    assert posts(cpns.advance(at(5_000))) == []


@pytest.mark.req("CPNS-08", "PROXY-06")
@pytest.mark.parametrize("reason", ["closed", "bad answer", "connect", "tls", "proxy", "stopped"])
def test_what_was_lost_with_its_connection_does_not_go_again(reason: LostReason) -> None:
    cpns, post = posted()
    lost = cpns.receive(PushLost(post.tracking_id, reason), at(4_999))
    assert (posts(lost), outcome(lost)) == ([], Outcome.FAILED)
    assert posts(cpns.advance(at(5_000))) == []


@pytest.mark.parametrize(("left_ms", "again"), [(7_999, True), (8_000, False), (12_999, False)])
@pytest.mark.req("PROXY-06")
def test_nothing_goes_again_at_its_deadline_or_after(left_ms: int, *, again: bool) -> None:
    """I5. It waited for its turn; 5 s later its 13 s are over, or nearly."""
    cpns = Service(next_address=True, in_flight_max=1).cpns
    (first,) = posts(cpns.receive(intent(call_uuid="c0", deadline_ms=60_000), at(0)))
    cpns.receive(intent(), at(0))
    (post,) = posts(cpns.receive(PushAnswered(first.tracking_id, 200), at(left_ms)))
    assert bool(posts(cpns.advance(at(left_ms + 5_000)))) is again
    assert post.deadline == at(13_000)


@pytest.mark.req("PROXY-06")
def test_everything_ends_at_13_s() -> None:
    """OP-35: the second answer is waited for no longer than the call waits for its phone."""
    cpns = Service(next_address=True, in_flight_max=1).cpns
    (first,) = posts(cpns.receive(intent(call_uuid="c0", deadline_ms=60_000), at(0)))
    cpns.receive(intent(), at(0))
    cpns.receive(PushAnswered(first.tracking_id, 200), at(4_000))
    assert len(posts(cpns.advance(at(9_000)))) == 1
    assert cpns.advance(at(12_999)) == ()
    abandoned, ended = cpns.advance(at(13_000))
    assert isinstance(abandoned, AbandonPush)
    assert isinstance(ended, PushOutcome)
    assert (ended.outcome, ended.reason) == (Outcome.FAILED, "no answer")


@pytest.mark.parametrize(
    "meanwhile",
    [
        PushWithdrawn("c1", "TCTALICE"),
        CallersGone(),
        intent(PushKind.MISSED),
    ],
    ids=lambda event: type(event).__name__,
)
def test_ring_push_of_a_call_that_is_over_does_not_go_again(meanwhile: Any) -> None:  # noqa: ANN401
    """I5."""
    cpns, post = posted()
    cpns.receive(meanwhile, at(1_000))
    due = cpns.advance(at(5_000))
    assert post.tracking_id not in [it.tracking_id for it in posts(due)]
    assert PushOutcome(RING, Outcome.FAILED, None, "no answer", post.tracking_id) in due


def test_device_that_signed_out_meanwhile_gets_no_second_copy() -> None:
    service = Service(next_address=True)
    service.cpns.receive(intent(), at(0))
    del service.bindings["TCTALICE"]
    due = service.cpns.advance(at(5_000))
    assert (posts(due), outcome(due)) == ([], Outcome.FAILED)


def test_push_of_another_channel_goes_once() -> None:
    cpns, post = posted()
    job = cpns._posted[post.tracking_id]
    job.post = replace(post, channel="apns")
    due = cpns.advance(at(5_000))
    assert (posts(due), outcome(due)) == ([], Outcome.FAILED)


@pytest.mark.parametrize("status", [400, 401, 413])
def test_second_copy_that_is_refused_says_nothing_of_the_first(status: int) -> None:
    """The device may have been woken by it: the call waits on."""
    cpns, post = resent()
    answered = cpns.receive(PushAnswered(post.tracking_id, status), at(5_080))
    assert (posts(answered), outcome(answered)) == ([], Outcome.FAILED)


@pytest.mark.req("CLOUD-06")
def test_second_copy_that_is_answered_410_stops_the_device_all_the_same() -> None:
    cpns, post = resent()
    (ended,) = outcomes(cpns.receive(PushAnswered(post.tracking_id, 410), at(5_080)))
    assert ended.outcome is Outcome.REFUSED_TOKEN
    assert ended.target_mark


@pytest.mark.parametrize("reason", ["connect", "deadline", "no other address"])
def test_second_push_follows_a_ring_push_whose_second_copy_never_left(reason: LostReason) -> None:
    """Its first copy may ring."""
    cpns, post = resent()
    assert outcome(cpns.receive(PushLost(post.tracking_id, reason), at(5_001))) is Outcome.FAILED
    assert len(posts(cpns.receive(intent(PushKind.MISSED), at(6_000)))) == 1


@pytest.mark.req("CTR-05", "CPNS-15")
@pytest.mark.parametrize(
    ("end", "moved"),
    [
        (PushAnswered("", 200), (1, 1, 0)),
        (PushAnswered("", 503), (1, 1, 1)),
        (PushLost("", "no other address"), (1, 0, 1)),
        (None, (1, 0, 1)),
    ],
    ids=["200", "503", "no other address", "no answer"],
)
def test_push_that_went_twice_counts_once(
    end: PushAnswered | PushLost | None, moved: tuple[int, int, int]
) -> None:
    counters = Counters()
    pushes = PushesUnderWay(counters)
    pushes.wanted(intent(), at(0))
    cpns, post = posted()
    actions = [*cpns.receive(PushWritten(post.tracking_id), at(20))]
    actions += cpns.advance(at(5_000))
    if end is None or isinstance(end, PushAnswered):
        actions += cpns.receive(PushWritten(post.tracking_id), at(5_020))
    if end is None:
        actions += cpns.advance(at(10_000))
    else:
        actions += cpns.receive(replace(end, tracking_id=post.tracking_id), at(5_080))
    for action in actions:
        if isinstance(action, PushSent):
            pushes.sent(action.intent_id)
        elif isinstance(action, PushOutcome):
            pushes.ended(action, at(10_000))
    names = ("ReqSent", "ResReceived", "ErrorResReceived")
    assert tuple(counters.values[f"NumberOfPush{name}"] for name in names) == moved
    assert len(pushes) == 0
