"""The network between nodes, phones, callers and trunk peers; not the one to the cloud."""

from __future__ import annotations

from typing import TYPE_CHECKING

from callctl.testing.fact import SECOND_NS
from callctl.testing.node import Node
from callctl.testing.party import Party
from callctl.testing.play import SetUpError
from callctl.testing.recording import NETWORK
from callctl.testing.word import word

if TYPE_CHECKING:
    from callctl.testing.play import Play


class Network:
    """Every link. Places are named, or given as the node or phone that is there."""

    def __init__(self, play: Play) -> None:
        self._play = play

    def __str__(self) -> str:
        return "network"

    @word
    async def cuts(self, one: Node | Party | str, other: Node | Party | str) -> None:
        """Nothing gets through between two places, either way; nobody is told."""
        if str(one) == str(other):
            raise SetUpError(f"network.cuts: {one} has no link to itself")
        stage = await self._play.begun()
        stage.note(NETWORK, f"link between {one} and {other} cut")
        stage.network.cut(str(one), str(other))

    @word
    async def isolates(self, place: Node | Party | str) -> None:
        """Cut every link of one place: it runs on, and hears nobody."""
        stage = await self._play.begun()
        stage.note(NETWORK, f"{place} cut off from everybody")
        stage.network.isolate(str(place))

    @word
    async def heals(self) -> None:
        """Every link is there again, and loses and delays nothing more than at first."""
        stage = await self._play.begun()
        stage.note(NETWORK, "all links are well")
        stage.network.heal()

    @word
    async def loses(self, share: float) -> None:
        """From now on this share of packets is lost, 0.3 for three of ten.

        What a datagram held is gone; what a stream held comes late, and in order.
        """
        if not 0 <= share <= 1:
            raise SetUpError(f"network.loses({share}): a share is from 0 to 1")
        stage = await self._play.begun()
        stage.note(NETWORK, f"{share:.0%} of packets are lost")
        stage.network.lose(share)

    @word
    async def delays(self, seconds: float, most: float | None = None) -> None:
        """From now on packets take so long, or from this to `most`, so that datagrams overtake
        each other."""
        if seconds < 0 or (most is not None and most < seconds):
            raise SetUpError(f"network.delays({seconds}, {most}): least and most, not below 0")
        stage = await self._play.begun()
        upper = seconds if most is None else most
        stage.note(NETWORK, f"packets take {seconds:g} to {upper:g} s")
        stage.network.delay(round(seconds * SECOND_NS), round(upper * SECOND_NS))
