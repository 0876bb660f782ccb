"""Calls start on schedule whatever became of earlier ones, and each is followed to its end."""

from __future__ import annotations

import time
from collections.abc import Callable
from random import Random
from typing import Any, cast

import anyio
import pytest

from callctl.fleet.call_track import CallTrack
from callctl.fleet.calling import AVOIDED_NS, Caller, Server, Servers
from callctl.fleet.clockwork import Clockwork
from callctl.fleet.conductor import Conductor, Idle
from callctl.fleet.handset import Handset
from callctl.fleet.load import load_plan
from callctl.fleet.plan import Calls
from callctl.fleet.schedule import schedule
from callctl.fleet.tally import Tally
from callctl.phone.event import EndCause
from callctl.phone.settings import Registrar
from helpers.node_rig import eventually
from sipstack.io.clock import MonotonicClock
from sipstack.timing import MS, SECOND, Instant

pytestmark = pytest.mark.anyio


class StubPhone:
    """A phone that is called, as far as the conductor knows phones."""

    def __init__(self, number: int) -> None:
        self.dn = f"70{number}"
        self.device = f"TCT70{number}"
        self.never_wakes = False
        self.asleep = True
        self.track: CallTrack | None = None

    def expect(self, track: CallTrack) -> None:
        self.track = track

    def call_over(self) -> None:
        self.track = None


class StubCaller:
    """A caller whose calls end when the test says so."""

    def __init__(self, clockwork: Clockwork, on_call: Callable[[CallTrack], None]) -> None:
        self.dn = "8000"
        self.tracks: list[CallTrack] = []
        self.ended_all = False
        self._clockwork = clockwork
        self._on_call = on_call

    def call(self, track: CallTrack) -> None:
        track.invited_at = self._clockwork.clock()
        self.tracks.append(track)
        self._on_call(track)

    def end_all(self) -> None:
        self.ended_all = True


class Rig:
    def __init__(self, calls: Calls, phones: int, on_call: Callable[[CallTrack], None]) -> None:
        self.clockwork = Clockwork(MonotonicClock())
        self.idle = Idle(Random(1))
        self.phones = [StubPhone(number) for number in range(phones)]
        for phone in self.phones:
            self.idle.add(cast(Handset, phone))
        self.tally = Tally()
        self.failed: list[CallTrack] = []
        self.conductor = Conductor(
            self.clockwork,
            schedule(calls, Random(1)),
            self.idle,
            self.tally,
            lambda failure, track: self.failed.append(track),
        )
        self.caller = StubCaller(self.clockwork, on_call)
        self.conductor.callers = [cast(Caller, self.caller)]

    def end(self, track: CallTrack, cause: EndCause, status: int | None = None) -> None:
        track.cause, track.status = cause, status
        self.conductor.ended(track)


def calls(**changes: Any) -> Calls:  # noqa: ANN401
    wanted = {"arrivals": "even", "ramp_up": "0s", **changes}
    return load_plan(
        None, {f"--{name}": (("calls", name), value) for name, value in wanted.items()}, seed=1
    ).calls


async def placed(rig: Rig, *, within_s: float = 10.0) -> None:
    rig.conductor.begin()
    await eventually(lambda: not rig.conductor.placing, within_s=within_s)


async def test_calls_are_placed_on_schedule_though_none_of_them_ends_and_the_loop_is_held_up() -> (
    None
):
    def hold_up(track: CallTrack) -> None:
        if track.plan.number == 4:
            time.sleep(0.15)

    rig = Rig(calls(per_second="50", duration="400ms"), 30, hold_up)
    await placed(rig)
    tracks = rig.caller.tracks
    assert len(tracks) == rig.tally.placed == rig.tally.under_way == 20
    planned = [track.planned_at - tracks[0].planned_at for track in tracks]
    assert planned == [number * 20 * MS for number in range(20)]
    # Those that were due meanwhile start at once, late, and their lateness is told.
    assert [track.lateness_ns > 20 * MS for track in tracks[5:10]] == [True] * 5
    assert tracks[5].lateness_ns > 120 * MS
    assert rig.tally.late >= 6
    rig.clockwork.stop()


async def test_without_a_free_phone_a_call_is_not_placed_and_counted() -> None:
    rig = Rig(calls(per_second="100", duration="100ms"), 3, lambda track: None)
    await placed(rig)
    assert (rig.tally.placed, rig.tally.not_placed) == (3, 7)
    assert not rig.conductor.over.is_set()
    for track in rig.caller.tracks:
        rig.end(track, EndCause.REFUSED, 503)
    assert rig.conductor.over.is_set()
    assert len(rig.failed) == rig.tally.failed == 3
    rig.clockwork.stop()


async def test_a_phone_in_a_call_is_not_called() -> None:
    rig = Rig(calls(per_second="100", duration="200ms"), 20, lambda track: None)
    await placed(rig)
    assert len({track.device for track in rig.caller.tracks}) == 20
    rig.clockwork.stop()


async def test_what_the_end_of_the_run_ends_is_cut_short_and_what_never_ends_is_a_failure() -> None:
    rig = Rig(calls(per_second="100", duration="30ms"), 5, lambda track: None)
    await placed(rig)
    given_up, ended, silent = rig.caller.tracks
    given_up.caller_gave_up = True
    rig.conductor.end_all()
    assert rig.caller.ended_all
    rig.end(ended, EndCause.HUNG_UP)
    rig.conductor.abandon()
    assert rig.conductor.over.is_set()
    assert (rig.tally.cut_short, rig.tally.failed, rig.tally.under_way) == (2, 1, 0)
    assert [track is given_up for track in rig.failed] == [True]
    rig.end(silent, EndCause.HUNG_UP)  # too late: it has been counted
    assert rig.tally.ended == 3
    rig.clockwork.stop()


async def test_a_stopped_schedule_places_no_more() -> None:
    rig = Rig(calls(per_second="100", duration="10s"), 99, lambda track: None)
    rig.conductor.begin()
    await anyio.sleep(0.3)
    rig.conductor.stop()
    count = rig.tally.placed
    assert 0 < count < 50
    await anyio.sleep(0.05)
    assert rig.tally.placed == count
    rig.clockwork.stop()


async def test_every_idle_phone_is_drawn_once_and_comes_back() -> None:
    idle = Idle(Random(3))
    phones = [cast(Handset, StubPhone(number)) for number in range(50)]
    for phone in (*phones, *phones):
        idle.add(phone)
    assert len(idle) == 50
    drawn = [idle.take() for _ in range(50)]
    assert {id(phone) for phone in drawn} == {id(phone) for phone in phones}
    assert drawn != phones
    assert idle.take() is None
    idle.add(phones[7])
    assert idle.take() is phones[7]


async def test_callers_go_round_the_servers_and_leave_out_one_that_failed_lately() -> None:
    servers = Servers([Server(f"ucm{n}", Registrar("192.0.2.1", 5060 + n)) for n in (1, 2, 3)])
    now = Instant(SECOND)
    assert {servers.choose(now).name for _ in range(3)} == {"ucm1", "ucm2", "ucm3"}
    servers.failed("ucm2", now)
    assert {servers.choose(now).name for _ in range(6)} == {"ucm1", "ucm3"}
    later = Instant(now + AVOIDED_NS)
    assert {servers.choose(later).name for _ in range(3)} == {"ucm1", "ucm2", "ucm3"}
    for name in ("ucm1", "ucm2", "ucm3"):
        servers.failed(name, later)
    assert servers.choose(later).name  # somebody has to be asked
