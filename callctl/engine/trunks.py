"""Calls that leave over trunks: which destination, what is sent there, and proving who we are.

Source: RFC 3261 §16.6, §22.3 and §22.4, RFC 3325 §5; reliability goals 69 and 83: nothing of ours
answers a challenge but that of the very peer the credentials are for.
"""

from __future__ import annotations

from typing import Final

from callctl.call.caller_identity import CLAIMS, user_part
from callctl.engine.context import NodeContext, Out
from callctl.engine.delivery import Outgoing, record_route
from callctl.engine.route_token import RouteToken
from callctl.engine.trunk_monitor import (
    DestinationState,
    Take,
    TrunkMonitor,
    TrunkProbe,
    destination_uri,
)
from callctl.model.trunk import SipTrunk, TrunkCredentials, TrunkDestination
from sipstack.digest.answer import answer
from sipstack.digest.challenge import Challenge, parse_challenges
from sipstack.digest.compute import is_supported
from sipstack.digest.credentials import Credentials
from sipstack.entropy import token
from sipstack.errors import SipSyntaxError
from sipstack.message.message import Request, Response
from sipstack.timing import Instant
from sipstack.transaction.machine import ClientTransaction
from sipstack.transport.flow import Flow

INTERNAL: Final = (*CLAIMS, "x-push-call-uuid")
"""Headers that do not leave the cluster: claims of its clients, and what is for its own phones."""

TRUNK_END: Final = "t"  # begins the end of a dialog that is the peer of a trunk

ANSWERS_MAX: Final = 2
"""Challenges answered for one request: the first, and one that says its nonce was stale."""

_FIELDS: Final = {
    401: ("www-authenticate", "Authorization"),
    407: ("proxy-authenticate", "Proxy-Authorization"),
}


class Trunks:
    """The ways out of the cluster, as one node sees them."""

    __slots__ = ("_at", "_context", "_ends", "_monitor")

    def __init__(self, context: NodeContext, take: Take) -> None:
        """`take` is given every output of the stack."""
        self._context = context
        self._monitor = TrunkMonitor(context, take)
        self._ends = {name: trunk_end(i) for i, name in enumerate(context.cluster.trunks)}
        self._at = {
            (destination.transport, destination.host, destination.port): trunk
            for trunk in context.cluster.trunks.values()
            for destination in trunk.destinations
        }

    def start(self, now: Instant) -> None:
        """Begin to ask the peers whether they are there."""
        self._monitor.start(now)

    def order(self, trunk: SipTrunk) -> tuple[TrunkDestination, ...]:
        """Where to try a call: destinations in service in their order, then the others."""
        monitor = self._monitor
        return tuple(sorted(trunk.destinations, key=lambda it: not monitor.in_service(trunk, it)))

    def doubt(self, trunk: SipTrunk, destination: TrunkDestination, now: Instant) -> None:
        """A call found the destination silent or broken: find out whether it is there."""
        self._monitor.doubt(trunk, destination, now)

    def end_of(self, trunk: SipTrunk) -> str:
        """The peer of a trunk in our Record-Route: an end whose Contact says where it is."""
        return self._ends[trunk.name]

    def open_to(self, flow: Flow, token: RouteToken) -> bool:
        """True if a request in the dialog of `token` may leave over `flow`.

        Only a dialog with a peer leads to that peer: else whoever once had a call could go on from
        it to any number outside, and with our password.
        """
        trunk = self._at.get((flow.transport, flow.remote_host, flow.remote_port))
        return trunk is None or self._ends[trunk.name] in (token.caller, token.callee)

    def answer_challenge(
        self, transaction: ClientTransaction, response: Response, answered: int
    ) -> Outgoing | None:
        """The request of `transaction` once more, with the credentials its challenge asks for.

        None if `response` is no challenge, if the request did not go to a destination of a trunk
        with credentials, or if they have been refused: then the answer is the peer's last word.

        Args:
            answered: how many challenges to this request were answered before.
        """
        flow = transaction.flow
        trunk = self._at.get((flow.transport, flow.remote_host, flow.remote_port))
        if trunk is None or trunk.outbound is None or answered >= ANSWERS_MAX:
            return None
        cnonce = token(self._context.entropy)
        again = answer_challenge(transaction.request, response, trunk.outbound, cnonce)
        if again is None:
            return None
        via = again.top_via
        branch = self._context.forwarder.branch(again)
        again.headers.remove_first_value("via")
        sent_by = self._context.book.sent_by(flow.transport)
        again.headers.prepend("Via", f"SIP/2.0/{via.transport} {sent_by};branch={branch}")
        return Outgoing(again, flow)

    # The monitor's doors.

    def responded(self, probe: TrunkProbe, response: Response, now: Instant) -> None:
        """A probe was answered."""
        self._monitor.responded(probe, response, now)

    def failed(self, probe: TrunkProbe, cause: str, now: Instant) -> None:
        """A probe was not answered, or could not be sent."""
        self._monitor.failed(probe, cause, now)

    def advance(self, now: Instant, out: Out) -> None:
        """Send the probes that are due."""
        self._monitor.advance(now, out)

    def next_deadline(self) -> Instant | None:
        """When `advance` has something to do."""
        return self._monitor.next_deadline()

    def states(self) -> tuple[DestinationState, ...]:
        """What is known of every destination."""
        return self._monitor.states()

    def counts(self) -> dict[str, int]:
        """What is alive; all zero at rest (I13)."""
        return self._monitor.counts()


