"""The hands of a cluster over sockets: what owners, administrators and fate can do there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from callctl.cloud.fault_orders import CI, PUSH_REST, FaultOrder
from callctl.cloud.faults import Fault, FaultPlan
from callctl.cloud.partner import Partner
from callctl.io.agent_shell import AgentShell
from callctl.io.cluster_shell import ClusterShell
from callctl.io.emulators import PushCloud
from callctl.io.phone_shell import PhoneShell
from callctl.phone.operating_system import RUNNING
from callctl.testing.cloud_hands import FaultHands
from callctl.testing.stage import CloudName, NotHere, Trouble

SERVICES: Final[dict[CloudName, str]] = {"push_rest": PUSH_REST, "ci": CI}
ONLY_VIRTUAL: Final = "a live test cannot do that, its network is the loopback of this machine: "


class LiveNetwork:
    """Loopback: it neither breaks nor loses anything."""

    def cut(self, one: str, other: str) -> None:
        raise NotHere(f"{ONLY_VIRTUAL}network.cuts")

    def isolate(self, name: str) -> None:
        raise NotHere(f"{ONLY_VIRTUAL}network.isolates")

    def heal(self) -> None:
        """There is nothing to heal."""

    def lose(self, share: float) -> None:
        raise NotHere(f"{ONLY_VIRTUAL}network.loses")

    def delay(self, least_ns: int, most_ns: int) -> None:
        raise NotHere(f"{ONLY_VIRTUAL}network.delays")


class LivePhone:
    """A mobile phone."""

    def __init__(self, shell: PhoneShell, cloud: PushCloud) -> None:
        self._shell = shell
        self._cloud = cloud
        self._lost: list[tuple[Partner, int]] = []  # faults that keep pushes from it
        self.answer = shell.answer
        self.hang_up = shell.hang_up
        self.put_away = shell.suspend
        self.open_app = shell.resume
        self.close_app = shell.close_app
        self.tap = shell.tap
        self.sign_in = shell.start
        self.sign_out = shell.sign_out

    @property
    def asleep(self) -> bool:
        """True while the app is suspended or does not run."""
        return self._shell.phone.system.state not in RUNNING

    def call(self, number: str) -> None:
        """Call a number."""
        self._shell.call(number)

    def decline(self, status: int) -> None:
        """Refuse the newest call."""
        self._shell.decline(status)

    def remove_app(self) -> None:
        """The tokens are dead from now on."""
        for partner, token in self._tokens():
            self._cloud.remove_app(partner, token)

    def set_online(self, online: bool) -> None:
        """A phone that sleeps gets no pushes any more, or gets them again."""
        if not online and not self.asleep:
            raise NotHere(f"{ONLY_VIRTUAL}a phone that is awake loses its network")
        for partner, number in self._lost:
            self._plan(partner).remove(number)
        self._lost = []
        if not online:
            for partner, token in self._tokens():
                number = self._plan(partner).add(Fault(lose=True, token=token))
                self._lost.append((partner, number))

    def _tokens(self) -> list[tuple[Partner, str]]:
        return [
            (Partner.FCM if it.service.startswith("FCM") else Partner.APNS, it.token)
            for it in self._shell.phone.identity.attachments()
        ]

    def _plan(self, partner: Partner) -> FaultPlan:
        return (self._cloud.fcm if partner is Partner.FCM else self._cloud.apns).faults


class LiveDesk:
    """A desk phone or trunk peer."""

    def __init__(self, shell: AgentShell) -> None:
        self._shell = shell
        self.answer = shell.answer
        self.hang_up = shell.bye
        self.register = shell.register
        self.unregister = shell.unregister

    def call(self, number: str) -> tuple[int, str]:
        """Place a call."""
        call = self._shell.invite(number)
        return call, self._shell.agent.calls()[call]

    def decline(self, call: int, status: int) -> None:
        """Refuse."""
        self._shell.decline(call, status)

    def set_online(self, online: bool) -> None:
        raise NotHere(f"{ONLY_VIRTUAL}a desk phone loses its network")

    def set_power(self, on: bool) -> None:
        """A peer that is gone stays gone here."""
        if on:
            raise NotHere(f"{ONLY_VIRTUAL}a trunk peer comes back")
        self._shell.close()


class LiveNode:
    """A node."""

    def __init__(self, name: str, shell: ClusterShell) -> None:
        self._name = name
        self._shell = shell

    @property
    def running(self) -> bool:
        """True between its start and its end."""
        return self._shell.running_node(self._name) is not None

    @property
    def in_service(self) -> bool | None:
        """What the others that run believe."""
        believed = {
            node.engine.membership.in_service(self._name)
            for node in self._shell.nodes
            if node.name != self._name
        }
        return believed.pop() if len(believed) == 1 else None

    async def stop(self) -> None:
        self._shell.stop_node(self._name)

    async def kill(self) -> None:
        self._shell.kill_node(self._name)

    async def power_off(self) -> None:
        raise NotHere(f"{ONLY_VIRTUAL}a node loses power; it can die")

    async def start(self) -> None:
        await self._shell.start_node(self._name)

    async def stop_service(self) -> None:
        await self._shell.stop_cpns(self._name)

    async def start_service(self) -> None:
        await self._shell.start_cpns(self._name)

    async def kill_service(self) -> None:
        raise NotHere("the push service of a live node is no process of its own: it can stop")

    async def hang_service(self, hangs: bool) -> None:
        raise NotHere("the push service of a live node is no process of its own: it can stop")


class LiveCloud(FaultHands):
    """The emulated clouds, and the connections to them."""

    def __init__(self, cloud: PushCloud, account_id: Callable[[], str]) -> None:
        """`account_id`: of the machine account of the cluster."""
        ci = cloud.cisco.ci
        super().__init__(
            {"push_rest": cloud.push_rest, "apns": cloud.apns, "fcm": cloud.fcm, "ci": ci}
        )
        self._cloud = cloud
        self._account_id = account_id

    def be_unreachable(self, cloud: CloudName, trouble: Trouble) -> None:
        """Connections that are open break, and no new one comes through."""
        name = SERVICES[cloud]
        service = self._cloud.services[name]
        if trouble == "black hole":
            service.add_fault(FaultOrder(name, "black-hole"))
        elif trouble == "refused":
            if service.open_connections:
                service.add_fault(FaultOrder(name, "reset", times=service.open_connections))
            service.add_fault(FaultOrder(name, "refuse"))
        else:
            raise NotHere(f"a live cloud is unreachable as refused or black hole, not as {trouble}")

    def revoke_tokens(self) -> None:
        """401 from now on."""
        self._cloud.cisco.ci.accounts.revoke()

    def suspend_account(self, suspended: bool) -> None:
        """403 from now on, or no more."""
        self._cloud.cisco.ci.accounts.suspend(self._account_id(), suspended)

    def recover(self, cloud: CloudName) -> None:
        """All is well there."""
        self.clear(cloud)
        if cloud in SERVICES:
            self._cloud.services[SERVICES[cloud]].clear_faults()
        if cloud == "ci":
            self.suspend_account(False)
