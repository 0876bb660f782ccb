"""What a run is to do, in numbers: made of the schema once it is known to be right."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final

from callctl.fleet.quantity import (
    Distribution,
    parse_distribution,
    parse_duration,
    parse_rate,
    parse_share,
)
from callctl.fleet.schema import CallsEntry, FleetFile, GroupEntry, PhonesEntry, TargetEntry
from callctl.model.device import ClientType, Platform
from callctl.model.node import Listener
from callctl.model.values import parse_listener
from sipstack.timing import SECOND

RAMP_UP_MAX_NS: Final = 10 * SECOND  # where the file names none
PER_SECOND: Final = 5.0  # calls, where the file names no rate
CURRENT_OS: Final = {Platform.IOS: "17.4", Platform.ANDROID: "14"}

CALLERS_PER_RATE: Final = 4  # a call lives for its set-up, its talk and 32 s of transactions
CALLERS_RANGE: Final = (10, 400)


class Wish(Enum):
    """What the owner of the called phone is to do."""

    ANSWER = "answered"
    DECLINE = "declined"
    BUSY = "busy"
    NO_ANSWER = "no answer"


@dataclass(frozen=True, slots=True)
class Group:
    """Phones of one kind. Shares are from 0 to 1."""

    name: str
    share: float
    platform: Platform
    client: ClientType
    client_version: str
    os_versions: tuple[tuple[str, float], ...]
    custom_region: bool


@dataclass(frozen=True, slots=True)
class Phones:
    """Who is called. Times in ns, shares from 0 to 1."""

    count: int
    groups: tuple[Group, ...]
    transports: tuple[tuple[str, float], ...]  # "TLS", "TCP", "UDP"
    awake: float
    never_wake: float
    wake_delay: Distribution
    grace_ns: int
    tap_after: Distribution


@dataclass(frozen=True, slots=True)
class Calls:
    """The calls. Times in ns, shares from 0 to 1."""

    per_second: float
    poisson: bool
    duration_ns: int
    ramp_up_ns: int
    answers: tuple[tuple[Wish, float], ...]
    answer_after: Distribution
    talk: Distribution
    callee_hangs_up: float
    give_up_after: Distribution

    @property
    def expected(self) -> float:
        """How many calls the rate makes in all."""
        return self.per_second * (self.duration_ns - self.ramp_up_ns / 2) / SECOND


@dataclass(frozen=True, slots=True)
class Networks:
    """What happens to connections. Rates per phone and second."""

    changes: float
    losses: float
    away: Distribution


@dataclass(frozen=True, slots=True)
class Kill:
    """The death of a node, in ns from the first call on."""

    node: str
    at_ns: int
    back_after_ns: int | None


@dataclass(frozen=True, slots=True)
class Target:
    """Servers that run already. Neither `state` nor `registrar`: there are none."""

    state: Path | None  # state directory of a cluster
    registrar: Listener | None
    domain: str
    user_pattern: str
    first_user: int
    password: str
    push_endpoint: int | None
    ca_file: Path | None
    pids: tuple[int, ...]

    def user(self, number: int) -> str:
        """The name of a user of the registrar, from 0."""
        return self.user_pattern % (self.first_user + number)

    def password_of(self, user: str) -> str:
        """The password of a user."""
        return self.password.replace("{user}", user)


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything."""

    seed: int
    phones: Phones
    calls: Calls
    callers: int
    caller_transport: str
    networks: Networks
    nodes: int  # of the own cluster
    release: str
    kills: tuple[Kill, ...]
    target: Target
    allowed_failures: float


