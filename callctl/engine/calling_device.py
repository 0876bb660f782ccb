"""Which of our devices a request came from."""

from __future__ import annotations

from callctl.engine.context import NodeContext
from callctl.model.device import Device
from sipstack.message.message import Request
from sipstack.timing import Instant
from sipstack.transport.flow import Flow


def calling_device(
    context: NodeContext, request: Request, flow: Flow, now: Instant
) -> Device | None:
    """The device that registered its line over `flow` at this node; None if there is none.

    On a shared line it tells whose settings are those of the caller.
    """
    sender = request.from_.uri.user_unescaped or ""
    for binding in context.table.of_dn(sender, now):
        if binding.flow == flow and binding.node == context.name:
            return context.cluster.devices.get(binding.device_name)
    return None
