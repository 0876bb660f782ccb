"""The calling end: callers that place their calls on schedule, whatever became of earlier ones."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

from callctl.fleet.call_track import GRACE_NS, CallTrack
from callctl.fleet.clockwork import Clockwork, Party
from callctl.io.agent_shell import EPHEMERAL, LISTENS_BY
from callctl.phone.event import CallAnswered, CallEnded, CallRinging, EndCause
from callctl.phone.settings import Registrar, UserAgentSettings
from callctl.phone.user_agent import UserAgent
from sipstack.entropy import Entropy
from sipstack.io.endpoint import Listener, SipEndpoint
from sipstack.timing import SECOND, Instant
from sipstack.transport.flow import Flow, Send

AVOIDED_NS: Final = 5 * SECOND  # a node that could not be connected to is tried again then

CALL_ID: Final = b"\r\nCall-ID:"

OnEnd: TypeAlias = Callable[[CallTrack], None]


@dataclass(slots=True)
class Server:
    """A node as callers see it."""

    name: str
    registrar: Registrar
    avoid_until: Instant | None = None


class Servers:
    """Whom to send the next INVITE to: one after the other, those that failed lately left out."""

    def __init__(self, servers: Sequence[Server]) -> None:
        self._servers = list(servers)
        self._next = 0

    def choose(self, now: Instant) -> Server:
        """The next of those that are well; of all, if none is."""
        well = [server for server in self._servers if (server.avoid_until or now) <= now]
        self._next += 1
        return (well or self._servers)[self._next % len(well or self._servers)]

    def failed(self, name: str, now: Instant) -> None:
        """It could not be connected to."""
        for server in self._servers:
            if server.name == name:
                server.avoid_until = Instant(now + AVOIDED_NS)

    def __len__(self) -> int:
        return len(self._servers)


class Caller:
    """One user agent that calls from one number, with any number of calls at once."""

    __slots__ = (
        "_agent",
        "_calls",
        "_clockwork",
        "_entropy",
        "_on_end",
        "_servers",
        "_settings",
        "_unheard",
        "dn",
        "party",
        "wires",
    )

    def __init__(
        self,
        settings: UserAgentSettings,
        entropy: Entropy,
        clockwork: Clockwork,
        servers: Servers,
        on_end: OnEnd,
    ) -> None:
        self.dn = settings.user
        self.party = Party(clockwork, self)
        self._settings = settings
        self._entropy = entropy
        self._clockwork = clockwork
        self._servers = servers
        self._on_end = on_end
        self._calls: dict[int, CallTrack] = {}
        self._unheard: dict[bytes, CallTrack] = {}  # by Call-ID: no response yet

    async def open(self, tls: ssl.SSLContext | None) -> None:
        """Open its sockets; it can be connected to, as far as its transport allows that.

        A phone that hangs up when the node of its caller is gone has no other way to say so.
        Raises: OSError
        """
        settings = self._settings
        listeners = []
        if settings.transport in LISTENS_BY:
            listeners.append(Listener(settings.transport, settings.local_host))
        self.wires = SipEndpoint(listeners, self.party.feed, client_tls=tls)
        await self.wires.start()
        bound = self.wires.listeners
        first, count = EPHEMERAL
        port = bound[0].port if bound else first + self._entropy.below(count)
        self._agent = UserAgent(replace(settings, local_port=port), self._entropy, self)

    @property
    def machine(self) -> UserAgent:
        """For the clockwork."""
        return self._agent

    def call(self, track: CallTrack) -> None:
        """Place a call now."""
        plan = track.plan
        hang_up_ns = plan.talk_ns + (GRACE_NS if plan.callee_hangs_up else 0)

        def command(now: Instant) -> Sequence[object]:
            server = self._servers.choose(now)
            track.node = server.name
            self._agent.use_registrars((server.registrar,))
            number, actions = self._agent.invite(track.callee, now, hang_up_after_ns=hang_up_ns)
            track.call_id = self._agent.calls()[number]
            self._unheard[track.call_id.encode()] = track
            if track.invited_at is None:
                track.invited_at = now
                give_up_ns = plan.give_up_after_ns
                self._clockwork.after(give_up_ns, lambda _: self._give_up(track))
            self._calls[number] = track
            return actions

        self.party.do(command)

    def end_all(self) -> None:
        """Hang up everything, or give it up."""
        for number in tuple(self._calls):
            self._bye(number)

    def _give_up(self, track: CallTrack) -> None:
        if track.answered_at is not None or track.ended_at is not None:
            return
        for number, known in self._calls.items():
            if known is track:
                track.caller_gave_up = True
                self._bye(number)
                return

    def _bye(self, number: int) -> None:
        self.party.do(lambda now: self._agent.bye(number, now))

    def hear(self, action: Any, now: Instant) -> None:  # noqa: ANN401  (an agent has many)
        """For the clockwork."""
        if isinstance(action, Send):
            return
        match action:
            case CallRinging(number):
                track = self._calls.get(number)
                if track is not None and track.ringing_at is None and track.rang_at is not None:
                    track.ringing_at = now
            case CallAnswered(number):
                track = self._calls.get(number)
                if track is not None and track.answered_at is None:
                    track.answered_at = now
                    track.caller_gave_up = False  # the 200 was faster than the CANCEL
            case CallEnded(number):
                track = self._calls.pop(number, None)
                if track is not None:
                    self._ended(track, action, now)

    # What the wire brings, as an `Observer`.

    def received(self, now: Instant, flow: Flow, data: bytes) -> None:
        """The first response to an INVITE shows that somebody has it."""
        if self._unheard and data.startswith(b"SIP/2.0 "):
            _, _, rest = data.partition(CALL_ID)
            track = self._unheard.pop(rest.partition(b"\r")[0].strip(), None)
            if track is not None:
                track.heard_at = now

    def sent(self, now: Instant, flow: Flow, data: bytes) -> None:
        """Nothing to learn from it."""

    def _ended(self, track: CallTrack, ended: CallEnded, now: Instant) -> None:
        self._unheard.pop(track.call_id.encode(), None)
        if ended.cause is EndCause.TRANSPORT and track.answered_at is None:
            self._servers.failed(track.node, now)
            if track.heard_at is None and track.retries + 1 < len(self._servers):
                # RFC 3263 §4.3: nobody was there to take it, so it is tried at the next one.
                track.retries += 1
                self._clockwork.after(0, lambda _: self.call(track))
                return
        track.ended_at = now
        track.cause = ended.cause
        track.status = ended.status
        if ended.cause is EndCause.HUNG_UP and track.plan.callee_hangs_up:
            track.caller_hung_up_late = True
        self._on_end(track)
