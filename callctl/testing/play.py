"""One test: what it wants, the world once it has begun, and everything that was said."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable
from typing import TYPE_CHECKING, Any

from callctl.testing.fact import Fact, What
from callctl.testing.ladder import Ladder
from callctl.testing.plan import Plan
from callctl.testing.word import not_awaited

if TYPE_CHECKING:
    from callctl.testing.call import Call
    from callctl.testing.recording import Recording
    from callctl.testing.stage import Stage, Theatre


class SetUpError(Exception):
    """A test asks for something that cannot be had, or too late; the text says what."""


class Play:
    """The world begins with the first word that is awaited; until then the plan may grow."""

    def __init__(self, plan: Plan, theatre: Theatre) -> None:
        self.plan = plan
        self.theatre = theatre
        self.stage: Stage | None = None
        self.calls: list[Call] = []  # in the order in which they were placed
        self.ladder = Ladder(self._recording)
        self.explained: list[str] = []  # stories of the calls, as the test left them
        self._said: list[tuple[str, Coroutine[Any, Any, object]]] = []
        self._kept: Recording | None = None

    async def begun(self) -> Stage:
        """The world, everybody in place."""
        if self.stage is None:
            self.stage = await self.theatre.raise_curtain(self.plan)
        return self.stage

    def end(self) -> None:
        """The test is over: what its world does from here on is no part of it."""
        if self.stage is not None:
            self._kept = self.stage.recording.copy()
            self.explained = [call.explained for call in self.calls]

    def judge(self) -> list[str]:
        """Which invariants were broken; then what happened at the end is part of the test."""
        broken = [] if self.stage is None else self.stage.judge()
        if broken:
            self._kept = None
        return broken

    def change_plan(self, what: str) -> Plan:
        """The plan, to add something. Raises: SetUpError once the world has begun."""
        if self.stage is not None:
            raise SetUpError(f"{what}: too late, ask for it before the first word that is awaited")
        return self.plan

    def said(self, word: str, coroutine: Coroutine[Any, Any, object]) -> None:
        """Remember a word, to see at the end whether it was awaited."""
        self._said.append((word, coroutine))

    def forgotten_words(self) -> list[str]:
        """Words that were said and not awaited; asked once, at the end."""
        said, self._said = self._said, []
        return [word for word, coroutine in said if not_awaited(coroutine)]

    def facts(self, who: str, since: int = 0, kinds: Iterable[What] | None = None) -> list[Fact]:
        """What came to pass at one party, from fact number `since` on."""
        if self.stage is None:
            return []
        wanted = None if kinds is None else frozenset(kinds)
        return [
            fact
            for fact in self.stage.facts[since:]
            if fact.who == who and (wanted is None or fact.what in wanted)
        ]

    def last_call_to(self, numbers: Iterable[str]) -> Call | None:
        """The newest call that may come to one of these numbers."""
        called = frozenset(numbers)
        return next((call for call in reversed(self.calls) if called & call.may_reach), None)

    def _recording(self) -> Recording | None:
        if self._kept is not None or self.stage is None:
            return self._kept
        return self.stage.recording