def plan_of(file: FleetFile, seed: int, beside: Path) -> Plan:
    """The run that a file describes.

    Args:
        seed: where the file has none.
        beside: the directory that its paths are relative to.
    """
    calls = _calls(file.calls, file.phones.count)
    low, high = CALLERS_RANGE
    wanted = min(max(round(calls.per_second * CALLERS_PER_RATE), low), high)
    networks = file.networks
    return Plan(
        seed=seed if file.seed is None else file.seed,
        phones=_phones(file.phones),
        calls=calls,
        callers=wanted if file.callers.count is None else file.callers.count,
        caller_transport=file.callers.transport.upper(),
        networks=Networks(
            parse_rate(networks.changes_per_phone_hour) / 3_600,
            parse_rate(networks.losses_per_phone_hour) / 3_600,
            parse_distribution(networks.away),
        ),
        nodes=file.cluster.nodes,
        release=file.cluster.release,
        kills=tuple(
            Kill(
                kill.node,
                parse_duration(kill.at),
                None if kill.back_after is None else parse_duration(kill.back_after),
            )
            for kill in sorted(file.kills, key=lambda kill: parse_duration(kill.at))
        ),
        target=_target(file.target, beside),
        allowed_failures=parse_share(file.allowed_failures),
    )


def _phones(entry: PhonesEntry) -> Phones:
    return Phones(
        count=entry.count,
        groups=tuple(_group(name, it) for name, it in (entry.groups or DEFAULT_GROUPS).items()),
        transports=tuple(
            (name.upper(), parse_share(share)) for name, share in entry.transports.items()
        ),
        awake=parse_share(entry.awake),
        never_wake=parse_share(entry.never_wake),
        wake_delay=parse_distribution(entry.wake_delay),
        grace_ns=parse_duration(entry.grace),
        tap_after=parse_distribution(entry.tap_after),
    )


DEFAULT_GROUPS: Final = {
    "iphones": GroupEntry(share="60%", platform="ios"),
    "androids": GroupEntry(share="40%", platform="android"),
}
"""What most companies have."""


def _group(name: str, entry: GroupEntry) -> Group:
    platform = Platform(entry.platform)
    versions = tuple((name, parse_share(share)) for name, share in entry.os_versions.items())
    return Group(
        name,
        parse_share(entry.share),
        platform,
        ClientType(entry.client),
        entry.client_version,
        versions or ((CURRENT_OS[platform], 1.0),),
        entry.region == "china",
    )


def _calls(entry: CallsEntry, phones: int) -> Calls:
    per_second = PER_SECOND
    if entry.per_second is not None:
        per_second = parse_rate(entry.per_second)
    elif entry.bhca is not None:
        per_second = parse_rate(entry.bhca) / 3_600
    elif entry.per_phone_hour is not None:
        per_second = parse_rate(entry.per_phone_hour) * phones / 3_600
    answers = entry.answers
    duration_ns = parse_duration(entry.duration)
    ramp_up_ns = min(duration_ns // 10, RAMP_UP_MAX_NS)
    if entry.ramp_up is not None:
        ramp_up_ns = parse_duration(entry.ramp_up)
    return Calls(
        per_second=per_second,
        poisson=entry.arrivals == "poisson",
        duration_ns=duration_ns,
        ramp_up_ns=ramp_up_ns,
        answers=(
            (Wish.ANSWER, parse_share(answers.answered)),
            (Wish.DECLINE, parse_share(answers.declined)),
            (Wish.BUSY, parse_share(answers.busy)),
            (Wish.NO_ANSWER, parse_share(answers.no_answer)),
        ),
        answer_after=parse_distribution(entry.answer_after),
        talk=parse_distribution(entry.talk),
        callee_hangs_up=parse_share(entry.callee_hangs_up),
        give_up_after=parse_distribution(entry.give_up_after),
    )


def _target(entry: TargetEntry, beside: Path) -> Target:
    registrar = None if entry.registrar is None else parse_listener(entry.registrar)
    return Target(
        state=None if entry.cluster is None else beside / entry.cluster,
        registrar=registrar,
        domain=entry.domain or ("" if registrar is None else _own_domain(registrar)),
        user_pattern=entry.user_pattern,
        first_user=entry.first_user,
        password=entry.password,
        push_endpoint=entry.push_endpoint,
        ca_file=None if entry.ca_file is None else beside / entry.ca_file,
        pids=tuple(entry.pids),
    )


def _own_domain(registrar: Listener) -> str:
    """A registrar without a name, as it stands in a URI: with its port where that is unusual."""
    host = f"[{registrar.host}]" if ":" in registrar.host else registrar.host
    usual = 5061 if registrar.transport == "TLS" else 5060
    return host if registrar.port == usual else f"{host}:{registrar.port}"
