"""What befalls a node of a play in virtual time."""

from __future__ import annotations

from callctl.replay.notes_schema import NodeEvent
from callctl.sim.node_party import NodeParty


def befall(node: NodeParty, event: NodeEvent) -> None:
    """Let it happen now."""
    match event:
        case NodeEvent.STARTS:
            node.restart()
        case NodeEvent.STOPS:
            node.stop()
        case NodeEvent.DIES:
            node.kill(power=False)
        case NodeEvent.LOSES_POWER:
            node.kill(power=True)
        case NodeEvent.PUSH_SERVICE_STOPS:
            node.set_cpns(False)
        case NodeEvent.PUSH_SERVICE_STARTS:
            node.set_cpns(True)
        case NodeEvent.PUSH_SERVICE_HANGS:
            node.hang_cpns(True)
        case NodeEvent.PUSH_SERVICE_GOES_ON:
            node.hang_cpns(False)
        case NodeEvent.PUSH_SERVICE_DIES:
            node.kill_cpns()
