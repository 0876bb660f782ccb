"""Which channel the pushes of a device take."""

from __future__ import annotations

from dataclasses import replace

import pytest

from callctl.model.build import android, iphone, make_cluster
from callctl.model.cloud import CloudSettings
from callctl.model.cluster import Cluster
from callctl.model.device import PushWay
from callctl.model.push_access import ApnsAccess, DirectPush, FcmAccess
from callctl.push.channel import PUSH_REST, Channels
from callctl.push.cpns import Cpns, CpnsSettings
from callctl.push.direct.choice import ChannelChoice
from callctl.push.events import Outcome, PushAnswered, PushOutcome, TokenChanged
from callctl.push.rest import PushRestChannel
from callctl.registration.push_binding import PushBinding
from helpers.pushes import (
    ANDROID,
    IPHONE,
    URL,
    CountedEntropy,
    at,
    features_in,
    intent,
    outcomes,
    posts,
)

TO_APPLE = DirectPush(frozenset({"APNS:dev"}), ApnsAccess("org.example.phone"))
TO_BOTH = replace(TO_APPLE, services=frozenset({"APNS", "APNS:dev", "FCM"}), fcm=FcmAccess())


def cluster(direct: DirectPush | None, *, way: PushWay | None = None) -> Cluster:
    phone = replace(iphone("1001"), name=IPHONE.device_name, push_way=way)
    robot = replace(android("1002"), name=ANDROID.device_name, push_way=way)
    return make_cluster(devices=[phone, robot], cloud=CloudSettings(True, direct=direct))


def channel(direct: DirectPush | None, binding: PushBinding, *, way: PushWay | None = None) -> str:
    return ChannelChoice(cluster(direct, way=way))(binding)


@pytest.mark.req("PUSH-02")
def test_everything_goes_through_push_rest_unless_the_administrator_says_otherwise() -> None:
    for binding in (IPHONE, replace(IPHONE, subscriber_service="APNS:dev"), ANDROID):
        assert channel(None, binding) == PUSH_REST
    # Nor does a way that is there take what was not named for it.
    assert channel(TO_APPLE, IPHONE) == PUSH_REST
    assert channel(TO_APPLE, ANDROID) == PUSH_REST


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        ("APNS", "apns"),
        ("APNS:beta", PUSH_REST),
        ("APNS:dev", "apns sandbox"),
        ("FCM", "fcm"),
        ("FCM:dev", PUSH_REST),
    ],
)
def test_service_that_the_client_chose_decides(service: str, expected: str) -> None:
    assert channel(TO_BOTH, replace(IPHONE, subscriber_service=service)) == expected


def test_device_that_has_a_way_of_its_own_takes_it() -> None:
    assert channel(TO_BOTH, IPHONE, way=PushWay.PUSH_REST) == PUSH_REST
    beta = replace(IPHONE, subscriber_service="APNS:beta")
    assert channel(TO_BOTH, beta, way=PushWay.DIRECT) == "apns"
    dev = replace(ANDROID, subscriber_service="FCM:dev")
    assert channel(TO_BOTH, dev, way=PushWay.DIRECT) == "fcm"


def test_device_without_the_way_it_should_take_is_refused_and_not_sent_the_other_way() -> None:
    cpns = Cpns(
        CpnsSettings(URL),
        CountedEntropy(),
        lambda name: ANDROID,
        features_in(),
        Channels(PushRestChannel(URL), (), ChannelChoice(cluster(TO_APPLE, way=PushWay.DIRECT))),
    )
    cpns.receive(TokenChanged("secret-token"), at(0))
    assert cpns.receive(intent(binding=ANDROID), at(0)) == (
        PushOutcome("c1/BOTBOB/incoming", Outcome.REFUSED, None, "no such push channel"),
    )


def test_way_that_was_changed_while_a_push_waited_is_not_taken() -> None:
    bindings = {IPHONE.device_name: IPHONE}
    cpns = Cpns(
        CpnsSettings(URL, in_flight_max=1),
        CountedEntropy(),
        bindings.get,
        features_in(),
        Channels(PushRestChannel(URL, room=1), (), ChannelChoice(cluster(TO_BOTH))),
    )
    cpns.receive(TokenChanged("secret-token"), at(0))
    beta = replace(IPHONE, subscriber_service="APNS:beta")
    bindings[IPHONE.device_name] = beta
    (first,) = posts(cpns.receive(intent(binding=beta, call_uuid="c1"), at(0)))
    cpns.receive(intent(binding=beta, call_uuid="c2"), at(0))
    bindings[IPHONE.device_name] = IPHONE
    answered = cpns.receive(PushAnswered(first.tracking_id, 200), at(1))
    assert [(o.outcome, o.reason) for o in outcomes(answered)] == [
        (Outcome.ACCEPTED, ""),
        (Outcome.REFUSED, "its push channel was changed"),
    ]
