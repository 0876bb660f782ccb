"""Runs test functions: by hand in virtual time, where nothing ever waits for an event loop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from functools import wraps
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from callctl.testing.play import Play

if TYPE_CHECKING:
    from callctl.testing.live_host import LiveHost

T = TypeVar("T")

NEEDS_LOOP = (
    "the test waits for something of an event loop, which a virtual test has none of: "
    "mark it with @pytest.mark.anyio, or with @pytest.mark.asyncio of pytest-asyncio"
)


class InvariantBroken(AssertionError):
    """The judges of the simulated world have something to say."""


class NothingTested(AssertionError):
    """A word was said and not awaited."""


class Perform(Protocol):
    """Awaits a word where nothing can be awaited: in a test that is no `async def`."""

    def __call__(self, word: Coroutine[Any, Any, T], /) -> T: ...


def by_hand(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that waits for nothing but words.

    Raises: RuntimeError if it waits for an event loop.
    """
    __tracebackhide__ = True
    try:
        coroutine.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    coroutine.close()
    raise RuntimeError(NEEDS_LOOP)


def judged(test: Callable[..., None], play: Play) -> Callable[..., None]:
    """A test that is no `async def`, with the end of its world behind it."""

    @wraps(test)
    def whole(*args: object, **kwargs: object) -> None:
        __tracebackhide__ = True
        try:
            test(*args, **kwargs)
        finally:
            play.end()
        conclude(play)

    return whole


def judged_async(
    test: Callable[..., Awaitable[None]], play: Play, host: LiveHost | None
) -> Callable[..., Coroutine[Any, Any, None]]:
    """An async test, with the end of its world behind it, and for a `host` its world beside it."""

    async def alone(*args: object, **kwargs: object) -> None:
        __tracebackhide__ = True
        try:
            await test(*args, **kwargs)
        finally:
            play.end()

    @wraps(test)
    async def whole(*args: object, **kwargs: object) -> None:
        __tracebackhide__ = True
        if host is None:
            await alone(*args, **kwargs)
        else:
            await host.beside(lambda: alone(*args, **kwargs))
        conclude(play)

    return whole


def conclude(play: Play) -> None:
    """The last look. Raises: NothingTested, InvariantBroken."""
    __tracebackhide__ = True
    forgotten = play.forgotten_words()
    if forgotten:
        raise NothingTested(
            f"said and not awaited: {', '.join(forgotten)}. Write `await` in front, in an "
            "`async def` test; in another, hand it to the fixture `perform`"
        )
    broken = play.judge()
    if broken:
        raise InvariantBroken("the cluster broke its own rules:\n" + "\n".join(broken))
