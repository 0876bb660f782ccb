"""A run of the simulated world as a capture: what its nodes saw, with notes and cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from msgspec import json

from callctl.cli.errors import Usage
from callctl.replay.notes import CLUSTER_SUFFIX
from callctl.replay.notes_schema import NotesFile
from callctl.replay.story_recorder import StoryRecorder
from callctl.replay.write import Kept
from callctl.sim.cloud_party import UNIX_MS_AT_ZERO
from callctl.sim.judges import all_judges
from callctl.sim.runner import play
from callctl.sim.scenario import Scenario
from callctl.sim.simulation import Simulation
from callctl.sim.world_file.troubles import hosts_of
from sipstack.timing import MS, SECOND

ENDING: Final = ".pcapng"
ORIGIN: Final = "Recorded in the simulated world of callctl: nobody's personal data."


def write_capture(path: Path, scenario: Scenario) -> tuple[Path, Path, Path]:
    """Play the scenario and write what its nodes saw. Returns: capture, notes, cluster.

    Raises: Usage, OSError.
    """
    if path.suffix != ENDING:
        raise Usage(f"--pcap {path}: a name that ends in {ENDING}")
    recorder = StoryRecorder()
    simulation = Simulation(scenario, judges=lambda each: (*all_judges(each), recorder))
    play(simulation)
    _name_devices(recorder, simulation)
    nodes = set(scenario.cluster.nodes)
    file = NotesFile(
        title=f"seed {scenario.seed} of the simulated world",
        origin=ORIGIN,
        parties={name: [host] for name, host in hosts_of(scenario).items() if name not in nodes},
        starts_s=0,
        between_nodes_s=scenario.good_weather.delay_min_ns / SECOND,
        sign_ins=recorder.sign_ins,
        sign_outs=recorder.sign_outs,
        node_events=recorder.events,
        pushes=recorder.push_entries({}),
    )
    seen = tuple(recorder.outside())
    kept = Kept(seen, tuple(recorder.ends), file, scenario.cluster, UNIX_MS_AT_ZERO * MS)
    notes = kept.write(path.parent, path.stem)
    return path, notes, path.with_name(f"{path.stem}{CLUSTER_SUFFIX}")


def _name_devices(recorder: StoryRecorder, simulation: Simulation) -> None:
    """Say for whom pushes are whose target came by REGISTER: judges do not read Contacts."""
    devices = {
        attached.token: name
        for name, party in simulation.phones.items()
        for attached in party.phone.identity.attachments()
    }
    for push in recorder.pushes:
        if push.seen.device_name not in simulation.phones:
            name = devices.get(json.decode(push.seen.body)["target"])
            if name is not None:
                push.seen = push.seen._replace(device_name=name)
