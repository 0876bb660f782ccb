"""Service parameters: every number of call processing that an administrator may set.

Name, default, unit, range and requirement of a parameter stand here and nowhere else: the cluster
file and its reference page are made from `PARAMETERS`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Annotated, Final, Literal, TypeAlias, cast, get_args, get_type_hints

Authentication: TypeAlias = Literal["digest", "none"]
DigestAlgorithm: TypeAlias = Literal["MD5", "SHA-256", "SHA-512-256"]
ChallengeCode: TypeAlias = Literal[407, 401]
RecordRoute: TypeAlias = Literal["always", "flows"]


@dataclass(frozen=True, slots=True)
class Range:
    """Of a number: its unit, the least and the greatest value, where it comes from, its meaning."""

    unit: str
    low: int
    high: int
    requirement: str
    text: str


@dataclass(frozen=True, slots=True)
class About:
    """Of a switch or of a choice among a few values: where it comes from, its meaning."""

    requirement: str
    text: str


@dataclass(frozen=True, slots=True)
class Parameter:
    """What is known about one service parameter."""

    name: str
    default: int | str
    unit: str  # "s", "ms", "calls", ...; "" for a choice or a switch
    low: int | None  # None: not a number
    high: int | None
    choices: tuple[int | str, ...]  # () unless it is one of a few values
    requirement: str  # catalogue id or standard
    text: str

    @property
    def allowed(self) -> str:
        """The values it may have, in words."""
        if self.choices:
            return " or ".join(map(str, self.choices))
        if self.low is None:
            return "true or false"
        return f"{self.low} to {self.high}" + (f" {self.unit}" if self.unit else "")


@dataclass(frozen=True, slots=True)
class ServiceParameters:
    """The values in force, the same on every node.

    Raises: ValueError naming each value that is out of range or contradicts another.
    """

    ring_back_s: Annotated[
        int,
        Range("s", 1, 60, "CALL-04", "The engine signals ringing itself if no device has by then."),
    ] = 5
    drop_s: Annotated[
        int, Range("s", 2, 120, "CALL-05", "Longest wait for a pushed device to register.")
    ] = 13
    mobility_wait_s: Annotated[
        int,
        Range(
            "s",
            1,
            13,
            "MOB-01",
            "Jabber Dual Mode (iPhone) Incoming Call Push Notification Wait Timer: then the call "
            "goes on to the user's mobility identity.",
        ),
    ] = 10
    forward_hops_max: Annotated[
        int, Range("hops", 1, 20, "CALL-09", "Longest chain of forwarding of one call.")
    ] = 5
    android_caller_id: Annotated[
        bool, About("OP-17", "Name and number in pushes to Android too, which no release lists.")
    ] = False
    strict_matrix: Annotated[
        bool,
        About("OP-61", "Table C3 word for word: no push to iOS 13 up to 16.4 from 14SU3 on."),
    ] = False
    display_external_presentation: Annotated[
        bool,
        About("OP-16", "Display External Presentation Name and Number of calls over trunks."),
    ] = False
    flow_probe_s: Annotated[
        int,
        Range("s", 1, 32, "OP-29", "A flow that answers nothing for so long is taken for dead."),
    ] = 2
    flow_timer_s: Annotated[
        int,
        Range(
            "s",
            0,
            3600,
            "OP-29",
            "Flow-Timer of RFC 5626: a connection whose keep-alives stop for so long is closed; "
            "0 for never.",
        ),
    ] = 120
    second_push_wait_s: Annotated[
        int,
        Range("s", 0, 60, "OP-09", "Longest wait of a second push for the answer to the first."),
    ] = 5
    push_response_timeout_s: Annotated[
        int, Range("s", 1, 60, "OP-13", "Longest wait for the answer of the push service.")
    ] = 5
    parked_calls_max: Annotated[
        int, Range("calls", 1, 1_000_000, "CALL-01", "Parked calls of a node; above it, 503.")
    ] = 5000
    parked_calls_per_callee_max: Annotated[
        int, Range("calls", 1, 1000, "OP-06", "Parked calls of one device; above it, 486.")
    ] = 10
    t1_ms: Annotated[
        int, Range("ms", 10, 5000, "RFC 3261 §17.1.1.1", "Estimated round-trip time.")
    ] = 500
    t2_ms: Annotated[
        int, Range("ms", 10, 40_000, "RFC 3261 §17.1.2.2", "Longest interval between repetitions.")
    ] = 4000
    t4_ms: Annotated[
        int,
        Range("ms", 10, 50_000, "RFC 3261 §17.1.2.2", "Longest life of a message in the network."),
    ] = 5000
    timer_c_s: Annotated[
        int,
        Range("s", 181, 3600, "RFC 3261 §16.6", "Longest wait for a final answer while it rings."),
    ] = 185
    record_route: Annotated[
        RecordRoute,
        About("OP-03", "Stay in the path of every dialog, or only where a phone is behind a flow."),
    ] = "always"
    udp_request_max: Annotated[
        int,
        Range("octets", 576, 65_507, "RFC 3261 §18.1.1", "A larger request is tried over TCP."),
    ] = 1300
    register_expires_default_s: Annotated[
        int, Range("s", 1, 604_800, "RFC 3261 §10.2.1.1", "Life of a binding that asks for none.")
    ] = 3600
    register_expires_min_s: Annotated[
        int, Range("s", 1, 3600, "RFC 3261 §10.2.8", "Below it a REGISTER is answered 423.")
    ] = 60
    register_expires_max_s: Annotated[
        int,
        Range("s", 1, 604_800, "RFC 3261 §10.3", "A longer life that is asked for is cut to it."),
    ] = 86_400
    contacts_per_device_max: Annotated[
        int, Range("contacts", 1, 20, "REG-09", "Bindings of one device at a time.")
    ] = 4
    authentication: Annotated[
        Authentication,
        About("REG-09", "Who is asked for a password: every client, or nobody (closed labs only)."),
    ] = "digest"
    digest_algorithm: Annotated[
        DigestAlgorithm, About("RFC 8760 §2.1", "Algorithm of the one challenge that is sent.")
    ] = "MD5"
    invite_challenge_code: Annotated[
        ChallengeCode,
        About(
            "RFC 3261 §22.3",
            "Challenge to requests other than REGISTER; 401 for clients that know no other.",
        ),
    ] = 407
    nonce_lifetime_s: Annotated[
        int, Range("s", 10, 86_400, "RFC 7616 §3.3", "An older nonce is answered stale.")
    ] = 300
    heartbeat_ms: Annotated[
        int, Range("ms", 10, 60_000, "REG-11", "Interval of the sign of life between nodes.")
    ] = 500
    node_suspect_ms: Annotated[
        int,
        Range("ms", 20, 600_000, "CMG-10", "A node silent for so long counts as out of service."),
    ] = 2000

    def __post_init__(self) -> None:
        values = {name: getattr(self, name) for name in PARAMETERS}
        mistakes = [*_out_of_range(values), *contradictions(values)]
        if mistakes:
            raise ValueError("; ".join(f"{name} {problem}" for name, problem, _ in mistakes))


def _parameter(name: str, kind: object, about: Range | About, default: int | str) -> Parameter:
    if isinstance(about, Range):
        unit, low, high = about.unit, about.low, about.high
        return Parameter(name, default, unit, low, high, (), about.requirement, about.text)
    return Parameter(name, default, "", None, None, get_args(kind), about.requirement, about.text)


def _catalogue() -> dict[str, Parameter]:
    hints = get_type_hints(ServiceParameters, include_extras=True)
    catalogue = {}
    for item in fields(ServiceParameters):
        kind, about = get_args(hints[item.name])
        default = cast(int | str, item.default)
        catalogue[item.name] = _parameter(item.name, kind, about, default)
    return catalogue


PARAMETERS: Final[dict[str, Parameter]] = _catalogue()
"""Every service parameter, in the order of the reference page."""

ASCENDING: Final = (
    ("ring_back_s", "drop_s"),  # else the call is dropped before anybody heard it ring
    ("t1_ms", "t2_ms"),
    ("register_expires_min_s", "register_expires_default_s"),
    ("register_expires_default_s", "register_expires_max_s"),
    ("heartbeat_ms", "node_suspect_ms"),  # else every node is suspect between two heartbeats
)
"""Pairs of parameters of which the first may not be greater than the second."""

Mistake: TypeAlias = tuple[str, str, str]
"""The parameter, what is wrong with it, what would be right."""


def contradictions(values: dict[str, int | str]) -> Iterator[Mistake]:
    """What values say against one another, each alone being in range."""
    for lower, upper in ASCENDING:
        low, high = values[lower], values[upper]
        if isinstance(low, int) and isinstance(high, int) and low > high:
            yield lower, f"is {low}, more than {upper}, which is {high}", f"at most {high}"


def _out_of_range(values: dict[str, int | str]) -> Iterator[Mistake]:
    for name, parameter in PARAMETERS.items():
        value = values[name]
        if parameter.choices:
            fits = value in parameter.choices
        elif parameter.low is None or parameter.high is None:
            fits = isinstance(value, bool)
        else:
            fits = isinstance(value, int) and parameter.low <= value <= parameter.high
        if not fits:
            yield name, f"is {value!r}, not {parameter.allowed}", parameter.allowed
