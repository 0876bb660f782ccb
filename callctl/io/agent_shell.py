"""A simulated user agent over real sockets: a desk phone, a caller."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final, TypeAlias

import anyio
from anyio.abc import TaskStatus

from callctl.io.pump import Pump
from callctl.phone.event import UserAgentAction, UserAgentEvent
from callctl.phone.settings import UserAgentSettings
from callctl.phone.user_agent import UserAgent
from sipstack.entropy import Entropy
from sipstack.errors import LocalProtocolError
from sipstack.io.clock import MonotonicClock
from sipstack.io.endpoint import Listener, SipEndpoint
from sipstack.stack import Observer
from sipstack.timing import Instant
from sipstack.transaction.events import Ignored
from sipstack.transport.flow import CloseFlow, Send

OnAgentEvent: TypeAlias = Callable[[Instant, UserAgentEvent], None]

LISTENS_BY: Final = ("UDP", "TCP")
"""Transports over which a user agent can be connected to; by the others it only dials out."""

EPHEMERAL: Final = (49_152, 16_384)
"""The first of the ephemeral ports and their number. An agent that only dials out shows one of them
in Via and Contact: nobody can connect to it anyway."""


class AgentShell:
    """One user agent. It is run once; commands take effect while it runs.

    `on_event` hears what happens in order, and must not give commands from inside.
    """

    def __init__(
        self,
        settings: UserAgentSettings,
        clock: MonotonicClock,
        entropy: Entropy,
        on_event: OnAgentEvent = lambda now, event: None,
        *,
        client_tls: ssl.SSLContext | None = None,
        observer: Observer | None = None,
    ) -> None:
        """`settings.local_port` 0 is any free port. Over TLS and WebSocket it only dials out."""
        self.settings = settings
        self._clock = clock
        self._entropy = entropy
        self._on_event = on_event
        self._client_tls = client_tls
        self._observer = observer
        self._ended = anyio.Event()
        self._pump: Pump | None = None

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Live until closed or cancelled. Raises: OSError if the address cannot be had."""
        settings = self.settings
        listeners = []
        if settings.transport in LISTENS_BY:
            port = settings.local_port
            listeners.append(Listener(settings.transport, settings.local_host, port))
        self._endpoint = SipEndpoint(listeners, self._feed, client_tls=self._client_tls)
        try:
            await self._endpoint.start()
            bound = self._endpoint.listeners
            first, count = EPHEMERAL
            port = bound[0].port if bound else first + self._entropy.below(count)
            self.settings = replace(settings, local_port=port)
            self.agent = UserAgent(self.settings, self._entropy, self._observer)
            self._pump = Pump(self.agent, self._clock, self._carry_out)
            self._pump.start()
            task_status.started()
            await self._ended.wait()
        finally:
            self.close()
            with anyio.CancelScope(shield=True):
                await self._endpoint.aclose()

    def close(self) -> None:
        """Be gone, without a word to anybody."""
        if self._pump is not None:
            self._pump.stop()
        self._ended.set()

    def register(self) -> None:
        """Register, or refresh."""
        self._do(self.agent.register)

    def unregister(self) -> None:
        """Have the contact removed."""
        self._do(self.agent.unregister)

    def invite(
        self,
        target: str,
        *,
        sdp: bytes | None = None,
        headers: tuple[tuple[str, str], ...] = (),
        hang_up_after_ns: int | None = None,
    ) -> int:
        """Call a number or a URI, with further headers.

        `sdp` is our offer, where it is not to be the phone's own. Returns: the number of the call.
        """
        number = 0

        def command(now: Instant) -> Iterable[UserAgentAction]:
            nonlocal number
            number, actions = self.agent.invite(
                target, now, sdp, headers=headers, hang_up_after_ns=hang_up_after_ns
            )
            return actions

        self._do(command)
        return number

    def answer(self, call: int) -> None:
        """Pick up."""
        self._do(lambda now: self.agent.answer(call, now))

    def decline(self, call: int, status: int = 603) -> None:
        """Refuse a call."""
        self._do(lambda now: self.agent.decline(call, now, status))

    def bye(self, call: int) -> None:
        """Hang up, or give up."""
        self._do(lambda now: self.agent.bye(call, now))

    def counts(self) -> dict[str, int]:
        """What is alive."""
        return self.agent.counts()

    def _feed(self, event: object) -> None:
        if self._pump is not None:
            self._pump.feed(event)

    def _do(self, command: Callable[[Instant], Iterable[UserAgentAction]]) -> None:
        if self._pump is None:
            raise LocalProtocolError("the user agent does not run yet")
        self._pump.do(command)

    def _carry_out(self, actions: Iterable[UserAgentAction]) -> None:
        for action in actions:
            if isinstance(action, Send | CloseFlow):
                self._endpoint.perform(action)
            elif not isinstance(action, Ignored):
                self._on_event(self._clock(), action)
