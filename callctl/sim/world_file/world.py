"""A world that was read: gives the scenario of each seed, listed or drawn."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from callctl.cloud.faults import Fault
from callctl.model.cluster import Cluster
from callctl.sim.entropy import Streams
from callctl.sim.scenario import CALLS_FROM_NS, CallPlan, CloudPlan, Scenario, peer_name
from callctl.sim.weather import Weather
from callctl.sim.workload import draw, draw_all_faults
from callctl.sim.world_file.draw_calls import draw_calls
from callctl.sim.world_file.draw_cluster import draw_cluster
from callctl.sim.world_file.draw_schema import DrawCallsEntry
from callctl.sim.world_file.draw_troubles import draw_troubles
from callctl.sim.world_file.people import changed_by, people_of
from callctl.sim.world_file.place import Placed
from callctl.sim.world_file.schema import CallEntry, CloudFaultEntry, WeatherEntry, WorldFile
from callctl.sim.world_file.troubles import troubles_of
from callctl.sim.world_file.values import or_none
from sipstack.timing import SECOND, Instant

AFTERWARDS_NS: Final = 20 * SECOND  # faults last so long after the last call or trouble
PERSONAL_MIN: Final = 7  # characters; shorter words turn up by chance in what is sealed


@dataclass(frozen=True, slots=True)
class World:
    """What a world file says, checked."""

    file: WorldFile
    placed: Placed | None  # None: the cluster is drawn

    @property
    def seed(self) -> int:
        """The seed of the file."""
        return self.file.seed

    def scenario(self, seed: int) -> Scenario:
        """Everything that is listed, and the rest as the seed has it."""
        file = self.file
        streams = Streams(seed)
        scenario = self._with_people(seed, streams)
        called = self._with_calls(scenario, streams)
        wrong = self._with_faults(called, streams)
        if file.cloud is not None:
            plan = CloudPlan(file.cloud.token_life, file.cloud.token_again, file.cloud.proxy)
            wrong = replace(wrong, cloud=plan)
        if "personal" in file.model_fields_set:
            wrong = replace(wrong, personal=tuple(file.personal))
        return replace(wrong, good_weather=_weather(file.good_weather), judged=tuple(file.judges))

    # The parts.

    def _with_people(self, seed: int, streams: Streams) -> Scenario:
        file = self.file
        habits = file.draw.habits
        if self.placed is None and file.draw.cluster is None:
            scenario = draw(seed)
            return scenario if habits is None else changed_by(habits, scenario, streams)
        if self.placed is not None:
            people = people_of(self.placed, file, streams)
        else:
            assert file.draw.cluster is not None
            cluster = draw_cluster(streams.random("world cluster"), file.draw.cluster)
            people = people_of(Placed(cluster, {}), WorldFile(draw=file.draw), streams)
        return Scenario(
            seed,
            people.cluster,
            people.agents,
            people.phones,
            people.peers,
            personal=_personal(people.cluster),
        )

    def _with_calls(self, scenario: Scenario, streams: Streams) -> Scenario:
        file = self.file
        if "calls" in file.model_fields_set:
            calls = tuple(self._call(entry) for entry in file.calls)
        elif file.draw.calls is not None or not scenario.calls:
            entry = file.draw.calls or DrawCallsEntry()
            calls = draw_calls(streams.random("world calls"), entry, scenario, self._party_name)
        else:
            return scenario
        return _drawn_faults(replace(scenario, calls=calls), streams)

    def _with_faults(self, scenario: Scenario, streams: Streams) -> Scenario:
        file = self.file
        entry = file.faults
        if entry is not None:
            weather = entry.weather
            listed = troubles_of(entry.troubles, scenario, self.placed)
            scenario = replace(
                scenario,
                troubles=tuple(sorted(listed, key=lambda plan: plan.at)),
                weather=_weather(weather.sip),
                bus_weather=_weather(weather.bus),
                cloud_weather=_weather(weather.cloud),
                ci_faults=_faults(entry.ci),
                push_rest_faults=_faults(entry.push_rest),
                partner_faults=_faults(entry.partners),
            )
        if file.draw.troubles is not None:
            random = streams.random("world troubles")
            troubles = draw_troubles(random, file.draw.troubles, scenario)
            scenario = replace(scenario, troubles=troubles)
        if entry is not None and entry.until is not None:
            return replace(scenario, faults_until=entry.until)
        if entry is not None or file.draw.troubles is not None:
            return replace(scenario, faults_until=usual_end(scenario))
        return scenario

    def _call(self, entry: CallEntry) -> CallPlan:
        return CallPlan(
            entry.at,
            self._party_name(entry.caller),
            entry.target,
            or_none(entry.give_up),
            or_none(entry.hang_up),
        )

    def _party_name(self, text: str) -> str:
        """What a caller of the file is called in the simulation."""
        destinations = self.placed.destinations if self.placed is not None else {}
        found = destinations.get(text)
        return text if found is None else peer_name(found)


def _drawn_faults(scenario: Scenario, streams: Streams) -> Scenario:
    """What goes wrong by the seed, around these calls."""
    around = scenario.calls or (CallPlan(CALLS_FROM_NS, "", ""),)
    faults, cloud = draw_all_faults(streams, scenario.cluster, scenario.phones, around)
    return replace(scenario, cloud=cloud.plan, ci_faults=cloud.ci_faults, **faults)


def usual_end(scenario: Scenario) -> int:
    """When faults end unless a file says otherwise."""
    times = [CALLS_FROM_NS, *(it.at for it in scenario.calls), *(it.at for it in scenario.troubles)]
    return max(times) + AFTERWARDS_NS


def _weather(entry: WeatherEntry) -> Weather:
    return Weather(entry.loss, entry.duplicates, entry.delay.low, entry.delay.high)


def _faults(entries: Iterable[CloudFaultEntry]) -> tuple[Fault, ...]:
    return tuple(
        Fault(
            status=it.status,
            reason=it.reason,
            retry_after_s=it.retry_after,
            silent=it.silent,
            delay_ns=it.delay,
            lose=it.lose,
            duplicate=it.duplicate,
            ignore_expiry=it.ignore_expiry,
            late_410_ns=it.late_410,
            garbage=it.garbage,
            octet_every_ns=it.octet_every,
            break_after=it.break_after,
            service=it.service,
            times=it.times,
            per_mille=it.share,
            ends_at=None if it.ends is None else Instant(it.ends),
        )
        for it in entries
    )


def _personal(cluster: Cluster) -> tuple[str, ...]:
    words = [word for line in cluster.lines.values() for word in (line.dn, line.display_name)]
    words += cluster.users
    return tuple(dict.fromkeys(word for word in words if len(word) >= PERSONAL_MIN))
