"""Hosts a world over sockets beside a test, in the event loop of whoever runs the test."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from callctl.testing.play import SetUpError
from callctl.testing.stage import FileCast

if TYPE_CHECKING:
    from callctl.testing.plan import Plan
    from callctl.testing.stage import Stage


class LiveHost:
    """A theatre for one test. The world lives in a task of its own, so that its first word may be
    said under any cancel scope."""

    live = True

    def __init__(self) -> None:
        self._plan: Plan | None = None
        self._stage: Stage | None = None
        self._error: Exception | None = None
        self._wanted: anyio.Event | None = None  # or the test is over
        self._ready: anyio.Event | None = None
        self._over: anyio.Event | None = None

    def read(self, file: Path) -> FileCast:
        """Who is in a cluster file."""
        from callctl.testing.casting import read_cast

        return read_cast(file)

    async def raise_curtain(self, plan: Plan) -> Stage:
        """The world of a plan, once everybody is in place."""
        if self._wanted is None or self._ready is None:
            raise SetUpError("a live test is `async def`, and nothing is awaited before it")
        self._plan = plan
        self._wanted.set()
        await self._ready.wait()
        if self._error is not None:
            raise self._error
        assert self._stage is not None
        return self._stage

    async def beside(self, test: Callable[[], Awaitable[None]]) -> None:
        """Run a test, and a world as soon as it wants one."""
        __tracebackhide__ = True
        _be_asyncio()
        self._wanted, self._ready, self._over = anyio.Event(), anyio.Event(), anyio.Event()
        failure: BaseException | None = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._host, self._wanted, self._ready, self._over)
            try:
                await test()
            except anyio.get_cancelled_exc_class():
                raise
            except BaseException as error:  # a test that is skipped raises no `Exception`
                failure = error  # raised below: a task group would put it into a group
            self._over.set()
            self._wanted.set()
        if failure is not None:
            raise failure

    async def _host(self, wanted: anyio.Event, ready: anyio.Event, over: anyio.Event) -> None:
        await wanted.wait()
        if self._plan is None:
            return
        from callctl.testing.live import live_stage

        try:
            async with live_stage(self._plan) as stage:
                self._stage = stage
                ready.set()
                await over.wait()
        except Exception as error:
            if ready.is_set():
                raise
            self._error = _first(error)
            ready.set()


def _be_asyncio() -> None:
    """Raises: SetUpError on another event loop.

    Where sniffio is installed anyio asks it, and in callbacks of a loop that anyio has not started
    it only knows what it was told in their context.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise SetUpError("a live test runs on asyncio, and on no other event loop") from None
    if find_spec("sniffio") is not None:
        import_module("sniffio").current_async_library_cvar.set("asyncio")


def _first(error: Exception) -> Exception:
    """What made a group of exceptions."""
    while isinstance(error, ExceptionGroup) and error.exceptions:
        error = error.exceptions[0]
    return error
