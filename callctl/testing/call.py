"""A call, from the side of who placed it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from callctl.testing.fact import SECOND_NS, Fact, What, seconds
from callctl.testing.word import NotAsExpected, expect, word

if TYPE_CHECKING:
    from callctl.testing.party import Party
    from callctl.testing.play import Play
    from callctl.testing.stage import Story

END_S: Final = 60.0
"""How long a word waits for the end of a call: longer than a node waits for one that says nothing
(64*T1, RFC 3261 §17.1.1.2) and than most phones ring."""

CALLER_SIDE: Final = frozenset({What.HEARD, What.ANSWERED, What.ENDED})
NO_FINAL: Final = frozenset({"timeout", "transport"})
"""Ends of a call, as its caller tells them, that came without a final response."""


class Call:
    """One call. `caller.calls(phone)` gives it."""

    def __init__(
        self,
        play: Play,
        caller: Party,
        target: str,
        may_reach: frozenset[str],
    ) -> None:
        """`may_reach`: the numbers that it may come to."""
        assert play.stage is not None
        self._play = play
        self.caller = caller
        self.target = target
        self.may_reach = may_reach
        self.began = play.stage.now
        self.first_fact = len(play.stage.facts)
        self._own: tuple[int, str] | None = None

    def __str__(self) -> str:
        return f"the call from {self.caller} to {self.target}"

    def __repr__(self) -> str:
        return f"<call from {self.caller} to {self.target}, {self.status or 'no status'}>"

    # Words.

    @word
    async def is_answered(self, *, within: float | None = None) -> None:
        """The caller hears a 200."""
        __tracebackhide__ = True
        await expect(
            self._play,
            f"{self} is answered",
            lambda: self._first(What.ANSWERED),
            within=within,
            refuted=lambda: self._first(What.ENDED) is not None,
            instead=self.so_far,
        )

    @word
    async def is_answered_by(self, party: Party, *, within: float | None = None) -> None:
        """The caller hears a 200, and it is this one who talks."""
        __tracebackhide__ = True
        await expect(
            self._play,
            f"{self} is answered by {party}",
            lambda: self._first(What.ANSWERED) and self._picked_up(party),
            within=within,
            refuted=lambda: self._over_or_elsewhere(party),
            instead=self.so_far,
        )

    @word
    async def ends_with(self, status: int, *, within: float = END_S) -> None:
        """The caller hears this final response, such as 480 or 486; 487 where it gave up."""
        __tracebackhide__ = True
        ended = await self._end(f"{self} ends with {status}", within)
        if ended.text in NO_FINAL or ended.status != status:
            raise NotAsExpected(f"{self} ends with {status}", self.so_far(), ended.at / SECOND_NS)

    @word
    async def ends(self, *, within: float = END_S) -> None:
        """It is over for the caller, in whatever way."""
        __tracebackhide__ = True
        await self._end(f"{self} ends", within)

    @word
    async def is_lost(self, *, within: float = END_S) -> None:
        """Nobody answers the caller any more: its connection breaks, or all is silent."""
        __tracebackhide__ = True
        ended = await self._end(f"{self} is lost", within)
        if ended.text not in NO_FINAL:
            raise NotAsExpected(f"{self} is lost", self.so_far(), ended.at / SECOND_NS)

    # What is known of it.

    def is_known_as(self, number: int, call_id: str) -> None:
        """The caller's phone has told its number there, and its Call-ID."""
        self._own = number, call_id

    @property
    def status(self) -> int | None:
        """The final response that the caller has heard; None before, and of a lost call."""
        if self._first(What.ANSWERED) is not None:
            return 200
        ended = self._first(What.ENDED)
        return None if ended is None or ended.text in NO_FINAL else ended.status

    @property
    def has_final(self) -> bool:
        """True once the caller waits no more: it was answered, refused or lost."""
        return (self._first(What.ANSWERED) or self._first(What.ENDED)) is not None

    @property
    def waited_s(self) -> float:
        """Seconds from the INVITE to the final response, or to the end of a lost call; while the
        caller still waits, until now."""
        assert self._play.stage is not None
        final = self._first(What.ANSWERED) or self._first(What.ENDED)
        until = self._play.stage.now if final is None else final.at
        return (until - self.began) / SECOND_NS

    @property
    def rang_after_s(self) -> float | None:
        """Seconds from the INVITE to the first 180; None if the caller has heard none."""
        heard = next((fact for fact in self._facts(What.HEARD) if fact.status == 180), None)
        return None if heard is None else (heard.at - self.began) / SECOND_NS

    @property
    def node(self) -> str:
        """The node that took it, "" if none has."""
        story = self._story()
        return "" if story is None else story.node

    @property
    def call_id(self) -> str:
        """Its SIP Call-ID, "" as long as nobody knows it."""
        if self._own is not None:
            return self._own[1]
        story = self._story()
        return "" if story is None else story.call_id

    @property
    def steps(self) -> tuple[str, ...]:
        """What its node did with it, as codes: `parked`, `ring-push`, `offered`, ..."""
        story = self._story()
        return () if story is None else story.steps

    @property
    def explained(self) -> str:
        """Its story step by step and why, as `callctl explain` tells it."""
        story = self._story()
        return f"no node has a story of {self}" if story is None else story.explained

    @property
    def number_at_caller(self) -> int | None:
        """What the caller's own phone calls it; None until that has said something of it."""
        if self._own is not None:
            return self._own[0]
        facts = self._caller_facts()
        return facts[0].call if facts else None

    @property
    def over(self) -> bool:
        """True once it has ended for the caller."""
        return self._first(What.ENDED) is not None

    # Inside.

    async def _end(self, what: str, within: float) -> Fact:
        __tracebackhide__ = True
        return await expect(
            self._play,
            what,
            lambda: self._first(What.ENDED),
            within=within,
            instead=self.so_far,
        )

    def _caller_facts(self) -> list[Fact]:
        """What the caller's phone said of calls that it made."""
        facts = self._play.facts(self.caller.name, self.first_fact)
        came = {fact.call for fact in facts if fact.what is What.INVITED}
        return [fact for fact in facts if fact.what in CALLER_SIDE and fact.call not in came]

    def _facts(self, what: What) -> list[Fact]:
        number = self.number_at_caller
        return [fact for fact in self._caller_facts() if fact.what is what and fact.call == number]

    def _first(self, what: What) -> Fact | None:
        return next(iter(self._facts(what)), None)

    def _picked_up(self, party: Party) -> Fact | None:
        facts = self._play.facts(party.name, self.first_fact, (What.PICKED_UP,))
        return next((fact for fact in facts if fact.call_id == self.call_id), None)

    def _over_or_elsewhere(self, party: Party) -> bool:
        if self._first(What.ANSWERED) is None:
            return self._first(What.ENDED) is not None
        assert self._play.stage is not None
        others = [
            fact
            for fact in self._play.stage.facts[self.first_fact :]
            if fact.what is What.PICKED_UP and fact.call_id == self.call_id
        ]
        return bool(others) and all(fact.who != party.name for fact in others)

    def _story(self) -> Story | None:
        stage = self._play.stage
        if stage is None:
            return None
        own = "" if self._own is None else self._own[1]
        return stage.story(own, self.caller.number, self.began)

    def so_far(self) -> str:
        """How it stands, in a sentence."""
        story = self._story()
        ended = self._first(What.ENDED)
        told = [] if story is None or not story.verdict else [story.verdict]
        if story is None:
            told.append("No node has a story of it")
        if ended is not None:
            said = "" if ended.status is None else f" ({ended.status})"
            told.append(f"The caller saw it end at {seconds(ended.at)}: {ended.text}{said}")
        return "\n".join(text if text.endswith(".") else f"{text}." for text in told)
