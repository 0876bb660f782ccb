"""The network services of a deployment: their names, where each runs, what belongs to it.

Source: SVC-01, SVC-02 and the table of network services; REL-07 for the release of local push.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from callctl.model.release import Release, Since


class Place(Enum):
    """On which nodes a service runs."""

    CUCM = "every CUCM node"
    EVERYWHERE = "every node"
    IM_AND_PRESENCE = "every IM and Presence node"


@dataclass(frozen=True, slots=True)
class NetworkService:
    """One row of the table."""

    name: str  # as Cisco writes it
    place: Place
    pushes: bool = False  # stays stopped where push is not allowed at all (OP-59)
    since: Since | None = None  # None: in every release that is emulated
    built: bool = True  # False: known, and shown as not being there

    def __str__(self) -> str:
        return self.name


CALL_MANAGER: Final = NetworkService("Cisco CallManager", Place.CUCM)
CPNS: Final = NetworkService("Cisco Push Notification Service", Place.CUCM, pushes=True)
CMAS: Final = NetworkService("Cisco Management Agent Service", Place.CUCM, pushes=True)
LPNS: Final = NetworkService(
    "Cisco Local Push Notification Service",
    Place.CUCM,
    pushes=True,
    since=Since.parse("14SU3"),
    built=False,
)
TOMCAT: Final = NetworkService("Cisco Tomcat", Place.EVERYWHERE)
XCP_CONFIG_MANAGER: Final = NetworkService("Cisco XCP Config Manager", Place.IM_AND_PRESENCE)
XCP_ROUTER: Final = NetworkService("Cisco XCP Router", Place.IM_AND_PRESENCE)

SERVICES: Final = (
    CALL_MANAGER,
    LPNS,
    CMAS,
    CPNS,
    TOMCAT,
    XCP_CONFIG_MANAGER,
    XCP_ROUTER,
)
"""In the order in which they are listed."""


class NodeKind(Enum):
    """What a server of the deployment is."""

    CUCM = "CUCM"
    IM_AND_PRESENCE = "IM and Presence"


@dataclass(frozen=True, slots=True)
class Server:
    """A server of the deployment, as far as its services go."""

    name: str
    kind: NodeKind = NodeKind.CUCM
    publisher: bool = False


class UnknownService(LookupError):
    """No service has this name; the text names those that there are."""


def service_named(name: str) -> NetworkService:
    """The service with this name. Case does not count, nor how many blanks are in it.

    Raises: UnknownService.
    """
    folded = " ".join(name.split()).casefold()
    for service in SERVICES:
        if service.name.casefold() == folded:
            return service
    known = ", ".join(service.name for service in SERVICES)
    raise UnknownService(f"there is no service {' '.join(name.split())!r}; there are {known}")


def services_of(server: Server, release: Release) -> tuple[NetworkService, ...]:
    """The services of a server, in the order in which they are listed."""
    return tuple(
        service
        for service in SERVICES
        if _runs_on(service.place, server.kind)
        and (service.since is None or service.since.reached_by(release))
    )


def servers_with(service: NetworkService, servers: Iterable[Server]) -> tuple[str, ...]:
    """The names of the servers that a service runs on."""
    return tuple(server.name for server in servers if _runs_on(service.place, server.kind))


def _runs_on(place: Place, kind: NodeKind) -> bool:
    match place:
        case Place.CUCM:
            return kind is NodeKind.CUCM
        case Place.IM_AND_PRESENCE:
            return kind is NodeKind.IM_AND_PRESENCE
        case Place.EVERYWHERE:
            return True
