"""The emulated upload endpoint: whom it takes alarms from, and that nobody is named in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from callctl.cloud.access import FixedTokens
from callctl.cloud.alarm_intake import BODY_MAX, UPLOAD_PATH, AlarmIntake
from callctl.cloud.faults import Fault
from callctl.cloud.http import HttpAnswer, HttpRequest, RequestReceived, SendAnswer
from callctl.serviceability.alarm import AlarmRaised
from callctl.serviceability.alarm_catalogue import CATALOGUE
from callctl.serviceability.alarm_upload import AlarmRecord, upload_body
from callctl.serviceability.support_token import SupportToken
from helpers.pushes import CountedEntropy
from sipstack.timing import SECOND, Instant

CLUSTER = "00000000-0000-4000-8000-000000000001"
BEARER = (("authorization", "Bearer machine-token"),)
NAME = "PushNotificationInvalidDeviceTokenResponse"


def intake() -> AlarmIntake:
    return AlarmIntake(FixedTokens(("machine-token",)), CountedEntropy())


def body(*ids: str, sealed: bool = True) -> bytes:
    notice = AlarmRaised(1, CATALOGUE[NAME], "ucm1", Instant(0), Instant(0), 1, "TCTALICE", "alice")
    return upload_body(
        tuple(AlarmRecord(each, notice) for each in ids or ("a1",)),
        cluster_id=CLUSTER,
        batch=1,
        sent_at_unix_ns=0,
        unix_ns_at_zero=0,
        node_numbers={"ucm1": 1},
        token=SupportToken(bytes(32)) if sealed else None,
        entropy=CountedEntropy(),
    )


def answer_of(
    core: AlarmIntake,
    octets: bytes,
    *,
    headers: tuple[tuple[str, str], ...] = BEARER,
    method: str = "POST",
    path: str = UPLOAD_PATH,
) -> HttpAnswer:
    request = HttpRequest(method, path, headers, octets)
    (action,) = core.receive(RequestReceived(1, request), Instant(0))
    assert isinstance(action, SendAnswer)
    return action.answer


@pytest.mark.req("OP-51", "TRB-10", "TRB-13")
@pytest.mark.parametrize("sealed", [True, False])
def test_an_upload_is_taken_and_names_nobody(sealed: bool) -> None:
    core = intake()
    octets = body(sealed=sealed)
    answer = answer_of(core, octets)
    assert (answer.status, answer.json()) == (200, {"taken": 1})
    (upload,) = core.uploads
    assert (upload.cluster_id, upload.batch) == (CLUSTER, 1)
    assert upload.alarms[0]["alarm"] == NAME
    assert ("pii" in upload.alarms[0]) is sealed
    for personal in (b"TCTALICE", b"alice", b"ucm1"):
        assert personal not in octets


@pytest.mark.req("OP-51")
def test_a_cluster_is_known_by_its_first_upload_with_a_token() -> None:
    core = intake()
    answer = answer_of(core, body(), headers=())
    assert (answer.status, answer.json()["error"]) == (401, "UnknownCluster")
    assert answer_of(core, body()).status == 200
    assert answer_of(core, body("a2"), headers=()).status == 200
    assert [alarm["id"] for alarm in core.alarms()] == ["a1", "a2"]


def test_a_bad_token_is_refused_even_from_a_known_cluster() -> None:
    core = intake()
    core.know(CLUSTER)
    answer = answer_of(core, body(), headers=(("authorization", "Bearer other"),))
    assert (answer.status, answer.json()["error"]) == (401, "InvalidAccessToken")
    assert core.uploads == ()


def clear_field(upload: dict[str, Any]) -> None:
    upload["alarms"][0]["deviceName"] = "TCTALICE"


def clear_outside(upload: dict[str, Any]) -> None:
    upload["host"] = "ucm1.example.com"


def clear_pii(upload: dict[str, Any]) -> None:
    upload["alarms"][0]["pii"] = {"subject": "TCTALICE"}


def text_as_seal(upload: dict[str, Any]) -> None:
    upload["alarms"][0]["pii"]["ct"] = b'{"subject":"TCTALICE"}'.hex()


def field_in_seal(upload: dict[str, Any]) -> None:
    upload["alarms"][0]["pii"]["user"] = "alice"


@pytest.mark.req("TRB-10", "TRB-11", "TRB-13", "ALARM-08")
@pytest.mark.parametrize(
    "spoil", [clear_field, clear_outside, clear_pii, text_as_seal, field_in_seal]
)
def test_an_upload_with_clear_personal_data_is_refused_whole(
    spoil: Callable[[dict[str, Any]], None],
) -> None:
    upload = msgspec.json.decode(body())
    spoil(upload)
    core = intake()
    answer = answer_of(core, msgspec.json.encode(upload))
    assert (answer.status, answer.json()) == (400, {"error": "ClearPersonalData"})
    assert core.uploads == ()
    assert [record.reason for record in core.log] == ["ClearPersonalData"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("alarm", "TCTALICE"),
        ("severity", "ucm1"),
        ("component", "alice"),
        ("state", "+498912345678"),
        ("at", "alice"),
        ("id", "alice"),
        ("node", "ucm1"),
        ("number", "1"),
        ("occurrences", True),
    ],
)
def test_no_other_value_has_room_for_a_name(name: str, value: object) -> None:
    upload = msgspec.json.decode(body())
    upload["alarms"][0][name] = value
    answer = answer_of(intake(), msgspec.json.encode(upload))
    assert (answer.status, answer.json()) == (400, {"error": "Malformed"})


@pytest.mark.parametrize(
    ("octets", "status", "error"),
    [
        (b"", 400, "Malformed"),
        (b"[" * 5_000, 400, "Malformed"),
        (b"[]", 400, "UnknownFormat"),
        (b'{"format": "callctl-alarms/1"}', 400, "Malformed"),
        (b" " * (BODY_MAX + 1), 413, "PayloadTooLarge"),
    ],
)
def test_what_is_no_upload_is_refused(octets: bytes, status: int, error: str) -> None:
    answer = answer_of(intake(), octets)
    assert (answer.status, answer.json()["error"]) == (status, error)


def test_other_paths_and_methods_are_refused() -> None:
    assert answer_of(intake(), body(), path="/").status == 404
    assert answer_of(intake(), body(), method="PUT").status == 405


def test_an_alarm_that_comes_again_is_kept_once() -> None:
    core = intake()
    answer_of(core, body("a1"))
    assert answer_of(core, body("a1", "a2")).status == 200
    assert [alarm["id"] for alarm in core.alarms()] == ["a1", "a2"]
    assert core.repeated == 1


def test_faults_refuse_delay_and_keep_silent() -> None:
    core = intake()
    core.faults.add(Fault(status=503, reason="Down", times=1))
    answer = answer_of(core, body())
    assert (answer.status, answer.json()["error"]) == (503, "Down")
    core.faults.add(Fault(delay_ns=2 * SECOND, times=1))
    request = HttpRequest("POST", UPLOAD_PATH, BEARER, body())
    assert core.receive(RequestReceived(2, request), Instant(0)) == ()
    assert core.next_deadline() == Instant(2 * SECOND)
    (late,) = core.advance(Instant(2 * SECOND))
    assert isinstance(late, SendAnswer)
    assert (late.exchange, late.answer.status) == (2, 200)
    core.faults.add(Fault(silent=True, times=1))
    (ignored,) = core.receive(RequestReceived(3, request), Instant(0))
    assert not isinstance(ignored, SendAnswer)
