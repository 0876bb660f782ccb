"""Those who call and are called: words of every phone, and those of desk phones and trunk peers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Final

from callctl.testing.call import Call
from callctl.testing.fact import SECOND_NS, Fact, What
from callctl.testing.play import Play, SetUpError
from callctl.testing.word import NotAsExpected, expect, word

if TYPE_CHECKING:
    from callctl.testing.stage import DeskHands, Stage

FACTS_TOLD: Final = 8  # the last of them, where a word has waited in vain
RINGS: Final = frozenset({What.INVITED, What.RANG, What.SHOWN, What.NOTIFIED})
"""What a phone that is to be left in peace must not do."""


class Party:
    """Somebody with a phone, and that phone: the owner answers, the phone rings.

    A word about calls that come looks at what has happened since the newest call that was placed to
    this party; a word about calls that go, at the newest that this party placed.
    """

    kind: ClassVar[str] = "party"

    def __init__(self, play: Play, name: str, numbers: tuple[str, ...]) -> None:
        self._play = play
        self.name = name
        self.numbers = numbers

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"<{self.kind} {self.name}, {self.number}>"

    @property
    def number(self) -> str:
        """The directory number."""
        return self.numbers[0]

    # Words of who calls.

    @word
    async def calls(self, target: Party | str) -> Call:
        """Place a call to somebody, or to a number."""
        stage = await self._play.begun()
        number = target if isinstance(target, str) else target.number
        call = Call(self._play, self, number, stage.leads_to(number))
        stage.note(self.name, f"calls {number}")
        self._place(stage, number, call)
        self._play.calls.append(call)
        return call

    @word
    async def hears_ringing(self, *, within: float | None = None) -> None:
        """The caller has heard a 180 for its newest call, from whoever sent it."""
        __tracebackhide__ = True
        call = self._placed()
        await expect(
            self._play,
            f"{self} hears ringing",
            lambda: call.rang_after_s,
            within=within,
            refuted=lambda: call.over,
            instead=lambda: self._since(call.first_fact),
        )

    @word
    async def gives_up(self) -> None:
        """Hang up before the answer."""
        __tracebackhide__ = True
        stage = await self._play.begun()
        call = self._placed()
        if call.has_final:
            raise NotAsExpected(
                f"{self} gives up before the answer",
                self._since(call.first_fact),
                stage.now / SECOND_NS,
            )
        stage.note(self.name, "gives up")
        self._hang_up(stage)

    @word
    async def hangs_up(self, *, within: float | None = None) -> None:
        """End the call that was answered, whoever placed it, and see it end."""
        __tracebackhide__ = True
        stage = await self._play.begun()
        first = self._first_of_any_call()
        talked = self._play.facts(self.name, first, (What.PICKED_UP, What.ANSWERED))
        if not talked:
            raise NotAsExpected(
                f"{self} has a call to hang up", self._since(first), stage.now / SECOND_NS
            )
        stage.note(self.name, "hangs up")
        self._hang_up(stage)
        await self._sees(
            What.ENDED,
            f"{self} sees the call end",
            first,
            within,
            lambda it: it.call == talked[-1].call,
        )

    # Words of who is called.

    @word
    async def rings(self, *, within: float | None = None) -> None:
        """The INVITE is there, and the phone rings."""
        __tracebackhide__ = True
        await self._has(What.RANG, f"{self} rings", within)

    @word
    async def answers(self, *, within: float | None = None) -> None:
        """Pick up as soon as it rings, and talk."""
        __tracebackhide__ = True
        stage = await self._play.begun()
        rang = await self._has(What.RANG, f"{self} rings and is picked up", within)
        stage.note(self.name, "picks up")
        self._answer(stage, rang.call)
        await self._has(What.PICKED_UP, f"{self} talks after it was picked up", within)

    @word
    async def declines(self, status: int = 603, *, within: float | None = None) -> None:
        """Refuse the call as soon as it rings: 603 declined, 486 busy."""
        __tracebackhide__ = True
        stage = await self._play.begun()
        rang = await self._has(What.RANG, f"{self} rings and declines", within)
        stage.note(self.name, f"declines with {status}")
        self._decline(stage, rang.call, status)
        await self._has(What.ENDED, f"{self} sees the call end that it declined", within)

    @word
    async def stays_quiet(self, seconds: float) -> None:
        """For so long nothing rings or shows."""
        __tracebackhide__ = True
        await self._undisturbed(RINGS, seconds, f"{self} stays quiet for {seconds:g} s")

    # What is known.

    @property
    def since(self) -> int:
        """Number of the first fact that a word about calls that come looks at."""
        call = self._play.last_call_to(self.numbers)
        return 0 if call is None else call.first_fact

    # Inside.

    async def _undisturbed(
        self, disturbing: frozenset[What], seconds: float, expected: str
    ) -> None:
        """For so long nothing of this happens. Raises: NotAsExpected"""
        __tracebackhide__ = True
        stage = await self._play.begun()
        since = self.since

        def disturbed() -> list[Fact]:
            return self._play.facts(self.name, since, disturbing)

        await stage.until(lambda: bool(disturbed()), round(seconds * SECOND_NS))
        if disturbed():
            raise NotAsExpected(expected, self._since(since), stage.now / SECOND_NS)

    def _place(self, stage: Stage, number: str, call: Call) -> None:
        raise NotImplementedError

    def _answer(self, stage: Stage, call: int) -> None:
        raise NotImplementedError

    def _decline(self, stage: Stage, call: int, status: int) -> None:
        raise NotImplementedError

    def _hang_up(self, stage: Stage) -> None:
        raise NotImplementedError

    def _placed(self) -> Call:
        call = next((it for it in reversed(self._play.calls) if it.caller is self), None)
        if call is None:
            raise SetUpError(f"{self} has placed no call: await {self}.calls(...) first")
        return call

    def _first_of_any_call(self) -> int:
        placed = [it.first_fact for it in self._play.calls if it.caller is self]
        return max([self.since, *placed[-1:]])

    async def _has(self, what: What, expected: str, within: float | None) -> Fact:
        __tracebackhide__ = True
        return await self._sees(what, expected, self.since, within)

    async def _sees(
        self,
        what: What,
        expected: str,
        since: int,
        within: float | None,
        fits: Callable[[Fact], bool] = lambda _: True,
    ) -> Fact:
        """Wait for the newest fact of a kind."""
        __tracebackhide__ = True

        def found() -> Fact | None:
            facts = [it for it in self._play.facts(self.name, since, (what,)) if fits(it)]
            return facts[-1] if facts else None

        return await expect(
            self._play, expected, found, within=within, instead=lambda: self._since(since)
        )

    def _since(self, first_fact: int) -> str:
        """What happened at this party, in a sentence, and how the call to it stands."""
        facts = self._play.facts(self.name, first_fact)
        told = ", ".join(str(fact) for fact in facts[-FACTS_TOLD:])
        sentence = f"{self} {told}." if facts else f"nothing has happened at {self}."
        call = self._play.last_call_to(self.numbers)
        return sentence if call is None else f"{sentence}\n{call.so_far()}".rstrip()


class AlwaysOn(Party):
    """A phone that does not sleep."""

    @word
    async def loses_network(self) -> None:
        """From now on nothing reaches it, and nothing leaves it."""
        stage = await self._play.begun()
        stage.note(self.name, "loses its network")
        self._hands(stage).set_online(False)

    @word
    async def finds_network(self) -> None:
        """It can be reached again."""
        stage = await self._play.begun()
        stage.note(self.name, "finds its network")
        self._hands(stage).set_online(True)

    def _hands(self, stage: Stage) -> DeskHands:
        return stage.desk(self.name)

    def _place(self, stage: Stage, number: str, call: Call) -> None:
        call.is_known_as(*self._hands(stage).call(number))

    def _answer(self, stage: Stage, call: int) -> None:
        self._hands(stage).answer(call)

    def _decline(self, stage: Stage, call: int, status: int) -> None:
        self._hands(stage).decline(call, status)

    def _hang_up(self, stage: Stage) -> None:
        came = [it.call for it in self._play.facts(self.name, 0, (What.INVITED,))]
        placed = [it.number_at_caller for it in self._play.calls if it.caller is self]
        over = {it.call for it in self._play.facts(self.name, 0, (What.ENDED,))}
        for number in (*came, *placed):
            if number is not None and number not in over:
                self._hands(stage).hang_up(number)


class DeskPhone(AlwaysOn):
    """A phone that is always on. `caller` is one."""

    kind = "desk phone"

    @word
    async def registers(self, *, within: float | None = None) -> None:
        """Register, where it is not yet, or again."""
        __tracebackhide__ = True
        stage = await self._play.begun()
        first = len(stage.facts)
        self._hands(stage).register()
        await self._sees(What.REGISTERED, f"{self} registers", first, within)

    @word
    async def unregisters(self) -> None:
        """Have its contact removed."""
        stage = await self._play.begun()
        stage.note(self.name, "unregisters")
        self._hands(stage).unregister()


class TrunkPeer(AlwaysOn):
    """The far end of a trunk, at one of its destinations: it calls, and is called, unregistered."""

    kind = "trunk peer"

    @word
    async def dies(self) -> None:
        """Its process is gone: connections are closed, and new ones refused."""
        stage = await self._play.begun()
        stage.note(self.name, "dies")
        self._hands(stage).set_power(False)

    @word
    async def comes_back(self) -> None:
        """It can be reached again."""
        stage = await self._play.begun()
        stage.note(self.name, "comes back")
        self._hands(stage).set_power(True)
