"""Alarms to syslog over UDP, TCP and TLS, and to the log: what arrives, and what never waits."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import os
import ssl
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter

import anyio
import anyio.lowlevel
import pytest
import structlog

from callctl.io.alarm_sinks import AlarmDesk, LogSink
from callctl.io.log import LogSettings, LogWriter, logging_to
from callctl.io.pki import CertificateAuthority
from callctl.io.syslog_sender import SyslogSender, collector_tls
from callctl.model.alarm_settings import SyslogSettings
from callctl.model.build import desk_phone
from callctl.model.release import Release
from callctl.phone.event import CallAnswered, CallEnded, Registered
from callctl.phone.settings import AnswerPlan
from callctl.serviceability.alarm import AlarmNotice, AlarmRaised
from callctl.serviceability.alarm_catalogue import CATALOGUE
from callctl.serviceability.alarms import AlarmBoard
from callctl.serviceability.condition import ConditionEntered, ConditionLeft
from helpers.collectors import Collector, hung_collector, stream_collector, udp_collector
from helpers.loops import on_each_loop
from helpers.node_rig import eventually, loopback_cluster, running, user_agent
from sipstack.io.clock import MonotonicClock
from sipstack.timing import MS, Instant

pytestmark = [pytest.mark.anyio, on_each_loop]

AUTHORITY = CertificateAuthority()
NO_CPNS = "PushNotificationServiceUnavailable"
BAD_TOKEN = "PushNotificationInvalidDeviceTokenResponse"


def raised(number: int = 1, detail: str = "") -> AlarmRaised:
    return AlarmRaised(
        number, CATALOGUE[NO_CPNS], "ucm1", Instant(0), Instant(0), 1, "TCTALICE", detail
    )


@asynccontextmanager
async def sender(
    settings: SyslogSettings, *, trusts: bool = True, queue_max: int = 1_000
) -> AsyncIterator[SyslogSender]:
    authority = AUTHORITY if trusts else CertificateAuthority("another")
    made = SyslogSender(
        settings,
        MonotonicClock().unix_ns,
        host="ucm1.example.com",
        tls=authority.client_context() if settings.transport == "tls" else None,
        queue_max=queue_max,
        send_timeout_s=0.2,
        pause_s=0.02,
    )
    async with anyio.create_task_group() as tasks:
        await tasks.start(made.run)
        yield made
        tasks.cancel_scope.cancel()


@asynccontextmanager
async def collector(transport: str) -> AsyncIterator[Collector]:
    if transport == "udp":
        async with udp_collector() as made:
            yield made
    else:
        tls = AUTHORITY.server_context(alpn=()) if transport == "tls" else None
        async with stream_collector(tls) as made:
            yield made


@pytest.mark.req("ALARM-01", "ALARM-08", "ALARM-09")
@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
async def test_every_alarm_arrives_whole_in_order_and_names_nobody(
    transport: str,
) -> None:
    async with collector(transport) as to:
        settings = SyslogSettings("127.0.0.1", transport, to.port)  # type: ignore[arg-type]
        async with sender(settings) as by:
            for number, definition in enumerate(CATALOGUE.values()):
                by.deliver(
                    AlarmRaised(
                        number, definition, "ucm1", Instant(0), Instant(0), 1, "TCTALICE", "Grüße"
                    )
                )
            await to.until(len(CATALOGUE))
    assert to.wrong == []
    assert to.values("name") == list(CATALOGUE)
    assert [each.severity for each in to.messages] == [it.severity for it in CATALOGUE.values()]
    assert not any(b"TCTALICE" in octets for octets in to.octets)
    assert all(each.text.startswith("Grüße. ") for each in to.messages)


@pytest.mark.req("OP-36", "ALARM-10")
async def test_a_condition_is_raised_and_cleared_once_at_the_collector() -> None:
    async with udp_collector() as to, sender(SyslogSettings("127.0.0.1", "udp", to.port)) as by:
        desk = AlarmDesk(AlarmBoard(Release.parse("14SU3")), MonotonicClock(), [by])
        for _ in range(100):
            desk.feed(ConditionEntered(NO_CPNS, "ucm1"))
        desk.feed(ConditionLeft(NO_CPNS, "ucm1"))
        desk.feed(ConditionEntered("LocalPushStartFailed", "ucm2"))
        await to.until(3)
        desk.close()
    assert to.values("state") == ["raised", "cleared", "raised"]
    assert to.values("occurrences") == ["1", "100", "1"]
    assert to.values("node") == ["ucm1", "ucm1", "ucm2"]


@pytest.mark.parametrize("transport", ["tcp", "tls"])
async def test_what_is_raised_while_the_collector_is_away_arrives_when_it_is_back(
    transport: str,
) -> None:
    tls = AUTHORITY.server_context(alpn=()) if transport == "tls" else None
    to = Collector()
    async with stream_collector(tls, collector=to):
        port = to.port
        settings = SyslogSettings("127.0.0.1", transport, port)  # type: ignore[arg-type]
    async with sender(settings) as by:
        by.deliver(raised(1))
        await eventually(lambda: by.failures >= 2)
        assert (by.sent, by.connected) == (0, False)
        async with stream_collector(tls, port=port, collector=to):
            await to.until(1)
            by.deliver(raised(2))
            await to.until(2)
        await eventually(lambda: not by.connected)
        by.deliver(raised(3))
        async with stream_collector(tls, port=port, collector=to):
            await to.until(3)
    assert to.wrong == []
    assert to.values("number") == ["1", "2", "3"]
    assert to.connections == 2


async def test_a_collector_that_hangs_costs_the_messages_past_the_limit_and_no_time() -> None:
    async with (
        hung_collector() as (port, taken),
        sender(SyslogSettings("127.0.0.1", "tcp", port), queue_max=50) as by,
    ):
        by.deliver(raised())
        await eventually(lambda: by.connected)
        # Far more than all buffers on the way hold.
        while by.failures == 0:
            before = perf_counter()
            for _ in range(100):
                by.deliver(raised(detail="x" * 200))
            assert perf_counter() - before < 0.5  # 100 messages cost a few milliseconds
            await anyio.lowlevel.checkpoint()
        assert by.error == "no answer in time"
        assert by.counts()["waiting"] <= 50
        assert by.lost > 0
        await eventually(lambda: len(taken) >= 2)  # it goes on trying


async def test_a_call_is_made_while_disk_and_collector_hang_and_alarms_rain() -> None:
    """Test 112 of research 6.M."""
    disk = HungHandler()
    cluster = loopback_cluster(desk_phone("1001"), desk_phone("1002"))
    async with (
        running(cluster) as shell,  # which counts the tasks that are left, so it comes first
        hung_collector() as (port, _),
        sender(SyslogSettings("127.0.0.1", "tcp", port), queue_max=50) as by,
        user_agent(shell, "1001") as caller,
        user_agent(shell, "1002", answer=AnswerPlan(after_ns=20 * MS)) as callee,
    ):
        writer = LogWriter(disk, queue_max=50)
        to_disk = logging.getLogger("callctl.test112")
        to_disk.propagate = False
        to_disk.addHandler(writer.handler)
        desk = AlarmDesk(AlarmBoard(Release.parse("14SU3")), MonotonicClock(), [by])
        rained = 0

        async def rain() -> None:
            nonlocal rained
            while True:
                for each in (ConditionEntered, ConditionLeft):
                    desk.feed(each(NO_CPNS, "ucm1"))
                    to_disk.warning("line")
                rained += 2
                await anyio.lowlevel.checkpoint()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(rain)
            await eventually(lambda: writer.lost_on_the_way > 0 and by.lost > 0)
            for agent in (caller, callee):
                agent.shell.register()
                await agent.until(Registered)
            call = caller.shell.invite("1002")
            await caller.until(CallAnswered)
            caller.shell.bye(call)
            await callee.until(CallEnded)
            tasks.cancel_scope.cancel()
        to_disk.removeHandler(writer.handler)
        disk.go_on.set()
        writer.close()
        desk.close()
    assert disk.reached.is_set()
    assert rained > 100


async def test_a_collector_that_nobody_vouches_for_gets_nothing() -> None:
    async with collector("tls") as to:
        settings = SyslogSettings("127.0.0.1", "tls", to.port)
        async with sender(settings, trusts=False) as by:
            by.deliver(raised())
            await eventually(lambda: by.failures >= 2)
            assert by.error == "SSLCertVerificationError"
            assert by.sent == 0
    assert to.octets == []


async def test_a_collector_under_another_name_gets_nothing() -> None:
    server = await asyncio.start_server(
        lambda reader, writer: None, "127.0.0.2", 0, ssl=AUTHORITY.server_context(alpn=())
    )  # its certificate is for 127.0.0.1 and localhost
    async with server:
        port = server.sockets[0].getsockname()[1]
        async with sender(SyslogSettings("127.0.0.2", "tls", port)) as by:
            by.deliver(raised())
            await eventually(lambda: by.failures >= 1)
            assert by.error == "SSLCertVerificationError"


def lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


async def test_the_log_has_a_json_line_of_each_notice_without_whom_it_is_about(
    tmp_path: Path,
) -> None:
    path = tmp_path / "callctl.log"
    with logging_to(LogSettings(path)):
        desk = AlarmDesk(AlarmBoard(Release.parse("14SU3")), MonotonicClock(), [LogSink()])
        desk.feed(ConditionEntered(BAD_TOKEN, "ucm1", "TCTALICE", "for +498912345678"))
        desk.feed(ConditionLeft(BAD_TOKEN, "ucm1", "TCTALICE"))
        desk.close()
    assert path.stat().st_mode & 0o777 == 0o600
    text = path.read_text("utf-8")
    up, down = lines(text)
    assert up.pop("timestamp")
    assert up == {
        "event": "alarm raised",
        "level": "error",
        "alarm": BAD_TOKEN,
        "severity": "ERROR_ALARM",
        "component": "Cisco CallManager",
        "node": "ucm1",
        "alarm_number": 1,
        "occurrences": 1,
        "detail": "for ***",
    }
    assert (down["event"], down["level"]) == ("alarm cleared", "info")
    assert "TCTALICE" not in text


async def test_whatever_is_logged_secrets_and_names_are_masked() -> None:
    stream = io.StringIO()
    with logging_to(LogSettings(), stream):
        structlog.get_logger("callctl.anything").warning(
            "got Bearer abc.def.ghi", refresh_token="r3fr3sh", user="alice", count=3
        )
        structlog.get_logger("callctl.anything").debug("not at this level")
    (line,) = lines(stream.getvalue())
    assert (line["event"], line["refresh_token"], line["user"], line["count"]) == (
        "got Bearer ***",
        "***",
        "***",
        3,
    )


@asynccontextmanager
async def lateness() -> AsyncIterator[Callable[[], float]]:
    """The longest that the loop was held up, in seconds."""
    longest = 0.0

    async def tick() -> None:
        nonlocal longest
        while True:
            before = perf_counter()
            await anyio.lowlevel.checkpoint()
            longest = max(longest, perf_counter() - before)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(tick)
        yield lambda: longest
        tasks.cancel_scope.cancel()


class HungHandler(logging.Handler):
    """A disk that answers nothing until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = threading.Event()
        self.go_on = threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.reached.set()
        self.go_on.wait(30)


