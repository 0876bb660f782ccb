"""What it means here to start or stop a network service of Unified CM (SVC-01)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from callctl.io.node_shell import NodeShell
from callctl.serviceability.services import CALL_MANAGER, CMAS, CPNS, NetworkService


@dataclass(frozen=True, slots=True)
class ServiceHooks:
    """The parts of a running cluster that are services of a node."""

    node: Callable[[str], NodeShell | None]  # None: it does not run
    start_node: Callable[[str], Awaitable[None]]
    stop_node: Callable[[str], Awaitable[None]]
    management_agent: Callable[[bool], None]  # runs, or does not
    comes_up: Callable[[str, str], None]  # service, node: it takes over what was saved
    publisher: str


class ServiceWorker:
    """Starts and stops them.

    Tomcat, and what runs on IM and Presence servers, has no process here: that it comes up is all
    there is to it, and what waits for that takes effect (SVC-04).
    """

    def __init__(self, hooks: ServiceHooks) -> None:
        self._hooks = hooks

    async def start(self, node: str, service: NetworkService) -> None:
        """Return when it does its work. Raises: RuntimeError, OSError that say why it does not."""
        hooks = self._hooks
        hooks.comes_up(service.name, node)  # before it starts: it starts with what was saved
        if service is CALL_MANAGER and hooks.node(node) is None:
            await hooks.start_node(node)
        elif service is CPNS:
            shell = hooks.node(node)
            if shell is None:
                raise RuntimeError("Cisco CallManager does not run")
            await shell.start_cpns()
            if not shell.cpns.running:
                raise RuntimeError(shell.cpns.failure or "it ended at once")
        elif service is CMAS and node == hooks.publisher:
            hooks.management_agent(True)

    async def stop(self, node: str, service: NetworkService) -> None:
        """Return when it does nothing any more."""
        hooks = self._hooks
        shell = hooks.node(node)
        if service is CALL_MANAGER and shell is not None:
            await hooks.stop_node(node)
        elif service is CPNS and shell is not None:
            await shell.stop_cpns()
        elif service is CMAS and node == hooks.publisher:
            hooks.management_agent(False)
