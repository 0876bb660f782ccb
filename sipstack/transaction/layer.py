"""The transaction layer: finds the machine a message belongs to, and keeps time for all of them.

Two dictionaries and one heap of deadlines; a message costs one lookup in one dictionary. Matching:
RFC 3261 §17.1.3, §17.2.3; CANCEL: §9; streams that close: §17.1.4, §18.2.2; RFC 6026, RFC 4320.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from sipstack.errors import LocalProtocolError
from sipstack.message.message import Request, Response
from sipstack.message.response import respond as answer_to
from sipstack.timing import DeadlineQueue, Instant
from sipstack.transaction.events import (
    AckReceived,
    CancelReceived,
    Ignored,
    Output,
    RequestReceived,
)
from sipstack.transaction.invite_client import InviteClient
from sipstack.transaction.invite_server import InviteServer
from sipstack.transaction.key import (
    STEADY_TAG_LENGTH,
    acknowledges,
    client_key,
    server_key,
    server_keys_of_ack,
    steady_tag,
)
from sipstack.transaction.machine import (
    ClientKey,
    ClientTransaction,
    ServerKey,
    ServerTransaction,
    State,
)
from sipstack.transaction.noninvite_client import NonInviteClient
from sipstack.transaction.noninvite_server import NonInviteServer
from sipstack.transaction.timers import TimerValues
from sipstack.transport.flow import RELIABLE, Flow, Send
from sipstack.transport.rules import reopened_flow

Client: TypeAlias = InviteClient | NonInviteClient
Server: TypeAlias = InviteServer | NonInviteServer
Machine: TypeAlias = Client | Server

SERVERS_MAX: Final = 200_000
"""Server transactions at once. At 5 kB each they fill 1 GB; past it a new request gets 503."""


class TransactionLayer:
    """All transactions of one stack.

    Messages come in stamped (received, rport) and with the flow their response takes; requests to
    send come with their top Via. Outputs are to be performed in their order.
    """

    __slots__ = ("_clients", "_deadlines", "_on_flow", "_servers", "_servers_max", "_timers")

    def __init__(
        self, timers: TimerValues | None = None, *, servers_max: int = SERVERS_MAX
    ) -> None:
        self._timers = timers or TimerValues()
        self._servers_max = servers_max
        self._clients: dict[ClientKey, Client] = {}
        self._servers: dict[ServerKey, Server] = {}
        self._deadlines: DeadlineQueue[Machine] = DeadlineQueue()
        # Only streams are in it: a datagram flow cannot close. The inner dict is an ordered set.
        self._on_flow: dict[Flow, dict[Machine, None]] = {}

    # From the wire

    def receive_request(
        self, request: Request, flow: Flow, response_flow: Flow | None, now: Instant
    ) -> tuple[Output, ...]:
        """A request that came over `flow`.

        Args:
            response_flow: where its responses go, None if nowhere (RFC 4475 §3.3.10).
        """
        method = request.method
        if method == "ACK":
            return self._receive_ack(request, flow, now)
        if response_flow is None:
            return (Ignored("no way to answer", f"{method} from {flow.remote_host}"),)
        if method == "CANCEL":
            return self._receive_cancel(request, response_flow)
        key = server_key(request, method)
        server = self._servers.get(key)
        if server is not None:
            return self._settle(server, server.receive(request, now))
        if len(self._servers) >= self._servers_max:
            busy = answer_to(
                request, 503, to_tag=steady_tag(request), headers=(("Retry-After", "10"),)
            )
            refused = Ignored("too many transactions", method)
            return (Send(response_flow, busy.to_bytes()), refused)
        reliable = flow.transport in RELIABLE
        timers = self._timers.reliable if reliable else self._timers.unreliable
        if method == "INVITE":
            server = InviteServer(request, flow, response_flow, timers, key)
        else:
            server = NonInviteServer(request, flow, response_flow, timers, key)
            server.start(now)
            self._deadlines.set(server, server.next_deadline())
        self._servers[key] = server
        if reliable:
            self._on_flow.setdefault(response_flow, {})[server] = None
        return (RequestReceived(server, request),)

    def receive_response(self, response: Response, flow: Flow, now: Instant) -> tuple[Output, ...]:
        """A response that came over `flow`. It need not be the flow of the request."""
        key = client_key(response)
        client = self._clients.get(key) if key is not None else None
        if client is None:
            detail = f"{response.status} to {response.cseq.method} from {flow.remote_host}"
            return (Ignored("stray response", detail),)
        outputs = self._settle(client, client.receive(response, now))
        if client.cancel_wanted and isinstance(client, InviteClient):
            outputs += self._send_cancel(client, now)
        return outputs

    # From the transaction user

    def respond(
        self, transaction: ServerTransaction, response: Response, now: Instant
    ) -> tuple[Output, ...]:
        """Answer a request. The response is not to be edited any more.

        Raises: LocalProtocolError if it contradicts a final response given before.
        """
        assert isinstance(transaction, (InviteServer, NonInviteServer))
        ended_before = transaction.state is State.TERMINATED
        outputs = transaction.respond(response, now)
        return outputs if ended_before else self._settle(transaction, outputs)

    def request(
        self, request: Request, flow: Flow, now: Instant, owner: object | None = None
    ) -> tuple[ClientTransaction, tuple[Output, ...]]:
        """Send a request, which has our Via with a fresh branch on top and is not edited any more.

        Raises: LocalProtocolError for an ACK (it has no transaction), for a CANCEL (see `cancel`)
            and for a branch that is missing or in use.
        """
        if request.method in ("ACK", "CANCEL"):
            raise LocalProtocolError(f"{request.method} is not for a client transaction")
        return self._start_client(request, flow, now, owner)

    def cancel(
        self, client: ClientTransaction, now: Instant, reason: str | None = None
    ) -> tuple[Output, ...]:
        """Cancel an INVITE: now, or once its first provisional response has come.

        The user goes on to wait for the final response, or for `TransactionFailed` 64*T1 later.

        Args:
            reason: value of the CANCEL's Reason header, e.g. `SIP;cause=200;text="..."` (RFC 3326).
        Source: RFC 3261 §9.1.
        """
        if not isinstance(client, InviteClient):
            raise LocalProtocolError(f"CANCEL of a {client.request.method}")
        if not client.cancel(reason):
            return (Ignored("CANCEL not needed", f"{client.state.name} {client.branch}"),)
        return self._send_cancel(client, now)

    # From the transport

    def flow_closed(self, flow: Flow, now: Instant) -> tuple[Output, ...]:
        """A stream is gone, or could not be opened (`flow.connection` is then 0).

        Clients that wait for an answer fail. Servers live on: they answer over a new connection.
        Source: RFC 3261 §17.1.4, §18.2.2.
        """
        outputs: list[Output] = []
        for machine in self._on_flow.pop(flow, ()):
            if isinstance(machine, (InviteClient, NonInviteClient)):
                outputs += self._settle(machine, machine.transport_failed())
            else:
                outputs += self._reconnect(machine)
        return tuple(outputs)

    def advance(self, now: Instant) -> tuple[Output, ...]:
        """Fire every timer that is due, earliest first."""
        outputs: list[Output] = []
        for machine in self._deadlines.due(now):
            outputs += self._settle(machine, machine.advance(now))
        return tuple(outputs)

    def next_deadline(self) -> Instant | None:
        """When to call `advance`, None if nothing is to be waited for."""
        return self._deadlines.next_deadline()

    def counts(self) -> dict[str, int]:
        """How much of everything is alive; all zero at rest."""
        return {
            "client_transactions": len(self._clients),
            "server_transactions": len(self._servers),
            "deadlines": len(self._deadlines),
            "flows_in_use": len(self._on_flow),
        }

    # Inside

    def _receive_ack(self, request: Request, flow: Flow, now: Instant) -> tuple[Output, ...]:
        for key in server_keys_of_ack(request):
            server = self._servers.get(key)
            if server is None or server.state is State.ACCEPTED:
                # An ACK of a 2xx has a branch of its own; some old clients keep the INVITE's.
                continue
            if acknowledges(request, key, server.last_response):
                return self._settle(server, server.receive(request, now))
        tag = request.to_tag
        if tag is not None and len(tag) == STEADY_TAG_LENGTH and tag == steady_tag(request):
            # A failure that was sent without a transaction had this tag; its ACK ends here.
            return (Ignored("ACK of a stateless answer", request.call_id),)
        return (AckReceived(request, flow),)

    def _receive_cancel(self, request: Request, response_flow: Flow) -> tuple[Output, ...]:
        """Answer a CANCEL. It needs no machine: the same CANCEL always gets the same answer."""
        invite = self._servers.get(server_key(request, "INVITE"))
        if not isinstance(invite, InviteServer):
            unknown = answer_to(request, 481, to_tag=steady_tag(request))
            ignored = Ignored("CANCEL of nothing", request.call_id)
            return (Send(response_flow, unknown.to_bytes()), ignored)
        # One tag for the answers to both, where there is one already (RFC 3261 §9.2).
        known = invite.last_response.to_tag if invite.last_response is not None else None
        done = answer_to(request, 200, to_tag=known or steady_tag(request))
        sent = Send(response_flow, done.to_bytes())
        if invite.cancelled or invite.state is not State.PROCEEDING:
            why = "repeated CANCEL" if invite.cancelled else "late CANCEL"
            return (sent, Ignored(why, request.call_id))
        invite.cancelled = True
        return (sent, CancelReceived(invite, request))

    def _send_cancel(self, invite: InviteClient, now: Instant) -> tuple[Output, ...]:
        request = invite.take_cancel(now)
        if request is None:
            return ()
        self._deadlines.set(invite, invite.next_deadline())
        # Its answer changes nothing and its timeout comes with the INVITE's, so nobody hears of it.
        _, outputs = self._start_client(request, invite.flow, now, None, hidden=True)
        return outputs

    def _start_client(
        self,
        request: Request,
        flow: Flow,
        now: Instant,
        owner: object | None,
        *,
        hidden: bool = False,
    ) -> tuple[Client, tuple[Output, ...]]:
        key = client_key(request)
        if key is None or key in self._clients:
            raise LocalProtocolError(f"{request.method} without a branch of its own")
        reliable = flow.transport in RELIABLE
        timers = self._timers.reliable if reliable else self._timers.unreliable
        client: Client
        if request.method == "INVITE":
            client = InviteClient(request, flow, timers, key)
        else:
            client = NonInviteClient(request, flow, timers, key)
        client.owner = owner
        client.hidden = hidden
        self._clients[key] = client
        if reliable:
            self._on_flow.setdefault(flow, {})[client] = None
        outputs = client.start(now)
        self._deadlines.set(client, client.next_deadline())
        return client, outputs

    def _reconnect(self, server: Server) -> tuple[Output, ...]:
        """Move a server's responses from a closed stream to a new one to the client's own port."""
        dialled = reopened_flow(server.request, server.response_flow)
        if dialled is None:
            # A WebSocket client cannot be dialled, and who could not be will not be dialled twice.
            return (Ignored("response has no way back", server.request.call_id),)
        server.response_flow = dialled
        self._on_flow.setdefault(dialled, {})[server] = None
        return ()

    def _settle(self, machine: Machine, outputs: tuple[Output, ...]) -> tuple[Output, ...]:
        """Book what a machine has just done to itself: a new deadline, or its end."""
        if machine.state is State.TERMINATED:
            self._forget(machine)
        else:
            self._deadlines.set(machine, machine.next_deadline())
        if machine.hidden:
            return tuple(output for output in outputs if isinstance(output, (Send, Ignored)))
        return outputs

    def _forget(self, machine: Machine) -> None:
        self._deadlines.set(machine, None)
        if isinstance(machine, (InviteClient, NonInviteClient)):
            del self._clients[machine.key]
            flow = machine.flow
        else:
            del self._servers[machine.key]
            flow = machine.response_flow
        if flow.transport in RELIABLE:
            machines = self._on_flow.get(flow)
            if machines is not None:
                machines.pop(machine, None)
                if not machines:
                    del self._on_flow[flow]
