"""A token for Push REST that somebody hands in: rigs, benches and simulations, where CI is not."""

from __future__ import annotations

from callctl.push.channel import Readiness, TokenEvent
from callctl.push.events import ChannelAction, RenewToken, TokenChanged
from callctl.push.token_gate import TokenGate
from sipstack.timing import Instant


class HandedToken:
    """Comes by `TokenChanged`. One that is refused is dropped, and another is asked for once."""

    def __init__(self) -> None:
        self._gate = TokenGate()
        self._known = False  # there was a token: where it came from there may be another

    def token(self, now: Instant) -> str | None:
        """The token, None if there is none that is good."""
        return self._gate.token(now)

    def prepare(self, now: Instant) -> tuple[Readiness, tuple[ChannelAction, ...]]:
        """Ask for another token if the last one was refused."""
        actions: tuple[ChannelAction, ...] = ()
        if self._known and self._gate.fetch_is_due(now):
            self._gate.began(now)
            actions = (RenewToken(),)
        return self._gate.readiness(now), actions

    def receive(self, event: TokenEvent, now: Instant) -> tuple[ChannelAction, ...]:
        """The token was renewed, or is gone (CPNS-05)."""
        if isinstance(event, TokenChanged):
            if event.token is None:
                self._known = False
                self._gate.lost()
            else:
                self._known = True
                self._gate.got(event.token, now)
        return ()

    def refused(self, token: str, now: Instant) -> tuple[ChannelAction, ...]:
        """Push REST does not take `token`."""
        self._gate.refused(token, now)
        return ()

    def accepted(self, token: str, now: Instant) -> tuple[ChannelAction, ...]:
        """Push REST did not object to `token`."""
        return ()

    def advance(self, now: Instant) -> tuple[ChannelAction, ...]:
        """Give up waiting for a token."""
        if self._gate.fetch_ends_at is not None and now >= self._gate.fetch_ends_at:
            self._gate.failed(now)
        return ()

    def next_deadline(self) -> Instant | None:
        """When waiting for a token has taken too long."""
        return self._gate.fetch_ends_at

    def start(self, now: Instant) -> tuple[ChannelAction, ...]:
        """The token that was handed in is still good."""
        return ()

    def stop(self) -> tuple[ChannelAction, ...]:
        """Nobody waits for a token any more; one that comes is taken all the same."""
        self._gate.fetch_ends_at = None
        return ()