def trunk_end(index: int) -> str:
    """The end of a dialog that the peer of a trunk is, by the trunk's place in the file."""
    return f"{TRUNK_END}{index}"


def to_trunk(
    context: NodeContext,
    request: Request,
    number: str,
    trunk: SipTrunk,
    destination: TrunkDestination,
    caller_end: str,
    arrived_on: Flow,
    *,
    asserted: tuple[tuple[str, str], ...] = (),
    callee_end: str = "",
) -> Outgoing | None:
    """An INVITE for a destination of a trunk; None if this node does not speak its transport.

    Args:
        number: as the peer is told it (`RoutePattern.sent`).
        caller_end: end of our Record-Route towards the sender.
        arrived_on: the flow that brought the request.
        asserted: headers that are ours to say, see `caller_identity.headers_towards`.
        callee_end: end of our Record-Route towards the peer (`Trunks.end_of`).
    """
    flow = context.book.flow_towards(destination.host, destination.port, destination.transport)
    if flow is None:
        return None
    stays = record_route(context, request, caller_end, callee_end, arrived_on, flow, always=True)
    uri = destination_uri(user_part(number), destination)
    copy = context.forwarder.forward(request, uri, flow, record_route=stays)
    for key in INTERNAL:
        copy.headers.remove(key)
    if trunk.outbound is not None:
        # The peer knows us by our own; what a client would prove is between it and us.
        copy.headers.remove("authorization")
        copy.headers.remove("proxy-authorization")
    for name, value in asserted:
        copy.headers.set(name, value)
    return Outgoing(copy, flow)


def answer_challenge(
    sent: Request, response: Response, credentials: TrunkCredentials, cnonce: str
) -> Request | None:
    """`sent` with the answer to the challenge in `response`; its Via is to be changed still.

    The CSeq stays: it is the caller's, whose dialog it counts (RFC 3261 §22.3). Of several
    challenges the topmost that can be met is answered (RFC 8760 §2.4). None if `response` holds
    none, or refuses the answer that was given already.
    """
    fields = _FIELDS.get(response.status)
    if fields is None:
        return None
    challenge = _challenge(response, fields[0])
    if challenge is None:
        return None
    before = _given(sent, fields[1], credentials.username, challenge.realm)
    if before is not None and (before.nonce == challenge.nonce or not challenge.stale):
        return None
    again = sent.copy()
    given = answer(
        challenge,
        credentials.username,
        credentials.password.get_secret_value(),
        sent.method,
        sent.uri_text,
        cnonce,
    )
    again.headers.remove(fields[1].lower())
    again.headers.append(fields[1], given.header_value())
    return again


def _challenge(response: Response, field: str) -> Challenge | None:
    for value in response.headers.all(field):
        try:
            challenges = parse_challenges(value, field)
        except SipSyntaxError:
            continue
        for challenge in challenges:
            if is_supported(challenge.algorithm) and (not challenge.qop or "auth" in challenge.qop):
                return challenge
    return None


def _given(sent: Request, field: str, username: str, realm: str) -> Credentials | None:
    """What `sent` carried of ours for this realm."""
    for value in sent.headers.all(field.lower()):
        try:
            found = Credentials.parse(value, field)
        except SipSyntaxError:
            continue
        if found is not None and (found.username, found.realm) == (username, realm):
            return found
    return None
