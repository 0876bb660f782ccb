"""The two processes of one life of a node, CallManager and push service, and the wire between them.

What one writes the other has read before anything else happens: the wire of a machine to itself
takes no time here. It can be cut, as a service that hangs cuts it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import TypeAlias

from callctl.engine.engine import Engine
from callctl.engine.node_core import NodeAction, NodeCore, NodeEvent
from callctl.push.call_manager_link import (
    CloseLink,
    LinkClosed,
    LinkOctets,
    LinkOpened,
    OpenLink,
    WriteLink,
)
from callctl.push.cpns import Cpns
from callctl.push.events import CpnsEvent
from callctl.push.service import (
    ClosePeer,
    CpnsService,
    PeerGone,
    PeerOctets,
    ServiceAction,
    WritePeer,
)
from sipstack.timing import Instant

MakeCpns: TypeAlias = Callable[[], Cpns]
ProcessAction: TypeAlias = NodeAction | ServiceAction
WireEvent: TypeAlias = PeerOctets | PeerGone
Step: TypeAlias = Callable[[Instant], tuple[ProcessAction, ...]]


class NodeProcesses:
    """Both, behind the three doors."""

    __slots__ = (
        "_linked",
        "_make_cpns",
        "_peer",
        "_steps",
        "_unread",
        "core",
        "cpns",
        "hangs",
        "service",
        "starts",
    )

    def __init__(self, core: NodeCore, make_cpns: MakeCpns) -> None:
        """`make_cpns` gives the push service of each of its starts."""
        self.core = core
        self.cpns = make_cpns()
        self.service: CpnsService | None = None  # None: it does not run
        self.hangs = False  # the service runs and does nothing
        self.starts = 0  # of the service
        self._make_cpns = make_cpns
        self._peer = 0  # number of the connection
        self._linked = False
        self._steps: deque[Step] = deque()
        self._unread: deque[WireEvent] = deque()  # what waits on the wire for a service that hangs

    @property
    def engine(self) -> Engine:
        """The engine of the node."""
        return self.core.engine

    def start(self, now: Instant) -> tuple[ProcessAction, ...]:
        """Come into service, the push service first."""
        return (*self._start_service(now), *self._through(self.core.start(now), now))

    def stop(self, now: Instant) -> tuple[ProcessAction, ...]:
        """Leave in order."""
        return self._through(self.core.stop(now), now)

    def start_service(self, now: Instant) -> tuple[ProcessAction, ...]:
        """Start the push service; nothing if it runs."""
        if self.service is not None:
            return ()
        self.cpns = self._make_cpns()
        return self._start_service(now)

    def stop_service(self, now: Instant) -> tuple[ProcessAction, ...]:
        """Stop the push service; nothing if it does not run."""
        service, self.service = self.service, None
        return () if service is None else self._through(service.stop(now), now)

    def kill_service(self, now: Instant) -> tuple[ProcessAction, ...]:
        """The push service is gone without a word; its wire closes with it."""
        self.service = None
        self.hangs = False
        self._unread.clear()
        if not self._linked:
            return ()
        self._linked = False
        self._peer += 1
        return self._through(self.core.receive(LinkClosed("reset"), now), now)

    def wake_service(self, now: Instant) -> tuple[ProcessAction, ...]:
        """The push service goes on, and reads what has come meanwhile."""
        self.hangs = False
        unread, self._unread = self._unread, deque()
        out: list[ProcessAction] = []
        for event in _joined(unread):
            if self.service is not None:
                out += self._through(self.service.receive(event, now), now)
        return tuple(out)

    def receive(self, event: NodeEvent, now: Instant) -> tuple[ProcessAction, ...]:
        """Something for CallManager."""
        return self._through(self.core.receive(event, now), now)

    def tell_service(self, event: CpnsEvent, now: Instant) -> tuple[ProcessAction, ...]:
        """Something for the push service; nothing if it does not run."""
        if self.service is None or self.hangs:
            return ()
        return self._through(self.service.receive(event, now), now)

    def advance(self, now: Instant) -> tuple[ProcessAction, ...]:
        """Fire what is due: the push service's first, its outcomes free calls."""
        out: list[ProcessAction] = []
        if self.service is not None and not self.hangs:
            out += self._through(self.service.advance(now), now)
        out += self._through(self.core.advance(now), now)
        return tuple(out)

    def next_deadline(self) -> Instant | None:
        """When `advance` has something to do."""
        first = self.core.next_deadline()
        if self.service is None or self.hangs:
            return first
        second = self.service.next_deadline()
        return second if first is None or (second is not None and second < first) else first

    def counts(self) -> dict[str, int]:
        """What both hold."""
        service = {} if self.service is None else self.service.counts()
        return {**self.core.counts(), **service}

    def _start_service(self, now: Instant) -> tuple[ProcessAction, ...]:
        self.starts += 1
        self.service = CpnsService(self.core.name, self.cpns, self.engine.push_binding)
        return self._through(self.service.start(now), now)

    def _through(
        self, actions: tuple[ProcessAction, ...], now: Instant
    ) -> tuple[ProcessAction, ...]:
        """Carry what is for the wire until it is quiet; the rest is for the shell, in order."""
        out: list[ProcessAction] = []
        self._sort(actions, out)
        while self._steps:
            self._sort(self._steps.popleft()(now), out)
        return tuple(out)

    def _sort(self, actions: tuple[ProcessAction, ...], out: list[ProcessAction]) -> None:
        for action in actions:
            match action:
                case OpenLink():
                    self._steps.append(self._open)
                case CloseLink():
                    self._steps.append(self._close_by_caller)
                case ClosePeer(peer):
                    self._steps.append(partial(self._close_by_service, peer))
                case WriteLink(octets):
                    self._steps.append(partial(self._to_service, octets))
                case WritePeer(peer, octets):
                    self._steps.append(partial(self._to_caller, peer, octets))
                case _:
                    out.append(action)

    def _open(self, now: Instant) -> tuple[ProcessAction, ...]:
        if self.service is None:
            return self.core.receive(LinkClosed("connection refused"), now)
        self._peer += 1
        self._linked = True
        return self.core.receive(LinkOpened(), now)

    def _close_by_caller(self, now: Instant) -> tuple[ProcessAction, ...]:
        peer, self._peer = self._peer, self._peer + 1
        self._linked = False
        return self._for_service(PeerGone(peer), now)

    def _close_by_service(self, peer: int, now: Instant) -> tuple[ProcessAction, ...]:
        if peer != self._peer or not self._linked:
            return ()
        self._peer += 1
        self._linked = False
        return self.core.receive(LinkClosed("closed by the service"), now)

    def _to_service(self, octets: bytes, now: Instant) -> tuple[ProcessAction, ...]:
        return self._for_service(PeerOctets(self._peer, octets), now)

    def _for_service(self, event: WireEvent, now: Instant) -> tuple[ProcessAction, ...]:
        if self.service is None:
            return ()
        if self.hangs:
            self._unread.append(event)
            return ()
        return self.service.receive(event, now)

    def _to_caller(self, peer: int, octets: bytes, now: Instant) -> tuple[ProcessAction, ...]:
        if peer != self._peer or not self._linked:
            return ()
        return self.core.receive(LinkOctets(octets), now)


def _joined(events: Iterable[WireEvent]) -> list[WireEvent]:
    """What one read after the other brings, if a peer has written much meanwhile."""
    joined: list[WireEvent] = []
    for event in events:
        match event, joined:
            case PeerOctets(peer, more), [*_, PeerOctets(same, octets)] if peer == same:
                joined[-1] = PeerOctets(peer, octets + more)
            case _:
                joined.append(event)
    return joined