async def test_a_disk_that_hangs_holds_nobody_up_and_costs_what_the_queue_cannot_hold() -> None:
    disk = HungHandler()
    writer = LogWriter(disk, queue_max=10)
    record = logging.LogRecord("callctl", logging.INFO, "", 0, "line", None, None)
    writer.put(record)
    await eventually(disk.reached.is_set)
    async with lateness() as held_up:
        for _ in range(100):
            writer.put(record)
            await anyio.lowlevel.checkpoint()
        assert held_up() < 1.0
    assert writer.counts() == {"lost on the way": 90, "lost on disk": 0, "waiting": 10}
    before = perf_counter()
    writer.close(within_s=0.05)
    assert perf_counter() - before < 5.0
    disk.go_on.set()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
async def test_a_full_disk_loses_lines_counts_them_and_troubles_nobody(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with logging_to(LogSettings(Path("/dev/full"))) as writer:
        desk = AlarmDesk(AlarmBoard(Release.parse("14SU3")), MonotonicClock(), [LogSink()])
        for number in range(5):
            desk.feed(ConditionEntered(NO_CPNS, f"ucm{number}"))
        desk.close()
        await eventually(lambda: writer.lost_on_disk == 5)
    assert capfd.readouterr().err == ""  # no traceback of the logging package


class Broken:
    def deliver(self, notice: AlarmNotice) -> None:
        raise RuntimeError("alice")


async def test_a_sink_that_fails_is_counted_and_the_others_are_told() -> None:
    stream = io.StringIO()
    with logging_to(LogSettings(), stream):
        board = AlarmBoard(Release.parse("14SU3"))
        desk = AlarmDesk(board, MonotonicClock(), [Broken(), LogSink()])
        desk.feed(ConditionEntered(NO_CPNS, "ucm1"))
        desk.close()
    assert desk.failed == {"Broken: RuntimeError": 1}
    assert len(lines(stream.getvalue())) == 1


async def test_a_collector_is_verified_by_the_authorities_in_the_file(tmp_path: Path) -> None:
    ca_file = tmp_path / "ca.pem"
    ca_file.write_text(AUTHORITY.ca_pem)
    async with collector("tls") as to:
        settings = SyslogSettings("127.0.0.1", "tls", to.port, ca_file=ca_file)
        made = SyslogSender(settings, MonotonicClock().unix_ns, tls=collector_tls(settings))
        async with anyio.create_task_group() as tasks:
            await tasks.start(made.run)
            made.deliver(raised())
            await to.until(1)
            tasks.cancel_scope.cancel()
    assert to.values("name") == [NO_CPNS]


async def test_tls_that_verifies_nobody_is_refused() -> None:
    settings = SyslogSettings("127.0.0.1", "tls")
    unverified = ssl.create_default_context()
    unverified.check_hostname = False
    unverified.verify_mode = ssl.CERT_NONE
    for tls in (None, unverified):
        with pytest.raises(ValueError, match="verifies the collector"):
            SyslogSender(settings, int, tls=tls)
    assert collector_tls(SyslogSettings("127.0.0.1")) is None
