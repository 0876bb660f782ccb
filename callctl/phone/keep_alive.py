"""CRLF pings on the connection we are registered by (RFC 5626 §3.5.1, §4.4.1)."""

from __future__ import annotations

from callctl.phone.user_agent_core import Out, UserAgentCore
from sipstack.timing import SECOND, Instant, Timed
from sipstack.transport.flow import CloseFlow, Flow, Send
from sipstack.transport.framer import KeepAlive

PONG_NS = 10 * SECOND


class Pinger(Timed):
    """Pings one stream; a connection that does not answer is closed, and with it ends."""

    __slots__ = ("_core", "_flow", "_pong_due", "until")

    def __init__(self, core: UserAgentCore) -> None:
        super().__init__()
        self._core = core
        self._flow: Flow | None = None
        self._pong_due = False
        self.until: Instant | None = None

    def follow(self, flow: Flow | None, now: Instant) -> None:
        """Ping this connection and no other; None for none. Datagram flows are not pinged."""
        if flow is not None and (not flow.reliable or self._core.settings.keep_alive_ns is None):
            flow = None
        if flow != self._flow:
            self._flow = flow
            self._pong_due = False
            self.until = None if flow is None else self._next(now)

    def heard(self, flow: Flow, now: Instant) -> None:
        """A pong, or a ping of the other side."""
        if flow == self._flow and self._pong_due:
            self._pong_due = False
            self.until = self._next(now)

    def advance(self, now: Instant, out: Out) -> None:
        """Ping, or give the connection up."""
        if self.until is None or now < self.until or self._flow is None:
            return
        if self._pong_due:
            out.append(CloseFlow(self._flow))
            self.until = None
            return
        data = KeepAlive.PING.value
        if self._core.observer is not None:
            self._core.observer.sent(now, self._flow, data)
        out.append(Send(self._flow, data))
        self._pong_due = True
        self.until = Instant(now + PONG_NS)

    def _next(self, now: Instant) -> Instant:
        """80 to 100 % of the interval, so that many phones do not ping at once."""
        interval_ns = self._core.settings.keep_alive_ns or 0
        return Instant(now + interval_ns - self._core.entropy.below(interval_ns // 5 + 1))
