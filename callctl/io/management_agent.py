"""Runs the management agent: its deadlines, its uploads over HTTPS, what it remembers on disk.

Source: OP-51, TRB-05, TRB-08, TRB-12.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Final, Protocol, TypeAlias

import anyio
import anyio.to_thread
import msgspec
from anyio.abc import TaskGroup, TaskStatus

from callctl.cloud.http import HeaderList
from callctl.egress.failure import ExchangeFailed
from callctl.io.egress import Egress
from callctl.io.pump import Pump
from callctl.serviceability.agent_event import (
    AgentAction,
    AgentEvent,
    AgentIgnored,
    AgentMemory,
    RememberAgent,
    UploadAlarms,
    UploadAnswered,
    UploadFailed,
)
from callctl.serviceability.alarm import AlarmNotice
from callctl.serviceability.condition import Condition
from callctl.serviceability.management_agent import UPLOAD_TIMEOUT_NS, ManagementAgent
from callctl.serviceability.severity import UploadLevel
from callctl.serviceability.support_token import SupportToken
from callctl.serviceability.tracing import Source, TraceLevel, TraceRecord
from sipstack.timing import SECOND, Instant

MEMORY_FILE: Final = "management-agent.json"  # in the state directory
TIMEOUT_S: Final = UPLOAD_TIMEOUT_NS / SECOND


class Exchange(Protocol):
    """One POST through the proxy and trust of the cluster. Gives the status of the answer.

    What it raises is an upload that failed, whatever it is; its text is not told.
    """

    def __call__(self, url: str, headers: HeaderList, body: bytes) -> Awaitable[int]: ...


def over(egress: Egress) -> Exchange:
    """Uploads by the cluster's own way out: proxy, trust, and the hosts that are allowed."""

    async def exchange(url: str, headers: HeaderList, body: bytes) -> int:
        answer = await egress.exchange(url, method="POST", headers=headers, body=body)
        return answer.status

    return exchange


Remember: TypeAlias = Callable[[AgentMemory], None]


