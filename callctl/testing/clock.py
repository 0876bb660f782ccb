"""The time of the test."""

from __future__ import annotations

from typing import TYPE_CHECKING

from callctl.testing.fact import SECOND_NS
from callctl.testing.word import word

if TYPE_CHECKING:
    from callctl.testing.play import Play


class Clock:
    """Virtual, unless the test is live: an hour passes in milliseconds, and only when asked to."""

    def __init__(self, play: Play) -> None:
        self._play = play

    def __str__(self) -> str:
        return "clock"

    def __repr__(self) -> str:
        return f"<clock: {self.now:.3f} s>"

    @property
    def now(self) -> float:
        """Seconds since the test began, with everybody in place."""
        return 0.0 if self._play.stage is None else self._play.stage.now / SECOND_NS

    @word
    async def passes(
        self, seconds: float = 0.0, *, minutes: float = 0.0, hours: float = 0.0
    ) -> None:
        """Let so much time pass, with all that happens in it."""
        stage = await self._play.begun()
        ns = round((seconds + 60 * minutes + 3600 * hours) * SECOND_NS)
        await stage.until(lambda: False, ns)
