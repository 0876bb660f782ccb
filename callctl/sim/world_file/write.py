"""Writes a scenario as a world file with everything listed: read again, it is the same scenario."""

from __future__ import annotations

from typing import Final

from callctl.cloud.faults import PER_MILLE, Fault
from callctl.model.cluster import Cluster
from callctl.model.dump import cluster_tree
from callctl.phone.settings import AnswerPlan
from callctl.sim.scenario import (
    AgentPlan,
    CallPlan,
    CloudPlan,
    PhonePlan,
    Scenario,
    Trouble,
    TroublePlan,
    peer_name,
)
from callctl.sim.weather import CALM, Weather
from callctl.sim.world_file.check import UNREACHABLE
from callctl.sim.world_file.troubles import hosts_of
from callctl.sim.world_file.values import percent_text, seconds_text, span_text
from callctl.sim.world_file.yaml_text import Plain, yaml_text

NEVER_TEXT: Final = "never"
MADE_UP: Final = "made-up"  # in place of each password: a world has its own (see `place`)

Tree = dict[str, Plain]


def world_text(scenario: Scenario) -> str:
    """The file."""
    names = {host: name for name, host in hosts_of(scenario).items()}
    callers = {peer_name(it.destination): str(it.destination) for it in scenario.peers}
    here = scenario.devices
    owned = {it.name for it in scenario.cluster.devices.values() if it.owner is not None}
    tree: Tree = {
        "seed": str(scenario.seed),
        "judges": list(scenario.judged),
        "cluster": _cluster(scenario.cluster),
        "devices": [] if set(here) == owned else list(here),
        "phones": {plan.device.name: _phone(plan) for plan in scenario.phones},
        "desk_phones": {plan.device.name: _agent(plan) for plan in scenario.agents},
        "peers": {str(it.destination): {"answer": _answer(it.answer)} for it in scenario.peers},
    }
    tree = {key: value for key, value in tree.items() if value}
    tree["calls"] = [_call(plan, callers) for plan in scenario.calls]
    tree["faults"] = _faults(scenario, names)
    tree["cloud"] = _cloud(scenario.cloud)
    if scenario.good_weather != CALM:
        tree["good_weather"] = _weather(scenario.good_weather)
    tree["personal"] = list(scenario.personal)
    return yaml_text(tree)


def _cluster(cluster: Cluster) -> Plain:
    return _plain(cluster_tree(cluster, lambda _: MADE_UP))


def _plain(value: object) -> Plain:
    """Plain data as it is written."""
    if isinstance(value, dict):
        return {str(key): _plain(it) for key, it in value.items()}
    if isinstance(value, list):
        return [_plain(it) for it in value]
    return str(value).lower() if isinstance(value, bool) else str(value)


def _phone(plan: PhonePlan) -> Tree:
    return {
        "host": plan.host,
        "transport": plan.transport.lower(),
        "answer": _answer(plan.answer),
        "wake": _or_never(plan.wake_ns),
        "looks": [
            {"at": seconds_text(at), "screen": "on" if on_screen else "off"}
            for at, on_screen in plan.toggles
        ],
        "sign_out": _or_never(plan.sign_out_at),
        "tap": _or_never(plan.tap_ns),
        "key_life": _or_never(plan.key_life_ns),
    }


def _agent(plan: AgentPlan) -> Tree:
    return {
        "host": plan.host,
        "transport": plan.transport.lower(),
        "answer": _answer(plan.answer),
    }


def _answer(plan: AnswerPlan) -> Tree:
    tree: Tree = {} if plan.ring else {"ring": "false"}
    tree["after"] = _or_never(plan.after_ns)
    if plan.status != AnswerPlan().status:
        tree["status"] = str(plan.status)
    if plan.hang_up_after_ns is not None:
        tree["hang_up"] = seconds_text(plan.hang_up_after_ns)
    return tree


def _call(plan: CallPlan, callers: dict[str, str]) -> Tree:
    return {
        "at": seconds_text(plan.at),
        "caller": callers.get(plan.caller, plan.caller),
        "target": plan.target,
        "give_up": _or_never(plan.give_up_ns),
        "hang_up": _or_never(plan.hang_up_ns),
    }


def _faults(scenario: Scenario, names: dict[str, str]) -> Tree:
    links = {
        "sip": scenario.weather,
        "bus": scenario.bus_weather,
        "cloud": scenario.cloud_weather,
    }
    tree: Tree = {
        "until": seconds_text(scenario.faults_until),
        "weather": {name: _weather(it) for name, it in links.items() if it != CALM},
        "troubles": [_trouble(plan, names) for plan in scenario.troubles],
        "ci": [_fault(fault) for fault in scenario.ci_faults],
        "push_rest": [_fault(fault) for fault in scenario.push_rest_faults],
        "partners": [_fault(fault) for fault in scenario.partner_faults],
    }
    return {key: value for key, value in tree.items() if value}


def _trouble(plan: TroublePlan, names: dict[str, str]) -> Tree:
    tree: Tree = {"at": seconds_text(plan.at), "what": plan.what.value}
    if plan.what in UNREACHABLE:
        tree["how"] = plan.whom[0]
    elif plan.what is Trouble.CUT:
        tree["whom"] = [names.get(host, host) for host in plan.whom]
    elif plan.whom:
        tree["whom"] = plan.whom[0]
    return tree


def _weather(weather: Weather) -> Tree:
    tree: Tree = {}
    if weather.loss:
        tree["loss"] = percent_text(weather.loss)
    if weather.duplicates:
        tree["duplicates"] = percent_text(weather.duplicates)
    tree["delay"] = span_text(weather.delay_min_ns, weather.delay_max_ns)
    return tree


def _fault(fault: Fault) -> Tree:
    switches = ("silent", "lose", "duplicate", "ignore_expiry", "garbage")
    numbers = {
        "status": fault.status,
        "retry_after": fault.retry_after_s,
        "break_after": fault.break_after,
        "times": fault.times,
    }
    times = {
        "delay": fault.delay_ns,
        "late_410": fault.late_410_ns,
        "octet_every": fault.octet_every_ns,
        "ends": fault.ends_at,
    }
    texts = {"reason": fault.reason, "service": fault.service}
    tree: Tree = {name: str(number) for name, number in numbers.items() if number is not None}
    tree |= {name: text for name, text in texts.items() if text}
    tree |= {name: seconds_text(ns) for name, ns in times.items() if ns}
    tree |= {name: "true" for name in switches if getattr(fault, name)}
    if fault.per_mille != PER_MILLE:
        tree["share"] = percent_text(fault.per_mille)
    return tree


def _cloud(plan: CloudPlan) -> Tree:
    tree: Tree = {"token_life": str(plan.token_life_s), "token_again": str(plan.token_again_s)}
    if plan.proxy:
        tree["proxy"] = "true"
    return tree


def _or_never(ns: int | None) -> str:
    return NEVER_TEXT if ns is None else seconds_text(ns)
