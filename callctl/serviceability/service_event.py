"""What goes into and comes out of the table of network services.

Source: SVC-01, SVC-04.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from callctl.serviceability.services import NetworkService


class Wish(Enum):
    """What an administrator asks of a service."""

    START = "start"
    STOP = "stop"
    RESTART = "restart"


@dataclass(frozen=True, slots=True)
class ServiceWanted:
    """An administrator wants a service started, stopped or restarted."""

    wish: Wish
    node: str
    service: NetworkService


@dataclass(frozen=True, slots=True)
class ServiceUp:
    """A `StartService` was done, or the service came up with its server."""

    node: str
    service: NetworkService


@dataclass(frozen=True, slots=True)
class ServiceDown:
    """A `StopService` was done; or, unasked, the service has failed, `reason` saying why."""

    node: str
    service: NetworkService
    reason: str = ""


@dataclass(frozen=True, slots=True)
class NodeUp:
    """A server came into service: all its services start, with all settings as they are now."""

    node: str


@dataclass(frozen=True, slots=True)
class NodeDown:
    """A server went out of service, with all that ran on it."""

    node: str


@dataclass(frozen=True, slots=True)
class RestartIsDue:
    """A change waits for a restart of a service on every server that has it, or on `nodes`."""

    service: NetworkService
    reason: str  # as the administrator reads it: "onboarding page updated"
    nodes: tuple[str, ...] | None = None
    after: NetworkService | None = None  # whose restart has to come first


@dataclass(frozen=True, slots=True)
class StartService:
    """Start it now and say `ServiceUp`, or `ServiceDown` with the reason."""

    node: str
    service: NetworkService


@dataclass(frozen=True, slots=True)
class StopService:
    """Stop it now and say `ServiceDown`."""

    node: str
    service: NetworkService


@dataclass(frozen=True, slots=True)
class ServiceRestarted:
    """A service runs anew; the changes for these reasons have effect from now on."""

    node: str
    service: NetworkService
    cleared: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ServiceFailed:
    """A service is stopped and nobody asked for it."""

    node: str
    service: NetworkService
    reason: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing was done; `reason` is for the one who asked."""

    reason: str


Event: TypeAlias = ServiceWanted | ServiceUp | ServiceDown | NodeUp | NodeDown | RestartIsDue
Action: TypeAlias = StartService | StopService | ServiceRestarted | ServiceFailed | Refused
