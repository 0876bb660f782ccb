"""Which destinations of trunks are in service: each is asked by OPTIONS now and then.

Any answer means in service, but 408 and 503: what answers those takes no calls. Silence and a
connection that cannot be had mean out of service, and the destination is asked more often.
Source: RFC 3261 §11, the practice of "OPTIONS ping"; the design's rule on chance and time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from callctl.engine.address_book import host_text
from callctl.engine.context import NodeContext, Out
from callctl.model.trunk import SipTrunk, TrunkDestination
from sipstack.entropy import token
from sipstack.message.headers import Headers
from sipstack.message.message import Request, Response
from sipstack.stack import StackOutput
from sipstack.timing import SECOND, DeadlineQueue, Instant, Timed
from sipstack.transport.flow import Flow

Take = Callable[[tuple[StackOutput, ...], Instant, Out], None]

FIRST_WITHIN_S: Final = 1  # the first probes of all trunks are spread over so long
DOWN_FACTOR: Final = 4  # a destination out of service is asked so many times as often
DOWN_MIN_S: Final = 2
JITTER_PART: Final = 5  # an interval varies by a fifth, so that nodes do not ask all at once

REFUSING: Final = frozenset({408, 503})


@dataclass(frozen=True, slots=True)
class DestinationState:
    """What is known of one destination of a trunk."""

    trunk: str
    destination: TrunkDestination
    in_service: bool
    since: Instant  # of the last change
    reason: str  # why it is out of service; "" while it is in service
    sent: int  # OPTIONS
    answered: int
    failed: int  # not answered in time, not delivered, or refused


class TrunkProbe:
    """One OPTIONS under way: the owner of its client transaction."""

    __slots__ = ("overdue", "watch")

    def __init__(self, watch: _Watch) -> None:
        self.watch = watch
        self.overdue = False  # the wait for its answer is over, and counted


class _Watch(Timed):
    """One destination. Its deadline is the next probe, or the end of the wait for an answer."""

    __slots__ = ("answered", "destination", "failed", "probe", "reason", "sent", "since", "trunk")

    def __init__(self, trunk: SipTrunk, destination: TrunkDestination) -> None:
        super().__init__()
        self.trunk = trunk
        self.destination = destination
        self.probe: TrunkProbe | None = None  # under way
        self.reason = ""  # a destination counts as in service until it is known to be out
        self.since = Instant(0)
        self.sent = self.answered = self.failed = 0


class TrunkMonitor:
    """The state of every destination of every trunk, as one node sees it."""

    __slots__ = ("_context", "_deadlines", "_take", "_watches")

    def __init__(self, context: NodeContext, take: Take) -> None:
        self._context = context
        self._take = take
        self._deadlines: DeadlineQueue[_Watch] = DeadlineQueue()
        self._watches = {
            (trunk.name, destination): _Watch(trunk, destination)
            for trunk in context.cluster.trunks.values()
            for destination in trunk.destinations
        }

    def start(self, now: Instant) -> None:
        """Begin to ask, where that is wanted."""
        for watch in self._watches.values():
            watch.since = now
            if watch.trunk.options_ping_s:
                wait_ns = self._context.entropy.below(FIRST_WITHIN_S * SECOND)
                self._deadlines.set(watch, Instant(now + wait_ns))

    def in_service(self, trunk: SipTrunk, destination: TrunkDestination) -> bool:
        """True unless the destination is known not to take calls."""
        return not self._watches[trunk.name, destination].reason

    def doubt(self, trunk: SipTrunk, destination: TrunkDestination, now: Instant) -> None:
        """A call found the destination silent or broken: ask now, not in a minute."""
        watch = self._watches[trunk.name, destination]
        if trunk.options_ping_s and watch.probe is None:
            self._deadlines.set(watch, now)

    def responded(self, probe: TrunkProbe, response: Response, now: Instant) -> None:
        """A probe was answered, however late."""
        if response.status < 200:
            return
        watch = probe.watch
        watch.probe = None
        if response.status in REFUSING:
            self._failed(watch, f"answers {response.status}", now)
        else:
            watch.answered += 1
            self._enter(watch, "", now)
        self._wait(watch, now)

    def failed(self, probe: TrunkProbe, cause: str, now: Instant) -> None:
        """A probe got no answer, or could not be sent."""
        watch = probe.watch
        watch.probe = None
        if not probe.overdue:
            reason = "no answer" if cause == "timeout" else "cannot be connected to"
            self._failed(watch, reason, now)
        self._wait(watch, now)

    def advance(self, now: Instant, out: Out) -> None:
        """Send the probes that are due; give up waiting for answers that are overdue."""
        for watch in self._deadlines.due(now):
            if watch.probe is not None:
                watch.probe.overdue = True
                # Its transaction repeats the request for a while yet: a late answer is welcome.
                self._failed(watch, "no answer", now)
            else:
                self._send(watch, now, out)

    def next_deadline(self) -> Instant | None:
        """When `advance` has something to do."""
        return self._deadlines.next_deadline()

    def states(self) -> tuple[DestinationState, ...]:
        """What is known, in the order of the file."""
        return tuple(
            DestinationState(
                watch.trunk.name,
                watch.destination,
                not watch.reason,
                watch.since,
                watch.reason,
                watch.sent,
                watch.answered,
                watch.failed,
            )
            for watch in self._watches.values()
        )

    def counts(self) -> dict[str, int]:
        """What is alive; all zero at rest (I13)."""
        return {"trunk_probes": sum(watch.probe is not None for watch in self._watches.values())}

    def _send(self, watch: _Watch, now: Instant, out: Out) -> None:
        context, destination = self._context, watch.destination
        flow = context.book.flow_towards(destination.host, destination.port, destination.transport)
        if flow is None:
            self._failed(watch, f"this node does not speak {destination.transport}", now)
            return  # and will not before it is started anew
        watch.probe = probe = TrunkProbe(watch)
        watch.sent += 1
        self._deadlines.set(watch, Instant(now + watch.trunk.try_s * SECOND))
        _, outputs = context.stack.request(_options(context, destination, flow), flow, now, probe)
        self._take(outputs, now, out)

    def _failed(self, watch: _Watch, reason: str, now: Instant) -> None:
        watch.failed += 1
        self._enter(watch, reason, now)

    def _enter(self, watch: _Watch, reason: str, now: Instant) -> None:
        if bool(reason) != bool(watch.reason):
            watch.since = now
        watch.reason = reason

    def _wait(self, watch: _Watch, now: Instant) -> None:
        seconds = watch.trunk.options_ping_s
        if watch.reason:
            seconds = min(seconds, max(DOWN_MIN_S, seconds // DOWN_FACTOR))
        spread_ns = seconds * SECOND // JITTER_PART
        wait_ns = seconds * SECOND - spread_ns // 2 + self._context.entropy.below(spread_ns)
        self._deadlines.set(watch, Instant(now + wait_ns))


def destination_uri(user: str, destination: TrunkDestination) -> str:
    """The Request-URI of a request for a destination; `user` is escaped, "" for the peer itself."""
    transport = destination.transport
    parameter = "" if transport == "UDP" else f";transport={transport.lower()}"
    at = f"{user}@" if user else ""
    return f"sip:{at}{host_text(destination.host)}:{destination.port}{parameter}"


def _options(context: NodeContext, destination: TrunkDestination, flow: Flow) -> Request:
    entropy, book = context.entropy, context.book
    uri = destination_uri("", destination)
    ours = f"sip:{book.sent_by(flow.transport)}"
    headers = Headers()
    headers.append("Max-Forwards", "70")
    headers.append("From", f"<sip:{context.cluster.domain}>;tag={token(entropy)}")
    headers.append("To", f"<{uri}>")
    headers.append("Call-ID", token(entropy))
    headers.append("CSeq", "1 OPTIONS")
    headers.append("Contact", f"<{ours}>")
    headers.append("Accept", "application/sdp")
    headers.append("Content-Length", "0")
    request = Request("OPTIONS", uri, headers)
    via = f"SIP/2.0/{flow.transport} {book.sent_by(flow.transport)};branch="
    headers.prepend("Via", via + context.forwarder.branch(request))
    return request
