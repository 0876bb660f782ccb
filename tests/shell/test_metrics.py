"""`/metrics` of a cluster over real sockets, as a Prometheus server reads it."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from dataclasses import replace
from typing import Final

import anyio
import prometheus_client
import pytest
from fastapi import APIRouter, Depends, FastAPI, HTTPException

from callctl.io.http_server import serve
from callctl.io.metrics import CONTENT_TYPE, KEPT_NS, Metrics, Sources, alarms_active
from callctl.io.metrics_api import metrics_router
from callctl.model.build import android, desk_phone, iphone
from callctl.phone.event import Registered
from callctl.serviceability.alarm import ActiveAlarm
from callctl.serviceability.alarm_catalogue import CATALOGUE
from callctl.serviceability.counter_catalogue import COUNTERS, Kind
from callctl.serviceability.metrics import Stage
from helpers.loops import on_each_loop
from helpers.metrics_rig import scraped
from helpers.node_rig import NO_PUSH, loopback_cluster, running, user_agent
from helpers.stage import CALLER_DN, CALLER_NAME, Placed, manner, staged
from sipstack.timing import SECOND, Instant

pytestmark = [pytest.mark.anyio, on_each_loop]

APPLE, GOOGLE = iphone("4930777001"), android("4930777002")
SLEEPERS: Final = {APPLE: manner(), GOOGLE: manner()}

REQ, RES, ERR = (
    "callctl_number_of_push_req_sent_total",
    "callctl_number_of_push_res_received_total",
    "callctl_number_of_push_error_res_received_total",
)


async def answered_and_over(call: Placed) -> None:
    await call.answered()
    await call.ended()


@pytest.mark.req("CTR-01", "CTR-12")
async def test_every_counter_of_every_node_is_in_a_text_that_prometheus_understands() -> None:
    async with running(loopback_cluster(nodes=2)) as shell, scraped(shell) as scrape:
        answer = await scrape.client.get("/metrics")
        assert answer.headers["content-type"] == CONTENT_TYPE
        samples = await scrape.samples()
        assert len(samples) == len([*answer.text.splitlines()]) - answer.text.count("# ")
        for name, entry in COUNTERS.items():
            ending = {Kind.CUMULATIVE: "_total", Kind.INTERVAL: "_60s", Kind.GAUGE: ""}[entry.kind]
            for node in ("ucm1", "ucm2"):
                labels = frozenset({("node", node)})
                assert samples[f"callctl_{entry.metric}{ending}", labels] == 0
                perfmon = {("object", entry.owner.value), ("counter", name), *labels}
                assert samples["perfmon", frozenset(perfmon)] == 0


@pytest.mark.req("CTR-03", "CTR-04")
async def test_call_to_an_iphone_moves_the_counters_and_one_to_an_android_only_our_own() -> None:
    async with staged(sleepers=SLEEPERS) as stage, scraped(stage.shell) as scrape:
        for phone, moved in ((GOOGLE, 0), (APPLE, 1)):
            call = stage.call(phone.lines[0], hang_up_ms=50)
            await answered_and_over(call)
            await stage.at_rest()
            assert await scrape.value(REQ, node="ucm1") == moved
            assert await scrape.value(RES, node="ucm1") == moved
            assert await scrape.value(ERR, node="ucm1") == 0
            pushed = {"node": "ucm1", "kind": "incoming", "outcome": "accepted"}
            service = "APNS" if phone is APPLE else "FCM"
            assert await scrape.value("callctl_pushes_total", service=service, **pushed) == 1
        assert await scrape.value("callctl_calls_total", node="ucm1", outcome="2xx") == 2


async def test_wake_latency_is_told_in_stages_once_a_call_has_finished() -> None:
    async with (
        staged(sleepers={APPLE: manner(wake_ms=300)}) as stage,
        scraped(stage.shell) as scrape,
    ):
        assert await scrape.value("callctl_wake_latency_seconds_count") is None
        await answered_and_over(stage.call(APPLE.lines[0], hang_up_ms=50))
        await stage.at_rest()
        for _ in range(2):
            samples = await scrape.samples()
            sums = {}
            for stage_ in Stage:
                labels = frozenset({("node", "ucm1"), ("stage", stage_.value)})
                assert samples["callctl_wake_latency_seconds_count", labels] == 1
                sums[stage_] = samples["callctl_wake_latency_seconds_sum", labels]
                assert 0 <= sums[stage_] < 10
        total = sums.pop(Stage.TOTAL)
        assert sums[Stage.PHONE] > 0
        assert sum(sums.values()) == pytest.approx(total)


async def test_nothing_personal_is_in_any_name_label_or_value() -> None:
    async with staged(sleepers=SLEEPERS) as stage, scraped(stage.shell) as scrape:
        calls = [stage.call(phone.lines[0], hang_up_ms=50) for phone in SLEEPERS]
        for call in calls:
            await answered_and_over(call)
        text = await scrape.text()
        personal = [CALLER_DN, CALLER_NAME, *(call.record.call_id for call in calls)]
        personal += [call.record.call_uuid for call in calls]
        for phone in SLEEPERS:
            personal += [phone.name, phone.lines[0]]
        assert not [word for word in personal if word in text]


async def test_node_that_died_is_told_and_its_counts_are_gone_until_it_starts_at_0() -> None:
    async with running(loopback_cluster(nodes=2)) as shell, scraped(shell) as scrape:
        assert await scrape.value("callctl_node_up", node="ucm2") == 1
        shell.kill_node("ucm2")
        assert await scrape.value("callctl_node_up", node="ucm2") == 0
        assert await scrape.value(REQ, node="ucm2") is None
        assert await scrape.value(REQ, node="ucm1") == 0
        await shell.start_node("ucm2")
        assert await scrape.value("callctl_node_up", node="ucm2") == 1
        assert await scrape.value(REQ, node="ucm2") == 0


async def test_registrations_are_counted_at_the_node_that_has_them() -> None:
    cluster = loopback_cluster(desk_phone("1001"), desk_phone("1002"), nodes=2)
    async with (
        running(cluster) as shell,
        scraped(shell) as scrape,
        user_agent(shell, "1001", node="ucm2") as first,
        user_agent(shell, "1002", node="ucm2") as second,
    ):
        for agent in (first, second):
            agent.shell.register()
            await agent.until(Registered)
        assert await scrape.value("callctl_registrations", node="ucm1") == 0
        assert await scrape.value("callctl_registrations", node="ucm2") == 2


async def test_option_that_weakens_security_and_what_other_parts_know_are_shown() -> None:
    alarm = next(iter(CATALOGUE.values()))
    active = [
        ActiveAlarm(number, alarm, "ucm1", Instant(0), Instant(0), 1, "TCTALICE", "why")
        for number in range(2)
    ]
    sources = Sources(
        alarms=lambda: alarms_active(active),
        certificates=lambda: {("cloud", "Root CA 1"): 86_400.0},
    )
    cloud = replace(NO_PUSH, insecure_skip_tls_verification=True)
    async with (
        running(loopback_cluster(cloud=cloud)) as shell,
        scraped(shell, sources) as scrape,
    ):
        option = "cloud.insecure_skip_tls_verification"
        assert await scrape.value("callctl_insecure_option", option=option) == 1
        severity = alarm.severity.word
        labels = {"node": "ucm1", "name": alarm.name, "severity": severity}
        assert await scrape.value("callctl_alarms_active", **labels) == 2
        name = "callctl_certificate_expiry_seconds"
        assert await scrape.value(name, store="cloud", certificate="Root CA 1") == 86_400
        assert "TCTALICE" not in await scrape.text()


async def test_scraper_that_hangs_does_not_touch_a_call() -> None:
    """It asks, and never reads; its receive window is smaller than the text."""
    async with (
        staged(sleepers={APPLE: manner()}) as stage,
        scraped(stage.shell, kept_ns=KEPT_NS) as scrape,
    ):
        with ExitStack() as hung:
            for _ in range(20):
                scraper = hung.enter_context(socket.socket())
                scraper.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
                scraper.connect(("127.0.0.1", scrape.port))  # the kernel takes it at once
                scraper.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            await answered_and_over(stage.call(APPLE.lines[0], hang_up_ms=50))
            assert "callctl_calls_total" in await scrape.text()


async def test_calls_are_counted_also_if_nobody_scrapes() -> None:
    async with staged(sleepers={APPLE: manner()}) as stage:
        metrics = Metrics(stage.shell)
        await answered_and_over(stage.call(APPLE.lines[0], hang_up_ms=50))
        await stage.at_rest()
        metrics.take()
        for node in stage.shell.nodes:
            node.engine.calls.records.clear()  # as many later calls would do
        assert b'callctl_calls_total{node="ucm1",outcome="2xx"} 1.0' in metrics.text()


async def test_text_is_made_at_most_once_in_a_second_however_many_ask() -> None:
    async with running(loopback_cluster()) as shell:
        kept, fresh = Metrics(shell, kept_ns=3_600 * SECOND), Metrics(shell, kept_ns=0)
        assert b'callctl_node_up{node="ucm1"} 1.0' in kept.text()
        shell.kill_node("ucm1")
        assert b'callctl_node_up{node="ucm1"} 1.0' in kept.text()
        assert b'callctl_node_up{node="ucm1"} 0.0' in fresh.text()
        assert KEPT_NS == SECOND


async def test_clusters_of_one_process_share_no_registry() -> None:
    async with running(loopback_cluster()) as shell:
        first, second = Metrics(shell), Metrics(shell)
        assert first.text() == second.text()
        assert b"callctl_" not in prometheus_client.generate_latest()


async def test_who_may_ask_is_decided_where_the_route_is_added() -> None:
    def refuse() -> None:
        raise HTTPException(401, "bearer token needed")

    async with running(loopback_cluster()) as shell:
        router: APIRouter = metrics_router(Metrics(shell), [Depends(refuse)])
        app = FastAPI()
        app.include_router(router)
        async with serve(app, None) as port, await anyio.connect_tcp("127.0.0.1", port) as stream:
            await stream.send(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert (await stream.receive()).startswith(b"HTTP/1.1 401 ")
