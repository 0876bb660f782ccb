"""Runs one emulator core in the event loop: its exchanges, its deadlines, its other actions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Protocol, TypeAlias

from callctl.cloud.http import HttpAnswer, HttpRequest, RequestReceived, SendAnswer, json_answer
from sipstack.io.timer import DeadlineTimer
from sipstack.timing import Instant

Clock: TypeAlias = Callable[[], Instant]
OnAnswer: TypeAlias = Callable[[HttpAnswer], None]


class Core(Protocol):
    """The three doors."""

    # Each core has its own union of events; the runner only passes them on.
    def receive(self, event: Any, now: Instant) -> Iterable[object]: ...  # noqa: ANN401

    def advance(self, now: Instant) -> Iterable[object]: ...

    def next_deadline(self) -> Instant | None: ...


class CoreRunner:
    """Feeds a core; answers go to who asked, all other actions to `perform`."""

    def __init__(self, core: Core, clock: Clock, perform: Callable[[object], None]) -> None:
        self._core = core
        self._clock = clock
        self._perform = perform
        self._exchanges = 0
        self._asked: dict[int, OnAnswer] = {}
        self._timer = DeadlineTimer(asyncio.get_running_loop(), clock, self._due)

    def feed(self, event: object) -> None:
        """Something happened now."""
        now = self._clock()
        self._carry_out(self._core.advance(now))
        self._carry_out(self._core.receive(event, now))
        self._timer.follow(self._core.next_deadline())

    def ask(self, request: HttpRequest, on_answer: OnAnswer) -> int:
        """Hand in a request; `on_answer` is called once, perhaps at once, unless forgotten."""
        self._exchanges += 1
        exchange = self._exchanges
        self._asked[exchange] = on_answer
        self.feed(RequestReceived(exchange, request))
        return exchange

    def forget(self, exchange: int) -> None:
        """Nobody waits for this answer any more."""
        self._asked.pop(exchange, None)

    async def answer_to(self, request: HttpRequest) -> HttpAnswer:
        """Hand in a request and wait for its answer, which a fault may hold back for ever."""
        answered: asyncio.Future[HttpAnswer] = asyncio.get_running_loop().create_future()

        def on_answer(answer: HttpAnswer) -> None:
            if not answered.done():
                answered.set_result(answer)

        exchange = self.ask(request, on_answer)
        try:
            return await answered
        finally:
            self.forget(exchange)

    def close(self) -> None:
        """Stop the timer, and answer 503 to all who still wait."""
        self._timer.cancel()
        asked, self._asked = self._asked, {}
        for on_answer in asked.values():
            on_answer(json_answer(503, {"error": "Shutdown"}))

    def _due(self, now: Instant) -> None:
        self._carry_out(self._core.advance(now))
        self._timer.follow(self._core.next_deadline())

    def _carry_out(self, actions: Iterable[object]) -> None:
        for action in actions:
            if isinstance(action, SendAnswer):
                on_answer = self._asked.pop(action.exchange, None)
                if on_answer is not None:
                    on_answer(action.answer)
            else:
                self._perform(action)
