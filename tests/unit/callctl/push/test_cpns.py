"""The push service: order, deadlines, outcomes."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from callctl.push.events import (
    AbandonPush,
    Ignored,
    Outcome,
    PushAnswered,
    PushLost,
    PushOutcome,
    PushWithdrawn,
    ServiceStarted,
    ServiceStopped,
    TokenChanged,
)
from callctl.push.kind import PushKind
from helpers.pushes import (
    ANDROID,
    IPHONE,
    URL,
    Service,
    at,
    intent,
    outcomes,
    posts,
)

RING = "c1/TCTALICE/incoming"
MISSED = "c1/TCTALICE/missed"


def test_push_is_posted_at_once_and_its_answer_is_its_outcome() -> None:
    cpns = Service().cpns
    (post,) = posts(cpns.receive(intent(), at(0)))
    assert (post.url, post.deadline) == (URL, at(13_000))
    assert dict(post.headers)["Authorization"] == "Bearer secret-token"
    assert cpns.receive(PushAnswered(post.tracking_id, 200), at(80)) == (
        PushOutcome(RING, Outcome.ACCEPTED, 200, "", post.tracking_id),
    )


@pytest.mark.req("PUSH-06")
def test_tracking_id_is_new_for_each_push_and_travels_in_header_and_body() -> None:
    """OP-11."""
    cpns = Service().cpns
    made = [
        *posts(cpns.receive(intent(call_uuid="c1"), at(0))),
        *posts(cpns.receive(intent(call_uuid="c2"), at(0))),
    ]
    for post in made:
        assert post.tracking_id.startswith("CPNS_")
        assert dict(post.headers)["TrackingID"] == post.tracking_id
        assert msgspec.json.decode(post.body)["trackingId"] == post.tracking_id
    assert made[0].tracking_id != made[1].tracking_id


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, Outcome.ACCEPTED),
        (302, Outcome.REFUSED),
        (400, Outcome.REFUSED),
        (404, Outcome.REFUSED),
        (408, Outcome.FAILED),
        (410, Outcome.REFUSED_TOKEN),
        (413, Outcome.REFUSED),
        (429, Outcome.FAILED),
        (500, Outcome.FAILED),
        (503, Outcome.FAILED),
    ],
)
def test_each_answer_has_its_outcome_and_no_call_push_is_sent_again(
    status: int, outcome: Outcome
) -> None:
    """OP-13."""
    cpns = Service().cpns
    (post,) = posts(cpns.receive(intent(), at(0)))
    answered = cpns.receive(PushAnswered(post.tracking_id, status, b"why"), at(1))
    assert [(o.outcome, o.status) for o in outcomes(answered)] == [(outcome, status)]
    assert posts(answered) == posts(cpns.advance(at(13_000))) == []


def test_push_without_an_answer_in_5_s_has_failed_and_its_connection_is_given_up() -> None:
    """OP-13."""
    cpns = Service().cpns
    (post,) = posts(cpns.receive(intent(), at(0)))
    assert cpns.advance(at(4_999)) == ()
    assert cpns.advance(at(5_000)) == (
        AbandonPush(post.tracking_id),
        PushOutcome(RING, Outcome.FAILED, None, "no answer", post.tracking_id),
    )
    late = cpns.receive(PushAnswered(post.tracking_id, 200), at(5_001))
    assert late == (Ignored("stray push answer", post.tracking_id),)


def test_lost_push_has_failed_and_is_not_posted_again() -> None:
    """CPNS-08."""
    cpns = Service().cpns
    (post,) = posts(cpns.receive(intent(), at(0)))
    assert cpns.receive(PushLost(post.tracking_id, "closed"), at(1)) == (
        PushOutcome(RING, Outcome.FAILED, None, "closed", post.tracking_id),
    )


def test_nothing_is_posted_at_its_deadline_and_it_is_posted_just_before() -> None:
    """I5."""
    cpns = Service().cpns
    assert outcomes(cpns.receive(intent(), at(13_000))) == [PushOutcome(RING, Outcome.EXPIRED)]
    (post,) = posts(cpns.receive(intent(call_uuid="c2"), at(12_999)))
    assert msgspec.json.decode(post.body)["ttl"] == 0


def test_push_that_waits_for_a_connection_expires_at_its_deadline() -> None:
    """I5."""
    cpns = Service(in_flight_max=1, response_timeout_ns=60_000_000_000).cpns
    cpns.receive(intent(call_uuid="c1"), at(0))
    assert posts(cpns.receive(intent(call_uuid="c2"), at(0))) == []
    assert cpns.advance(at(12_999)) == ()
    assert cpns.advance(at(13_000)) == (PushOutcome("c2/TCTALICE/incoming", Outcome.EXPIRED),)


@pytest.mark.req("CALL-12")
def test_calls_go_before_messages_that_came_earlier() -> None:
    cpns = Service(in_flight_max=2).cpns
    (first,) = posts(cpns.receive(intent(PushKind.INSTANT_MESSAGE, call_uuid="m1"), at(0)))
    cpns.receive(intent(PushKind.INSTANT_MESSAGE, call_uuid="m2"), at(0))
    assert len(posts(cpns.receive(intent(call_uuid="c1"), at(1)))) == 1
    assert posts(cpns.receive(intent(call_uuid="c2"), at(2))) == []
    (next_one,) = posts(cpns.receive(PushAnswered(first.tracking_id, 200), at(3)))
    assert msgspec.json.decode(next_one.body)["channel"] == "voip"


@pytest.mark.req("CALL-12")
def test_messages_leave_half_of_the_connections_to_calls() -> None:
    cpns = Service(in_flight_max=4).cpns
    for number in range(10):
        cpns.receive(intent(PushKind.INSTANT_MESSAGE, call_uuid=f"m{number}"), at(0))
    assert cpns.counts()["posted_pushes"] == 2
    assert len(posts(cpns.receive(intent(), at(0)))) == 1


def test_second_push_waits_for_the_answer_to_the_ring_push() -> None:
    """OP-09, I6."""
    cpns = Service().cpns
    (ring,) = posts(cpns.receive(intent(), at(0)))
    assert cpns.receive(intent(PushKind.MISSED), at(100)) == ()
    answered = cpns.receive(PushAnswered(ring.tracking_id, 200), at(200))
    assert [o.intent_id for o in outcomes(answered)] == [RING]
    assert len(posts(answered)) == 1


def test_second_push_waits_5_s_for_the_ring_push_and_no_longer() -> None:
    """OP-09."""
    cpns = Service(response_timeout_ns=8_000_000_000).cpns
    cpns.receive(intent(), at(0))
    cpns.receive(intent(PushKind.MISSED), at(3_000))
    assert cpns.advance(at(4_999)) == ()
    assert len(posts(cpns.advance(at(5_000)))) == 1


@pytest.mark.parametrize("reason", ["connect", "tls", "deadline", "refused unread"])
def test_second_push_is_dropped_if_the_ring_push_never_left(reason: str) -> None:
    """OP-09."""
    cpns = Service().cpns
    (ring,) = posts(cpns.receive(intent(), at(0)))
    cpns.receive(intent(PushKind.MISSED), at(100))
    lost = cpns.receive(PushLost(ring.tracking_id, reason), at(200))  # type: ignore[arg-type]
    assert posts(lost) == []
    assert outcomes(lost)[1] == PushOutcome(MISSED, Outcome.WITHDRAWN, None, "ring push never left")


def test_second_push_takes_a_ring_push_that_still_waits_with_it() -> None:
    """I5, I6: no ring after the call is over, and so nothing to follow it."""
    cpns = Service(in_flight_max=1).cpns
    cpns.receive(intent(call_uuid="c0"), at(0))
    cpns.receive(intent(call_uuid="c1"), at(0))
    assert cpns.receive(intent(PushKind.MISSED), at(1)) == (
        PushOutcome(RING, Outcome.WITHDRAWN, None, "call is over"),
        PushOutcome(MISSED, Outcome.WITHDRAWN, None, "ring push never left"),
    )


def test_withdrawn_ring_push_does_not_leave() -> None:
    """I5."""
    cpns = Service(in_flight_max=1).cpns
    (first,) = posts(cpns.receive(intent(call_uuid="c0"), at(0)))
    cpns.receive(intent(), at(0))
    assert cpns.receive(PushWithdrawn("c1", "TCTALICE"), at(1)) == (
        PushOutcome(RING, Outcome.WITHDRAWN, None, "call is over"),
    )
    assert posts(cpns.receive(PushAnswered(first.tracking_id, 200), at(2))) == []


def test_refused_token_gets_no_second_push() -> None:
    """CLOUD-06."""
    cpns = Service().cpns
    (ring,) = posts(cpns.receive(intent(), at(0)))
    cpns.receive(intent(PushKind.MISSED), at(1))
    answered = cpns.receive(PushAnswered(ring.tracking_id, 410), at(2))
    assert posts(answered) == []
    assert [o.outcome for o in outcomes(answered)] == [Outcome.REFUSED_TOKEN] * 2


def test_second_push_to_another_device_of_the_call_waits_for_nobody() -> None:
    cpns = Service().cpns
    (ring,) = posts(cpns.receive(intent(binding=ANDROID), at(0)))
    cpns.receive(PushAnswered(ring.tracking_id, 200), at(1))
    cpns.receive(intent(), at(1))
    assert len(posts(cpns.receive(intent(PushKind.MISSED, ANDROID), at(2)))) == 1


@pytest.mark.req("SEC-07")
def test_key_is_the_newest_when_the_push_leaves_not_when_it_was_asked_for() -> None:
    service = Service(in_flight_max=1)
    (first,) = posts(service.cpns.receive(intent(call_uuid="c0"), at(0)))
    service.cpns.receive(intent(), at(0))
    service.bindings["TCTALICE"] = replace(IPHONE, key_id="k8", key=b"n" * 32)
    answered = service.cpns.receive(PushAnswered(first.tracking_id, 200), at(1))
    (post,) = posts(answered)
    assert msgspec.json.decode(post.body)["payload"]["kid"] == "k8"


@pytest.mark.req("MODE-18")
def test_device_that_signed_out_meanwhile_gets_nothing() -> None:
    service = Service()
    del service.bindings["TCTALICE"]
    assert service.cpns.receive(intent(), at(0)) == (
        PushOutcome(RING, Outcome.WITHDRAWN, None, "no push binding"),
    )


def test_without_a_device_token_an_access_token_or_the_service_a_push_is_refused_at_once() -> None:
    """CALL-18, CPNS-03, CPNS-05, OP-06."""
    service = Service()
    service.bindings["TCTALICE"] = replace(IPHONE, voip_token=None)
    (no_token,) = outcomes(service.cpns.receive(intent(), at(0)))
    service.cpns.receive(TokenChanged(None), at(1))
    (no_access,) = outcomes(service.cpns.receive(intent(call_uuid="c2"), at(1)))
    service.cpns.receive(ServiceStopped(), at(2))
    (stopped,) = outcomes(service.cpns.receive(intent(call_uuid="c3"), at(2)))
    service.cpns.receive(ServiceStarted(), at(3))
    service.cpns.receive(TokenChanged("new"), at(3))
    assert {o.outcome for o in (no_token, no_access, stopped)} == {Outcome.REFUSED}
    assert [o.reason for o in (no_token, no_access, stopped)] == [
        "no device token",
        "no access token",
        "service stopped",
    ]
    (post,) = posts(service.cpns.receive(intent(binding=ANDROID), at(3)))
    assert dict(post.headers)["Authorization"] == "Bearer new"


def test_service_that_stops_gives_every_push_its_outcome_and_keeps_nothing() -> None:
    cpns = Service(in_flight_max=2).cpns
    (ring,) = posts(cpns.receive(intent(), at(0)))
    cpns.receive(intent(PushKind.MISSED), at(1))
    cpns.receive(intent(call_uuid="c2"), at(1))
    cpns.receive(intent(call_uuid="c3"), at(1))
    stopped = cpns.receive(ServiceStopped(), at(2))
    assert AbandonPush(ring.tracking_id) in stopped
    assert sorted(o.intent_id for o in outcomes(stopped)) == [
        RING,
        MISSED,
        "c2/TCTALICE/incoming",
        "c3/TCTALICE/incoming",
    ]
    assert not any(cpns.counts().values())
    assert cpns.next_deadline() is None


def test_full_queue_answers_and_a_ring_that_found_it_full_never_left() -> None:
    cpns = Service(in_flight_max=1, queue_max=1).cpns
    cpns.receive(intent(call_uuid="c1"), at(0))
    cpns.receive(intent(call_uuid="c2"), at(0))
    (full,) = outcomes(cpns.receive(intent(call_uuid="c3"), at(0)))
    assert (full.outcome, full.reason) == (Outcome.FAILED, "queue full")
    (second,) = outcomes(cpns.receive(intent(PushKind.MISSED, call_uuid="c3"), at(1)))
    assert second.outcome is Outcome.WITHDRAWN


def test_second_push_that_waited_for_its_ring_push_and_finds_the_queue_full_has_failed() -> None:
    for ends in (True, False):
        cpns = Service(in_flight_max=1, queue_max=1).cpns
        (post,) = posts(cpns.receive(intent(), at(0)))
        cpns.receive(intent(PushKind.MISSED), at(1))
        cpns.receive(intent(binding=ANDROID), at(2))  # waits: the queue is full
        if ends:
            ended = outcomes(cpns.receive(PushAnswered(post.tracking_id, 200), at(3)))
        else:
            ended = outcomes(cpns.advance(at(5_000)))
        failed = PushOutcome(MISSED, Outcome.FAILED, None, "queue full")
        assert failed in ended
        assert cpns.counts()["held_second_pushes"] == 0


def test_at_rest_nothing_is_left() -> None:
    """I13."""
    cpns = Service().cpns
    (ring,) = posts(cpns.receive(intent(), at(0)))
    (second,) = posts(
        cpns.receive(PushAnswered(ring.tracking_id, 200), at(1))
        + cpns.receive(intent(PushKind.MISSED), at(2))
    )
    cpns.receive(PushAnswered(second.tracking_id, 200), at(3))
    cpns.advance(at(61_000))
    assert not any(cpns.counts().values())
    assert cpns.next_deadline() is None


def test_events_and_actions_show_no_secret_and_no_name() -> None:
    """I14."""
    service = Service()
    asked = intent()
    shown = repr((asked, service.cpns.receive(asked, at(0)), TokenChanged("secret-token")))
    for secret in ("secret-token", "Zoë", "498912345678", "555800099"):
        assert secret not in shown