class ManagementAgentShell:
    """The agent of a cluster, on its publisher. It hears from when `run` has started."""

    def __init__(
        self,
        agent: ManagementAgent,
        clock: Callable[[], Instant],
        exchange: Exchange,
        *,
        on_condition: Callable[[Condition], None] = lambda _: None,
        on_ignored: Callable[[AgentIgnored], None] = lambda _: None,
        access_token: Callable[[], str | None] = lambda: None,
        trace: Callable[[TraceRecord], None] = lambda _: None,
        remember: Remember = lambda _: None,
    ) -> None:
        """`access_token` is that of the machine account now; `remember` may block."""
        self.agent = agent
        self._exchange = exchange
        self._on_condition = on_condition
        self._on_ignored = on_ignored
        self._access_token = access_token
        self._trace = trace
        self._remember = remember
        self._newest: AgentMemory | None = None
        self._to_remember = anyio.Event()
        self._clock = clock
        self._pump: Pump | None = None
        self._tasks: TaskGroup | None = None
        self.forgotten = 0
        """Times that what it has to remember could not be written."""

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Work until cancelled."""
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            pump = self._pump = Pump(self.agent, self._clock, self._carry_out)
            tasks.start_soon(self._write_memory)
            pump.start()
            task_status.started()
            try:
                await anyio.sleep_forever()
            finally:
                pump.stop()

    def feed(self, event: AgentEvent) -> None:
        """Something happened now."""
        if self._pump is not None:
            self._pump.feed(event)

    def deliver(self, notice: AlarmNotice) -> None:
        """Take an alarm of the board, as one of its sinks."""
        if notice.definition.upload:  # its own are not, so that it never hears itself
            self.feed(notice)

    # What the administrator does: as in the core, without the time.

    @property
    def frequency_min(self) -> int:
        """Minutes between two uploads."""
        return self.agent.frequency_min

    @property
    def level(self) -> UploadLevel:
        """The least grave that is uploaded."""
        return self.agent.level

    @property
    def pending(self) -> int:
        """Alarms that wait for an upload."""
        return self.agent.pending

    def set_frequency(self, minutes: int) -> None:
        """Raises: ValueError if it is not 5 to 90."""
        self._do(lambda now: self.agent.set_frequency(minutes, now))

    def set_level(self, level: UploadLevel) -> None:
        """Upload nothing below `level`."""
        self._do(lambda now: self.agent.set_level(level, now))

    def set_sending(self, on: bool) -> None:
        """Send troubleshooting information or not."""
        self._do(lambda now: self.agent.set_sending(on, now))

    def set_encrypted_pii(self, on: bool) -> None:
        """Send what identifies people, encrypted, or not at all."""
        self._do(lambda now: self.agent.set_encrypted_pii(on, now))

    def renew_support_token(self) -> None:
        """A new support token."""
        self._do(self.agent.renew_support_token)

    def push_now(self) -> None:
        """Upload what waits. Raises: PushNowRefused."""
        self._do(self.agent.push_now)

    def _do(self, command: Callable[[Instant], tuple[AgentAction, ...]]) -> None:
        if self._pump is None or not self._pump.running:
            raise ValueError("the management agent does not run")
        self._pump.do(command)

    def _carry_out(self, actions: Iterable[AgentAction]) -> None:
        for action in actions:
            match action:
                case UploadAlarms():
                    if self._tasks is not None:
                        self._tasks.start_soon(self._upload, action)
                case RememberAgent(memory):
                    self._newest = memory
                    self._to_remember.set()
                case AgentIgnored():
                    self._on_ignored(action)
                case condition:
                    self._on_condition(condition)

    async def _upload(self, upload: UploadAlarms) -> None:
        headers: HeaderList = (("content-type", "application/json"),)
        access_token = self._access_token()
        if access_token is not None:
            headers = (*headers, ("authorization", f"Bearer {access_token}"))
        event: UploadAnswered | UploadFailed
        self._note(f"upload {upload.number} leaves, {len(upload.body)} octets")
        try:
            with anyio.fail_after(TIMEOUT_S):
                status = await self._exchange(upload.url, headers, upload.body)
            event = UploadAnswered(upload.number, status)
        except ExchangeFailed as error:
            event = UploadFailed(upload.number, str(error))  # fit for logs
        except Exception as error:  # of its text nobody knows
            event = UploadFailed(upload.number, type(error).__name__)
        match event:
            case UploadAnswered(number, answered):
                self._note(f"upload {number} answered {answered}")
            case UploadFailed(number, reason):
                self._note(f"upload {number} failed, {reason}", TraceLevel.WARN)
        self.feed(event)

    def _note(self, text: str, level: TraceLevel = TraceLevel.INFO) -> None:
        self._trace(TraceRecord(Source.CMAS, self.agent.node, self._clock(), level, text))

    async def _write_memory(self) -> None:
        """One at a time and the newest last; nobody waits for the disk."""
        while True:
            await self._to_remember.wait()
            self._to_remember = anyio.Event()
            memory = self._newest
            if memory is None:
                continue
            try:
                with anyio.CancelScope(shield=True):
                    await anyio.to_thread.run_sync(self._remember, memory)
            except OSError:
                self.forgotten += 1


def write_memory(directory: Path, memory: AgentMemory) -> None:
    """Keep it in the state directory, readable by its owner alone. Raises: OSError."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    token = memory.support_token
    octets = msgspec.json.encode(
        {
            "frequency_min": memory.frequency_min,
            "level": memory.level.value,
            "sending": memory.sending,
            "encrypted_pii": memory.encrypted_pii,
            "cluster_id": memory.cluster_id,
            "support_token": None if token is None else str(token),
        }
    )
    fresh = directory / f"{MEMORY_FILE}.new"
    fresh.unlink(missing_ok=True)
    # Made with its mode, so that there is no moment at which others can read it.
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(octets + b"\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(directory / MEMORY_FILE)


class _Kept(msgspec.Struct, forbid_unknown_fields=True):
    frequency_min: int
    level: str
    sending: bool
    encrypted_pii: bool
    cluster_id: str | None
    support_token: str | None


def read_memory(directory: Path) -> AgentMemory | None:
    """What was kept; None before the first time.

    Raises: ValueError that names the file if it cannot be used; OSError if it cannot be read.
    """
    file = directory / MEMORY_FILE
    try:
        kept = msgspec.json.decode(file.read_bytes(), type=_Kept)
        token = kept.support_token
        return AgentMemory(
            kept.frequency_min,
            UploadLevel.parse(kept.level),
            kept.sending,
            kept.encrypted_pii,
            kept.cluster_id,
            None if token is None else SupportToken.parse(token),
        )
    except FileNotFoundError:
        return None
    except ValueError as error:  # msgspec's errors are such, and repeat no value
        raise ValueError(f"{file}: {error}") from None
