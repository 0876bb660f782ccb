"""What a server does to the top Via of a request, and where the answer to it goes.

Source: RFC 3261 §18.2.1 and §18.2.2, RFC 3581 §4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sipstack.message.grammar import split_list, unfold
from sipstack.message.params import Params
from sipstack.message.via import Via
from sipstack.transport.flow import RELIABLE, UNCONNECTED, Flow

if TYPE_CHECKING:
    from sipstack.message.message import Request

UDP_REQUEST_MAX: Final = 1300
"""Octets of a request that may go over UDP where the path MTU is unknown (RFC 3261 §18.1.1)."""

UDP_PORT: Final = 5060
DIALLED_PORT: Final = {"TCP": 5060, "TLS": 5061}
"""Transports over which we can open a connection ourselves, and their default ports."""


def stamp_received(request: Request, flow: Flow) -> None:
    """Note in the top Via where the request really came from.

    `received` is added if the sent-by host is not the source address or `rport` is asked for, and
    `rport` gets its value. What a peer wrote there itself is replaced: it is not its to say.

    Raises: SipSyntaxError (400) if the top Via cannot be read.
    """
    via = request.top_via
    old = via.params
    asks_rport = old.has("rport")
    if not asks_rport and not old.has("received") and same_host(via.host, flow.remote_host):
        return
    new = _plainly_stamped(old.text, asks_rport, flow)
    if new is None:
        new = old.with_param("rport", str(flow.remote_port)) if asks_rport else old
        new = new.with_param("received", flow.remote_host)
    via = Via(via.protocol, via.transport, via.host, via.port, new)
    headers = request.headers
    index = headers.keys.index("via")
    line = headers.lines[index]
    if "," not in line and line.endswith(old.text):
        headers.lines[index] = line[: len(line) - len(old.text)] + new.text
    else:
        name, _, value = line.partition(":")
        headers.lines[index] = f"{name}: {via}{_after_first_value(unfold(value))}"
    headers.cache["via"] = via


def _plainly_stamped(text: str, asks_rport: bool, flow: Flow) -> Params | None:
    """What nearly every request needs, at a third of the price: `rport` filled, `received` added.

    None if the parameters are not as nearly every client writes them.
    """
    if "received" in text:
        return None
    if asks_rport:
        before, found, after = f"{text};".partition(";rport;")
        if not found:
            return None
        text = f"{before};rport={flow.remote_port};{after}"[:-1]
    return Params(f"{text};received={flow.remote_host}")


def _after_first_value(value: str) -> str:
    """What follows the first of several Vias in one line, with the comma; "" if it is the only."""
    values = split_list(value)
    return "".join(f", {other}" for other in values[1:])


def response_flow(request: Request, flow: Flow) -> Flow | None:
    """Where the answer to a request that came over `flow` goes, None if nothing may be sent there.

    Over a stream it is the connection itself. Over UDP it is the source address, to the source port
    if `rport` was asked for, else to the port of sent-by. `maddr` is ignored: it would let a
    stranger choose whom we send to.
    """
    if flow.transport in RELIABLE:
        return flow
    via = request.top_via
    port = flow.remote_port if via.params.has("rport") else via.port or UDP_PORT
    if not may_send_to(flow.remote_host, port):
        return None
    return flow if port == flow.remote_port else flow._replace(remote_port=port)


def reopened_flow(request: Request, flow: Flow) -> Flow | None:
    """Where the answer goes once the connection that brought the request is gone.

    A new connection to the source address and the port of sent-by (RFC 3261 §18.2.2). None if
    `flow` never was a connection, or nothing may be sent there, or it is one that only the peer
    can open (WebSocket).
    """
    if flow.connection == UNCONNECTED or flow.transport not in DIALLED_PORT:
        return None
    port = request.top_via.port or DIALLED_PORT[flow.transport]
    if not may_send_to(flow.remote_host, port):
        return None
    return flow._replace(remote_port=port, connection=UNCONNECTED)


def may_send_to(host: str, port: int) -> bool:
    """False for port 0 and for broadcast, multicast and unspecified addresses (`host` numeric)."""
    if not 0 < port < 65536:
        return False
    if ":" in host:
        if "." not in host:
            return host != "::" and host[:2].lower() != "ff"
        host = host[host.rfind(":") + 1 :]  # IPv4-mapped (RFC 5118 §4.10)
    first = host[: host.find(".")]
    return first != "0" and not (len(first) == 3 and first >= "224")


def same_host(sent_by: str, source: str) -> bool:
    """True if the host of a Via is the numeric address `source`, however IPv6 is bracketed."""
    if sent_by == source:
        return True
    return sent_by.startswith("[") and sent_by[1:-1].lower() == source.lower()
