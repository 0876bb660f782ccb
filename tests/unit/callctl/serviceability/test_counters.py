"""The table of counters: the three kinds, and the one rule for their edges."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from callctl.serviceability.counter_catalogue import COUNTERS, Kind, Owner
from callctl.serviceability.counters import PERIOD_NS, SERVICES, CounterTable
from sipstack.timing import MS, SECOND, Instant

SENT = "NumberOfPushReqSent"
EXTENDED = "MobilityPushNotificationCallsExtendedToJabber"
ERRORS = "PushErrorsApns"
SESSIONS = "PushEnabledSessionsApns"
ROUTER = Owner.XCP_PUSH.service


def s(seconds: float) -> Instant:
    return Instant(round(seconds * SECOND))


def last(table: CounterTable, now: Instant, name: str = ERRORS) -> tuple[int, int | None]:
    reading = table.read(name, now)
    return reading.value, reading.last_full


@pytest.mark.req("CTR-01")
def test_every_counter_can_be_read_from_the_start_and_is_0() -> None:
    readings = CounterTable().read_all(s(5))
    assert [reading.name for reading in readings] == list(COUNTERS)
    assert {(reading.value, reading.last_full) for reading in readings} == {(0, None)}


@pytest.mark.req("CTR-02")
def test_cumulative_counter_goes_up_until_its_service_starts_again() -> None:
    table = CounterTable()
    for at in (1, 61, 3_600):
        table.count(SENT, s(at))
    assert table.read(SENT, s(90_000)).value == 3
    table.start("Cisco CallManager", s(90_000))
    reading = table.read(SENT, s(90_001))
    assert (reading.value, reading.since) == (0, s(90_000))


@pytest.mark.req("CTR-02", "CTR-07", "CTR-14")
def test_interval_counter_shows_the_running_60_s_and_the_last_full_ones_apart() -> None:
    table = CounterTable()
    table.count(ERRORS, s(1))
    table.count(ERRORS, s(59))
    assert last(table, s(59.9)) == (2, None)
    assert last(table, s(60)) == (0, 2)
    table.count(ERRORS, s(61))
    assert last(table, s(119)) == (1, 2)
    assert last(table, s(120)) == (0, 1)


@pytest.mark.req("CTR-14")
def test_what_happens_at_the_very_end_of_a_period_counts_in_the_next() -> None:
    table = CounterTable()
    table.count(ERRORS, Instant(PERIOD_NS - 1))
    table.count(ERRORS, Instant(PERIOD_NS))
    assert last(table, Instant(PERIOD_NS)) == (1, 1)


@pytest.mark.req("CTR-14")
def test_periods_do_not_slide_and_begin_with_the_service_whoever_reads_or_counts() -> None:
    table = CounterTable(s(7))
    table.count(ERRORS, s(66))  # the first event, a second before the period ends
    assert table.read(ERRORS, s(66)).since == s(7)
    assert last(table, s(67)) == (0, 1)
    assert table.read(ERRORS, s(67)).since == s(67)


@pytest.mark.req("CTR-14")
def test_minutes_in_which_nothing_happened_leave_an_empty_last_period() -> None:
    table = CounterTable()
    table.count(ERRORS, s(1))
    assert last(table, s(185)) == (0, 0)


@pytest.mark.req("CTR-14")
def test_restart_of_the_owner_begins_a_new_period_with_no_last_one_and_touches_no_other() -> None:
    table = CounterTable()
    table.count(ERRORS, s(10))
    table.count(SENT, s(10))
    table.raise_gauge(SESSIONS)
    table.start(ROUTER, s(100))
    assert last(table, s(100)) == (0, None)
    assert table.read(SESSIONS, s(100)).value == 0
    assert table.read(SENT, s(100)).value == 1
    table.count(ERRORS, s(159.9))
    assert last(table, s(159.9)) == (1, None)
    assert last(table, s(160)) == (0, 1)


@pytest.mark.req("CTR-14")
def test_mobility_manager_starts_with_callmanager_whose_part_it_is() -> None:
    table = CounterTable()
    table.count(EXTENDED, s(1))
    table.start("Cisco CallManager", s(2))
    assert table.read(EXTENDED, s(2)).value == 0


@pytest.mark.req("CTR-02", "CTR-14")
def test_gauge_goes_up_and_down_and_never_below_0() -> None:
    table = CounterTable()
    assert table.lower_gauge(SESSIONS) is False
    table.raise_gauge(SESSIONS)
    table.raise_gauge(SESSIONS)
    assert table.lower_gauge(SESSIONS) is True
    assert table.read(SESSIONS, s(1_000)).value == 1
    table.start(ROUTER, s(1_000))
    assert table.lower_gauge(SESSIONS) is False
    assert table.read(SESSIONS, s(1_001)).value == 0


def test_what_does_not_fit_the_kind_of_a_counter_is_an_error() -> None:
    table = CounterTable()
    with pytest.raises(KeyError, match="is a gauge"):
        table.count(SESSIONS, s(0))
    with pytest.raises(KeyError, match="is no gauge"):
        table.raise_gauge(SENT)
    with pytest.raises(KeyError, match="is no gauge"):
        table.lower_gauge(ERRORS)
    with pytest.raises(KeyError):
        table.count("NumberOfEverything", s(0))
    with pytest.raises(KeyError):
        table.start("Cisco Tomcat", s(0))


class AgainstAListOfEvents(RuleBasedStateMachine):
    """The model keeps every event with its time, and counts them when asked."""

    def __init__(self) -> None:
        super().__init__()
        self.now = Instant(0)
        self.table = CounterTable(self.now)
        self.started = dict.fromkeys(SERVICES, self.now)
        self.events: list[tuple[str, Instant]] = []
        self.gauges = {name: 0 for name, it in COUNTERS.items() if it.kind is Kind.GAUGE}

    @rule(ms=st.one_of(st.integers(0, 70_000), st.sampled_from([59_999, 60_000, 120_000])))
    def time_passes(self, ms: int) -> None:
        self.now = Instant(self.now + ms * MS)

    @rule(name=st.sampled_from([SENT, EXTENDED, ERRORS, "PushErrorFcmDev", "TargetInvalid"]))
    def something_happens(self, name: str) -> None:
        self.table.count(name, self.now)
        self.events.append((name, self.now))

    @rule(up=st.booleans())
    def session_comes_or_goes(self, up: bool) -> None:
        if up:
            self.table.raise_gauge(SESSIONS)
            self.gauges[SESSIONS] += 1
        else:
            assert self.table.lower_gauge(SESSIONS) is (self.gauges[SESSIONS] > 0)
            self.gauges[SESSIONS] = max(0, self.gauges[SESSIONS] - 1)

    @rule(service=st.sampled_from(sorted(SERVICES)))
    def service_starts(self, service: str) -> None:
        self.table.start(service, self.now)
        self.started[service] = self.now
        of = {name for name, entry in COUNTERS.items() if entry.owner.service == service}
        self.events = [event for event in self.events if event[0] not in of]
        self.gauges |= {name: 0 for name in self.gauges if name in of}

    def happened(self, name: str, since: int, until: int) -> int:
        return sum(1 for which, at in self.events if which == name and since <= at < until)

    @invariant()
    def every_counter_is_what_its_events_say(self) -> None:
        for reading in self.table.read_all(self.now):
            entry = COUNTERS[reading.name]
            started = self.started[entry.owner.service]
            if entry.kind is Kind.GAUGE:
                assert reading.value == self.gauges[reading.name]
                continue
            if entry.kind is Kind.CUMULATIVE:
                assert reading.value == self.happened(reading.name, started, self.now + 1)
                continue
            begun = self.now - (self.now - started) % PERIOD_NS
            assert reading.since == begun
            assert reading.value == self.happened(reading.name, begun, self.now + 1)
            if begun == started:
                assert reading.last_full is None
            else:
                expected = self.happened(reading.name, begun - PERIOD_NS, begun)
                assert reading.last_full == expected


TestAgainstAListOfEvents = pytest.mark.req("CTR-14")(AgainstAListOfEvents.TestCase)
