"""The registering end of one address of record: the first registrar of an order that accepts us.

RFC 3261 §10.2, RFC 5626 §4. A registrar that refuses the connection, keeps silent for a few seconds
or is out of service is passed over for the next one (CMG-08).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Final

from callctl.phone.event import (
    Registered,
    RegistrarFailed,
    RegistrationFailed,
    RegistrationLost,
    Unregistered,
)
from callctl.phone.settings import Registrar
from callctl.phone.user_agent_core import Out, UserAgentCore
from sipstack.entropy import token
from sipstack.errors import SipSyntaxError
from sipstack.message.grammar import quote
from sipstack.message.message import Response
from sipstack.timing import SECOND, Instant, Timed
from sipstack.transaction.events import Ignored
from sipstack.transaction.machine import ClientTransaction
from sipstack.transport.flow import Flow

REFRESH_PERCENT: Final = 90  # of the granted life; what baresip and linphone do too
ATTEMPTS_MAX: Final = 4  # REGISTERs to one registrar in a row: challenges, a longer interval
RETRY_MAX_NS: Final = 1800 * SECOND  # RFC 5626 §4.5
RECONNECT_NS: Final = SECOND  # after a lost connection, which may have hit thousands at once
EXPIRES_FALLBACK_MAX_S: Final = 86_400


class RegistrationState(Enum):
    """Where the registration stands."""

    IDLE = "IDLE"  # not registered, and not to be
    REGISTERING = "REGISTERING"
    REGISTERED = "REGISTERED"
    REFRESHING = "REFRESHING"  # registered, and saying so again
    WAITING = "WAITING"  # refused by all, to be tried again later
    UNREGISTERING = "UNREGISTERING"


_S = RegistrationState
MOVES: Final[Mapping[RegistrationState, frozenset[RegistrationState]]] = {
    _S.IDLE: frozenset({_S.REGISTERING}),
    _S.REGISTERING: frozenset({_S.REGISTERED, _S.WAITING, _S.IDLE, _S.REGISTERING}),
    _S.REGISTERED: frozenset(
        {_S.REFRESHING, _S.REGISTERING, _S.UNREGISTERING, _S.WAITING, _S.IDLE}
    ),
    _S.REFRESHING: frozenset(
        {_S.REGISTERED, _S.REGISTERING, _S.UNREGISTERING, _S.WAITING, _S.IDLE}
    ),
    _S.WAITING: frozenset({_S.REGISTERING, _S.IDLE}),
    _S.UNREGISTERING: frozenset({_S.IDLE, _S.REGISTERING}),
}


class RegistrationClient(Timed):
    """One binding at one registrar at a time. Its deadline: a refresh, a retry or an answer."""

    __slots__ = (
        "_attempts",
        "_call_id",
        "_core",
        "_cseq",
        "_expires_s",
        "_failures",
        "_flow",
        "_order",
        "_tag",
        "_transaction",
        "registrar",
        "state",
        "until",
    )

    def __init__(self, core: UserAgentCore) -> None:
        super().__init__()
        self._core = core
        # The same for all registrations of one boot, to every registrar (RFC 3261 §10.2).
        self._call_id = token(core.entropy)
        self._tag = token(core.entropy)
        self._cseq = 0
        self._expires_s = core.settings.expires_s
        self._failures = 0  # times in a row that no registrar accepted us
        self._attempts = 0
        self._order: list[Registrar] = []  # still to be tried, this round
        self._flow: Flow | None = None
        self._transaction: ClientTransaction | None = None  # the REGISTER that is under way
        self.registrar: Registrar | None = None  # the one tried, or the one that has us
        self.state = RegistrationState.IDLE
        self.until: Instant | None = None

    @property
    def under_way(self) -> bool:
        """True while a REGISTER waits for its answer."""
        return self._transaction is not None

    # Commands

    def register(self, first: Registrar | None, now: Instant, out: Out) -> None:
        """Register, at `first` before all others of the order.

        Without it the former registrar comes first (CMG-06). Where we are registered already, this
        refreshes.
        """
        first = first or self.registrar
        same = first == self.registrar
        if self.state is RegistrationState.REGISTERED and same:
            self._enter(RegistrationState.REFRESHING)
            self._attempts = 0
            self._send(self._core.settings.expires_s, now, out)
            return
        if same and self.state in (RegistrationState.REFRESHING, RegistrationState.REGISTERING):
            out.append(Ignored("registering already", str(first)))
            return
        self._leave()
        self._order = [] if first is None else [first]
        self._order += [other for other in self._core.registrars if other != first]
        self._next(now, out)

    def unregister(self, now: Instant, out: Out) -> None:
        """Have our contact removed (RFC 3261 §10.2.2)."""
        if self.state in (RegistrationState.REGISTERED, RegistrationState.REFRESHING):
            self._transaction = None
            self._enter(RegistrationState.UNREGISTERING)
            self._attempts = 0
            self._send(0, now, out)
        else:
            self.forget()

    def forget(self) -> None:
        """Be registered no more, without a word to anybody."""
        self._leave()
        if self.state is not RegistrationState.IDLE:
            self._enter(RegistrationState.IDLE)

    # Events

    def receive(
        self, transaction: ClientTransaction, response: Response, now: Instant, out: Out
    ) -> None:
        """A response to a REGISTER of ours."""
        if transaction is not self._transaction:
            out.append(Ignored("answer to an old REGISTER", str(response.status)))
            return
        status = response.status
        if status < 200:
            return
        if status < 300:
            self._accepted(response, now, out)
        elif status in (401, 407):
            known = self._core.credentials.learn(transaction.request, response, transaction.flow)
            self._again(known, status, now, out)
        elif status == 423:
            self._again(self._lengthen(response), status, now, out)
        else:
            self._refused(status, f"refused with {status}", now, out)

    def failed(self, transaction: ClientTransaction, cause: str, now: Instant, out: Out) -> None:
        """A REGISTER got no answer."""
        if transaction is self._transaction:
            self._refused(408 if cause == "timeout" else 503, cause, now, out)

    def flow_ended(self, flow: Flow, reason: str, now: Instant, out: Out) -> None:
        """A connection is gone; if it was ours, so is the registration."""
        if flow != self._core.flow:
            return
        self._core.flow = None
        if self.state in (RegistrationState.REGISTERED, RegistrationState.REFRESHING):
            self._transaction = None
            out.append(RegistrationLost(reason))
            self._wait(now, RECONNECT_NS)

    def advance(self, now: Instant, out: Out) -> None:
        """What is due: a refresh, another try, or the end of waiting for an answer."""
        if self.until is None or now < self.until:
            return
        self.until = None
        if self.state is RegistrationState.REGISTERED:
            self._enter(RegistrationState.REFRESHING)
            self._attempts = 0
            self._send(self._core.settings.expires_s, now, out)
        elif self.state is RegistrationState.WAITING:
            self.register(None, now, out)
        elif self._transaction is not None:
            self._refused(408, "timeout", now, out)

    # Inside

    def _next(self, now: Instant, out: Out) -> None:
        """Try the next registrar of the order."""
        self.registrar = self._order.pop(0)
        self._attempts = 0
        self._flow = self._core.flow_to(self.registrar)
        self._enter(RegistrationState.REGISTERING)
        self._send(self._core.settings.expires_s, now, out)

    def _send(self, expires_s: int, now: Instant, out: Out) -> None:
        core = self._core
        settings = core.settings
        if expires_s:
            expires_s = self._expires_s
        self._attempts += 1
        self._cseq += 1
        flow = core.flow or self._flow
        assert flow is not None
        supported = "path, outbound" if settings.instance is not None else "path"
        request = core.request(
            "REGISTER",
            f"sip:{settings.domain}",
            flow,
            tag=self._tag,
            to=f"<{core.aor()}>",
            call_id=self._call_id,
            cseq=self._cseq,
            headers=(
                ("Contact", self._contact(expires_s)),
                ("Expires", str(expires_s)),
                ("Supported", supported),
            ),
        )
        self.until = Instant(now + settings.register_timeout_ns)
        self._transaction = core.send(request, flow, self, now, out)

    def _contact(self, expires_s: int) -> str:
        settings = self._core.settings
        params = list(settings.contact_params)
        if settings.instance is not None:
            params += [f'+sip.instance="<{settings.instance}>"', "reg-id=1"]
        if settings.device_name is not None:
            params.append(f"+u.sip!devicename.ccm.cisco.com={quote(settings.device_name)}")
        params.append(f"expires={expires_s}")
        return f"<{self._core.contact_uri()}>" + "".join(f";{param}" for param in params)

    def _accepted(self, response: Response, now: Instant, out: Out) -> None:
        transaction, registrar = self._transaction, self.registrar
        assert transaction is not None
        assert registrar is not None
        self._transaction = None
        core = self._core
        if self.state is RegistrationState.UNREGISTERING:
            self.forget()
            out.append(Unregistered())
            return
        refresh = self.state is RegistrationState.REFRESHING
        granted_s = self._granted_s(response)
        if granted_s <= 0:
            self._refused(200, "contact not among the bindings", now, out)
            return
        self._enter(RegistrationState.REGISTERED)
        self._failures = 0
        self._order = []
        core.flow = flow = core.live(transaction.flow)
        self.until = Instant(now + granted_s * SECOND * REFRESH_PERCENT // 100)
        out.append(Registered(registrar, flow, granted_s, refresh))

    def _granted_s(self, response: Response) -> int:
        """How long our binding lives, by our Contact in the answer; 0 if it is not there."""
        mine = self._core.contact_uri()
        try:
            for contact in response.contacts:
                if str(contact.uri) == mine or (
                    contact.uri.user == self._core.settings.user
                    and contact.uri.host_port()
                    == (self._core.settings.local_host, self._core.settings.local_port)
                ):
                    text = contact.params.get("expires") or ""
                    if text.isascii() and text.isdigit():
                        return min(int(text[:10]), EXPIRES_FALLBACK_MAX_S)
                    return response.expires or self._expires_s
        except SipSyntaxError:
            return 0
        return 0

    def _lengthen(self, response: Response) -> bool:
        """Take the interval a 423 asks for."""
        text = response.headers.first("min-expires") or ""
        if not (text.isascii() and text.isdigit()) or int(text[:10]) <= self._expires_s:
            return False
        self._expires_s = min(int(text[:10]), EXPIRES_FALLBACK_MAX_S)
        return True

    def _again(self, worth_it: bool, status: int, now: Instant, out: Out) -> None:
        """Send another REGISTER to the same registrar, unless that leads nowhere."""
        if not worth_it or self._attempts >= ATTEMPTS_MAX:
            self._refused(status, f"refused with {status}", now, out)
            return
        leaving = self.state is RegistrationState.UNREGISTERING
        self._send(0 if leaving else self._core.settings.expires_s, now, out)

    def _refused(self, status: int, cause: str, now: Instant, out: Out) -> None:
        registrar = self.registrar
        assert registrar is not None
        self._transaction = None
        self._core.flow = None
        self.until = None
        if self.state is RegistrationState.UNREGISTERING:
            self.forget()
            out.append(Unregistered())
            return
        if self.state is not RegistrationState.REGISTERING:
            # A refresh failed: all others of the order are worth a try.
            self._order = [other for other in self._core.registrars if other != registrar]
        out.append(RegistrarFailed(registrar, status, cause))
        if self._order:
            self._next(now, out)
            return
        out.append(RegistrationFailed(status, cause))
        self._failures += 1
        base_ns = self._core.settings.retry_base_ns or 0
        self._wait(now, min(RETRY_MAX_NS, base_ns << min(self._failures, 16)))

    def _wait(self, now: Instant, wait_ns: int) -> None:
        """Try again after `wait_ns` or down to half of it, as chance has it (RFC 5626 §4.5)."""
        self.until = None
        if self._core.settings.retry_base_ns is None:
            self._enter(RegistrationState.IDLE)
            return
        self._enter(RegistrationState.WAITING)
        spread_ns = self._core.entropy.below(wait_ns // 2 + 1)
        self.until = Instant(now + wait_ns // 2 + spread_ns)

    def _leave(self) -> None:
        """Drop what is under way."""
        self._transaction = None
        self._core.flow = None
        self._order = []
        self.until = None

    def _enter(self, state: RegistrationState) -> None:
        assert state in MOVES[self.state], (self.state, state)
        self.state = state
