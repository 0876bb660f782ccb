"""A running cluster as its administrator has it: state directory, API, command line, phones."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import anyio
import httpx2
from anyio import to_thread

from callctl.cli.main import main
from callctl.cloud.fault_orders import FaultOrder
from callctl.io.cluster_shell import ClusterShell
from callctl.io.emulators import PushCloud
from callctl.io.host import Hosted, hosted
from callctl.io.lab import has_flow
from callctl.io.operations import Operations
from callctl.io.phone_setup import Manner
from callctl.io.phone_shell import PhoneShell
from callctl.io.state_dir import StateDir
from callctl.io.trace_files import FOLDER
from callctl.model.build import PUSH_ON, desk_phone, iphone, make_cluster, make_node
from callctl.model.certificate_files import NO_FILES, CertificateFiles
from callctl.model.cloud import CloudSettings, OnboardingWay
from callctl.model.device import Device
from callctl.model.service_parameter import ServiceParameters
from callctl.model.user import User
from callctl.phone.settings import AnswerPlan
from callctl.serviceability.alarm import state_of
from helpers.free_ports import FIRST_PORT, on_free_ports
from helpers.node_rig import eventually
from sipstack.timing import MS

CALLER: Final = "4930222001"  # numbers so long that nothing looks like them by chance
CALLEE: Final = "4930222002"
PHONE: Final = iphone(CALLEE)
BY_HAND: Final = replace(PUSH_ON, onboarding=OnboardingWay.MANUAL)

SCALED: Final = ServiceParameters(
    ring_back_s=1, drop_s=2, t1_ms=20, t2_ms=80, t4_ms=100, heartbeat_ms=50, node_suspect_ms=400
)
"""5 s and 13 s as 1 s and 2 s."""

QUICK: Final = Manner(AnswerPlan(after_ns=20 * MS), wake_delay_ns=20 * MS, grace_ns=10 * MS)
UNAVAILABLE: Final = "PushNotificationServiceUnavailable"

DEAF: Final = Manner(wake_delay_ns=60_000 * MS, grace_ns=10 * MS)
"""Never comes back in time."""


@dataclass
class Operated:
    """What runs."""

    host: Hosted
    state: StateDir
    client: httpx2.AsyncClient
    _known: int = 0  # notices that came before the test began

    @property
    def shell(self) -> ClusterShell:
        return self.host.cluster

    @property
    def operations(self) -> Operations:
        return self.shell.operations

    @property
    def cloud(self) -> PushCloud:
        assert self.shell.cloud is not None
        return self.shell.cloud

    # API and command line.

    async def get(self, path: str, **query: Any) -> Any:  # noqa: ANN401
        answer = await self.client.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, path: str, status: int = 200, **body: Any) -> Any:  # noqa: ANN401
        answer = await self.client.post(path, json=body or None, timeout=30)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def cli(self, line: str, node: str = "ucm1") -> Any:  # noqa: ANN401
        """Enter a line at the command line of a node, as `/nodes/{name}/cli` takes it."""
        return await self.post(f"/nodes/{node}/cli", line=line)

    async def callctl(self, line: str) -> int:
        """Run `callctl` beside the cluster. Returns: its exit code; it prints as it does."""
        tokens = [*line.split(), "--state", str(self.state.path)]
        return await to_thread.run_sync(main, tokens)

    # Phones and calls.

    async def phone(self, device: Device = PHONE, manner: Manner = QUICK) -> PhoneShell:
        """A phone that has signed in, and sleeps."""
        phone = await self.host.parties.add_phone(device.name, transport="TCP", manner=manner)
        await eventually(lambda: phone.signed_in and phone.phone.registered is not None)
        await self.asleep(phone, device)
        return phone

    async def installed_anew(self, device: Device = PHONE, manner: Manner = QUICK) -> PhoneShell:
        """The app of a phone is removed, installed and signed in again: it has new tokens."""
        self.host.parties._phones.pop(device.name).close()
        return await self.phone(device, manner)

    async def asleep(self, phone: PhoneShell, device: Device = PHONE) -> None:
        """Put it away, and wait until its app is suspended and its connection gone."""
        phone.suspend()
        await eventually(lambda: phone.state == "suspended")
        await eventually(lambda: not has_flow(self.shell, device.name))

    async def call(self, callee: str = CALLEE, *, node: str = "ucm1") -> Any:  # noqa: ANN401
        """Place a call, and follow it to its end."""
        call = await self.post(
            "/calls",
            201,
            **{"from": CALLER, "to": callee, "node": node, "hang_up_after_s": 0.02},
        )
        with anyio.fail_after(15):
            while call["state"] != "ended":
                await anyio.sleep(0.02)
                call = await self.get(f"/calls/placed/{call['call_id']}")
        return call

    async def calls(self, count: int = 3) -> None:
        """So many calls at once, to their end."""
        async with anyio.create_task_group() as tasks:
            for _ in range(count):
                tasks.start_soon(self.call)

    # Alarms.

    def told(self, alarm: str, node: str | None = None) -> list[str]:
        """What was told of an alarm since `forget`, in words."""
        return [
            state_of(notice)
            for notice in self.operations.alarms.board.history[self._known :]
            if notice.name == alarm and node in (None, notice.node)
        ]

    def forget(self) -> None:
        """What was told so far does not count: onboarding restarts push services."""
        self._known = len(self.operations.alarms.board.history)

    def active(self) -> list[str]:
        """The names of the alarms whose condition holds."""
        return [each.definition.name for each in self.operations.alarms.board.active]

    async def raised(self, alarm: str) -> None:
        await eventually(lambda: alarm in self.active())

    async def cleared(self, alarm: str) -> None:
        await eventually(lambda: alarm not in self.active())

    # The clouds.

    def fault(self, service: str, name: str, **more: Any) -> None:  # noqa: ANN401
        self.cloud.services[service].add_fault(FaultOrder(service, name, **more))

    def mend(self, service: str) -> None:
        self.cloud.services[service].clear_faults()

    @property
    def pushes_seen(self) -> int:
        """How many requests Push REST got."""
        return len(self.cloud.push_rest.log)

    def account_id(self) -> str:
        """Of the machine account that is in use."""
        account = self.operations.accounts.account("ucm1")
        assert account is not None
        return account.account_id

    async def token_held(self, node: str = "ucm1") -> None:
        """Wait until the push service of a node has an access token."""

        def held() -> bool:
            found = self.shell.running_node(node)
            return found is not None and found.cpns.access_token is not None

        await eventually(held)

    async def restart_cpns(self, node: str = "ucm1") -> Any:  # noqa: ANN401
        """Restart the push service of a node at its command line, and wait for its CallManager."""
        answer = await self.cli("utils service restart Cisco Push Notification service", node)
        await self.cleared(UNAVAILABLE)
        return answer

    def trace(self, node: str, file: str) -> str:
        """The text of a trace, once all that was said is on disk."""
        traces = self.operations.traces
        assert traces is not None
        traces.flush()
        found = list((self.state.path / FOLDER / node).rglob(file))
        return "".join(path.read_text() for path in found)


def sockets_open() -> int:
    """How many sockets this process has; 0 where the system does not say."""
    count = 0
    for each in Path("/proc/self/fd").glob("*"):
        with suppress(OSError):  # closed meanwhile
            count += str(each.readlink()).startswith("socket:")
    return count


@asynccontextmanager
async def operated(
    directory: Path,
    *devices: Device,
    nodes: int = 1,
    cloud: CloudSettings = PUSH_ON,
    parameters: ServiceParameters = SCALED,
    certificates: CertificateFiles = NO_FILES,
    messaging: Sequence[str] = (),
    users: Sequence[User] = (),
) -> AsyncIterator[Operated]:
    """A cluster of `nodes` nodes and its API, up while the context lasts; no socket outlives it."""
    before = sockets_open()
    made = [
        make_node(f"ucm{number}", number, host="127.0.0.1", port=FIRST_PORT + 2 * number)
        for number in range(1, nodes + 1)
    ]
    cluster = make_cluster(
        nodes=made,
        devices=[desk_phone(CALLER), *(devices or (PHONE,))],
        cloud=cloud,
        parameters=parameters,
        users=users,
    )
    deployment = replace(cluster.deployment, im_and_presence_nodes=tuple(messaging))
    cluster = replace(cluster, certificate_files=certificates, deployment=deployment)
    cluster = on_free_ports(cluster)
    state = StateDir(directory / "state")
    async with hosted(cluster, state) as host:
        headers = {"Authorization": f"Bearer {state.token()}"}
        async with httpx2.AsyncClient(
            base_url=host.admin_url, headers=headers, trust_env=False
        ) as client:
            yield Operated(host, state, client)
    del host
    await eventually(lambda: sockets_open() <= before)  # what was cut in a handshake ends by itself
    gc.collect()  # so that what was left open warns here, not in the next test
