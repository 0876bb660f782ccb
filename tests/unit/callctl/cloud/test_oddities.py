"""What hurts in the field, at the emulated APNs and FCM, in virtual time."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from callctl.cloud.apns import Apns
from callctl.cloud.delivery import (
    Deliver,
    DeviceAttached,
    DeviceDetached,
    DeviceUnregistered,
    Discard,
)
from callctl.cloud.faults import GARBAGE, Fault, Goodbye
from callctl.cloud.fcm import Fcm
from callctl.cloud.http import (
    Deafen,
    HttpAnswer,
    HttpRequest,
    Manner,
    RequestReceived,
    SayGoodbye,
    SendAnswer,
)
from callctl.cloud.provider_token import ProviderTokenVerifier
from callctl.cloud.record import SILENT
from callctl.model.push_access import SigningKey
from callctl.push.direct.provider_token import sign_provider_token
from helpers.pushes import FCM_TOKEN, UNIX_MS, VOIP_TOKEN, CountedEntropy, at
from sipstack.timing import SECOND

KEY = SigningKey.make(CountedEntropy())
TOPIC = "org.callctl.phone.voip"
PHONE = DeviceAttached(VOIP_TOKEN, TOPIC)
ANDROID_PHONE = DeviceAttached(FCM_TOKEN, "phones")

PUSH = HttpRequest(
    "POST",
    f"/3/device/{VOIP_TOKEN}",
    (
        ("authorization", f"bearer {sign_provider_token(KEY, UNIX_MS // 1000)}"),
        ("apns-push-type", "voip"),
        ("apns-topic", TOPIC),
        ("apns-expiration", str(UNIX_MS // 1000 + 13)),
    ),
    b'{"aps":{}}',
)
MESSAGE = HttpRequest(
    "POST",
    "/v1/projects/phones/messages:send",
    (("authorization", "Bearer google-token"),),
    b'{"message":{"token":"%s","data":{"a":"b"},"android":{"ttl":"13s"}}}' % FCM_TOKEN.encode(),
)


class Cloud:
    """One of the two with a phone attached, and what comes of pushes to it."""

    def __init__(self, core: Apns | Fcm, phone: DeviceAttached, push: HttpRequest) -> None:
        self.core = core
        self.phone = phone
        self._push = push
        self._pushes = 0
        core.receive(phone, at(0))

    def push(self, at_ms: int) -> tuple[HttpAnswer | None, list[object]]:
        """The answer to a push, if one came, and all else that came of it."""
        self._pushes += 1
        actions = self.core.receive(RequestReceived(self._pushes, self._push), at(at_ms))
        answers = [action.answer for action in actions if isinstance(action, SendAnswer)]
        rest: list[object] = [each for each in actions if not isinstance(each, SendAnswer)]
        return (answers[0] if answers else None), rest

    def status(self, at_ms: int) -> int | None:
        answer, _ = self.push(at_ms)
        return None if answer is None else answer.status

    def remove_app(self, at_ms: int) -> None:
        self.core.receive(DeviceUnregistered(self.phone.token), at(at_ms))

    def attach(self, at_ms: int) -> int:
        """The phone comes back; how many pushes waited for it."""
        actions = self.core.receive(self.phone, at(at_ms))
        return len([action for action in actions if isinstance(action, Deliver)])


def apns() -> Cloud:
    verifier = ProviderTokenVerifier({(KEY.team_id, KEY.key_id): KEY.private.public_key()})
    return Cloud(Apns(verifier, CountedEntropy(), UNIX_MS), PHONE, PUSH)


def fcm() -> Cloud:
    return Cloud(Fcm({"phones": "google-token"}, CountedEntropy()), ANDROID_PHONE, MESSAGE)


both = pytest.mark.parametrize("make", [apns, fcm])


@both
def test_stale_token_is_answered_200_and_its_push_never_comes(make: Callable[[], Cloud]) -> None:
    cloud = make()
    cloud.core.faults.add(Fault(lose=True))
    answer, rest = cloud.push(0)
    assert answer is not None
    assert answer.status == 200
    assert [type(action) for action in rest] == [Discard]


@pytest.mark.req("OP-20")
@both
def test_removed_app_is_answered_200_for_a_while_and_then_as_gone(
    make: Callable[[], Cloud],
) -> None:
    """The late 410: Apple says so of tokens it has not yet asked its devices about."""
    cloud = make()
    gone = 410 if make is apns else 404
    cloud.core.faults.add(Fault(late_410_ns=60 * SECOND))
    assert cloud.status(0) == 200
    cloud.remove_app(10_000)
    for at_ms in (10_000, 69_999):
        answer, rest = cloud.push(at_ms)
        assert answer is not None
        assert answer.status == 200
        assert [type(action) for action in rest] == [Discard]
    assert cloud.status(70_000) == gone
    cloud.core.faults.clear()
    assert cloud.status(70_001) == gone


@pytest.mark.req("OP-20")
def test_410_may_speak_of_a_time_before_the_token_was_registered_anew() -> None:
    """Its receiver has to compare the times, and go on pushing."""
    cloud = apns()
    cloud.remove_app(1_000)
    cloud.attach(50_000)
    assert cloud.status(60_000) == 200
    cloud.core.faults.add(Fault(status=410, reason="Unregistered", dead_for_ns=30 * SECOND))
    answer, _ = cloud.push(60_000)
    assert answer is not None
    assert answer.json() == {"reason": "Unregistered", "timestamp": UNIX_MS + 30_000}


@both
def test_expiration_is_ignored_by_a_late_push_and_by_one_that_waits(
    make: Callable[[], Cloud],
) -> None:
    cloud = make()
    cloud.core.faults.add(Fault(ignore_expiry=True, delay_ns=20 * SECOND, times=1))
    cloud.core.faults.add(Fault(ignore_expiry=True, times=1))
    cloud.push(0)
    assert [type(action) for action in cloud.core.advance(at(20_000))] == [Deliver]
    cloud.core.receive(DeviceDetached(cloud.phone.token), at(20_000))
    cloud.push(20_000)
    assert cloud.attach(3_600_000) == 1
    assert cloud.core.desk.counts() == {"late": 0, "stored": 0}


@both
def test_push_comes_twice(make: Callable[[], Cloud]) -> None:
    cloud = make()
    cloud.core.faults.add(Fault(duplicate=True))
    _, rest = cloud.push(0)
    assert [type(action) for action in rest] == [Deliver, Deliver]


def test_goodbye_in_a_burst_answers_what_is_open_or_says_that_it_was_not_read() -> None:
    cloud = apns()
    cloud.core.faults.add(Fault(goodbye=Goodbye.TAKEN, times=1))
    cloud.core.faults.add(Fault(goodbye=Goodbye.UNREAD, times=1))
    answer, rest = cloud.push(0)
    assert answer is not None
    assert [type(action) for action in rest] == [SayGoodbye, Deliver]
    answer, rest = cloud.push(0)
    assert answer is None
    assert rest == [SayGoodbye(unread=True)]
    assert [record.status for record in cloud.core.log] == [200, SILENT]
    assert cloud.status(0) == 200


def test_connection_of_a_push_goes_deaf_and_nothing_is_delivered() -> None:
    cloud = apns()
    cloud.core.faults.add(Fault(deaf=True, times=1))
    assert cloud.push(0) == (None, [Deafen(1)])
    assert cloud.status(0) == 200


@both
def test_answer_has_the_body_the_way_and_the_status_that_a_fault_gives_it(
    make: Callable[[], Cloud],
) -> None:
    cloud = make()
    for fault in (
        Fault(body_octets=100_000, times=1),
        Fault(garbage=True, times=1),
        Fault(octet_every_ns=SECOND, break_after=3, times=1),
        Fault(status=308, reason="Moved", location="https://x.invalid/", times=1),
        Fault(status=503, reason="Shutdown", retry_after_s=30, times=1),
    ):
        cloud.core.faults.add(fault)
    long, garbage, broken, moved, busy = (cloud.push(0)[0] for _ in range(5))
    assert None not in (long, garbage, broken, moved, busy)
    assert long is not None
    assert (long.status, len(long.body)) == (200, 100_000)
    assert garbage is not None
    assert (garbage.status, garbage.body, garbage.json()) == (200, GARBAGE, {})
    assert broken is not None
    assert broken.manner == Manner(SECOND, 3)
    assert moved is not None
    assert (moved.status, moved.header("location")) == (308, "https://x.invalid/")
    assert busy is not None
    assert (busy.status, busy.header("retry-after")) == (503, "30")
