"""What those who watch a tap make of it: who is behind a flow, and what became of a push."""

from __future__ import annotations

from typing import Final, NamedTuple, TypeAlias

from sipstack.message.message import Request, Response
from sipstack.transport.flow import Flow

SIP_PORT: Final = 5060

Address: TypeAlias = tuple[str, int]


class PeerNames:
    """Names of those outside the nodes, by their address or by what their Via said of it."""

    def __init__(self, addresses: dict[Address, str]) -> None:
        """`addresses`: host and port of each party, as in its Via; more may be added to it."""
        self._addresses = addresses
        self._peers: dict[tuple[str, str, int], str] = {}  # by node, remote host and port

    def name(self, party: str, flow: Flow, message: Request | Response | None) -> str:
        """Who is at the other end of a flow of `party`; its address if nobody knows.

        `message`: what came by it, None for what was sent.
        """
        key = party, flow.remote_host, flow.remote_port
        known = self._peers.get(key) or self._addresses.get(key[1:])
        if known is None and isinstance(message, Request):
            via = message.top_via
            known = self._addresses.get((via.host, via.port or SIP_PORT))
        if known is None:
            return f"{flow.remote_host}:{flow.remote_port}"
        self._peers[key] = known
        return known


class PushNote(NamedTuple):
    """A push leaves, or what is known of it comes back."""

    answered: bool
    what: str  # its kind; the status, or how it was lost


def push_note(text: str) -> PushNote | None:
    """What a push service notes (`callctl.io.cpns_shell`); None for a note of something else."""
    whose, _, rest = text.partition(": ")
    if not whose.startswith("push "):
        return None
    if rest[:1].isdigit() or rest.startswith("lost"):
        return PushNote(True, rest)
    return PushNote(False, rest.partition(" ")[0])
