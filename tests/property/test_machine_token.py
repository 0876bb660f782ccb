"""CI and Push REST do what they like with a machine token; its promises are checked each time."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from callctl.push.channel import Readiness
from callctl.push.events import AbandonFetch, FetchToken, TokenFetchLost
from callctl.push.machine_token import TokenAction
from callctl.push.token_events import MachineAccountGiven, TokenStateChanged
from callctl.serviceability.condition import ConditionEntered, ConditionLeft
from helpers.machine import ACCOUNT, granted_answer, machine_token, refused_answer
from sipstack.timing import MS, SECOND, Instant

LIFETIMES_S = st.sampled_from([1, 4, 60, 3_600, 43_200])
STEPS_MS = st.sampled_from([0, 1, 799, 4_999, 5_000, 59_999, 600_000, 2_880_000, 50_000_000])
STATUSES = st.sampled_from([400, 401, 403, 429, 500, 503, 302])
ERRORS = st.sampled_from(["invalid_grant", "token_limit_reached", "x"])
RETRY_AFTER = st.sampled_from([None, "1", "900", "3600", "soon"])
FETCH_TIMEOUT_NS = 5 * SECOND


class MachineTokenMachine(RuleBasedStateMachine):
    """The owner of the token wakes it whenever it asks to be woken, as a shell does."""

    def __init__(self) -> None:
        super().__init__()
        self.machine = machine_token()
        self.now = Instant(0)
        self.given = 0
        self.fetching_since: Instant | None = None
        self.ends: dict[str, Instant] = {}  # of tokens that CI gave, by its own count
        self.dead: set[str] = set()  # refused by Push REST
        self.answered_at: Instant | None = None  # the last fetch that got a token
        self.may_fetch_at: Instant | None = None  # CI asked for patience until then
        self.entered: set[str] = set()
        self.available: bool | None = None
        self.running = True
        self._take(self.machine.advance(self.now))

    # What happens

    @rule(step_ms=STEPS_MS)
    def time_passes(self, step_ms: int) -> None:
        end = Instant(self.now + step_ms * MS)
        for _ in range(10_000):
            due = self.machine.next_deadline()
            if due is None or due > end:
                break
            self.now = Instant(max(self.now, due))
            self._take(self.machine.advance(self.now))
        else:
            raise AssertionError("it is woken again and again")
        self.now = end

    @precondition(lambda self: self.fetching_since is not None)
    @rule(lifetime_s=LIFETIMES_S, rotated=st.booleans())
    def ci_gives_a_token(self, lifetime_s: int, rotated: bool) -> None:
        assert self.fetching_since is not None
        self.given += 1
        token = f"t{self.given}"
        # It lives from some time in the fetch on; the machine must assume the worst.
        self.ends[token] = Instant(self.fetching_since + lifetime_s * SECOND)
        more = {"refresh_token": f"r{self.given}"} if rotated else {}
        self.fetching_since = None
        self._take(self.machine.receive(granted_answer(token, lifetime_s, **more), self.now))

    @precondition(lambda self: self.fetching_since is not None)
    @rule(status=STATUSES, error=ERRORS, retry_after=RETRY_AFTER)
    def ci_refuses(self, status: int, error: str, retry_after: str | None) -> None:
        self.fetching_since = None
        wait_s = int(retry_after) if retry_after is not None and retry_after.isdigit() else 0
        self.may_fetch_at = Instant(self.now + wait_s * SECOND)
        self._take(self.machine.receive(refused_answer(error, status, retry_after), self.now))

    @precondition(lambda self: self.fetching_since is not None)
    @rule()
    def ci_is_not_reached(self) -> None:
        self.fetching_since = None
        self._take(self.machine.receive(TokenFetchLost("push rest", "closed"), self.now))

    @rule()
    def answer_comes_that_nobody_waits_for(self) -> None:
        if self.fetching_since is None:
            self._take(self.machine.receive(granted_answer("stray"), self.now))

    @rule()
    def push_wants_to_leave(self) -> None:
        readiness, actions = self.machine.prepare(self.now)
        self._take(actions)
        token = self.machine.token(self.now)
        assert (readiness is Readiness.READY) == (token is not None)
        assert (readiness is Readiness.WAITING) == (
            token is None and self.fetching_since is not None
        )

    @rule(again=st.booleans())
    def push_rest_refuses_the_token(self, again: bool) -> None:
        token = self.machine.token(self.now)
        if token is not None:
            self.dead.add(token)
            for _ in range(2 if again else 1):  # many pushes were under way with it
                self._take(self.machine.refused(token, self.now))

    @rule()
    def push_rest_takes_the_token(self) -> None:
        token = self.machine.token(self.now)
        if token is not None:
            self._take(self.machine.accepted(token, self.now))

    @rule(account=st.sampled_from([None, ACCOUNT]))
    def account_changes(self, account: object) -> None:
        given = MachineAccountGiven(ACCOUNT if account is not None else None)
        assert self.machine.receive(given, self.now) == ()

    @rule()
    def service_stops(self) -> None:
        self._take(self.machine.stop())
        self.running = False
        self.may_fetch_at = None
        assert self.fetching_since is None
        assert not self.entered

    @rule()
    def service_starts(self) -> None:
        self.may_fetch_at = None
        self.available = None
        self.running = True
        self._take(self.machine.start(self.now))

    # What must hold

    @invariant()
    def no_push_leaves_with_a_token_that_is_known_to_be_dead(self) -> None:
        token = self.machine.token(self.now)
        if token is not None:
            assert token not in self.dead
            assert self.now < self.ends[token]

    @invariant()
    def it_sleeps_only_where_it_will_wake_to_go_on(self) -> None:
        due = self.machine.next_deadline()
        if not self.running:
            assert due is None
            return
        if self.machine.account is None:
            return
        assert due is not None
        token = self.machine.token(self.now)
        if self.fetching_since is not None:
            assert due == self.fetching_since + FETCH_TIMEOUT_NS
        elif token is not None:
            assert due <= self.ends[token]  # to renew it, or to say that it has ended

    @invariant()
    def condition_holds_only_for_a_service_that_lacks_a_token_or_has_a_doubtful_one(self) -> None:
        if self.entered and self.available:
            assert self.dead

    def _take(self, actions: tuple[TokenAction, ...]) -> None:
        for action in actions:
            match action:
                case FetchToken():
                    assert self.fetching_since is None, "two fetches at once"
                    assert self.running
                    if self.may_fetch_at is not None:
                        assert self.now >= self.may_fetch_at, "CI asked for patience"
                    self.fetching_since = self.now
                case AbandonFetch():
                    assert self.fetching_since is not None
                    self.fetching_since = None
                case ConditionEntered(alarm):
                    assert alarm not in self.entered, "a standing condition is said once"
                    self.entered.add(alarm)
                case ConditionLeft(alarm):
                    assert alarm in self.entered
                    self.entered.remove(alarm)
                case TokenStateChanged(available):
                    self.available = available
                    assert available == (self.machine.token(self.now) is not None)


class ReliableCi(RuleBasedStateMachine):
    """CI always answers within the 5 s: then there is always a token, and never an alarm."""

    def __init__(self) -> None:
        super().__init__()
        self.machine = machine_token()
        self.now = Instant(0)
        self.given = 0
        self._take(self.machine.advance(self.now), 0, 3_600)

    @rule(
        step_ms=STEPS_MS,
        takes_ms=st.integers(0, 4_999),
        lifetime_s=st.sampled_from([60, 3_600, 43_200]),
    )
    def time_passes(self, step_ms: int, takes_ms: int, lifetime_s: int) -> None:
        end = Instant(self.now + step_ms * MS)
        while (due := self.machine.next_deadline()) is not None and due <= end:
            self.now = Instant(max(self.now, due))
            self._take(self.machine.advance(self.now), takes_ms, lifetime_s)
        self.now = max(self.now, end)

    @invariant()
    def there_is_a_token(self) -> None:
        assert self.machine.token(self.now) is not None

    def _take(self, actions: tuple[TokenAction, ...], takes_ms: int, lifetime_s: int) -> None:
        for action in actions:
            assert not isinstance(action, ConditionEntered)
            if isinstance(action, FetchToken):
                old = self.machine.token(self.now)
                assert old is not None or not self.given
                self.now = Instant(self.now + takes_ms * MS)
                self.given += 1
                self.machine.receive(granted_answer(f"t{self.given}", lifetime_s), self.now)


MachineTokenMachine.TestCase.settings = settings(
    max_examples=80, stateful_step_count=40, deadline=None
)
ReliableCi.TestCase.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)
TestMachineToken = MachineTokenMachine.TestCase
TestReliableCi = ReliableCi.TestCase
