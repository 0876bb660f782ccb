"""The small model, with every placing of losses: complete, repeatable, and without a violation."""

from __future__ import annotations

from collections.abc import Callable
from unittest.mock import patch

import pytest

from callctl.sim.explorer import BROKEN_MAX, Explored, Placed, explore, play_once
from callctl.sim.small_model import PLOTS, Plot
from callctl.sim.world_file.read import parse_world
from callctl.sim.world_file.write import world_text
from sipstack.timing import Instant
from sipstack.transaction.events import Output
from sipstack.transaction.invite_server import InviteServer
from sipstack.transaction.machine import State

EARLY = PLOTS["gives-up-early"]
THIRD = "a failure is sent a third time"

Advance = Callable[[InviteServer, Instant], tuple[Output, ...]]


def quiet(_: str) -> None:
    pass


@pytest.mark.parametrize("plot", PLOTS.values(), ids=lambda plot: plot.name)
def test_no_single_loss_breaks_an_invariant(plot: Plot) -> None:
    report = Explored()
    explore(report, (plot,), losses_max=1, say=print)
    assert report.finished
    assert report.broken == 0
    assert report.runs == 1 + report.branches
    assert report.branches > 20


def test_each_plot_ends_as_it_says() -> None:
    ends = {
        name: [
            entry[4].start.removeprefix("SIP/2.0 ")
            for entry in play_once(plot, ()).trace.entries
            if entry[1] == "SEPCALLER" and entry[2] == "<" and not isinstance(entry[4], str)
            if entry[4].method == "INVITE" and entry[4].final
        ]
        for name, plot in PLOTS.items()
    }
    answered = {"phone-answers", "desk-answers", "both-answer", "phone-declines", "desk-is-busy"}
    for name, finals in ends.items():
        expected = "200" if name in answered else "487"
        assert [final[:3] for final in finals if final[:3] not in ("401", "407")] == [expected], (
            name
        )


def test_a_run_is_the_same_up_to_its_first_loss() -> None:
    whole = play_once(EARLY, ())
    lossy = play_once(EARLY, (5,))
    assert lossy.places >= 6
    [loss] = lossy.losses
    assert loss.startswith("5: ")
    same = 0
    for one, other in zip(whole.trace.lines(), lossy.trace.lines(), strict=False):
        if one != other:
            break
        same += 1
    assert same > 20
    assert lossy.trace.digest() != whole.trace.digest()


def pushes(placed: Placed) -> list[str]:
    """When pushes left, of what kind, and when the phone got one."""
    words = {"push incoming to": "incoming", "push missed to": "missed", "gets a push": "got"}
    return [
        f"{line.split()[0][:6]} {word}"
        for line in placed.trace.lines()
        for text, word in words.items()
        if text in line
    ]


def test_a_lost_push_never_gets_to_the_phone() -> None:
    whole = play_once(PLOTS["phone-answers"], ())
    for number in range(whole.places):
        placed = play_once(PLOTS["phone-answers"], (number,))
        if "push to the phone" in placed.losses[0]:
            assert pushes(placed) == ["20.003 incoming", "33.003 missed", "33.004 got"]
            assert pushes(whole) == ["20.003 incoming", "20.004 got"]
            return
    pytest.fail("no push could be lost")


def test_every_placing_is_played_once() -> None:
    played: list[tuple[int, ...]] = []

    def noted(plot: Plot, chosen: tuple[int, ...]) -> Placed:
        played.append(chosen)
        return play_once(plot, chosen)

    short = Plot("gives-up-early", "", give_up_ns=1)
    with patch("callctl.sim.explorer.play_once", noted):
        report = Explored()
        explore(report, (short,), losses_max=2, say=quiet)
    assert len(set(played)) == len(played) == report.runs
    places = {chosen: play_once(short, chosen).places for chosen in played if len(chosen) < 2}
    singles = [(number,) for number in range(places[()])]
    pairs = [
        (*single, number) for single in singles for number in range(single[0] + 1, places[single])
    ]
    assert played == [
        (),
        *(it for single in singles for it in (single, *(p for p in pairs if p[:1] == single))),
    ]
    assert report.branches == len(singles) + len(pairs)


def fails_the_third_time(advance: Advance) -> Advance:
    def faulty(server: InviteServer, now: Instant) -> tuple[Output, ...]:
        waited_ns = server._wait_ns
        actions = advance(server, now)
        if server.state is State.COMPLETED and server._wait_ns > waited_ns > server.timers.g_ns:
            raise AssertionError(THIRD)
        return actions

    return faulty


def test_a_bug_that_needs_two_losses_is_found_with_two_and_not_with_one() -> None:
    with patch.object(InviteServer, "advance", fails_the_third_time(InviteServer.advance)):
        one, two = Explored(), Explored()
        explore(one, (EARLY,), losses_max=1, say=quiet)
        assert one.broken == 0
        told: list[str] = []
        explore(two, (EARLY,), losses_max=2, say=told.append)
        assert two.broken > 0
        first = two.first[0]
        assert THIRD in first.violations[0].text
        assert len(first.losses) == 2
        assert told[0] == f"BROKEN; to repeat: {first.command} --trace"
        chosen = tuple(map(int, first.command.rpartition(":")[2].split(",")))
        assert play_once(EARLY, chosen).violations[0].invariant == "crash"
    assert not play_once(EARLY, chosen).violations


def test_several_processes_find_what_one_finds() -> None:
    one, two = Explored(), Explored()
    explore(one, (EARLY,), losses_max=1, say=quiet)
    explore(two, (EARLY,), losses_max=1, processes=2, say=quiet)
    assert one == two


def test_only_so_many_broken_runs_are_kept() -> None:
    whole = Explored()
    placed = play_once(EARLY, ())
    for _ in range(BROKEN_MAX + 5):
        part = Explored(1, 0, 1)
        part.first.append(placed)  # type: ignore[arg-type]
        whole.add(part)
    assert whole.broken == BROKEN_MAX + 5
    assert len(whole.first) == BROKEN_MAX


def test_a_plot_without_losses_is_a_world_that_can_be_written() -> None:
    scenario = EARLY.scenario()
    text = world_text(scenario)
    assert world_text(parse_world(text).scenario(1)) == text
