"""The management agent in virtual time: when it uploads, what, and what nobody reads in it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from callctl.serviceability.agent_event import (
    AgentAction,
    AgentActions,
    AgentIgnored,
    AgentMemory,
    ManagementAgentSettings,
    OnboardingChanged,
    PushChanged,
    RememberAgent,
    ServiceChanged,
    UploadAlarms,
    UploadAnswered,
    UploadFailed,
)
from callctl.serviceability.alarm import AlarmCleared, AlarmRaised
from callctl.serviceability.alarm_catalogue import CATALOGUE
from callctl.serviceability.alarm_queue import PENDING_MAX
from callctl.serviceability.alarm_upload import personal_data
from callctl.serviceability.condition import ConditionEntered, ConditionLeft
from callctl.serviceability.management_agent import (
    UPLOAD_TIMEOUT_NS,
    ManagementAgent,
    PushNowRefused,
)
from callctl.serviceability.severity import UploadLevel
from callctl.serviceability.support_token import SupportToken
from helpers.pushes import CountedEntropy
from sipstack.timing import SECOND, Instant

ALERT, CRITICAL, ERROR = (
    "AccessTokenInvalid",
    "StartFailed",
    "PushNotificationInvalidDeviceTokenResponse",
)
URL = "https://alarms.example.com/alarms/v1/uploads"
SETTINGS = ManagementAgentSettings(URL, "ucm1", {"ucm1": 1, "ucm2": 2})


def at(minutes: float) -> Instant:
    return Instant(int(minutes * 60 * SECOND))


def raised(name: str = ALERT, minutes: float = 0, number: int = 1) -> AlarmRaised:
    return AlarmRaised(
        number,
        CATALOGUE[name],
        "ucm2",
        at(minutes),
        at(minutes),
        1,
        "TCTALICE",
        "via proxy.example.com",
    )


def agent(memory: AgentMemory | None = None, *, push: bool = True) -> ManagementAgent:
    """With push enabled at minute 0."""
    made = ManagementAgent(SETTINGS, CountedEntropy(), memory)
    if push:
        made.receive(PushChanged(True), at(0))
    return made


def uploads(actions: AgentActions) -> list[UploadAlarms]:
    return [action for action in actions if isinstance(action, UploadAlarms)]


def alarms(actions: AgentActions) -> list[dict[str, Any]]:
    (upload,) = uploads(actions)
    return list(msgspec.json.decode(upload.body)["alarms"])


def of(kind: type[AgentAction], actions: AgentActions) -> list[AgentAction]:
    return [action for action in actions if isinstance(action, kind)]


@pytest.mark.req("TRB-01", "TRB-02", "TRB-03", "ALARM-07", "OP-51")
def test_once_push_is_enabled_alarms_go_out_every_30_minutes_without_anybody_asking() -> None:
    made = agent()
    assert (made.sending, made.running, made.frequency_min) == (True, True, 30)
    made.receive(raised(), at(10))
    made.receive(AlarmCleared(1, CATALOGUE[ALERT], "ucm2", at(11), at(10), 1), at(11))
    assert made.next_deadline() == at(30)
    assert made.advance(Instant(at(30) - 1)) == ()
    (upload,) = uploads(made.advance(at(30)))
    assert upload.url == URL
    body = msgspec.json.decode(upload.body)
    assert body["clusterId"] == made.cluster_id
    assert [(each["alarm"], each["state"], each["node"]) for each in body["alarms"]] == [
        (ALERT, "raised", 2),
        (ALERT, "cleared", 2),
    ]
    assert made.receive(UploadAnswered(upload.number, 200), at(30)) == (
        ConditionLeft("AlarmUploadFailed", "ucm1"),
    )
    assert made.pending == 0
    assert made.advance(at(60)) == ()  # nothing new, so nothing is sent
    assert made.next_deadline() == at(90)


@pytest.mark.req("TRB-01")
def test_before_push_is_enabled_nothing_is_collected_or_sent() -> None:
    made = agent(push=False)
    made.receive(raised(), at(1))
    assert made.next_deadline() is None
    assert (made.pending, made.cluster_id, made.support_token) == (0, None, None)


@pytest.mark.req("TRB-01", "TRB-13")
def test_switched_off_it_sends_nothing_not_even_what_waited() -> None:
    made = agent()
    made.receive(raised(), at(1))
    assert of(RememberAgent, made.set_sending(False, at(2)))
    made.receive(raised(), at(3))
    assert made.next_deadline() is None
    made.set_sending(True, at(4))
    assert made.next_deadline() == at(34)
    assert made.advance(at(34)) == ()


@pytest.mark.req("TRB-02")
def test_a_stopped_service_sends_nothing_until_it_is_started() -> None:
    made = agent()
    made.receive(raised(minutes=1), at(1))
    made.receive(ServiceChanged(False), at(2))
    assert made.next_deadline() is None
    assert made.advance(at(300)) == ()
    with pytest.raises(PushNowRefused, match="stopped"):
        made.push_now(at(300))
    made.receive(ServiceChanged(True), at(300))
    assert len(alarms(made.advance(at(330)))) == 1


@pytest.mark.req("TRB-03")
@pytest.mark.parametrize("minutes", [5, 47, 90])
def test_the_frequency_can_be_5_to_90_minutes(minutes: int) -> None:
    made = agent()
    (remember,) = made.set_frequency(minutes, at(1))
    assert isinstance(remember, RememberAgent)
    assert remember.memory.frequency_min == made.frequency_min == minutes
    assert made.next_deadline() == at(1 + minutes)


@pytest.mark.req("TRB-03")
@pytest.mark.parametrize("minutes", [4, 91, 0, -30])
def test_no_other_frequency_is_taken(minutes: int) -> None:
    made = agent()
    with pytest.raises(ValueError, match=f"{minutes} is not 5 to 90 minutes"):
        made.set_frequency(minutes, at(1))
    assert made.frequency_min == 30
    with pytest.raises(ValueError, match="5 to 90"):
        agent(AgentMemory(frequency_min=minutes))


@pytest.mark.req("TRB-04", "TRB-07", "ALARM-07", "OP-36")
@pytest.mark.parametrize(
    ("level", "sent"),
    [
        (UploadLevel.CRITICAL, [ALERT, CRITICAL]),
        (UploadLevel.ERROR, [ALERT, CRITICAL, ERROR]),
        (UploadLevel.INFORMATION, [ALERT, CRITICAL, ERROR]),
    ],
)
def test_alarms_below_the_level_are_not_sent_and_alert_always_is(
    level: UploadLevel, sent: list[str]
) -> None:
    made = agent()
    assert made.level is UploadLevel.ERROR
    made.set_level(level, at(0))
    for name in (ALERT, CRITICAL, ERROR):
        made.receive(raised(name), at(1))
    assert [each["alarm"] for each in alarms(made.advance(at(30)))] == sent


@pytest.mark.req("TRB-07")
def test_a_level_that_is_raised_holds_for_what_waits_already() -> None:
    made = agent()
    made.receive(raised(ERROR), at(1))
    made.receive(raised(ALERT), at(1))
    made.set_level(UploadLevel.CRITICAL, at(2))
    assert [each["alarm"] for each in alarms(made.advance(at(30)))] == [ALERT]
    assert made.counts()["below the level"] == 1


@pytest.mark.req("ALARM-07")
def test_alarms_that_are_none_of_a_push_service_are_not_offered() -> None:
    made = agent()
    made.receive(raised("EngineFault"), at(1))
    assert made.pending == 0


@pytest.mark.req("TRB-05", "OP-36")
def test_pushnow_sends_at_once_and_begins_a_new_interval() -> None:
    made = agent()
    made.receive(raised(), at(20))
    (upload,) = uploads(made.push_now(at(21)))
    with pytest.raises(PushNowRefused, match="under way"):
        made.push_now(at(21))
    made.receive(UploadAnswered(upload.number, 204), at(21))
    made.receive(raised(number=2), at(22))
    assert made.next_deadline() == at(51)
    assert made.advance(at(30)) == ()
    assert [each["number"] for each in alarms(made.advance(at(51)))] == [2]


@pytest.mark.req("TRB-05")
def test_pushnow_with_nothing_to_send_sends_nothing() -> None:
    assert agent().push_now(at(1)) == ()


@pytest.mark.req("TRB-05")
@pytest.mark.parametrize(
    ("event", "why"),
    [(PushChanged(False), "push is not enabled"), (ServiceChanged(False), "is stopped")],
)
def test_pushnow_says_why_it_cannot(event: PushChanged | ServiceChanged, why: str) -> None:
    made = agent()
    made.receive(event, at(1))
    with pytest.raises(PushNowRefused, match=why):
        made.push_now(at(1))
    off = agent()
    off.set_sending(False, at(1))
    with pytest.raises(PushNowRefused, match="switched off"):
        off.push_now(at(1))


@pytest.mark.req("OP-36")
def test_one_batch_an_interval_however_many_alarms_come() -> None:
    made = agent()
    sent = 0
    for minute in range(1, 61):
        for number in range(50):
            made.receive(raised(minutes=minute, number=number), at(minute))
        for upload in uploads(made.advance(at(minute))):
            sent += 1
            made.receive(UploadAnswered(upload.number, 200), at(minute))
    assert sent == 2


@pytest.mark.req("OP-51")
def test_a_failed_upload_is_sent_again_with_the_next_interval_under_the_same_ids() -> None:
    made = agent()
    made.receive(raised(minutes=1), at(1))
    first = made.advance(at(30))
    (upload,) = uploads(first)
    made.receive(raised(minutes=31, number=2), at(31))
    assert made.receive(UploadFailed(upload.number, "connect"), at(31)) == (
        ConditionEntered("AlarmUploadFailed", "ucm1", detail="connect"),
    )
    assert made.last_upload is not None
    assert made.last_upload.error == "connect"
    assert made.next_deadline() == at(60)  # no sooner
    second = made.advance(at(60))
    assert [each["number"] for each in alarms(second)] == [1, 2]
    assert alarms(second)[0]["id"] == alarms(first)[0]["id"]
    (again,) = uploads(second)
    assert made.receive(UploadAnswered(again.number, 500), at(60)) == (
        ConditionEntered("AlarmUploadFailed", "ucm1", detail="the cloud answered 500"),
    )


@pytest.mark.req("OP-51")
def test_what_is_24_hours_old_is_given_up_and_counted() -> None:
    made = agent()
    made.receive(raised(minutes=1), at(1))
    made.receive(raised(minutes=31, number=2), at(31))
    for interval in range(1, 49):
        for upload in uploads(made.advance(at(30 * interval))):
            made.receive(UploadFailed(upload.number, "connect"), at(30 * interval))
    # Minute 1470: one of them is older than a day, the other one is not.
    assert [each["number"] for each in alarms(made.advance(at(1470)))] == [2]
    assert made.counts()["too old"] == 1


def test_an_upload_without_answer_is_given_up_and_a_late_answer_is_no_news() -> None:
    made = agent()
    made.receive(raised(minutes=1), at(1))
    (upload,) = uploads(made.advance(at(30)))
    ends_at = Instant(at(30) + UPLOAD_TIMEOUT_NS)
    assert made.next_deadline() == ends_at
    (failed,) = made.advance(ends_at)
    assert isinstance(failed, ConditionEntered)
    assert made.receive(UploadAnswered(upload.number, 200), ends_at) == (
        AgentIgnored("late answer", "1"),
    )
    assert made.pending == 1


def test_what_waits_is_bounded_and_the_newest_stay() -> None:
    made = agent()
    for number in range(PENDING_MAX + 3):
        made.receive(raised(number=number), at(1))
    assert made.pending == PENDING_MAX
    assert made.counts()["too many"] == 3
    assert alarms(made.advance(at(30)))[0]["number"] == 3


@pytest.mark.req("TRB-08", "TRB-09", "OP-52")
def test_a_cluster_id_is_made_when_sending_is_on_and_stays() -> None:
    made = ManagementAgent(SETTINGS, CountedEntropy(), AgentMemory(sending=False))
    assert made.receive(PushChanged(True), at(0)) == ()
    none_yet = made.cluster_id
    assert none_yet is None
    (remember,) = made.set_sending(True, at(1))
    assert isinstance(remember, RememberAgent)
    cluster_id = made.cluster_id
    assert cluster_id is not None
    assert [len(part) for part in cluster_id.split("-")] == [8, 4, 4, 4, 12]
    made.set_sending(False, at(2))
    made.set_sending(True, at(3))
    assert made.cluster_id == cluster_id
    after_restart = agent(remember.memory)
    assert after_restart.cluster_id == cluster_id
    assert after_restart.support_token == made.support_token


@pytest.mark.req("TRB-10", "TRB-11", "TRB-13", "ALARM-08")
def test_without_the_option_an_upload_names_no_user_host_or_device() -> None:
    made = agent()
    made.receive(raised(), at(1))
    (upload,) = uploads(made.advance(at(30)))
    for personal in (b"TCTALICE", b"ucm1", b"ucm2", b"example.com", b"pii"):
        assert personal not in upload.body


@pytest.mark.req("TRB-10", "TRB-11", "TRB-12", "ALARM-08", "OP-52")
def test_with_the_option_they_are_there_for_who_has_the_support_token_and_nobody_else() -> None:
    made = agent()
    made.set_encrypted_pii(True, at(0))
    made.receive(raised(number=1), at(1))
    made.receive(raised(number=2), at(1))
    (upload,) = uploads(made.advance(at(30)))
    for personal in (b"TCTALICE", b"ucm2", b"example.com"):
        assert personal not in upload.body
        assert personal.hex().encode() not in upload.body
    assert made.support_token is not None
    opened = personal_data(upload.body, SupportToken.parse(made.support_token))
    record = {"node": "ucm2", "subject": "TCTALICE", "detail": "via proxy.example.com"}
    assert list(opened.values()) == [record, record]
    sealed = [each["pii"] for each in alarms((upload,))]
    assert sealed[0]["iv"] != sealed[1]["iv"]
    with pytest.raises(ValueError, match="does not open"):
        personal_data(upload.body, SupportToken(bytes(32)))


@pytest.mark.req("TRB-10", "OP-52")
def test_a_seal_is_good_for_its_own_record_alone() -> None:
    made = agent()
    made.set_encrypted_pii(True, at(0))
    made.receive(raised(number=1), at(1))
    made.receive(raised(number=2), at(1))
    (upload,) = uploads(made.advance(at(30)))
    body = msgspec.json.decode(upload.body)
    first, second = body["alarms"]
    first["pii"], second["pii"] = second["pii"], first["pii"]
    assert made.support_token is not None
    with pytest.raises(ValueError, match="does not open"):
        personal_data(msgspec.json.encode(body), SupportToken.parse(made.support_token))


@pytest.mark.req("OP-52")
def test_a_renewed_token_opens_what_comes_and_the_old_one_what_was() -> None:
    made = agent()
    made.set_encrypted_pii(True, at(0))
    made.receive(raised(number=1), at(1))
    (before,) = uploads(made.push_now(at(1)))
    made.receive(UploadAnswered(before.number, 200), at(1))
    old = SupportToken.parse(str(made.support_token))
    assert of(RememberAgent, made.renew_support_token(at(2)))
    new = SupportToken.parse(str(made.support_token))
    made.receive(raised(number=2), at(3))
    (after,) = uploads(made.push_now(at(3)))
    assert personal_data(before.body, old)
    assert personal_data(after.body, new)
    for body, wrong in ((before.body, new), (after.body, old)):
        with pytest.raises(ValueError, match="does not open"):
            personal_data(body, wrong)


@pytest.mark.req("TRB-12")
def test_the_support_token_is_in_no_repr() -> None:
    made = agent()
    (remember,) = made.renew_support_token(at(1))
    assert made.support_token is not None
    assert made.support_token not in repr(remember)
    assert SupportToken.parse(made.support_token).key.hex() not in repr(remember)
    assert "key" not in repr(SupportToken(bytes(32)))


@pytest.mark.req("TRB-18")
def test_after_an_upgrade_from_su2_uploads_fail_until_the_cluster_is_onboarded_anew() -> None:
    made = agent()
    made.receive(OnboardingChanged(False), at(0))
    made.receive(raised(minutes=1), at(1))
    for interval in (1, 2, 3):
        (failed,) = made.advance(at(30 * interval))
        assert failed == ConditionEntered(
            "AlarmUploadFailed", "ucm1", detail="onboarded with 11.5(1)SU2 only"
        )
    assert made.counts()["uploads failed"] == 3
    made.receive(OnboardingChanged(True), at(100))
    assert len(alarms(made.advance(at(120)))) == 1


def test_without_an_address_nothing_is_sent() -> None:
    made = ManagementAgent(ManagementAgentSettings(None, "ucm1", {}), CountedEntropy())
    made.receive(PushChanged(True), at(0))
    made.receive(raised(), at(1))
    assert made.next_deadline() is None
    with pytest.raises(PushNowRefused, match="no address"):
        made.push_now(at(1))


def test_what_is_under_way_counts_to_the_bound_too() -> None:
    made = agent()
    made.receive(raised(minutes=1, number=-1), at(1))
    (upload,) = uploads(made.push_now(at(1)))
    for number in range(PENDING_MAX):
        made.receive(raised(minutes=2, number=number), at(2))
    assert made.pending == PENDING_MAX
    made.receive(UploadFailed(upload.number, "connect"), at(2))
    assert made.pending == PENDING_MAX
    assert [each["number"] for each in alarms(made.push_now(at(2)))][:2] == [-1, 1]
