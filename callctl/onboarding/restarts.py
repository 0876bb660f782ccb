"""Which service has still to be restarted on which node before a change is in force.

Source: SVC-04, ONB-06, ONB-11, ONB-12, ONB-16; the table of network services.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from callctl.serviceability import services

TOMCAT: Final = services.TOMCAT.name
CPNS: Final = services.CPNS.name
MANAGEMENT_AGENT: Final = services.CMAS.name
XCP_CONFIG_MANAGER: Final = services.XCP_CONFIG_MANAGER.name
XCP_ROUTER: Final = services.XCP_ROUTER.name

ORDER: Final = (TOMCAT, CPNS, XCP_CONFIG_MANAGER, XCP_ROUTER)
"""Of restarts that are due at once; on one node the XCP Config Manager precedes the Router."""


class DueRestarts:
    """Services and nodes, in the order in which they should be restarted."""

    __slots__ = ("_nodes",)

    def __init__(self) -> None:
        self._nodes: dict[str, list[str]] = {}

    def add(self, service: str, nodes: Iterable[str]) -> None:
        """`service` has to be restarted on these nodes; said twice, once is enough."""
        due = self._nodes.setdefault(service, [])
        due += [node for node in nodes if node not in due]

    def done(self, service: str, node: str) -> bool:
        """A restart took place. Returns: whether it was due, and was not too early.

        A Router that starts before its Config Manager still has the old configuration (ONB-12).
        """
        if service == XCP_ROUTER and self.is_due(XCP_CONFIG_MANAGER, node):
            return False
        if not self.is_due(service, node):
            return False
        self._nodes[service].remove(node)
        return True

    def is_due(self, service: str, node: str) -> bool:
        """True if this one is still to be restarted."""
        return node in self._nodes.get(service, ())

    def any(self, *services: str) -> bool:
        """True if one of `services` is due on some node."""
        return any(self._nodes.get(service) for service in services)

    def drop(self, *services: str) -> None:
        """These need no restart any more."""
        for service in services:
            self._nodes.pop(service, None)

    def listed(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Each service with its nodes, in the order of `ORDER`."""
        return tuple(
            (service, tuple(self._nodes[service])) for service in ORDER if self._nodes.get(service)
        )
