"""Judges take their times from the cluster: with other timers they are as just as with the usual.

Worlds in which one of them was not, cut down.
"""

from __future__ import annotations

import pytest

from callctl.sim.simulation import Simulation
from callctl.sim.world_file.read import parse_world

CLUSTER = """\
cluster:
  id: two
  domain: lab.example
  nodes:
    ucm1: {listeners: [udp:192.0.2.1:5060, tcp:192.0.2.1:5060, tls:192.0.2.1:5061]}
    ucm2: {listeners: [udp:192.0.2.2:5060, tcp:192.0.2.2:5060, tls:192.0.2.2:5061]}
  cm_groups: {phones: [ucm1], desks: [ucm2]}
  device_pools: {phones: {cm_group: phones}, desks: {cm_group: desks}}
  users: {ada: {password: pw}, bob: {password: pw}}
  lines: {1001: {}, 1002: {}}
  devices:
    SEP1001: {owner: ada, lines: [1001], device_pool: desks}
    TCT1002: {owner: bob, lines: [1002], device_pool: phones, client: jabber, os_version: 17.4}
  cloud: {push_enabled: true, emulator: true}
  service_parameters: {PARAMETERS}
desk_phones: {SEP1001: {transport: udp, answer: {after: never}}}
cloud: {}
"""

LATE_2XX = """\
phones: {TCT1002: {transport: tls, looks: [], wake: 1, answer: {after: 5.739}}}
calls: [{at: 31.685, caller: SEP1001, target: 1002, give_up: 31.907, hang_up: never}]
faults:
  until: 51.525
  troubles: [{at: 34.2, what: cut, whom: [ucm1, ucm2]}]
"""
"""The answer is held up between the nodes until the one that called has given up, and forgotten."""

ASLEEP = """\
phones: {TCT1002: {transport: tls, looks: [{at: 8, screen: off}], wake: WAKE, answer: {after: 2}}}
calls: [{at: 20, caller: SEP1001, target: 1002, give_up: never, hang_up: 5}]
faults: {until: 80}
"""


def world(parameters: str, rest: str) -> Simulation:
    text = CLUSTER.replace("PARAMETERS", parameters) + rest
    return Simulation(parse_world(text).scenario(1))


@pytest.mark.parametrize("t1_ms", [100, 250, 500])
def test_an_answer_to_what_is_forgotten_by_then_need_not_be_forwarded(t1_ms: int) -> None:
    assert world(f"t1_ms: {t1_ms}", LATE_2XX).run().violations == []


@pytest.mark.parametrize("drop_s", [6, 13, 40])
def test_a_device_has_as_long_to_come_as_the_cluster_says(drop_s: int) -> None:
    for wake_s, answered in ((drop_s - 1, True), (drop_s + 1, False)):
        result = world(f"drop_s: {drop_s}", ASLEEP.replace("WAKE", str(wake_s))).run()
        assert result.violations == []
        assert ("phone CallAnswered" in result.stats) is answered


def test_a_caller_may_be_kept_ringing_as_long_as_timer_c_says() -> None:
    rings_on = ASLEEP.replace("WAKE", "1").replace("answer: {after: 2}", "answer: {after: never}")
    assert world("timer_c_s: 400", rings_on).run().violations == []
