"""Stories of the simulated world, recorded once and played as often as tests like."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from callctl.model.cluster import Cluster
from callctl.replay.judge import Verdict, judge
from callctl.replay.live import Played
from callctl.replay.notes import Notes
from callctl.replay.notes_schema import DifferenceKind, NotesFile
from callctl.replay.recording import Recording
from callctl.replay.script import script_of
from callctl.replay.story import StoryRecording, record_story
from callctl.replay.virtual import VirtualStage
from callctl.sim.node_factory import NodeFactory


@cache
def recorded(name: str) -> StoryRecording:
    """A story; recording it again would give the same."""
    return record_story(name)


def replayed(
    name: str,
    *,
    file: NotesFile | None = None,
    cluster: Cluster | None = None,
    seed: int = 1,
    factory: NodeFactory | None = None,
) -> Verdict:
    """A story played, with its own notes and cluster unless others are given."""
    story = recorded(name)
    given = file or story.file
    notes = Notes(
        Path(f"{name}.notes.yaml"), given, Path(f"{name}.pcapng"), cluster or story.cluster
    )
    return played(story.recording(), notes, seed=seed, factory=factory)[1]


def played(
    recording: Recording, notes: Notes, *, seed: int = 1, factory: NodeFactory | None = None
) -> tuple[Played, Verdict]:
    script = script_of(recording, notes.file)
    result = VirtualStage(notes, script, seed=seed, factory=factory).run()
    return result, judge(script, result, notes.file)


def with_parameters(name: str, **parameters: Any) -> Cluster:  # noqa: ANN401
    """The cluster of a story with other service parameters."""
    cluster = recorded(name).cluster
    return replace(cluster, service_parameters=replace(cluster.service_parameters, **parameters))


def told(verdict: Verdict) -> list[tuple[DifferenceKind, str, str]]:
    """Name, message and party of each difference."""
    return [(it.kind, it.message, it.party) for it in verdict.differences]
