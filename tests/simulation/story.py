"""A small world for one story: still air, a desk phone that calls, and phones that sleep.

Calls begin at `CALL_AT`; everything that arrives does so in the instant it was sent, so that a
story can count nanoseconds.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from callctl.model.build import desk_phone, iphone, make_cluster
from callctl.model.cluster import Cluster
from callctl.model.line import Line
from callctl.model.service_parameter import ServiceParameters
from callctl.phone.event import CallAnswered, CallEnded, CallRinging
from callctl.phone.settings import AnswerPlan
from callctl.sim.agent_party import AgentParty
from callctl.sim.glance import Glance
from callctl.sim.phone_party import PhoneParty
from callctl.sim.scenario import AgentPlan, CloudPlan, PhonePlan, Scenario
from callctl.sim.simulation import Simulation
from callctl.sim.weather import STILL
from sipstack.timing import SECOND, Instant

CALL_AT = 20 * SECOND
CALLER, CALLER_DN = "SEPCALLER", "1001"
CALLER_LINE = Line(CALLER_DN, "Loading Dock")
PHONE, PHONE_DN = "TCTPHONE", "2001"
ONBOARDED = CloudPlan()
PATIENT = AnswerPlan(after_ns=2 * SECOND)
"""Picks up two seconds after the call was shown, and waits for the caller to hang up."""


def at(seconds: float) -> Instant:
    """So long after the call."""
    return Instant(CALL_AT + round(seconds * SECOND))


def phone_plan(
    wake_s: float | None = 1.0, answer: AnswerPlan = PATIENT, *, transport: str = "TLS"
) -> PhonePlan:
    """An iPhone that is put away well before the call, and woken by a push so much later."""
    return PhonePlan(
        iphone("owner", PHONE_DN, name=PHONE, device_pool="phones"),
        "198.51.100.1",
        transport,
        answer,
        None if wake_s is None else round(wake_s * SECOND),
        ((5 * SECOND, False),),
    )


def awake(plan: PhonePlan) -> PhonePlan:
    """The same phone, on screen all the time."""
    return replace(plan, toggles=())


class Story:
    """Three nodes; phones in the group of that order; the caller's desk phone at ucm3 alone."""

    def __init__(
        self,
        *phones: PhonePlan,
        desks: tuple[AgentPlan, ...] = (),
        parameters: ServiceParameters | None = None,
        group: tuple[str, ...] = ("ucm1", "ucm2", "ucm3"),
        caller_line: Line = CALLER_LINE,
        lines: tuple[Line, ...] = (),
        release: str = "15",
        cloud: CloudPlan = ONBOARDED,
        **more: Any,  # noqa: ANN401
    ) -> None:
        """`more`: what else `make_cluster` takes, such as hunt pilots and users."""
        caller = AgentPlan(
            desk_phone("caller", CALLER_DN, name=CALLER, device_pool="desks"),
            "203.0.113.1",
            "UDP",
            AnswerPlan(after_ns=SECOND),
        )
        agents = (caller, *desks)
        devices = [*(plan.device for plan in agents), *(plan.device for plan in phones)]
        self.cluster: Cluster = make_cluster(
            cm_groups={"phones": group, "desks": ("ucm3",)},
            device_pools={"phones": "phones", "desks": "desks"},
            lines=[caller_line, *lines],
            devices=devices,
            parameters=parameters,
            release=release,
            **more,
        )
        scenario = Scenario(
            7,
            self.cluster,
            agents,
            phones,
            good_weather=STILL,
            weather=STILL,
            bus_weather=STILL,
            cloud_weather=STILL,
            faults_until=CALL_AT,
            personal=("Loading Dock",),
            cloud=cloud,
        )
        self.simulation = Simulation(scenario)
        self.cloud = self.simulation.cloud
        self.nodes = self.simulation.nodes
        self.simulation.begin()
        self.simulation.plan()
        self.run_to(-9.5)  # by now the phone sleeps

    @property
    def caller(self) -> AgentParty:
        """The desk phone that calls."""
        return self.simulation.agents[CALLER]

    @property
    def phone(self) -> PhoneParty:
        """The only phone, or the first."""
        return next(iter(self.simulation.phones.values()))

    def run_to(self, seconds: float) -> None:
        """Let time pass, counted from the call."""
        self.simulation.world.run_to(at(seconds))

    def call(self, target: str = PHONE_DN, hang_up_s: float | None = None) -> int:
        """The caller calls, at the instant it is."""
        hang_up_ns = None if hang_up_s is None else round(hang_up_s * SECOND)
        return self.caller.call(target, hang_up_ns)

    def rests(self) -> None:
        """Let everything end; nothing may be left and no judge may have anything to say."""
        self.simulation.settle()
        assert self.simulation.at_rest(stranded=True)
        assert self.simulation.watch.violations == [], self.simulation.watch.violations

    # What the story is about.

    def pushes(self, device: str = PHONE) -> list[tuple[Instant, str, str]]:
        """When which node pushed what to a device, and the node it named: "ucm3 incoming"."""
        found = []
        for when, label, kind, _, text in self.simulation.watch.trace.entries:
            words = text.split() if kind == "push" and isinstance(text, str) else []
            if words and words[2] == device:
                named = words[5].partition(".")[0] if len(words) > 5 else ""
                found.append((when, f"{label} {words[0]}", named))
        return found

    def call_uuids(self) -> set[str]:
        """The call UUIDs of all pushes so far."""
        entries = self.simulation.watch.trace.entries
        return {
            text.split()[4]
            for _, _, kind, _, text in entries
            if kind == "push" and isinstance(text, str)
        }

    def heard(self, party: str, start: str) -> list[tuple[Instant, str]]:
        """What a party received that begins so, by its first line, and when."""
        return [(when, glance.start) for when, glance in self._messages(party, "<", start)]

    def sent(self, party: str, start: str) -> list[tuple[Instant, str]]:
        """What a party sent that begins so."""
        return [(when, glance.start) for when, glance in self._messages(party, ">", start)]

    def message(self, party: str, start: str) -> str:
        """The last such message that a party received, whole."""
        return self._messages(party, "<", start)[-1][1].data.decode()

    def rang(self) -> list[tuple[Instant, int]]:
        """When the caller was told that it rings."""
        return [(when, event.status) for when, event in self.caller.events(CallRinging)]

    def answered(self) -> list[Instant]:
        """When the caller's calls were answered."""
        return [when for when, _ in self.caller.events(CallAnswered)]

    def ended(self) -> list[tuple[Instant, int | None]]:
        """When the caller's calls ended, and with which status."""
        return [(when, event.status) for when, event in self.caller.events(CallEnded)]

    def _messages(self, party: str, way: str, start: str) -> list[tuple[Instant, Glance]]:
        return [
            (when, what)
            for when, label, kind, _, what in self.simulation.watch.trace.entries
            if kind == way
            and isinstance(what, Glance)
            and label.partition(".")[0] == party
            and what.start.startswith(start)
        ]
