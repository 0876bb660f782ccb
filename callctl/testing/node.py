"""A node of the cluster: how it goes, and how it comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from callctl.testing.play import SetUpError
from callctl.testing.word import expect, word

if TYPE_CHECKING:
    from callctl.testing.play import Play
    from callctl.testing.stage import NodeHands, Stage


class Node:
    """One call-control node, CallManager and push service."""

    def __init__(self, play: Play, name: str) -> None:
        self._play = play
        self.name = name
        self.push_service = PushService(play, name)

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"<node {self.name}>"

    @word
    async def dies(self) -> None:
        """Its process is gone without a word: connections break, and new ones are refused. The
        other nodes find out when its heartbeats stop."""
        await (await self._lost("dies")).kill()

    @word
    async def stops(self) -> None:
        """It leaves in order: the others know at once, its callers get 503."""
        await (await self._lost("stops")).stop()

    @word
    async def loses_power(self) -> None:
        """The whole machine is gone: nothing is closed or refused, everything stays unanswered."""
        await (await self._lost("loses power")).power_off()

    @word
    async def comes_back(self) -> None:
        """The same node again, knowing nothing of what was."""
        stage = await self._play.begun()
        if self.running:
            raise SetUpError(f"{self} comes back: it runs")
        stage.note(self.name, "comes back")
        await self._hands(stage).start()

    @word
    async def is_in_service(self, *, within: float | None = None) -> None:
        """Every other node knows that it is there."""
        __tracebackhide__ = True
        await self._is(True, "in service", within)

    @word
    async def is_out_of_service(self, *, within: float | None = None) -> None:
        """Every other node knows that it is gone, or that its push service is."""
        __tracebackhide__ = True
        await self._is(False, "out of service", within)

    @property
    def running(self) -> bool:
        """True from its start to its end; also before the test has begun."""
        return self._play.stage is None or self._hands(self._play.stage).running

    async def _is(self, wanted: bool, state: str, within: float | None) -> None:
        __tracebackhide__ = True
        stage = await self._play.begun()
        hands = self._hands(stage)
        await expect(
            self._play,
            f"all nodes take {self} for {state}",
            lambda: (hands.in_service is wanted) or None,
            within=within,
            instead=lambda: "not all of them do.",
        )

    async def _lost(self, how: str) -> NodeHands:
        stage = await self._play.begun()
        if not self.running:
            raise SetUpError(f"{self} {how}: it does not run")
        stage.note(self.name, how)
        return self._hands(stage)

    def _hands(self, stage: Stage) -> NodeHands:
        return stage.node(self.name)


class PushService:
    """The Cisco Push Notification Service of a node, a process of its own."""

    def __init__(self, play: Play, node: str) -> None:
        self._play = play
        self._node = node

    def __str__(self) -> str:
        return f"the push service of {self._node}"

    @word
    async def stops(self) -> None:
        """The administrator stops it: the node counts as out of service from now on."""
        await (await self._told("push service stops")).stop_service()

    @word
    async def starts(self) -> None:
        """The administrator starts it again."""
        await (await self._told("push service starts")).start_service()

    @word
    async def dies(self) -> None:
        """Its process is gone without a word."""
        await (await self._told("push service dies")).kill_service()

    @word
    async def hangs(self) -> None:
        """It is there and does nothing any more."""
        await (await self._told("push service hangs")).hang_service(True)

    @word
    async def goes_on(self) -> None:
        """It does what it had left when it hung."""
        await (await self._told("push service goes on")).hang_service(False)

    async def _told(self, what: str) -> NodeHands:
        stage = await self._play.begun()
        stage.note(self._node, what)
        return stage.node(self._node)
