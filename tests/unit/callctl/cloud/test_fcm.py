"""The emulated FCM against the documented HTTP v1 rules."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from callctl.cloud.delivery import Deliver, DeviceAttached, DeviceDetached, DeviceUnregistered
from callctl.cloud.faults import Fault
from callctl.cloud.fcm import Fcm, FcmAction
from callctl.cloud.http import HttpAnswer, HttpRequest, RequestReceived, SendAnswer
from helpers.pushes import FCM_TOKEN, CountedEntropy, at

PATH = "/v1/projects/phones/messages:send"
GOOD: dict[str, Any] = {
    "token": FCM_TOKEN,
    "data": {"trackingId": "t1", "enc": "none"},
    "android": {"priority": "HIGH", "ttl": "13s"},
}


def fcm() -> Fcm:
    core = Fcm({"phones": "google-token", "others": "other-token"}, CountedEntropy())
    core.receive(DeviceAttached(FCM_TOKEN, "phones"), at(0))
    return core


def request(
    message: object = GOOD, *, path: str = PATH, method: str = "POST", token: str = "google-token"
) -> HttpRequest:
    headers = (("authorization", f"Bearer {token}"),)
    return HttpRequest(method, path, headers, msgspec.json.encode({"message": message}))


def answer(actions: tuple[FcmAction, ...]) -> HttpAnswer:
    (made,) = (action for action in actions if isinstance(action, SendAnswer))
    return made.answer


def error_code(made: HttpAnswer) -> str | None:
    for detail in made.json()["error"]["details"]:
        if "errorCode" in detail:
            return str(detail["errorCode"])
    return None


def deliveries(actions: tuple[FcmAction, ...]) -> list[Deliver]:
    return [action for action in actions if isinstance(action, Deliver)]


@pytest.mark.req("CLOUD-13")
def test_good_message_is_named_and_delivered() -> None:
    actions = fcm().receive(RequestReceived(1, request()), at(0))
    assert answer(actions).status == 200
    assert answer(actions).json()["name"].startswith("projects/phones/messages/")
    (deliver,) = deliveries(actions)
    assert deliver.delivery.payload == GOOD["data"]


@pytest.mark.req("CLOUD-13")
@pytest.mark.parametrize(
    ("made", "status", "name", "code"),
    [
        (request(path="/v1/phones"), 404, "NOT_FOUND", None),
        (request(token="wrong"), 401, "UNAUTHENTICATED", None),
        (request(token="other-token"), 403, "PERMISSION_DENIED", None),
        (request([]), 400, "INVALID_ARGUMENT", "INVALID_ARGUMENT"),
        (request({"data": {}}), 400, "INVALID_ARGUMENT", "INVALID_ARGUMENT"),
        (request({**GOOD, "data": {"n": 1}}), 400, "INVALID_ARGUMENT", "INVALID_ARGUMENT"),
        (request({**GOOD, "data": {"from": ""}}), 400, "INVALID_ARGUMENT", "INVALID_ARGUMENT"),
        (request({**GOOD, "data": {"google.x": ""}}), 400, "INVALID_ARGUMENT", "INVALID_ARGUMENT"),
        (request({**GOOD, "data": {"a": "x" * 4096}}), 400, "INVALID_ARGUMENT", "INVALID_ARGUMENT"),
        (
            request({**GOOD, "android": {"priority": "MAX"}}),
            400,
            "INVALID_ARGUMENT",
            "INVALID_ARGUMENT",
        ),
        (
            request({**GOOD, "android": {"ttl": "2419201s"}}),
            400,
            "INVALID_ARGUMENT",
            "INVALID_ARGUMENT",
        ),
        (request({**GOOD, "android": {"ttl": "-1s"}}), 400, "INVALID_ARGUMENT", "INVALID_ARGUMENT"),
        (request({**GOOD, "android": {"ttl": 13}}), 400, "INVALID_ARGUMENT", "INVALID_ARGUMENT"),
        (request({**GOOD, "text": "hi"}), 400, "INVALID_ARGUMENT", "INVALID_ARGUMENT"),
        (
            request({**GOOD, "android": {"x": 1}}),
            400,
            "INVALID_ARGUMENT",
            "INVALID_ARGUMENT",
        ),
        (request({**GOOD, "token": "unknown"}), 404, "NOT_FOUND", "UNREGISTERED"),
        (
            request(path="/v1/projects/others/messages:send", token="other-token"),
            403,
            "PERMISSION_DENIED",
            "SENDER_ID_MISMATCH",
        ),
    ],
)
def test_each_documented_refusal(
    made: HttpRequest, status: int, name: str, code: str | None
) -> None:
    """OP-12."""
    refused = answer(fcm().receive(RequestReceived(1, made), at(0)))
    assert refused.status == status
    assert refused.json()["error"]["code"] == status
    assert refused.json()["error"]["status"] == name
    assert error_code(refused) == code


@pytest.mark.req("SEC-08", "CLOUD-13")
def test_data_may_have_4096_octets() -> None:
    data = {"a": "x" * 4095}
    assert (
        answer(fcm().receive(RequestReceived(1, request({**GOOD, "data": data})), at(0))).status
        == 200
    )


def test_token_of_a_removed_app_is_unregistered() -> None:
    core = fcm()
    core.receive(DeviceUnregistered(FCM_TOKEN), at(1))
    refused = answer(core.receive(RequestReceived(1, request()), at(2)))
    assert (refused.status, error_code(refused)) == (404, "UNREGISTERED")


def test_message_waits_for_an_absent_device_as_long_as_its_ttl_says() -> None:
    core = fcm()
    core.receive(DeviceDetached(FCM_TOKEN), at(0))
    core.receive(RequestReceived(1, request()), at(0))
    core.receive(RequestReceived(2, request({**GOOD, "android": {"ttl": "0s"}})), at(0))
    core.receive(RequestReceived(3, request({**GOOD, "android": {"ttl": "20.5s"}})), at(0))
    assert core.desk.counts() == {"late": 0, "stored": 2}
    assert len(core.advance(at(13_000))) == 1
    assert len(deliveries(core.receive(DeviceAttached(FCM_TOKEN, "phones"), at(19_999)))) == 1


def test_absent_device_has_at_most_100_messages_waiting() -> None:
    core = fcm()
    core.receive(DeviceDetached(FCM_TOKEN), at(0))
    for number in range(150):
        core.receive(RequestReceived(number, request()), at(0))
    assert core.desk.counts()["stored"] == 100


def test_quota_fault_says_when_to_come_back() -> None:
    core = fcm()
    core.faults.add(Fault(status=429, reason="QUOTA_EXCEEDED", retry_after_s=60, times=2))
    for number in range(2):
        refused = answer(core.receive(RequestReceived(number, request()), at(0)))
        assert (refused.status, error_code(refused)) == (429, "QUOTA_EXCEEDED")
        assert refused.header("retry-after") == "60"
    assert answer(core.receive(RequestReceived(3, request()), at(0))).status == 200


def test_message_that_is_only_to_be_checked_is_not_delivered() -> None:
    body = msgspec.json.encode({"validate_only": True, "message": GOOD})
    made = HttpRequest("POST", PATH, (("authorization", "Bearer google-token"),), body)
    actions = fcm().receive(RequestReceived(1, made), at(0))
    assert (answer(actions).status, deliveries(actions)) == (200, [])


def test_fault_of_a_share_hits_about_that_share() -> None:
    core = fcm()
    core.faults.add(Fault(lose=True, per_mille=500))
    got = [len(deliveries(core.receive(RequestReceived(n, request()), at(0)))) for n in range(1000)]
    assert 0 < sum(got) < 1000
