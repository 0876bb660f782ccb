"""Coverage: every fault counts where it acts, in every state that some call is in just then."""

from __future__ import annotations

from callctl.cloud.faults import Fault
from callctl.sim.coverage import (
    CLOUD_PACKET_LOST,
    FAULTS,
    PACKET_LOST,
    STATES,
    CoveredSimulation,
    Hits,
    add,
    manner_of,
    rows,
    table,
)
from callctl.sim.runner import judge, run
from callctl.sim.world_file.read import parse_world

WORLD = """\
cluster:
  id: two
  domain: lab.example
  nodes:
    ucm1: {listeners: [udp:192.0.2.1:5060, tcp:192.0.2.1:5060, tls:192.0.2.1:5061]}
    ucm2: {listeners: [udp:192.0.2.2:5060, tcp:192.0.2.2:5060, tls:192.0.2.2:5061]}
  cm_groups: {phones: [ucm1, ucm2], desks: [ucm2, ucm1]}
  device_pools: {phones: {cm_group: phones}, desks: {cm_group: desks}}
  users: {ada: {password: pw}, bob: {password: pw}}
  lines: {1001: {}, 1002: {}}
  devices:
    SEP1001: {owner: ada, lines: [1001], device_pool: desks}
    TCT1002: {owner: bob, lines: [1002], device_pool: phones, client: jabber, os_version: 17.4}
  cloud: {push_enabled: true, emulator: true}
phones:
  TCT1002:
    transport: tls
    wake: 2
    looks: [{at: 8, screen: off}]
    answer: {after: 3}
desk_phones: {SEP1001: {transport: tcp}}
cloud: {}
calls: [{at: 20, caller: SEP1001, target: 1002, give_up: never, hang_up: 10}]
"""
"""The phone is pushed at 20 s, comes at 22 s, rings, is answered at 25 s, and talks for 10 s."""


def hits(faults: str) -> Hits:
    simulation = CoveredSimulation(parse_world(WORLD + faults).scenario(1))
    assert simulation.run().ok
    return simulation.hits


def test_a_trouble_counts_in_the_state_that_the_call_is_in() -> None:
    troubles = "\n".join(
        f"    - {{at: {at}, what: push service stop, whom: ucm2}}\n"
        f"    - {{at: {at}.1, what: push service start, whom: ucm2}}"
        for at in (19, 21, 24, 30, 75)
    )
    found = hits(f"faults:\n  until: 90\n  troubles:\n{troubles}\n")
    assert found == {
        ("push service stop", "no call"): 2,
        ("push service stop", "waiting"): 1,
        ("push service stop", "ringing"): 1,
        ("push service stop", "answered"): 1,
        ("push service stop", "talking"): 1,
        ("push service start", "no call"): 2,
        ("push service start", "waiting"): 1,
        ("push service start", "ringing"): 1,
        ("push service start", "answered"): 1,
        ("push service start", "talking"): 1,
    }


def test_lost_packets_and_answers_of_clouds_count_each_time() -> None:
    found = hits(
        "faults:\n  until: 60\n  weather: {sip: {loss: 30, delay: 0.01}, cloud: {loss: 60}}\n"
    )
    assert sum(found.get((PACKET_LOST, state), 0) for state in STATES) > 3
    assert sum(found.get((CLOUD_PACKET_LOST, state), 0) for state in STATES) > 0


def test_a_fault_of_a_cloud_counts_by_what_it_does() -> None:
    found = hits("faults:\n  until: 60\n  partners: [{delay: 0.5}]\n")
    assert found == {("APNs or FCM delivers late", "waiting"): 1}


def test_what_several_things_are_set_in_goes_by_the_first() -> None:
    assert manner_of(Fault(status=503, delay_ns=1)) == "answers an error"
    assert manner_of(Fault(lose=True, duplicate=True)) == "loses"
    assert manner_of(Fault(late_410_ns=1)) == "knows late of a removed app"
    assert manner_of(Fault(body_octets=1)) == "does something else"


def test_counting_changes_no_trace_and_no_verdict() -> None:
    for seed in (7, 8, 9):
        plain, counted = judge(seed, digest=True), judge(seed, digest=True, coverage=True)
        assert counted.digest == plain.digest == run(seed).trace.digest()
        assert counted.violations == plain.violations
        assert counted.hits
        assert not plain.hits


def test_hits_of_runs_are_added() -> None:
    sum_of_two: Hits = {}
    add(sum_of_two, {("kill", "ringing"): 1, ("stop", "no call"): 2})
    add(sum_of_two, {("kill", "ringing"): 4})
    assert sum_of_two == {("kill", "ringing"): 5, ("stop", "no call"): 2}


def test_the_table_has_a_row_for_each_fault_and_a_dot_where_none_hit() -> None:
    head, *lines, end = table({("kill", "ringing"): 12, ("an odd one", "talking"): 1})
    assert head.split() == ["fault", "no", "call", *STATES[1:]]
    assert len(lines) == len(FAULTS) + 1
    [kill] = [line for line in lines if line.startswith("kill ")]
    assert kill.split()[1:] == [".", ".", ".", ".", "12", ".", ".", "."]
    assert lines[-1].startswith("an odd one ")
    assert end == f"2 of {(len(FAULTS) + 1) * len(STATES)} cells were reached"


def test_rows_have_a_number_for_each_state() -> None:
    assert all(len(counts) == len(STATES) for _, counts in rows({}))
