"""Who calls from outside: the peers of trunks, known by their address, or by a password as well.

Source: RFC 3261 §22; design, "nothing enters without a password but from a peer the administrator
named, and what it may reach is ours alone".
"""

from __future__ import annotations

from callctl.engine.context import NodeContext
from callctl.model.trunk import SipTrunk
from callctl.model.user import User
from callctl.registration.authenticator import Authenticator, Challenged
from sipstack.message.message import Request
from sipstack.timing import Instant
from sipstack.transport.flow import Flow


class TrunkPeers:
    """The peers of one cluster, at one node."""

    __slots__ = ("_at_host", "_authenticators", "_our_hosts")

    def __init__(self, context: NodeContext) -> None:
        cluster = context.cluster
        self._our_hosts = {
            listener.host for node in cluster.nodes.values() for listener in node.listeners
        }
        self._at_host: dict[str, list[tuple[int, SipTrunk]]] = {}
        self._authenticators: dict[str, Authenticator] = {}
        for trunk in cluster.trunks.values():
            for destination in trunk.destinations:
                known = self._at_host.setdefault(destination.host, [])
                known.append((destination.port, trunk))
            peer = trunk.inbound
            if peer is not None:
                users = {peer.username: User(peer.username, peer.password)}
                secret = context.entropy.octets(32)
                self._authenticators[trunk.name] = Authenticator(
                    cluster, context.name, secret, users
                )

    def trunk_of(self, flow: Flow, via_port: int | None = None) -> SipTrunk | None:
        """The trunk whose peer sent what came over `flow`; None if it is nobody's.

        A peer may send from any port. Where its host alone does not tell it from others - two
        trunks lead there, or nodes of ours are there too, as in a lab on one machine - the port
        must be that of a destination: the source port, or `via_port`, where the peer says it
        listens.
        """
        known = self._at_host.get(flow.remote_host)
        if known is None:
            return None
        for port, trunk in known:
            if port in (flow.remote_port, via_port):
                return trunk
        shared = flow.remote_host in self._our_hosts
        return None if shared or len({trunk.name for _, trunk in known}) > 1 else known[0][1]

    def challenged(self, trunk: SipTrunk, request: Request, now: Instant) -> Challenged | None:
        """What to answer a peer that has not proved who it is; None if it has, or need not."""
        authenticator = self._authenticators.get(trunk.name)
        if authenticator is None:
            return None
        verdict = authenticator.check(request, now)
        return verdict if isinstance(verdict, Challenged) else None
