"""What a push service remembers of its pushes."""

from __future__ import annotations

from callctl.push.cpns import CpnsSettings
from callctl.push.events import Outcome, PushAnswered, TokenChanged
from callctl.push.history import KEPT_MAX, RememberingCpns
from callctl.push.kind import PushKind
from helpers.pushes import IPHONE, URL, CountedEntropy, at, features_in, intent, posts


def service(*, in_flight_max: int = 64) -> RememberingCpns:
    settings = CpnsSettings(URL, in_flight_max=in_flight_max)
    cpns = RememberingCpns(settings, CountedEntropy(), lambda name: IPHONE, features_in())
    cpns.receive(TokenChanged("secret-token"), at(0))
    return cpns


def test_push_is_remembered_from_the_wish_to_its_answer() -> None:
    cpns = service()
    (post,) = posts(cpns.receive(intent(), at(10)))
    (entry,) = cpns.entries
    assert (entry.device_name, entry.kind) == (IPHONE.device_name, PushKind.INCOMING)
    assert (entry.wanted_at, entry.posted_at, entry.outcome) == (at(10), at(10), None)
    assert cpns.posted(post.tracking_id) is entry
    cpns.receive(PushAnswered(post.tracking_id, 200), at(25))
    assert (entry.ended_at, entry.outcome, entry.status) == (at(25), Outcome.ACCEPTED, 200)
    assert cpns.posted(post.tracking_id) is None


def test_push_that_waits_for_room_is_posted_later() -> None:
    cpns = service(in_flight_max=1)
    (first,) = posts(cpns.receive(intent(call_uuid="c1"), at(0)))
    cpns.receive(intent(call_uuid="c2"), at(1))
    assert [entry.posted_at for entry in cpns.entries] == [at(0), None]
    cpns.receive(PushAnswered(first.tracking_id, 200), at(30))
    assert [entry.posted_at for entry in cpns.entries] == [at(0), at(30)]


def test_push_without_answer_is_remembered_as_failed() -> None:
    cpns = service()
    cpns.receive(intent(), at(0))
    cpns.advance(at(5_000))
    (entry,) = cpns.entries
    assert (entry.outcome, entry.reason, entry.status) == (Outcome.FAILED, "no answer", None)


def test_old_ones_are_forgotten() -> None:
    cpns = service()
    for number in range(KEPT_MAX + 1):
        cpns.receive(intent(call_uuid=f"c{number}"), at(number))
    assert len(cpns.entries) == KEPT_MAX
    assert cpns.entries[0].call_uuid == "c1"
