"""The machine token: what a node of the cluster shows to Push REST, and how it gets it from CI.

It has nothing to do with the tokens of users (AUTH-12).
Source: CPNS-05, CPNS-06, CLOUD-03, CLOUD-07, CLOUD-11, TRB-20, OP-13, OP-14, OP-37;
RFC 6749 §5 and §6.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from tenacity.wait import wait_base, wait_fixed

from callctl.model.machine_account import MachineAccount
from callctl.push.channel import (
    PUSH_REST,
    Readiness,
    TokenEvent,
    json_object,
    retry_after_ns,
    unix_s,
)
from callctl.push.direct.grant import granted
from callctl.push.events import (
    AbandonFetch,
    FetchToken,
    Ignored,
    TokenChanged,
    TokenFetched,
    TokenFetchLost,
)
from callctl.push.machine_grant import LIFETIME_MAX_S, refresh_form, renewed, repair_reason
from callctl.push.retry import wait_ns
from callctl.push.token_alarms import CPNS_ALARMS, TokenAlarms, TokenConditions
from callctl.push.token_events import (
    MachineAccountGiven,
    MachineAccountRenewed,
    RepairStateChanged,
    TokenFetchFailed,
    TokenObtained,
    TokenStateChanged,
)
from callctl.push.token_gate import FETCH_TIMEOUT_NS, REPLACE_AGAIN_NS
from callctl.serviceability.condition import Condition
from sipstack.timing import SECOND, Instant

FETCH_AGAIN: Final = wait_fixed(600)  # OP-14

NO_ACCOUNT: Final = "no machine account"
REFUSED: Final = "refused by Push REST"
NO_TOKEN: Final = "no token in the answer of CI"
NO_ANSWER: Final = "no answer of CI"

TokenAction: TypeAlias = (
    FetchToken
    | AbandonFetch
    | Ignored
    | TokenObtained
    | TokenFetchFailed
    | TokenStateChanged
    | RepairStateChanged
    | MachineAccountRenewed
    | Condition
)


@dataclass(frozen=True, slots=True)
class MachineTokenSettings:
    """For whom it is fetched, and how often CI is asked again."""

    node: str
    channel: str = PUSH_REST
    alarms: TokenAlarms = CPNS_ALARMS
    again: wait_base = FETCH_AGAIN
    unix_ms_at_zero: int = 0  # wall-clock time at Instant 0, for a `Retry-After` that is a date


class MachineToken:
    """Fetched when the service starts, and again at 80 % of its life, push or no push.

    There is one fetch at a time, whoever waits. While one fails a token that is still good stays in
    use; the next comes after 10 minutes. One that Push REST refuses is dropped and replaced once at
    once; if the new one is refused, too, it is not the token's fault. A new machine account is
    taken up only when the service starts (ONB).
    """

    def __init__(self, settings: MachineTokenSettings, account: MachineAccount | None) -> None:
        self._settings = settings
        self._next = account  # from the next start on
        self._conditions = TokenConditions(settings.alarms, settings.node)
        self._forget()
        self._begin_life(Instant(0))

    def _forget(self) -> None:
        self._account: MachineAccount | None = None
        self._token: str | None = None
        self._ends_at: Instant | None = None
        self._had = False  # there was a token in this life
        self._fetch_at: Instant | None = None  # when the next fetch is due
        self._began_at = Instant(0)
        self._fetch_ends_at: Instant | None = None  # of the fetch under way
        self._not_before = Instant(0)  # CI does not want to be asked before
        self._failures = 0  # in a row
        self._fetch_failed = self._null = False  # the last fetch: no answer of use, or no token
        self._why = NO_ACCOUNT
        self._distrusted = False  # one was refused, and none was taken since
        self._refused_again = False
        self._replaced_at: Instant | None = None  # the last refusal that led to a fetch
        self._told: tuple[bool, str] | None = None
        self._repair = self._repair_told = ""  # why it is due

    def _begin_life(self, now: Instant) -> None:
        self._running = True
        self._account = self._next
        self._fetch_at = now

    def token(self, now: Instant) -> str | None:
        """The token, None if there is none that is good."""
        return None if self._ends_at is not None and now >= self._ends_at else self._token

    @property
    def account(self) -> MachineAccount | None:
        """The machine account in use, with its newest refresh token."""
        return self._account

    def prepare(self, now: Instant) -> tuple[Readiness, tuple[TokenAction, ...]]:
        """Whether a push can leave, and what to do for it."""
        out: list[TokenAction] = []
        self._go_on(now, out)
        if self.token(now) is not None:
            return Readiness.READY, tuple(out)
        waiting = self._fetch_ends_at is not None
        return Readiness.WAITING if waiting else Readiness.NONE, tuple(out)

    def start(self, now: Instant) -> tuple[TokenAction, ...]:
        """The service starts again, perhaps with another account."""
        out = list(self.stop())
        self._begin_life(now)
        self._go_on(now, out)
        return tuple(out)

    def stop(self) -> tuple[TokenAction, ...]:
        """The service stops: its token is forgotten, and its conditions are no more."""
        out: list[TokenAction] = []
        if self._fetch_ends_at is not None:
            out.append(AbandonFetch(self._settings.channel))
        if self._repair_told:
            out.append(RepairStateChanged(False))
        out += self._conditions.leave()
        self._forget()
        self._running = False
        return tuple(out)

    def receive(self, event: TokenEvent, now: Instant) -> tuple[TokenAction, ...]:
        """CI answered, or did not; or there is another account."""
        out: list[TokenAction] = []
        channel = self._settings.channel
        match event:
            case MachineAccountGiven(account):
                self._next = account
                return ()
            case TokenChanged():
                return (Ignored("a token is fetched, not handed in", channel),)
            case _ if self._fetch_ends_at is None:
                return (Ignored("late answer for a token", channel),)
            case TokenFetched():
                self._fetch_ends_at = None
                self._answered(event, now, out)
            case TokenFetchLost(_, reason):
                self._fetch_ends_at = None
                self._failed(f"CI not reached: {reason}", now, out)
        self._go_on(now, out)
        return tuple(out)

    def refused(self, token: str, now: Instant) -> tuple[TokenAction, ...]:
        """Push REST answered 401 or 403 to `token` (OP-13). One that was replaced is no news."""
        if token != self._token:
            return ()
        out: list[TokenAction] = []
        self._token = self._ends_at = None
        self._why = REFUSED
        again, self._distrusted = self._distrusted, True
        if self._fetch_ends_at is not None:
            return ()  # the one that is on its way replaces it
        before = self._replaced_at
        if again:
            self._refused_again = True
            self._wait(now)
        elif before is not None and now - before < REPLACE_AGAIN_NS:
            self._fetch_at = Instant(max(before + REPLACE_AGAIN_NS, self._not_before))
        else:
            self._replaced_at = now
            self._fetch_at = Instant(max(now, self._not_before))
        self._go_on(now, out)
        return tuple(out)

    def accepted(self, token: str, now: Instant) -> tuple[TokenAction, ...]:
        """Push REST did not object to `token`."""
        if not self._distrusted or token != self._token:
            return ()
        out: list[TokenAction] = []
        self._distrusted = self._refused_again = False
        self._tell(now, out)
        return tuple(out)

    def advance(self, now: Instant) -> tuple[TokenAction, ...]:
        """Give up a fetch that takes too long, begin one that is due, tell of a token's end."""
        out: list[TokenAction] = []
        if self._fetch_ends_at is not None and now >= self._fetch_ends_at:
            self._fetch_ends_at = None
            out.append(AbandonFetch(self._settings.channel))
            self._failed(NO_ANSWER, now, out)
        self._go_on(now, out)
        return tuple(out)

    def next_deadline(self) -> Instant | None:
        """When `advance` has something to do."""
        if self._fetch_ends_at is not None:
            return self._fetch_ends_at
        if self._fetch_at is None or (self._ends_at is not None and self._ends_at < self._fetch_at):
            return self._ends_at
        return self._fetch_at

    def _go_on(self, now: Instant, out: list[TokenAction]) -> None:
        if not self._running:
            return
        if self._ends_at is not None and now >= self._ends_at:
            self._token = self._ends_at = None
        if self._fetch_at is not None and now >= self._fetch_at:
            self._fetch_at = None
            if self._account is not None:
                self._fetch(self._account, now, out)
        self._tell(now, out)

    def _fetch(self, account: MachineAccount, now: Instant, out: list[TokenAction]) -> None:
        assert self._fetch_ends_at is None, "one at a time"
        self._began_at = now
        self._fetch_ends_at = Instant(now + FETCH_TIMEOUT_NS)
        form = refresh_form(account)
        out.append(FetchToken(self._settings.channel, account.token_url, form))

    def _answered(self, answer: TokenFetched, now: Instant, out: list[TokenAction]) -> None:
        fields = json_object(answer.body)
        if answer.status == 200:
            self._got(fields, now, out)
            return
        retry_ns = retry_after_ns(answer.retry_after, unix_s(self._settings.unix_ms_at_zero, now))
        if answer.status == 400:
            self._repair = repair_reason(fields)
            self._failed(f"400 of CI: {self._repair}", now, out, 400, retry_ns or 0)
        else:
            self._failed(f"{answer.status} of CI", now, out, answer.status, retry_ns or 0)

    def _got(self, fields: dict[str, Any], now: Instant, out: list[TokenAction]) -> None:
        made = granted(fields, LIFETIME_MAX_S)
        # It began to live before it came here: later than CI it never ends.
        ends_at = None if made is None else Instant(self._began_at + made[1] * SECOND)
        if made is None or ends_at is None or ends_at <= now:
            self._failed(NO_TOKEN, now, out, 200)
            return
        self._token, lifetime_s = made
        self._ends_at = ends_at
        self._fetch_at = Instant(max(now, self._began_at + lifetime_s * SECOND * 4 // 5))
        self._had = True
        self._failures = 0
        self._fetch_failed = self._null = False
        self._repair = ""
        out.append(TokenObtained(self._settings.channel, lifetime_s))
        assert self._account is not None
        account = renewed(self._account, fields)
        if account is not None:
            if self._next is self._account:
                self._next = account
            self._account = account
            out.append(MachineAccountRenewed(account))

    def _failed(
        self,
        why: str,
        now: Instant,
        out: list[TokenAction],
        status: int | None = None,
        retry_ns: int = 0,
    ) -> None:
        self._why = why
        self._null = status == 200
        self._fetch_failed = not self._null
        self._not_before = Instant(now + retry_ns)
        again_at = self._wait(now)
        out.append(TokenFetchFailed(self._settings.channel, why, again_at, status))

    def _wait(self, now: Instant) -> Instant:
        self._failures += 1
        wait = wait_ns(self._settings.again, self._failures)
        self._fetch_at = Instant(max(now + wait, self._not_before))
        return self._fetch_at

    def _tell(self, now: Instant, out: list[TokenAction]) -> None:
        """What is known now and was not told yet."""
        live = self.token(now) is not None
        if self._repair != self._repair_told:
            self._repair_told = self._repair
            out.append(RepairStateChanged(bool(self._repair), self._repair))
        if not live and self._fetch_ends_at is not None:
            return  # nobody knows yet
        state = (live, "" if live else self._why)
        if state != self._told:
            self._told = state
            out.append(TokenStateChanged(*state))
        out += self._conditions.follow(
            invalid=(self._had and not live) or self._refused_again,
            fetch_failed=self._fetch_failed,
            is_null=not live and (self._account is None or self._null),
            why=self._why,
        )
