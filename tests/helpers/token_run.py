"""A push service, CI and Push REST in virtual time, with a little time on every way."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush

from callctl.cloud.ci import TOKEN_PATH, Ci
from callctl.cloud.http import (
    Forward,
    ForwardAnswered,
    HttpAnswer,
    HttpRequest,
    RequestReceived,
    SendAnswer,
)
from callctl.cloud.push_rest import PUSH_PATH, PushRest, PushRestSettings
from callctl.model.push_access import SigningKey
from callctl.push.channel import Channels
from callctl.push.cpns import Cpns, CpnsSettings
from callctl.push.events import (
    AbandonFetch,
    CpnsAction,
    CpnsEvent,
    FetchToken,
    PostPush,
    PushAnswered,
    PushOutcome,
    TokenFetched,
)
from callctl.push.rest import PushRestChannel
from callctl.registration.push_binding import PushBinding
from helpers.machine import ACCOUNT, machine_token
from helpers.pushes import IPHONE, UNIX_MS, URL, CountedEntropy, at, features_in
from sipstack.timing import Instant

WAY_MS = 10
FORM = (("content-type", "application/x-www-form-urlencoded"),)


class TokenRun:
    """`until` lets time pass. What the push service said is in `said`, with its time."""

    def __init__(self) -> None:
        entropy = CountedEntropy()
        self.now = at(0)
        self.ci = Ci(entropy)
        self.ci.accounts.know(
            ACCOUNT.account_id, ACCOUNT.organisation_id, ACCOUNT.refresh_token, at(0)
        )
        settings = PushRestSettings(
            (),
            SigningKey.make(entropy),
            {"callctl-phone": "google-token"},
            unix_ms_at_zero=UNIX_MS,
            access=self.ci.accounts,
        )
        self.push_rest = PushRest(settings, entropy)
        channel = PushRestChannel(URL, machine_token(), unix_ms_at_zero=UNIX_MS)
        self.cpns = Cpns(
            CpnsSettings(URL, unix_ms_at_zero=UNIX_MS),
            entropy,
            self._binding,
            features_in(),
            Channels(channel),
        )
        self.said: list[tuple[Instant, CpnsAction]] = []
        self._asked: dict[int, Callable[[HttpAnswer], CpnsEvent]] = {}
        self._fetch: int | None = None  # exchange of the fetch that somebody waits for
        self._order = 0
        self._planned: list[tuple[Instant, int, Callable[[], None]]] = []

    def feed(self, event: CpnsEvent) -> None:
        """Something happens at the push service now."""
        self._perform(self.cpns.receive(event, self.now))

    def until(self, at_ms: int) -> None:
        """Let all happen that happens up to this time."""
        end = at(at_ms)
        while True:
            due = self.cpns.next_deadline()
            clouds = [core.next_deadline() for core in (self.ci, self.push_rest)]
            planned = self._planned[0][0] if self._planned else None
            times = [when for when in (due, *clouds, planned) if when is not None]
            if not times or min(times) > end:
                break
            self.now = Instant(max(self.now, min(times)))
            self._perform(self.cpns.advance(self.now))
            self._from_ci(self.ci.advance(self.now))
            self._from_push_rest(self.push_rest.advance(self.now))
            while self._planned and self._planned[0][0] <= self.now:
                heappop(self._planned)[2]()
        self.now = end

    def outcomes(self) -> list[PushOutcome]:
        """How pushes ended, in order."""
        return [action for _, action in self.said if isinstance(action, PushOutcome)]

    def posts(self) -> list[tuple[Instant, PostPush]]:
        """What was posted, and when."""
        return [(when, action) for when, action in self.said if isinstance(action, PostPush)]

    def fetches(self) -> list[Instant]:
        """When a token was fetched."""
        return [when for when, action in self.said if isinstance(action, FetchToken)]

    def actions(self) -> list[CpnsAction]:
        """All that was said."""
        return [action for _, action in self.said]

    def statuses(self) -> list[int]:
        """What Push REST answered, in order."""
        return [record.status for record in self.push_rest.log]

    def _binding(self, device_name: str) -> PushBinding | None:
        return IPHONE

    def _plan(self, do: Callable[[], None]) -> None:
        self._order += 1
        heappush(self._planned, (Instant(self.now + at(WAY_MS)), self._order, do))

    def _perform(self, actions: tuple[CpnsAction, ...]) -> None:
        for action in actions:
            self.said.append((self.now, action))
            if isinstance(action, PostPush):
                self._plan(lambda post=action: self._posted(post))  # type: ignore[misc]
            elif isinstance(action, FetchToken):
                self._plan(lambda fetch=action: self._fetched(fetch))  # type: ignore[misc]
            elif isinstance(action, AbandonFetch) and self._fetch is not None:
                self._asked.pop(self._fetch, None)

    def _posted(self, post: PostPush) -> None:
        headers = tuple((name.lower(), value) for name, value in post.headers)
        request = HttpRequest("POST", PUSH_PATH, headers, post.body)

        def event(answer: HttpAnswer) -> CpnsEvent:
            return PushAnswered(
                post.tracking_id, answer.status, answer.body, answer.header("retry-after")
            )

        exchange = self._exchange(event)
        self._from_push_rest(self.push_rest.receive(RequestReceived(exchange, request), self.now))

    def _fetched(self, fetch: FetchToken) -> None:
        request = HttpRequest("POST", TOKEN_PATH, FORM, fetch.body)

        def event(answer: HttpAnswer) -> CpnsEvent:
            return TokenFetched(
                fetch.channel, answer.status, answer.body, answer.header("retry-after")
            )

        self._fetch = exchange = self._exchange(event)
        self._from_ci(self.ci.receive(RequestReceived(exchange, request), self.now))

    def _exchange(self, event: Callable[[HttpAnswer], CpnsEvent]) -> int:
        self._order += 1
        self._asked[self._order] = event
        return self._order

    def _from_ci(self, actions: tuple[object, ...]) -> None:
        for action in actions:
            if isinstance(action, SendAnswer):
                self._answer(action)

    def _from_push_rest(self, actions: tuple[object, ...]) -> None:
        for action in actions:
            if isinstance(action, SendAnswer):
                self._answer(action)
            elif isinstance(action, Forward):
                self._plan(lambda forward=action.forward: self._forwarded(forward))  # type: ignore[misc]

    def _forwarded(self, forward: int) -> None:
        told = ForwardAnswered(forward, HttpAnswer(200))
        self._from_push_rest(self.push_rest.receive(told, self.now))

    def _answer(self, action: SendAnswer) -> None:
        event = self._asked.pop(action.exchange, None)
        if event is not None:
            self._plan(lambda: self.feed(event(action.answer)))
