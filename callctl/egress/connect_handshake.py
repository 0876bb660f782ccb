"""Asks a proxy for a tunnel: CONNECT over an octet stream that somebody else carries.

Source: PROXY-02, PROXY-03, OP-54; RFC 9110 §9.3.6, §11.7.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Final, TypeAlias

from callctl.egress.connect_answer import ConnectAnswer, NotHttp, read_head
from callctl.egress.failure import Step
from callctl.egress.proxy_auth import CannotAnswer, ProxyAuthentication
from sipstack.errors import LocalProtocolError

ASKED_MAX: Final = (
    4  # CONNECTs of one handshake: a proxy that calls each nonce stale comes to an end
)


@dataclass(frozen=True, slots=True)
class SendOctets:
    """Write this to the proxy."""

    octets: bytes = field(repr=False)  # holds credentials


@dataclass(frozen=True, slots=True)
class OpenAgain:
    """This connection is of no more use: open another to the same address, and start on it."""


@dataclass(frozen=True, slots=True)
class TunnelOpened:
    """What is written from now on goes to the service."""


@dataclass(frozen=True, slots=True)
class TunnelRefused:
    """There is no tunnel through this address of the proxy."""

    step: Step
    detail: str
    final: bool  # another address of the same proxy would say the same


Action: TypeAlias = SendOctets | OpenAgain | TunnelOpened | TunnelRefused


class State(Enum):
    """Where the handshake stands."""

    NEW = "new"  # a connection is wanted
    ASKED = "asked"
    SKIPPING = "skipping"  # the body of a 407, on a connection that serves on
    OPEN = "open"
    REFUSED = "refused"


MOVES: Final = {
    State.NEW: {State.ASKED},
    State.ASKED: {State.NEW, State.SKIPPING, State.OPEN, State.REFUSED},
    State.SKIPPING: {State.NEW, State.ASKED, State.REFUSED},
}


class ConnectHandshake:
    """One tunnel to `target` (host:port), over one connection or, if the proxy hangs up, several.

    Credentials that were refused are not given again: many refusals lock an account.
    """

    def __init__(self, target: str, authentication: ProxyAuthentication) -> None:
        self.state = State.NEW
        self._target = target
        self._authentication = authentication
        self._asked = 0
        self._challenged = False  # in this handshake, not by what an earlier one knew
        self._gave: str | None = None  # credentials
        self._on_same_connection = 0  # CONNECTs
        self._received = b""
        self._interim = 0  # octets of interim answers
        self._skip = 0

    def start(self) -> tuple[Action, ...]:
        """A connection to the proxy is open."""
        if self.state is not State.NEW:
            raise LocalProtocolError("the handshake has its connection")
        self._received = b""
        self._interim = 0
        self._on_same_connection = 0
        return self._ask()

    def receive(self, octets: bytes) -> tuple[Action, ...]:
        """Octets came from the proxy."""
        if self.state is State.SKIPPING:
            skipped = min(self._skip, len(octets))
            self._skip -= skipped
            return self._behind_body(octets[skipped:])
        if self.state is not State.ASKED:
            return ()
        self._received += octets
        while True:
            try:
                found = read_head(self._received)
                if found is None:
                    return ()
                head, length = found
                if head.status < 200:  # interim, RFC 9110 §15.2
                    self._interim += length
                    if head.status == 101 or self._interim > 16_384:
                        raise NotHttp("its answer does not come")
            except NotHttp as why:
                return self._refuse("proxy", str(why), final=False)
            self._received = self._received[length:]
            if head.status >= 200:
                return self._answered(head)

    def closed(self) -> tuple[Action, ...]:
        """The proxy ended the connection."""
        if self.state is State.SKIPPING:
            return self._open_again()
        if self.state is not State.ASKED:
            return ()
        if self._on_same_connection > 1 and not self._received:
            return self._open_again()  # it promised to keep it open after a 407, and did not
        return self._refuse("proxy", "it closed the connection without an answer", final=False)

    def _ask(self) -> tuple[Action, ...]:
        if self._asked >= ASKED_MAX:
            return self._refuse("proxy authentication", "the proxy asks for ever", final=True)
        self._enter(State.ASKED)
        self._asked += 1
        self._on_same_connection += 1
        self._gave = self._authentication.header_value(self._target)
        head = f"CONNECT {self._target} HTTP/1.1\r\nHost: {self._target}\r\n"
        if self._gave is not None:
            head += f"Proxy-Authorization: {self._gave}\r\n"
        return (SendOctets(f"{head}\r\n".encode()),)

    def _answered(self, answer: ConnectAnswer) -> tuple[Action, ...]:
        status = answer.status
        if status == 407:
            return self._challenge(answer)
        if status == 401 and self._gave is not None:  # tinyproxy says it so
            return self._refuse_credentials()
        if status >= 300:
            # One whose own way out is broken may have a sound neighbour; a refusal is a refusal.
            return self._refuse("proxy", f"it answered {status}", final=status < 500)
        for value in answer.values("proxy-authentication-info"):
            self._authentication.informed(value)
        if self._received:
            return self._refuse("proxy", "octets came before the tunnel was used", final=False)
        self._enter(State.OPEN)
        return (TunnelOpened(),)

    def _challenge(self, answer: ConnectAnswer) -> tuple[Action, ...]:
        gave = self._gave is not None
        was_basic = self._authentication.is_basic
        try:
            stale = self._authentication.challenged(answer.values("proxy-authenticate"))
        except CannotAnswer as why:
            return self._refuse("proxy authentication", str(why), final=True)
        refused = gave and self._challenged and not stale
        if refused or (gave and was_basic and self._authentication.is_basic):
            return self._refuse_credentials()
        self._challenged = True
        skip = answer.body_to_skip
        if skip is None:
            return self._open_again()
        self._enter(State.SKIPPING)
        rest, self._received = self._received, b""
        self._skip = skip
        return self.receive(rest)

    def _refuse_credentials(self) -> tuple[Action, ...]:
        self._authentication.forget()
        return self._refuse(
            "proxy authentication", "the proxy refused the user name or password", final=True
        )

    def _behind_body(self, rest: bytes) -> tuple[Action, ...]:
        if self._skip:
            return ()
        if rest:
            return self._refuse("proxy", "octets came behind its answer", final=False)
        return self._ask()

    def _open_again(self) -> tuple[Action, ...]:
        if self._asked >= ASKED_MAX:
            return self._refuse("proxy authentication", "the proxy asks for ever", final=True)
        self._enter(State.NEW)
        return (OpenAgain(),)

    def _refuse(self, step: Step, detail: str, *, final: bool) -> tuple[Action, ...]:
        self._enter(State.REFUSED)
        return (TunnelRefused(step, detail, final),)

    def _enter(self, state: State) -> None:
        assert state in MOVES.get(self.state, ()), (self.state, state)
        self.state = state
