"""What words need of a world, be it simulated or over sockets: the one seam of the kit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from pathlib import Path

    from callctl.model.device import Device
    from callctl.testing.fact import Fact
    from callctl.testing.plan import Plan
    from callctl.testing.recording import Recording

PushName: TypeAlias = Literal["ring", "missed", "answered elsewhere", "cancelled", "content-free"]
"""Kinds of push as a phone reads them; content-free is what a standard client gets (RFC 8599)."""

Trouble: TypeAlias = Literal["refused", "tls", "proxy", "black hole"]
"""How far a new connection to a cloud comes: nowhere, to its handshake, to the proxy; or taken, and
nothing is ever heard."""

CloudName: TypeAlias = Literal["push_rest", "apns", "fcm", "ci"]


class NotHere(RuntimeError):
    """This kind of world cannot do that; the text says which can."""


@dataclass(frozen=True, slots=True)
class Push:
    """One push that a node sent, or wanted to send, to a phone."""

    at: float  # s since the test began
    kind: str  # "ring", "missed", "answered elsewhere" or "cancelled"
    node: str  # the active node that it names, "" for none
    sent_by: str  # node
    channel: str  # "voip", "message" or "default"; "" if it never left
    outcome: str  # "accepted", "refused token", "refused", "failed", ...; "" while under way
    status: int | None  # of Push REST
    call_uuid: str
    tracking_id: str  # "" if it never left


@dataclass(frozen=True, slots=True)
class Story:
    """One call as its node remembers it."""

    call_uuid: str
    call_id: str
    node: str  # that took it
    status: int | None  # the final response to the caller
    steps: tuple[str, ...]  # codes of `callctl explain`, such as "parked" and "offered"
    explained: str
    verdict: str


class PhoneHands(Protocol):
    """The owner of a mobile phone."""

    @property
    def asleep(self) -> bool: ...
    def call(self, number: str) -> None: ...
    def answer(self) -> None: ...
    def decline(self, status: int) -> None: ...
    def hang_up(self) -> None: ...
    def put_away(self) -> None: ...
    def open_app(self) -> None: ...
    def close_app(self) -> None: ...
    def tap(self) -> None: ...
    def sign_in(self) -> None: ...
    def sign_out(self) -> None: ...
    def remove_app(self) -> None: ...
    def set_online(self, online: bool) -> None: ...


class DeskHands(Protocol):
    """Whoever uses a desk phone, or the far end of a trunk. Calls go by the phone's own numbers."""

    def call(self, number: str) -> tuple[int, str]:
        """Returns: the number of the call, and its Call-ID."""

    def answer(self, call: int) -> None: ...
    def decline(self, call: int, status: int) -> None: ...
    def hang_up(self, call: int) -> None: ...
    def register(self) -> None: ...
    def unregister(self) -> None: ...
    def set_online(self, online: bool) -> None: ...
    def set_power(self, on: bool) -> None: ...


class NodeHands(Protocol):
    """The administrator of a node, or its fate."""

    @property
    def running(self) -> bool: ...
    @property
    def in_service(self) -> bool | None:
        """What every other node that runs believes; None if they do not agree."""

    async def stop(self) -> None: ...
    async def kill(self) -> None: ...
    async def power_off(self) -> None: ...
    async def start(self) -> None: ...
    async def stop_service(self) -> None: ...
    async def start_service(self) -> None: ...
    async def kill_service(self) -> None: ...
    async def hang_service(self, hangs: bool) -> None: ...


class CloudHands(Protocol):
    """Whoever breaks and mends the clouds."""

    def answer(
        self,
        cloud: CloudName,
        status: int,
        reason: str,
        retry_after_s: int | None,
        times: int | None,
    ) -> None: ...
    def be_silent(self, cloud: CloudName, times: int | None) -> None: ...
    def delay(self, cloud: CloudName, ns: int) -> None: ...
    def lose(self, cloud: CloudName, times: int | None) -> None: ...
    def double(self, cloud: CloudName) -> None: ...
    def be_unreachable(self, cloud: CloudName, trouble: Trouble) -> None: ...
    def revoke_tokens(self) -> None: ...
    def suspend_account(self, suspended: bool) -> None: ...
    def recover(self, cloud: CloudName) -> None: ...


class NetworkHands(Protocol):
    """Whoever cuts and mends links. Names are those of nodes, phones and peers."""

    def cut(self, one: str, other: str) -> None: ...
    def isolate(self, name: str) -> None: ...
    def heal(self) -> None: ...
    def lose(self, share: float) -> None: ...
    def delay(self, least_ns: int, most_ns: int) -> None: ...


class Stage(Protocol):
    """A world with everybody in place. Time is ns since the test began."""

    @property
    def facts(self) -> list[Fact]:
        """In order."""

    @property
    def now(self) -> int: ...
    @property
    def recording(self) -> Recording: ...
    @property
    def patience_ns(self) -> int:
        """How long a word waits that says nothing else."""

    async def until(self, happened: Callable[[], bool], limit_ns: int) -> bool:
        """Let time pass until something has happened; False if it has not within the limit."""

    def note(self, who: str, text: str) -> None:
        """Somebody does something that is no message."""

    def phone(self, name: str) -> PhoneHands: ...
    def desk(self, name: str) -> DeskHands: ...
    def node(self, name: str) -> NodeHands: ...
    @property
    def cloud(self) -> CloudHands: ...
    @property
    def network(self) -> NetworkHands: ...
    def leads_to(self, number: str) -> frozenset[str]:
        """The numbers that a call to this one may come to: hunts and forwarding followed."""

    def story(self, call_id: str, caller: str, since: int) -> Story | None:
        """The call of this Call-ID; without one, the newest of a caller since then."""

    def pushes(self, device: str) -> tuple[Push, ...]:
        """All pushes to a device, oldest first."""

    def judge(self) -> list[str]:
        """End every call and fault, and say which invariants were broken; [] if nobody watched."""


@dataclass(frozen=True, slots=True)
class FileCast:
    """Who is in a cluster file."""

    nodes: tuple[str, ...]
    devices: tuple[Device, ...]
    trunks: dict[str, int]  # by name: how many destinations


class Theatre(Protocol):
    """Where worlds come from."""

    @property
    def live(self) -> bool: ...
    def read(self, file: Path) -> FileCast:
        """Who is in a cluster file. Raises: ConfigError for a file with mistakes."""

    async def raise_curtain(self, plan: Plan) -> Stage:
        """The world of a plan, everybody in place, at time 0."""
