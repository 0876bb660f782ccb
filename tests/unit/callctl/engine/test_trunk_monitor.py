"""Which destinations of a trunk are in service, by OPTIONS."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from callctl.model.build import make_cluster
from callctl.model.cluster import Cluster
from callctl.model.node import Listener, Node
from callctl.model.trunk import SipTrunk, TrunkDestination
from helpers.trunk_rig import TrunkRig

FIRST = TrunkDestination("UDP", "192.0.2.90", 5060)
SECOND = TrunkDestination("TCP", "2001:db8::91", 5080)
PSTN = SipTrunk("pstn", (FIRST, SECOND), options_ping_s=60, try_s=4)


def rig_of(*trunks: SipTrunk) -> TrunkRig:
    return TrunkRig(cluster_of(*trunks))


def cluster_of(*trunks: SipTrunk) -> Cluster:
    return make_cluster(trunks=trunks or (PSTN,))


def in_service(rig: TrunkRig) -> list[bool]:
    return [state.in_service for state in rig.trunks.states()]


def test_every_destination_is_asked_at_once_after_the_start_and_again_about_every_interval() -> (
    None
):
    rig = rig_of()
    asked = rig.run_to(1000)
    assert {flow.remote_host for _, flow, _ in asked} == {"192.0.2.90", "2001:db8::91"}
    for _, flow, request in asked:
        rig.answer(request, flow, 200)
    assert in_service(rig) == [True, True]
    assert rig.run_to(54_000) == []
    again = {request.call_id: flow for _, flow, request in rig.run_to(67_000)}
    assert sorted(flow.remote_host for flow in again.values()) == ["192.0.2.90", "2001:db8::91"]


def test_the_question_is_a_whole_request_to_the_peer_itself() -> None:
    rig = rig_of(PSTN)
    asked = {flow.transport: request for _, flow, request in rig.run_to(400)}
    request = asked["TCP"]
    assert request.method == "OPTIONS"
    assert request.uri_text == "sip:[2001:db8::91]:5080;transport=tcp"
    assert request.uri.host_port() == ("2001:db8::91", 5080)
    assert asked["UDP"].uri_text == "sip:192.0.2.90:5060"
    for each in asked.values():
        assert each.from_.uri.host == "lab.example"
        assert each.from_tag
        assert each.to_tag is None
        assert each.cseq.method == "OPTIONS"
        assert each.max_forwards == 70
        assert each.headers.has("contact")
        assert each.top_via.branch is not None
    assert asked["TCP"].call_id != asked["UDP"].call_id


@pytest.mark.parametrize(
    ("status", "up"),
    [(200, True), (404, True), (401, True), (500, True), (503, False), (408, False)],
)
def test_any_answer_but_408_and_503_means_in_service(status: int, up: bool) -> None:
    rig = rig_of(replace(PSTN, destinations=(FIRST,)))
    [(_, flow, request)] = rig.run_to(400)
    rig.answer(request, flow, 100)  # says nothing yet
    assert rig.trunks.counts() == {"trunk_probes": 1}
    rig.answer(request, flow, status)
    [state] = rig.trunks.states()
    assert (state.in_service, state.reason) == (up, "" if up else f"answers {status}")
    assert (state.sent, state.answered, state.failed) == (1, int(up), int(not up))
    assert rig.trunks.counts() == {"trunk_probes": 0}


def test_silence_for_the_time_of_a_try_means_out_of_service_and_a_late_answer_in_again() -> None:
    rig = rig_of(replace(PSTN, destinations=(FIRST,)))
    [(asked_at, flow, request)] = rig.run_to(400)
    silent_at_ms = asked_at / 1e6 + 4000
    rig.run_to(silent_at_ms - 1)
    assert in_service(rig) == [True]
    rig.run_to(silent_at_ms)
    [state] = rig.trunks.states()
    assert (state.in_service, state.reason) == (False, "no answer")
    assert state.since == rig.now
    rig.run_to(silent_at_ms + 5000)
    rig.answer(request, flow, 200)
    [state] = rig.trunks.states()
    assert (state.in_service, state.since, state.failed, state.answered) == (True, rig.now, 1, 1)


def test_what_is_out_of_service_is_asked_more_often_and_counted_once_per_question() -> None:
    rig = rig_of(replace(PSTN, destinations=(FIRST,)))
    rig.run_to(800_000)
    first_sent: dict[str, int] = {}
    for at, _, request in rig.sent:
        first_sent.setdefault(request.call_id, at)
    waits = [(later - earlier) / 1e9 for earlier, later in pairwise(first_sent.values())]
    # A question is repeated for 32 s; then comes a quarter of the interval, give or take a tenth.
    assert len(waits) > 10
    assert all(32 + 13.5 <= wait <= 32 + 16.5 for wait in waits), waits
    [state] = rig.trunks.states()
    assert (state.sent, state.failed, state.answered) == (len(first_sent), len(first_sent), 0)


def test_a_connection_that_cannot_be_had_means_out_of_service_at_once() -> None:
    rig = rig_of(replace(PSTN, destinations=(SECOND,)))
    [(_, flow, _)] = rig.run_to(400)
    rig.close(flow)
    [state] = rig.trunks.states()
    assert (state.in_service, state.reason) == (False, "cannot be connected to")
    [(_, flow, request)] = rig.run_to(18_000)
    rig.answer(request, flow, 200)
    assert in_service(rig) == [True]


def test_without_an_interval_nobody_is_asked_and_all_count_as_in_service() -> None:
    rig = rig_of(replace(PSTN, options_ping_s=0))
    rig.trunks.doubt(rig.context.cluster.trunks["pstn"], FIRST, rig.now)
    assert rig.run_to(600_000) == []
    assert in_service(rig) == [True, True]
    assert rig.trunks.next_deadline() is None


def test_a_destination_that_a_call_found_silent_is_asked_at_once() -> None:
    rig = rig_of()
    for _, flow, request in rig.run_to(1000):
        rig.answer(request, flow, 200)
    rig.run_to(10_000)
    rig.trunks.doubt(rig.context.cluster.trunks["pstn"], FIRST, rig.now)
    rig.trunks.doubt(rig.context.cluster.trunks["pstn"], FIRST, rig.now)
    assert [flow.remote_host for _, flow, _ in rig.run_to(10_000)] == ["192.0.2.90"]


def test_a_transport_that_the_node_does_not_speak_is_out_of_service() -> None:
    node = Node("ucm1", (Listener("UDP", "192.0.2.1", 5060),), "ucm1.lab.example")
    rig = TrunkRig(make_cluster(nodes=[node], trunks=[PSTN]))
    rig.run_to(1000)
    assert [state.reason for state in rig.trunks.states()][1] == "this node does not speak TCP"
    assert len({flow.transport for _, flow, _ in rig.sent}) == 1


def test_destinations_in_service_come_first_each_in_the_order_of_the_file() -> None:
    third = TrunkDestination("UDP", "192.0.2.92", 5060)
    trunk = replace(PSTN, destinations=(FIRST, SECOND, third))
    rig = rig_of(trunk)
    assert rig.trunks.order(trunk) == (FIRST, SECOND, third)
    for _, flow, request in rig.run_to(1000):
        rig.answer(request, flow, 503 if flow.remote_host == "192.0.2.90" else 200)
    assert rig.trunks.order(trunk) == (SECOND, third, FIRST)


def test_nothing_is_left_between_two_questions() -> None:
    rig = rig_of()
    for _, flow, request in rig.run_to(1000):
        rig.answer(request, flow, 200)
    rig.run_to(10_000)
    assert rig.trunks.counts() == {"trunk_probes": 0}
    counts = rig.context.stack.counts()
    assert counts["client_transactions"] == counts["deadlines"] == 0
