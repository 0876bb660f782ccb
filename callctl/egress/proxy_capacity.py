"""How much a proxy has to carry for a deployment: an estimate, with what it assumes.

Transactions of a busy hour are counted, spread over it, and the busiest second taken as three
standard deviations above the mean: calls come by chance, and one second in hundreds is busier.
The pushes of one call leave together, so they count as one throw of that chance. In short, with
g devices of a user and m transactions a second: busy = m + 3 * sqrt(m * g), at least g.

Source: PROXY-10.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from math import ceil, isfinite, sqrt
from typing import Any, Final

HOUR_S: Final = 3_600
DEVIATIONS: Final = 3

CONNECTIONS_MAX: Final = 64  # of one node to Push REST at once
TOKEN_LIFETIME_S: Final = 43_200
TOKEN_RENEWED_AT: Final = 0.8  # of its lifetime, OP-14
UPLOADS_PER_HOUR: Final = 2  # every 30 minutes, TRB-03
ANSWER_S: Final = 0.3  # for Push REST to answer, through the proxy

CALLS_PER_USER: Final = 5.0
SECOND_PUSH_SHARE: Final = 0.5

OCTETS_UP: Final = 1_500  # of one push with its headers, TLS and TCP
OCTETS_DOWN: Final = 500
OCTETS_OF_TUNNEL: Final = 9_000  # CONNECT, answered by Digest, and TLS inside

ASSUMPTIONS: Final = (
    "every mobile device is asleep, so that every call pushes all devices of its user",
    "a request to Push REST and its answer are one transaction, and so is each fetch of a token,"
    " upload of alarms and poll of the certificates",
    f"Push REST answers in {ANSWER_S:g} s through the proxy",
    f"a node opens {CONNECTIONS_MAX} connections to Push REST at the most, and keeps for an hour"
    " those that it needed",
    f"an access token is renewed at {TOKEN_RENEWED_AT:.0%} of {TOKEN_LIFETIME_S // HOUR_S} h;"
    f" alarms are uploaded {UPLOADS_PER_HOUR} times an hour, the certificates polled once a day",
    f"a push is {OCTETS_UP} octets up and {OCTETS_DOWN} down, a new connection"
    f" {OCTETS_OF_TUNNEL} with TLS inside",
    "the busy second is three standard deviations above the mean of the busy hour",
    "what the proxy carries for anybody else is not counted",
)


@dataclass(frozen=True, slots=True)
class Deployment:
    """What the estimate is made of; rates are those of the busy hour."""

    users: int
    ios_per_user: float = 1.0  # mobile devices, on average
    android_per_user: float = 0.0
    calls_per_user: float = CALLS_PER_USER  # that come in, an hour
    second_push_share: float = (
        SECOND_PUSH_SHARE  # of ring pushes: missed, cancelled or answered elsewhere
    )
    messages_per_user: float = 0.0  # instant messages that come in, an hour
    nodes: int = 2  # of Unified CM and IM and Presence that push

    def __post_init__(self) -> None:
        """Raises: ValueError naming what is out of range."""
        for name in ("users", "nodes"):
            value: int = getattr(self, name)
            if not 1 <= value <= 10_000_000:
                raise ValueError(f"{name}: {value} is not between 1 and 10000000")
        for name in ("ios_per_user", "android_per_user", "calls_per_user", "messages_per_user"):
            rate: float = getattr(self, name)
            if not (isfinite(rate) and 0 <= rate <= 100_000):
                raise ValueError(f"{name}: {rate:g} is not between 0 and 100000")
        share = self.second_push_share
        if not 0 <= share <= 1:
            raise ValueError(f"second_push_share: {share:g} is not between 0 and 1")

    @property
    def devices_per_user(self) -> float:
        """Mobile devices of one user."""
        return self.ios_per_user + self.android_per_user


@dataclass(frozen=True, slots=True)
class Capacity:
    """What the proxy has to carry."""

    transactions_per_second: float  # average of the busy hour
    busy_transactions_per_second: int
    new_connections_per_hour: int
    connections_at_once_after_a_restart: int  # of the proxy: all are made anew
    kept_connections: int
    bandwidth_up_kbit_s: int  # in the busy second
    bandwidth_down_kbit_s: int
    nodes_enough: bool  # False: a push waits for a connection in the busy second
    assumptions: tuple[str, ...] = field(default=ASSUMPTIONS, repr=False)

    def as_json(self) -> dict[str, Any]:
        """Its fields by name."""
        return {**asdict(self), "assumptions": list(self.assumptions)}


def capacity_of(deployment: Deployment) -> Capacity:
    """The estimate."""
    devices = deployment.devices_per_user
    each_call = devices * (1 + deployment.second_push_share)
    per_user = deployment.calls_per_user * each_call + deployment.messages_per_user * devices
    pushes = deployment.users * per_user / HOUR_S
    tokens = HOUR_S / (TOKEN_LIFETIME_S * TOKEN_RENEWED_AT)
    others_per_hour = deployment.nodes * (tokens + UPLOADS_PER_HOUR + 1 / 24)
    mean = pushes + others_per_hour / HOUR_S
    together = max(1.0, devices)
    busy = max(_busy(pushes, together), ceil(together) if pushes else 0)

    wanted = ceil(_busy(pushes / deployment.nodes, together) * ANSWER_S)
    kept_by_node = min(max(1, wanted), CONNECTIONS_MAX)
    kept = deployment.nodes * kept_by_node
    opened = kept + ceil(others_per_hour)
    tunnels_bit_s = opened * OCTETS_OF_TUNNEL * 8 / HOUR_S
    return Capacity(
        transactions_per_second=round(mean, 3),
        busy_transactions_per_second=busy + (1 if others_per_hour else 0),
        new_connections_per_hour=opened,
        connections_at_once_after_a_restart=kept,
        kept_connections=kept,
        bandwidth_up_kbit_s=ceil((busy * OCTETS_UP * 8 + tunnels_bit_s) / 1_000),
        bandwidth_down_kbit_s=ceil((busy * OCTETS_DOWN * 8 + tunnels_bit_s) / 1_000),
        nodes_enough=wanted <= CONNECTIONS_MAX,
    )


def _busy(mean: float, together: float) -> int:
    return ceil(mean + DEVIATIONS * sqrt(mean * together))
