"""Whatever happens to calls, their stories can be told: 200 seeds of the simulated world."""

from __future__ import annotations

from typing import Any

from callctl.call.explanation import explanation
from callctl.call.story import CallRecord
from callctl.call.telling import story_fields
from callctl.call.verdict import verdict
from callctl.push.history import PushEntry, RememberingCpns
from callctl.sim.node_processes import NodeProcesses
from callctl.sim.simulation import Simulation
from callctl.sim.story_stage import RememberingFactory, wall
from callctl.sim.workload import draw

SEEDS = range(1, 121)


class KeepingFactory(RememberingFactory):
    """Remembers its nodes, so that the calls of one that died can be told too."""

    def __init__(self) -> None:
        self.lives: list[NodeProcesses] = []

    def processes(self, *args: Any, **more: Any) -> NodeProcesses:  # noqa: ANN401
        made = super().processes(*args, **more)
        self.lives.append(made)
        return made


def played(seed: int) -> list[tuple[CallRecord, list[tuple[str, PushEntry]]]]:
    """Every call of a seed, with the pushes of its node."""
    factory = KeepingFactory()
    Simulation(draw(seed), factory).run()
    found = []
    for life in factory.lives:
        assert isinstance(life.cpns, RememberingCpns)
        pushes = [
            (life.engine.name, entry)
            for entry in (*life.cpns.entries, *life.engine.calls.pushes.not_taken)
        ]
        found += [(record, pushes) for record in life.engine.calls.records]
    return found


def test_the_story_of_every_call_is_told_to_its_end() -> None:
    told = 0
    for seed in SEEDS:
        for record, pushes in played(seed):
            text = explanation(story_fields(record, pushes, wall), wall(record.started_at))
            told += 1
            assert "{" not in text, (seed, text)
            assert all(line == line.rstrip() and line.isprintable() for line in text.splitlines())
            assert_plain(record, text[text.rindex("\n\n") :])
    assert told > 500


def assert_plain(record: CallRecord, paragraph: str) -> None:
    """The verdict names the outcome, and each device that was called by its name."""
    found = verdict(record)
    assert " ".join(paragraph.split()) == found
    assert found.endswith(".")
    assert "  " not in found
    assert ".." not in found
    if record.status is None:
        assert found.startswith("The call is under way")
        return
    assert found.startswith("Answered by " if record.status < 300 else "Not answered: the caller ")
    stopped = any(step.code in ("node-stopping", "fault") for step in record.steps)
    if not stopped:
        assert all(device in found for device in record.called)
