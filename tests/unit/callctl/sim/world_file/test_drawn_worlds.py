"""What a world file leaves out is drawn from the seed, by the sizes and shares that it gives."""

from __future__ import annotations

from itertools import pairwise

from callctl.model.device import Platform
from callctl.sim.scenario import CALLS_FROM_NS, Scenario, Trouble
from callctl.sim.world_file.read import parse_world, read_world
from sipstack.timing import MS, SECOND

SEEDS = range(1, 41)


def scenarios(text: str) -> list[Scenario]:
    world = parse_world(text)
    return [world.scenario(seed) for seed in SEEDS]


def test_a_drawn_cluster_keeps_to_its_sizes() -> None:
    text = "draw: {cluster: {nodes: 2-3, iphones: 1-2, androids: 0, callers: 2, desk_phones: 0}}"
    found = scenarios(text)
    assert {len(it.cluster.nodes) for it in found} == {2, 3}
    assert {len(it.phones) for it in found} == {1, 2}
    assert {len(it.agents) for it in found} == {2}
    assert all(plan.device.platform is Platform.IOS for it in found for plan in it.phones)


def test_drawn_calls_come_at_their_rate() -> None:
    found = scenarios("draw: {calls: {per_minute: 60, lasting: 30}}")
    counts = [len(it.calls) for it in found]
    assert 25 <= sum(counts) / len(counts) <= 35
    assert all(
        CALLS_FROM_NS <= call.at < CALLS_FROM_NS + 30 * SECOND for it in found for call in it.calls
    )


def test_drawn_calls_keep_their_number_and_their_gap() -> None:
    for scenario in scenarios("draw: {calls: {number: 3, gap: 2-4}}"):
        times = [CALLS_FROM_NS, *(call.at for call in scenario.calls)]
        assert len(times) == 4
        gaps = [later - earlier for earlier, later in pairwise(times)]
        assert all(2 * SECOND <= gap <= 4 * SECOND for gap in gaps)


def test_drawn_troubles_are_of_the_kinds_given_and_are_mended() -> None:
    text = "draw: {troubles: {number: 2, kinds: {kill: 1}, mended: 100, mended_after: 1-2}}"
    for scenario in scenarios(text):
        kinds = [plan.what for plan in scenario.troubles]
        assert sorted(it.value for it in kinds) == ["kill", "kill", "restart", "restart"]


def test_habits_change_what_people_do_and_nothing_else() -> None:
    [usual] = scenarios("")[:1]
    [other] = scenarios("draw: {habits: {offline: 100, answers: 100, declines: 0, after: 1}}")[:1]
    assert {plan.wake_ns for plan in other.phones} == {None}
    assert {plan.answer.after_ns for plan in other.phones} == {SECOND}
    assert {plan.answer.after_ns for plan in other.agents} == {SECOND}
    assert other.calls == usual.calls
    assert [it.device.name for it in other.phones] == [it.device.name for it in usual.phones]


def test_an_empty_list_of_calls_and_empty_faults_leave_a_quiet_world() -> None:
    for scenario in scenarios("calls: []\nfaults: {}\n"):
        assert scenario.calls == ()
        assert scenario.troubles == ()
        assert scenario.weather.loss == 0


def test_what_the_command_line_sets_counts_more_than_the_file() -> None:
    world = read_world(None, ("faults.weather.sip.loss=12.5", "faults.weather.sip.delay=0.5-2"))
    weather = world.scenario(1).weather
    assert weather.loss == 125
    assert (weather.delay_min_ns, weather.delay_max_ns) == (500 * MS, 2 * SECOND)


def test_a_trouble_that_nobody_is_there_for_is_not_drawn() -> None:
    text = "draw: {cluster: {nodes: 1, iphones: 0, androids: 0, desk_phones: 1}, "
    text += "troubles: {number: 5, kinds: {cut: 1, kill: 1}}}"
    kinds = {plan.what for scenario in scenarios(text) for plan in scenario.troubles}
    assert Trouble.CUT not in kinds
    assert Trouble.KILL in kinds
