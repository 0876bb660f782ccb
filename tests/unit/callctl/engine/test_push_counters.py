"""How pushes count: each cause moves its counters and no other."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callctl.call.event import MobilityOutcome
from callctl.engine.counters import OWN, Counters
from callctl.engine.pushes import PushesUnderWay
from callctl.model.device import SUBSCRIBER_SERVICES
from callctl.push.events import Outcome, PushOutcome
from callctl.push.kind import CALL_PUSHES, PushKind
from callctl.registration.push_binding import PushBinding
from callctl.serviceability.counter_catalogue import APNS_SERVICES, COUNTERS
from helpers.pushes import ANDROID, CHINA, IPHONE, intent
from sipstack.timing import SECOND, Instant

REQ, RES, ERR = (
    "NumberOfPushReqSent",
    "NumberOfPushResReceived",
    "NumberOfPushErrorResReceived",
)
ID = "i1"
WANTED, ENDED = Instant(0), Instant(SECOND)
OUTCOMES = {200: Outcome.ACCEPTED, 410: Outcome.REFUSED_TOKEN, 413: Outcome.REFUSED}


def answered(status: int) -> PushOutcome:
    return PushOutcome(ID, OUTCOMES.get(status, Outcome.FAILED), status, "", "t1")


def lost(reason: str, outcome: Outcome = Outcome.FAILED) -> PushOutcome:
    return PushOutcome(ID, outcome, None, reason)


def moved(counters: Counters) -> dict[str, int]:
    """Every counter of the catalogue that does not stand at 0."""
    now = Instant(59 * SECOND)
    return {it.name: it.value for it in counters.table.read_all(now) if it.value}


def after(
    *reports: PushOutcome | str,
    binding: PushBinding = IPHONE,
    kind: PushKind = PushKind.INCOMING,
) -> dict[str, int]:
    """What moved once a push was wanted, and `reports` came; an id says that it was written."""
    counters = Counters()
    pushes = PushesUnderWay(counters)
    pushes.wanted(intent(kind, binding, intent_id=ID), WANTED)
    for report in reports:
        known = pushes.sent(report) if isinstance(report, str) else pushes.ended(report, ENDED)
        assert known
    return moved(counters)


@pytest.mark.req("CTR-05")
def test_push_that_was_written_and_answered_200_is_a_request_and_a_response() -> None:
    assert after(ID) == {REQ: 1}
    assert after(ID, answered(200)) == {REQ: 1, RES: 1}


@pytest.mark.req("CTR-05", "CLOUD-08")
@pytest.mark.parametrize("status", [201, 202, 400, 401, 403, 410, 413, 429, 500, 503])
def test_any_other_answer_is_an_error_too(status: int) -> None:
    assert after(ID, answered(status)) == {REQ: 1, RES: 1, ERR: 1}


@pytest.mark.req("CTR-05")
def test_push_without_answer_in_time_is_a_request_and_an_error_and_no_response() -> None:
    assert after(ID, lost("no answer")) == {REQ: 1, ERR: 1}
    assert after(ID, lost("closed")) == {REQ: 1, ERR: 1}


@pytest.mark.req("CTR-05", "CPNS-14")
def test_push_for_which_the_tls_handshake_failed_is_an_error_and_no_request() -> None:
    assert after(lost("tls")) == {ERR: 1}
    assert after(lost("no answer")) == {ERR: 1}  # the handshake was not over in time
    assert after(lost("no other address")) == {ERR: 1}  # nor was there another way to try


@pytest.mark.parametrize(
    "end",
    [
        lost("call is over", Outcome.WITHDRAWN),
        lost("deadline", Outcome.EXPIRED),
        lost("service stopped", Outcome.REFUSED),
        lost("queue full"),
        lost("connect"),
    ],
    ids=lambda end: end.reason,
)
def test_push_that_never_left_for_another_reason_moves_nothing(end: PushOutcome) -> None:
    assert after(end) == {}


def test_push_that_is_sent_again_counts_once() -> None:
    counters = Counters()
    pushes = PushesUnderWay(counters)
    pushes.wanted(intent(intent_id=ID), WANTED)
    assert pushes.sent(ID)
    assert not pushes.sent(ID)  # with a new token, or to the next address
    assert pushes.ended(answered(200), ENDED)
    assert moved(counters) == {REQ: 1, RES: 1}


def test_answer_says_that_the_request_was_written_if_nothing_else_did() -> None:
    assert after(answered(200)) == {REQ: 1, RES: 1}
    assert after(answered(500)) == {REQ: 1, RES: 1, ERR: 1}


@pytest.mark.req("CTR-03", "CTR-04")
@pytest.mark.parametrize("service", sorted(SUBSCRIBER_SERVICES))
def test_pushes_of_every_apns_service_count_and_those_of_fcm_do_not(service: str) -> None:
    binding = replace(IPHONE if service in APNS_SERVICES else ANDROID, subscriber_service=service)
    apple = service in APNS_SERVICES
    assert after(ID, answered(200), binding=binding) == ({REQ: 1, RES: 1} if apple else {})
    assert after(ID, answered(500), binding=binding) == ({REQ: 1, RES: 1, ERR: 1} if apple else {})
    assert after(lost("tls"), binding=binding) == ({ERR: 1} if apple else {})


@pytest.mark.req("CTR-03", "CTR-04")
@pytest.mark.parametrize("service", sorted(SUBSCRIBER_SERVICES))
def test_custom_region_counts_for_apns_alone(service: str) -> None:
    binding = replace(CHINA, subscriber_service=service)
    expected = {REQ: 1, "CustomRegionNumofMsgPushReqSent": 1} if service in APNS_SERVICES else {}
    assert after(ID, binding=binding) == expected


@pytest.mark.req("CHN-08")
@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (PushKind.INCOMING, "CustomRegionNumofMsgPushReqSent"),
        (PushKind.MISSED, "CustomRegionNumofMissedCallMsgPushReqSent"),
        (PushKind.ANSWERED_ELSEWHERE, "CustomRegionNumofSharedCancelMsgPushReqSent"),
        (PushKind.CANCELLED, "CustomRegionNumofSharedCancelMsgPushReqSent"),
    ],
)
def test_custom_region_pushes_count_by_their_kind_and_as_requests(
    kind: PushKind, name: str
) -> None:
    assert after(ID, answered(200), binding=CHINA, kind=kind) == {REQ: 1, RES: 1, name: 1}
    assert after(ID, answered(200), kind=kind) == {REQ: 1, RES: 1}
    assert after(lost("tls"), binding=CHINA, kind=kind) == {ERR: 1}


@pytest.mark.req("MOB-02", "MOB-03")
def test_each_end_of_the_mobility_wait_moves_its_own_counter() -> None:
    for outcome in MobilityOutcome:
        counters = Counters()
        counters.extended(outcome)
        assert moved(counters) == {outcome.value: 1}
        assert COUNTERS[outcome.value].owner.value == "Cisco Mobility Manager"


def test_reports_of_pushes_that_are_not_open_change_nothing_and_are_told() -> None:
    counters = Counters()
    pushes = PushesUnderWay(counters)
    assert not pushes.sent(ID)
    assert pushes.ended(answered(200), ENDED) is None
    wanted = intent(intent_id=ID)
    pushes.wanted(wanted, WANTED)
    assert pushes.ended(answered(200), ENDED) is wanted
    assert pushes.ended(answered(200), ENDED) is None
    assert not pushes.sent(ID)
    assert moved(counters) == {REQ: 1, RES: 1}
    assert len(pushes) == 0


def test_start_of_the_node_begins_every_count() -> None:
    counters = Counters()
    counters.extended(MobilityOutcome.TO_JABBER)
    counters.start(Instant(SECOND))
    assert set(counters.values) == set(OWN)
    assert set(counters.values.values()) == {0}
    assert counters.table.read(REQ, Instant(SECOND)).since == SECOND


def test_ended_pushes_of_every_service_are_counted_beside_them() -> None:
    counters = Counters()
    pushes = PushesUnderWay(counters)
    for number, (binding, end) in enumerate(
        [(IPHONE, answered(200)), (ANDROID, answered(200)), (ANDROID, answered(200))]
    ):
        pushes.wanted(intent(binding=binding, intent_id=f"i{number}"), WANTED)
        pushes.ended(replace(end, intent_id=f"i{number}"), ENDED)
    key = (PushKind.INCOMING, Outcome.ACCEPTED)
    assert counters.pushes == {("APNS", *key): 1, ("FCM", *key): 2}


Pushed = st.tuples(
    st.sampled_from([IPHONE, CHINA, ANDROID]),
    st.sampled_from(sorted(CALL_PUSHES, key=lambda kind: kind.value)),
    st.booleans(),
    st.sampled_from([answered(200), answered(410), answered(503), lost("tls"), lost("connect")]),
)


@given(st.lists(Pushed, max_size=30), st.data())
def test_pushes_in_any_order_add_up(
    pushed: list[tuple[PushBinding, PushKind, bool, PushOutcome]], data: st.DataObject
) -> None:
    counters = Counters()
    pushes = PushesUnderWay(counters)
    reports: list[tuple[int, PushOutcome | None]] = []
    for number, (binding, kind, written, end) in enumerate(pushed):
        pushes.wanted(intent(kind, binding, intent_id=str(number)), WANTED)
        reports += [(number, None)] if written else []
        reports.append((number, end))
    told: set[int] = set()
    ended: set[int] = set()
    for number, report in data.draw(st.permutations(reports)):
        if report is None:
            told |= {number} - ended
            pushes.sent(str(number))
        else:
            ended.add(number)
            pushes.ended(replace(report, intent_id=str(number)), ENDED)
    apple = [n for n, (binding, *_) in enumerate(pushed) if binding is not ANDROID]
    end_of = {n: pushed[n][3] for n in apple}
    sent = {n for n in apple if n in told or end_of[n].status is not None}
    values = counters.values
    assert values[REQ] == len(sent)
    assert values[RES] == sum(end_of[n].status is not None for n in apple)
    failed = [
        n for n in apple if end_of[n].status is None and (n in sent or end_of[n] == lost("tls"))
    ]
    refused = [n for n in apple if end_of[n].status not in (None, 200)]
    assert values[ERR] == len(failed) + len(refused)
    region = sum(count for name, count in values.items() if name.startswith("CustomRegion"))
    assert region == sum(pushed[n][0] is CHINA for n in sent) <= values[REQ]
    assert sum(counters.pushes.values()) == len(pushed)
    assert len(pushes) == 0
