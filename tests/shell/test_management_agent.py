"""The management agent against the emulated upload endpoint: TLS on loopback, both loops."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest

from callctl.cloud.access import FixedTokens
from callctl.cloud.alarm_intake import BODY_MAX, UPLOAD_PATH, AlarmIntake
from callctl.cloud.faults import Fault
from callctl.io.alarm_sinks import AlarmDesk
from callctl.io.core_runner import CoreRunner
from callctl.io.egress import Egress
from callctl.io.http_server import Receive, Scope, Send, read_request, send_answer, serve
from callctl.io.management_agent import (
    MEMORY_FILE,
    ManagementAgentShell,
    over,
    read_memory,
    write_memory,
)
from callctl.io.pki import CertificateAuthority
from callctl.model.release import Release
from callctl.serviceability.agent_event import (
    AgentMemory,
    ManagementAgentSettings,
    OnboardingChanged,
    PushChanged,
    ServiceChanged,
)
from callctl.serviceability.alarm_upload import personal_data
from callctl.serviceability.alarms import AlarmBoard
from callctl.serviceability.condition import ConditionEntered, ConditionLeft
from callctl.serviceability.management_agent import ManagementAgent, PushNowRefused
from callctl.serviceability.severity import UploadLevel
from callctl.serviceability.subject import device_subject
from callctl.serviceability.support_token import SupportToken
from callctl.serviceability.tracing import Source, TraceLevel, TraceRecord
from helpers.loops import on_each_loop
from helpers.node_rig import eventually
from sipstack.io.clock import MonotonicClock
from sipstack.io.entropy import OsEntropy
from sipstack.timing import SECOND, Instant

pytestmark = [pytest.mark.anyio, on_each_loop]

AUTHORITY = CertificateAuthority()
BAD_TOKEN = "PushNotificationInvalidDeviceTokenResponse"
NO_TOKEN = "AccessTokenInvalid"
FAILED = "AlarmUploadFailed"
PERSONAL = ("TCTALICE", "ucm1", "ucm2", "proxy.example.com")


class MovedClock:
    """The real one, and as much later as a test has waited by hand."""

    def __init__(self) -> None:
        self.real = MonotonicClock()
        self.later_ns = 0

    def __call__(self) -> Instant:
        return Instant(self.real() + self.later_ns)


@dataclass
class Bench:
    """A publisher with alarm board and agent, and the cloud it uploads to."""

    intake: AlarmIntake
    shell: ManagementAgentShell
    desk: AlarmDesk
    clock: MovedClock
    remembered: list[AgentMemory] = field(default_factory=list)
    traced: list[TraceRecord] = field(default_factory=list)

    @property
    def agent(self) -> ManagementAgent:
        return self.shell.agent

    def wait(self, minutes: float) -> None:
        self.clock.later_ns += int(minutes * 60 * SECOND)

    def bodies(self) -> list[bytes]:
        return [record.raw.body for record in self.intake.log if record.raw is not None]

    async def until_uploads(self, count: int) -> None:
        await eventually(
            lambda: len(self.intake.log) >= count and self.agent.last_upload is not None
        )

    def alarm_names(self) -> list[str]:
        return [alarm["alarm"] for alarm in self.intake.alarms()]

    def active(self) -> list[str]:
        return [each.definition.name for each in self.desk.board.active]


def hosting(runner: CoreRunner) -> Callable[[Scope, Receive, Send], object]:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = await read_request(scope, receive, BODY_MAX)
        if request is not None:
            await send_answer(send, await runner.answer_to(request))

    return app


@asynccontextmanager
async def bench(
    *,
    access_token: str | None = "machine-token",
    trusts: bool = True,
    memory: AgentMemory | None = None,
) -> AsyncIterator[Bench]:
    intake = AlarmIntake(FixedTokens(("machine-token",)), OsEntropy())
    intake.log.keeps_raw = True
    clock = MovedClock()
    runner = CoreRunner(intake, clock, lambda action: None)
    trusted = AUTHORITY if trusts else CertificateAuthority("another")
    async with serve(hosting(runner), AUTHORITY.server_context()) as port:  # type: ignore[arg-type]
        url = f"https://127.0.0.1:{port}{UPLOAD_PATH}"
        desk = AlarmDesk(AlarmBoard(Release.parse("14SU3")), clock)
        remembered: list[AgentMemory] = []
        traced: list[TraceRecord] = []
        shell = ManagementAgentShell(
            ManagementAgent(
                ManagementAgentSettings(url, "ucm1", {"ucm1": 1, "ucm2": 2}), OsEntropy(), memory
            ),
            clock,
            over(Egress(None, trusted.client_context(), clock, allowed=[url])),
            on_condition=desk.feed,
            access_token=lambda: access_token,
            remember=remembered.append,
            trace=traced.append,
        )
        desk.add(shell)
        async with anyio.create_task_group() as tasks:
            await tasks.start(shell.run)
            yield Bench(intake, shell, desk, clock, remembered, traced)
            tasks.cancel_scope.cancel()
        desk.close()
        runner.close()


def one_bad_token(run: Bench) -> None:
    subject = device_subject("TCTALICE", "aa" * 32)
    run.desk.feed(ConditionEntered(BAD_TOKEN, "ucm2", subject, "via proxy.example.com"))


@pytest.mark.req("TRB-01", "TRB-03", "ALARM-07", "OP-51")
async def test_what_was_raised_is_in_the_cloud_after_the_interval_without_anybody_asking() -> None:
    async with bench() as run:
        run.shell.feed(PushChanged(True))
        for _ in range(10):
            one_bad_token(run)
        run.wait(29)
        run.desk.feed(ConditionEntered(NO_TOKEN, "ucm1"))
        assert len(run.intake.log) == 0
        run.wait(2)
        run.desk.feed(ConditionLeft(NO_TOKEN, "ucm1"))  # whatever happens next moves the clock on
        await run.until_uploads(1)
        (upload,) = run.intake.uploads
        assert upload.cluster_id == run.agent.cluster_id
        assert [(each["alarm"], each["state"], each["node"]) for each in upload.alarms] == [
            (BAD_TOKEN, "raised", 2),
            (NO_TOKEN, "raised", 1),
        ]
        assert run.agent.pending == 1


@pytest.mark.req("TRB-03", "OP-51")
async def test_the_timer_alone_ends_an_interval() -> None:
    async with bench() as run:
        # So long before the switch that the interval has a fifth of a second to go.
        run.agent.receive(PushChanged(True), run.clock())
        run.wait(30 - 0.2 / 60)
        one_bad_token(run)
        await run.until_uploads(1)
        assert run.alarm_names() == [BAD_TOKEN]


@pytest.mark.req("TRB-05", "TRB-08", "TRB-09")
async def test_pushnow_uploads_at_once_and_the_cluster_id_is_the_one_that_is_shown() -> None:
    async with bench() as run:
        run.shell.feed(PushChanged(True))
        one_bad_token(run)
        run.shell.push_now()
        await run.until_uploads(1)
        assert run.intake.uploads[0].cluster_id == run.agent.cluster_id
        await eventually(lambda: bool(run.remembered))
        assert run.remembered[-1].cluster_id == run.agent.cluster_id
        assert [record.status for record in run.intake.log] == [200]
        leaves, answered = run.traced
        assert leaves.text.startswith("upload 1 leaves, ")
        assert (answered.text, answered.node) == ("upload 1 answered 200", "ucm1")
        assert {record.source for record in run.traced} == {Source.CMAS}


@pytest.mark.req("TRB-10", "TRB-11", "TRB-13", "ALARM-08")
async def test_nothing_personal_leaves_without_the_option() -> None:
    async with bench() as run:
        run.shell.feed(PushChanged(True))
        one_bad_token(run)
        run.shell.push_now()
        await run.until_uploads(1)
        (body,) = run.bodies()
        assert not any(personal.encode() in body for personal in PERSONAL)
        assert b"pii" not in body


@pytest.mark.req("TRB-10", "TRB-11", "TRB-12", "OP-52")
async def test_with_the_option_it_leaves_encrypted_and_the_shown_token_opens_it() -> None:
    async with bench() as run:
        run.shell.feed(PushChanged(True))
        run.shell.set_encrypted_pii(True)
        one_bad_token(run)
        run.shell.push_now()
        await run.until_uploads(1)
        (body,) = run.bodies()
        assert not any(personal.encode() in body for personal in PERSONAL)
        token = run.agent.support_token
        assert token is not None
        assert token.encode() not in body
        (record,) = personal_data(body, SupportToken.parse(token)).values()
        assert record == {
            "node": "ucm2",
            "subject": "TCTALICE",
            "detail": "via proxy.example.com",
        }


@pytest.mark.req("OP-51")
async def test_a_failed_upload_is_an_alarm_and_comes_whole_with_the_next_interval() -> None:
    async with bench() as run:
        run.intake.faults.add(Fault(status=503, reason="Down", times=1))
        run.shell.feed(PushChanged(True))
        one_bad_token(run)
        run.shell.push_now()
        await eventually(lambda: FAILED in run.active())
        assert run.intake.uploads == ()
        assert run.agent.pending == 1  # the alarm about the upload itself is not one of them
        run.desk.feed(ConditionEntered(NO_TOKEN, "ucm1"))
        run.wait(31)
        run.desk.feed(ConditionLeft(NO_TOKEN, "ucm1"))  # whatever happens next moves the clock on
        await eventually(lambda: FAILED not in run.active())
        assert run.alarm_names() == [BAD_TOKEN, NO_TOKEN]
        last = run.agent.last_upload
        assert last is not None
        assert (last.alarms, last.error) == (2, "")


async def test_a_cloud_with_a_false_certificate_gets_nothing() -> None:
    async with bench(trusts=False) as run:
        run.shell.feed(PushChanged(True))
        one_bad_token(run)
        run.shell.push_now()
        await eventually(lambda: run.agent.last_upload is not None)
        assert run.agent.last_upload is not None
        assert run.agent.last_upload.error.startswith("certificate: ")
        assert [record.level for record in run.traced] == [TraceLevel.INFO, TraceLevel.WARN]
        assert len(run.intake.log) == 0
        assert run.agent.pending == 1


async def test_without_a_token_a_cluster_that_is_not_known_is_refused() -> None:
    async with bench(access_token=None) as run:
        run.shell.feed(PushChanged(True))
        one_bad_token(run)
        run.shell.push_now()
        await run.until_uploads(1)
        assert [record.status for record in run.intake.log] == [401]
        assert run.agent.last_upload is not None
        assert run.agent.last_upload.error == "the cloud answered 401"
        assert run.agent.cluster_id is not None
        run.intake.know(run.agent.cluster_id)
        run.shell.push_now()
        await eventually(lambda: run.alarm_names() == [BAD_TOKEN])


@pytest.mark.req("TRB-02")
async def test_a_stopped_service_sends_nothing() -> None:
    async with bench() as run:
        run.shell.feed(PushChanged(True))
        one_bad_token(run)
        run.shell.feed(ServiceChanged(False))
        with pytest.raises(PushNowRefused, match="stopped"):
            run.shell.push_now()
        run.wait(120)
        run.desk.feed(ConditionEntered(NO_TOKEN, "ucm1"))
        run.shell.feed(ServiceChanged(True))
        assert len(run.intake.log) == 0
        run.shell.push_now()
        await run.until_uploads(1)
        assert run.alarm_names() == [BAD_TOKEN, NO_TOKEN]


@pytest.mark.req("TRB-18")
async def test_after_an_upgrade_from_su2_nothing_leaves_until_the_cluster_is_onboarded_anew() -> (
    None
):
    async with bench() as run:
        run.shell.feed(PushChanged(True))
        run.shell.feed(OnboardingChanged(False))
        one_bad_token(run)
        run.shell.push_now()
        assert run.active() == [BAD_TOKEN, FAILED]
        run.shell.feed(OnboardingChanged(True))
        run.shell.push_now()
        await eventually(lambda: FAILED not in run.active())
        assert [record.status for record in run.intake.log] == [200]


@pytest.mark.req("TRB-04", "TRB-07")
async def test_alarms_below_the_level_stay_at_home() -> None:
    async with bench() as run:
        run.shell.feed(PushChanged(True))
        run.shell.set_level(UploadLevel.CRITICAL)
        one_bad_token(run)
        run.desk.feed(ConditionEntered(NO_TOKEN, "ucm1"))
        run.shell.push_now()
        await run.until_uploads(1)
        assert run.alarm_names() == [NO_TOKEN]


async def test_commands_to_an_agent_that_does_not_run_say_so() -> None:
    agent = ManagementAgent(ManagementAgentSettings(None, "ucm1", {}), OsEntropy())
    egress = Egress(None, None, MonotonicClock())
    shell = ManagementAgentShell(agent, MonotonicClock(), over(egress))
    with pytest.raises(ValueError, match="does not run"):
        shell.set_frequency(30)


@pytest.mark.req("TRB-08", "TRB-12")
async def test_what_it_remembers_is_on_disk_for_its_owner_alone_and_used_at_the_next_start(
    tmp_path: Path,
) -> None:
    assert read_memory(tmp_path) is None
    async with bench() as run:
        run.shell._remember = lambda memory: write_memory(tmp_path, memory)
        run.shell.feed(PushChanged(True))
        run.shell.set_frequency(45)
        run.shell.set_level(UploadLevel.WARNING)
        await eventually(lambda: read_memory(tmp_path) == run.agent._memory)
        cluster_id, token = run.agent.cluster_id, run.agent.support_token
    assert (tmp_path / MEMORY_FILE).stat().st_mode & 0o777 == 0o600
    async with bench(memory=read_memory(tmp_path)) as again:
        assert (again.agent.cluster_id, again.agent.support_token) == (cluster_id, token)
        assert (again.agent.frequency_min, again.agent.level) == (45, UploadLevel.WARNING)


async def test_a_disk_that_is_full_is_counted_and_nothing_else(tmp_path: Path) -> None:
    def full(memory: AgentMemory) -> None:
        raise OSError("no space left")

    async with bench() as run:
        run.shell._remember = full
        run.shell.feed(PushChanged(True))
        await eventually(lambda: run.shell.forgotten == 1)
        one_bad_token(run)
        run.shell.push_now()
        await run.until_uploads(1)


@pytest.mark.parametrize("octets", [b"", b"{}", b'{"frequency_min": "secret"}'])
async def test_a_broken_memory_is_an_error_that_names_the_file_and_repeats_no_value(
    tmp_path: Path, octets: bytes
) -> None:
    (tmp_path / MEMORY_FILE).write_bytes(octets)
    with pytest.raises(ValueError, match=MEMORY_FILE) as caught:
        read_memory(tmp_path)
    assert "secret" not in str(caught.value)
