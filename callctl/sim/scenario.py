"""What one run is about: the cluster, who is in it, who calls whom, and what goes wrong when.

Plain data, drawn from the seed before anything happens, so that it can be printed and cut down by
hand. All times in ns since the run began, unless a name says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from callctl.cloud.faults import Fault
from callctl.cloud.machine_accounts import ACCESS_LIFETIME_S
from callctl.model.cluster import Cluster
from callctl.model.device import Device
from callctl.model.trunk import TrunkDestination
from callctl.phone.settings import AnswerPlan
from callctl.sim.weather import CALM, Weather
from sipstack.timing import SECOND

CALLS_FROM_NS: Final = 20 * SECOND
"""Before it everybody signs in and registers, in good weather."""


@dataclass(frozen=True, slots=True)
class AgentPlan:
    """A desk phone, which may call and be called."""

    device: Device
    host: str
    transport: str
    answer: AnswerPlan


@dataclass(frozen=True, slots=True)
class PhonePlan:
    """A mobile phone and the habits of its owner."""

    device: Device
    host: str
    transport: str
    answer: AnswerPlan
    wake_ns: int | None  # from a push to the app at work; None: pushes never get to the app
    # When its owner looks at it (True: on screen) or puts it away (False).
    toggles: tuple[tuple[int, bool], ...] = ()
    sign_out_at: int | None = None
    tap_ns: int | None = None  # from a call's message to the tap (CHN-05); None: it is not tapped
    key_life_ns: int | None = None  # from one key to the next (REG-05); None: it keeps its key


@dataclass(frozen=True, slots=True)
class PeerPlan:
    """The other end of a trunk, at one of its destinations."""

    destination: TrunkDestination
    answer: AnswerPlan


@dataclass(frozen=True, slots=True)
class CallPlan:
    """One call of a desk phone or a mobile phone."""

    at: int
    caller: str  # device name, or that of a peer
    target: str  # number
    give_up_ns: int | None = None  # CANCEL, or BYE, so long after the INVITE
    hang_up_ns: int | None = None  # BYE so long after the answer; None: the called side ends it


class Trouble(Enum):
    """What can befall a node or a link."""

    STOP = "stop"
    KILL = "kill"
    POWER_OFF = "power off"
    RESTART = "restart"
    CUT = "cut"
    HEAL = "heal"
    CPNS_STOP = "push service stop"
    CPNS_START = "push service start"
    CPNS_HANG = "push service hangs"
    CPNS_GO_ON = "push service goes on"
    CPNS_KILL = "push service killed"
    CLOUD_GONE = "cloud unreachable"  # and why
    CLOUD_BACK = "cloud reachable"
    CI_GONE = "CI unreachable"  # and why
    CI_BACK = "CI reachable"
    FIRST_ADDRESS_GONE = "first address of the proxy unreachable"  # and why
    FIRST_ADDRESS_BACK = "first address of the proxy reachable"
    TOKENS_REVOKED = "access tokens revoked"
    ACCOUNT_SUSPENDED = "machine account suspended"
    ACCOUNT_RESUMED = "machine account resumed"
    PROVIDERS_DOWN = "partner clouds down for a minute"
    NEW_TARGETS = "phone takes new device tokens"


@dataclass(frozen=True, slots=True)
class TroublePlan:
    """One fault at one moment. `whom`: a node or phone, for a cut link the two hosts, for a cloud
    that is gone the `Way`."""

    at: int
    what: Trouble
    whom: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CloudPlan:
    """How the cluster and the cloud deal with each other, fault or no fault."""

    token_life_s: int = ACCESS_LIFETIME_S
    token_again_s: int = 600  # OP-14
    proxy: bool = False  # with two addresses


@dataclass(frozen=True, slots=True)
class Scenario:
    """One run, complete."""

    seed: int
    cluster: Cluster
    agents: tuple[AgentPlan, ...] = ()
    phones: tuple[PhonePlan, ...] = ()
    peers: tuple[PeerPlan, ...] = ()
    calls: tuple[CallPlan, ...] = ()
    troubles: tuple[TroublePlan, ...] = ()
    weather: Weather = CALM  # of SIP, from the first call until all is made well
    bus_weather: Weather = CALM
    cloud_weather: Weather = CALM
    cloud: CloudPlan = CloudPlan()
    ci_faults: tuple[Fault, ...] = ()
    push_rest_faults: tuple[Fault, ...] = ()
    partner_faults: tuple[Fault, ...] = ()  # in APNs and in FCM
    good_weather: Weather = CALM  # before and after
    faults_until: int = CALLS_FROM_NS
    personal: tuple[str, ...] = field(default=(), repr=False)  # must not show up in a cloud
    judged: tuple[str, ...] = ()  # invariants that count; (): all

    @property
    def devices(self) -> tuple[str, ...]:
        """Names of those that take part: the cluster may have others, which are never seen."""
        phones = (plan.device.name for plan in self.phones)
        return (*phones, *(plan.device.name for plan in self.agents))


def destinations_of(cluster: Cluster) -> tuple[TrunkDestination, ...]:
    """Every destination of every trunk."""
    return tuple(it for trunk in cluster.trunks.values() for it in trunk.destinations)


def peer_name(destination: TrunkDestination) -> str:
    """What the other end of a trunk is called."""
    return f"PEER {destination.host}"
