"""Which addresses are ours: this node's listeners, the other nodes', the cluster's domain."""

from __future__ import annotations

from typing import Final

from callctl.model.cluster import Cluster
from callctl.model.node import TRANSPORTS, Listener, Node
from sipstack.message.uri import Uri
from sipstack.transport.flow import RELIABLE, WEBSOCKET, Flow
from sipstack.transport.locate import DEFAULT_PORTS


def host_text(host: str) -> str:
    """A numeric address as it stands in a URI or Via."""
    return f"[{host}]" if ":" in host else host


class AddressBook:
    """Own and neighbouring addresses of one node."""

    __slots__ = ("_domain_hosts", "_hosts", "_owners", "_sent_by", "index", "indices", "node")

    def __init__(self, cluster: Cluster, node: str) -> None:
        self.node: Final[Node] = cluster.nodes[node]
        self.indices: Final[dict[str, int]] = {name: i for i, name in enumerate(cluster.nodes)}
        self.index: Final[int] = self.indices[node]
        self._owners: dict[tuple[str, int], str] = {}  # (host, port) to node
        self._hosts: set[str] = set()
        self._domain_hosts: set[str] = {cluster.domain.lower().strip("[]")}
        for each in cluster.nodes.values():
            self._domain_hosts.add(each.fqdn.lower())
            for listener in each.listeners:
                self._owners[listener.host, listener.port] = each.name
                self._owners[each.fqdn.lower(), listener.port] = each.name
                self._hosts.add(listener.host)
        self._sent_by: dict[str, str] = {}
        for transport in TRANSPORTS:
            found = self.node.listener(transport) or self.node.dialled
            self._sent_by[transport] = f"{host_text(found.host)}:{found.port}"

    @property
    def transports(self) -> tuple[str, ...]:
        """Those by which we can reach others, in the order in which we like to send.

        Over WebSocket only a client connects, so a contact of a browser cannot be dialled.
        """
        return tuple(t for t in ("UDP", "TCP", "TLS") if self.node.listener(t) is not None)

    def sent_by(self, transport: str) -> str:
        """Our host and port for a Via of a request sent over `transport`."""
        return self._sent_by[transport]

    def names_us(self, uri: Uri) -> bool:
        """True for a URI whose host and port are the cluster's, as domain or as a node.

        The port counts: on one host there are many parties, and taking another's port for ours
        makes a request go round until its hops are used up.
        """
        host, port = uri.host_port()
        if port is None:
            return host in self._domain_hosts or self.node_at(uri) is not None
        if (host, port) in self._owners:
            return True
        return host in self._domain_hosts and host not in self._hosts

    def dialled_here(self, uri: Uri) -> bool:
        """As `names_us`, for what a user dialled: an address of ours without a port will do."""
        host, port = uri.host_port()
        return self.names_us(uri) or (port is None and host in self._hosts)

    def node_at(self, uri: Uri) -> str | None:
        """The node whose listener a Route or Request-URI names."""
        host, port = uri.host_port()
        if port is None:
            port = DEFAULT_PORTS["TLS" if uri.scheme == "sips" else "UDP"]
        return self._owners.get((host, port))

    def own_uri(self, user: str, flow: Flow) -> str:
        """A URI of this node for the peer at the other end of `flow`."""
        parameter = "" if flow.transport == "UDP" else f";transport={flow.transport.lower()}"
        if flow.transport in WEBSOCKET:
            parameter = ";transport=ws"  # secure or not (RFC 7118 §5.2.2)
        return f"sip:{user}@{self._sent_by[flow.transport]}{parameter};lr"

    def flow_to(self, node: Node) -> tuple[Flow, Listener]:
        """The flow for a request to another node: over a stream where both have one."""
        for transport in ("TCP", "UDP", "TLS"):
            theirs, ours = node.listener(transport), self.node.listener(transport)
            if theirs is not None and ours is not None:
                return Flow(transport, ours.host, ours.port, theirs.host, theirs.port), theirs
        theirs, ours = node.dialled, self.node.dialled
        return Flow(theirs.transport, ours.host, ours.port, theirs.host, theirs.port), theirs

    def flow_towards(self, host: str, port: int, transport: str) -> Flow | None:
        """The flow to a peer at a numeric address; None without a listener for the transport.

        None for WebSocket too: a browser is reached over the connection it made, or not at all.
        """
        ours = self.node.listener(transport)
        if ours is None or transport in WEBSOCKET:
            return None
        return Flow(transport, ours.host, ours.port, host, port)


def is_stream(flow: Flow) -> bool:
    """True if the flow is, or will be, a connection."""
    return flow.transport in RELIABLE
