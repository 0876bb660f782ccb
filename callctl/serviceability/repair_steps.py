"""The steps of the repair of a refresh token, and what goes into and comes out of it.

Source: TRB-20, TRB-21, CLOUD-07, OP-58.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

from callctl.model.user import Secret
from callctl.serviceability.service_event import RestartIsDue
from callctl.serviceability.services import (
    CMAS,
    CPNS,
    TOMCAT,
    XCP_CONFIG_MANAGER,
    XCP_ROUTER,
    NetworkService,
    NodeKind,
)

REFUSED: Final = 400  # of the token service: this refresh token is worth nothing any more
DUE_REASON: Final = "refresh token replaced"

RESTARTED: Final = {
    NodeKind.CUCM: (CMAS, CPNS, TOMCAT),
    NodeKind.IM_AND_PRESENCE: (XCP_CONFIG_MANAGER, XCP_ROUTER, TOMCAT),
}


class Doer(Enum):
    """Who does a step."""

    ADMINISTRATOR = "administrator"
    CALLCTL = "callctl"


class StepState(Enum):
    """How far a step is."""

    TO_DO = "to do"
    UNDER_WAY = "under way"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Step:
    """One step, as the administrator reads it."""

    number: int
    title: str
    by: Doer
    command: str = ""  # what an administrator would enter at a node
    state: StepState = StepState.TO_DO
    detail: str = ""


_SELECT: Final = "run sql select * from machineaccountdetails"
STEPS: Final = (
    Step(1, "Install a new Unified CM of the same version", Doer.ADMINISTRATOR),
    Step(2, "License it", Doer.ADMINISTRATOR),
    Step(3, "Upload the certificate chains to tomcat-trust, onboard it", Doer.ADMINISTRATOR),
    Step(
        4,
        "See there that it obtains a token",
        Doer.ADMINISTRATOR,
        "utils service restart Cisco Push Notification service",
    ),
    Step(5, "Read the refresh token of the new machine", Doer.ADMINISTRATOR, _SELECT),
    Step(6, "Read the machine account of this cluster", Doer.CALLCTL, _SELECT),
    Step(
        7,
        "Put the new refresh token in its place",
        Doer.CALLCTL,
        "run sql update machineaccountdetails set refreshtoken='<token>' where pkid='<pkid>'",
    ),
    Step(
        8,
        "See that every node has it",
        Doer.CALLCTL,
        "run sql select refreshtoken from machineaccountdetails",
    ),
    Step(9, "Restart what uses it", Doer.CALLCTL, "utils service restart <service>"),
    Step(10, "See that a token is obtained with it", Doer.CALLCTL),
)
READ, WRITE, COMPARE, RESTART, PROVE = 6, 7, 8, 9, 10


@dataclass(frozen=True, slots=True)
class NewToken:
    """The refresh token of the new machine is there: the steps before are done."""

    token: Secret


@dataclass(frozen=True, slots=True)
class Resume:
    """Go on at the step that failed."""


@dataclass(frozen=True, slots=True)
class AccountRead:
    """The key of this cluster's machine account; None if there is none."""

    pkid: str | None


@dataclass(frozen=True, slots=True)
class TokenWritten:
    """So many rows have the new token."""

    rows: int


@dataclass(frozen=True, slots=True)
class CopiesCompared:
    """What the nodes hold beside the publisher's: which differ, which are out of service."""

    differing: tuple[str, ...]
    down: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Restarted:
    """A service runs anew."""

    node: str
    service: NetworkService


@dataclass(frozen=True, slots=True)
class TokenTried:
    """What each node got from the token service: 200, another status, 0 for no answer."""

    statuses: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class StepFailed:
    """The action under way could not be done."""

    reason: str


@dataclass(frozen=True, slots=True)
class ReadAccount:
    """Read the machine account on the publisher: `AccountRead`."""


@dataclass(frozen=True, slots=True)
class WriteToken:
    """Set the refresh token on the publisher, and have it copied: `TokenWritten`."""

    token: Secret
    pkid: str


@dataclass(frozen=True, slots=True)
class CompareCopies:
    """Compare what the nodes hold: `CopiesCompared`."""


@dataclass(frozen=True, slots=True)
class RestartService:
    """Restart it: `Restarted`."""

    node: str
    service: NetworkService


@dataclass(frozen=True, slots=True)
class TryToken:
    """Have each of these nodes obtain a token: `TokenTried`."""

    nodes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing was done; `reason` is for the one who asked."""

    reason: str


Event: TypeAlias = (
    NewToken
    | Resume
    | AccountRead
    | TokenWritten
    | CopiesCompared
    | Restarted
    | TokenTried
    | StepFailed
)
Action: TypeAlias = ReadAccount | WriteToken | CompareCopies | RestartService | TryToken | Refused


def restarts_due() -> tuple[RestartIsDue, ...]:
    """What a new refresh token waits for, whoever has put it there (SVC-04)."""
    due = [RestartIsDue(service, DUE_REASON) for service in (CMAS, CPNS, TOMCAT)]
    due.append(RestartIsDue(XCP_CONFIG_MANAGER, DUE_REASON))
    due.append(RestartIsDue(XCP_ROUTER, DUE_REASON, after=XCP_CONFIG_MANAGER))
    return tuple(due)
