"""Opens the first connection of a pool, and says whether the pool could be made.

Source: CPNS-07, PROXY-11, alarm F6.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import anyio

from callctl.egress.failure import ExchangeFailed
from callctl.egress.pool_state import PoolFailed, PoolMade, PoolState

OnPoolState: TypeAlias = Callable[[PoolState], None]


class PoolMaker:
    """The state of one pool: unknown until its first connection is there or has failed."""

    def __init__(
        self,
        open_one: Callable[[], Awaitable[Any]],
        remake_s: float,
        on_state: OnPoolState | None,
    ) -> None:
        self._open_one = open_one
        self._remake_s = remake_s
        self._on_state = on_state
        self._state: PoolState | None = None
        self._nudge = anyio.Event()

    async def run(self) -> None:
        """Open a connection at the start, after a change, and for as long as it fails."""
        while True:
            if not isinstance(self._state, PoolMade):
                await self._open_one()
            if isinstance(self._state, PoolMade):
                await self._nudge.wait()
            else:
                with anyio.move_on_after(self._remake_s):
                    await self._nudge.wait()
            self._nudge = anyio.Event()

    def remake(self) -> None:
        """The settings were changed: what was true of the old ones says nothing."""
        self._state = None
        self._nudge.set()

    def connected(self) -> None:
        """A connection was made, whoever wanted it."""
        self._enter(PoolMade())

    def failed(self, failure: ExchangeFailed, *, empty: bool) -> None:
        """A connection was not made. `empty`: the pool has no other.

        A pool that was made once is only unmade by its proxy: that a cloud is down is no fault of
        the settings.
        """
        if isinstance(self._state, PoolMade) and not (failure.at_proxy and empty):
            return
        self._enter(PoolFailed(failure.step, failure.detail))

    def _enter(self, state: PoolState) -> None:
        if state == self._state:
            return
        was, self._state = self._state, state
        if isinstance(was, PoolMade):
            self._nudge.set()
        if self._on_state is not None:
            self._on_state(state)
