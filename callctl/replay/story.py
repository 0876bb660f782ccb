"""A story of the simulated world, recorded: in memory, or as a capture with notes and cluster."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from callctl.model.cluster import Cluster
from callctl.model.device import ClientType
from callctl.replay.gather import Parties, Seen, SeenEnd, gathered
from callctl.replay.notes_schema import NotesFile
from callctl.replay.recording import Recording
from callctl.replay.story_recorder import StoryRecorder
from callctl.replay.write import Kept
from callctl.sim.cloud_party import UNIX_MS_AT_ZERO
from callctl.sim.scenario import AgentPlan, PhonePlan, Scenario, peer_name
from callctl.sim.stories import STORIES
from callctl.sim.story_stage import LINK, watched_by
from sipstack.timing import MS, SECOND

ORIGIN: Final = "Recorded in the simulated world of callctl: nobody's personal data."
UNKNOWN: Final = "?"


@dataclass(frozen=True, slots=True)
class StoryRecording:
    """What the nodes of a story saw, and the notes to it."""

    name: str
    seen: tuple[Seen, ...]
    ends: tuple[SeenEnd, ...]
    file: NotesFile
    cluster: Cluster

    def recording(self) -> Recording:
        """Without a file."""
        return gathered(self.seen, self.ends, Parties(self.file.parties), began_at=0)

    def write(self, directory: Path) -> Path:
        """Capture, notes and cluster into a directory. Returns: the notes. Raises: OSError."""
        kept = Kept(self.seen, self.ends, self.file, self.cluster, UNIX_MS_AT_ZERO * MS)
        return kept.write(directory, self.name)


def record_story(name: str) -> StoryRecording:
    """Play a story and keep what its nodes saw. Raises: KeyError for one that there is not."""
    story = STORIES[name]
    recorder = StoryRecorder()
    with watched_by(recorder):
        scenario = story.play().scenario
    parties = _parties(scenario)
    file = NotesFile(
        title=f"{story.name}: {story.what}",
        origin=ORIGIN,
        parties=parties,
        starts_s=0,
        between_nodes_s=LINK.delay_min_ns / SECOND,
        sign_ins=recorder.sign_ins,
        sign_outs=recorder.sign_outs,
        node_events=recorder.events,
        pushes=recorder.push_entries(_standard(scenario.cluster)),
    )
    seen = tuple(recorder.outside())
    return StoryRecording(name, seen, tuple(recorder.ends), file, scenario.cluster)


def _parties(scenario: Scenario) -> dict[str, list[str]]:
    plans: list[PhonePlan | AgentPlan] = [*scenario.phones, *scenario.agents]
    found = {plan.device.name: [plan.host] for plan in plans}
    for peer in scenario.peers:
        found[peer_name(peer.destination)] = [peer.destination.host]
    return found


def _standard(cluster: Cluster) -> dict[str, str]:
    """The device that a push to an unknown target is for: its token came by REGISTER."""
    found = [
        device.name
        for device in cluster.devices.values()
        if device.client is ClientType.STANDARD and device.mobile
    ]
    return {UNKNOWN: found[0]} if len(found) == 1 else {}
