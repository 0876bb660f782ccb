"""What makes a method a word of the kit, and how a word waits for what it says."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec, Protocol, TypeVar

from callctl.testing.fact import SECOND_NS

if TYPE_CHECKING:
    from callctl.testing.play import Play

P = ParamSpec("P")
T = TypeVar("T")

INDENT: Final = "\n          "


class NotAsExpected(AssertionError):
    """A word waited for something that did not come to pass."""

    def __init__(self, expected: str, instead: str, at: float) -> None:
        super().__init__(f"expected: {expected}\n instead: {INDENT.join(instead.splitlines())}")
        self.expected = expected
        self.instead = instead
        self.at = at  # s since the test began


class Speaks(Protocol):
    """Whatever has words."""

    @property
    def _play(self) -> Play: ...


S = TypeVar("S", bound=Speaks)


def word(
    method: Callable[Concatenate[S, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[S, P], Coroutine[Any, Any, T]]:
    """Let the test find out whether a word was awaited: one that was not has tested nothing."""

    @wraps(method)
    def said(self: S, /, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]:
        coroutine = method(self, *args, **kwargs)
        self._play.said(f"{self}.{method.__name__}", coroutine)
        return coroutine

    return said


def not_awaited(coroutine: Coroutine[Any, Any, object]) -> bool:
    """True if a word was said and never awaited; it is closed then, and can be no more."""
    if inspect.getcoroutinestate(coroutine) != inspect.CORO_CREATED:
        return False
    coroutine.close()
    return True


async def expect(
    play: Play,
    what: str,
    found: Callable[[], T | None],
    *,
    instead: Callable[[], str],
    within: float | None = None,
    refuted: Callable[[], bool] = lambda: False,
) -> T:
    """Let time pass until something is found.

    Args:
        what: in words, for who reads that it was not.
        found: None as long as it is not there.
        instead: in words, what happened meanwhile.
        within: seconds; None for the patience of the world.
        refuted: True once it cannot come any more.
    Raises: NotAsExpected.
    """
    __tracebackhide__ = True
    stage = await play.begun()
    limit_ns = stage.patience_ns if within is None else round(within * SECOND_NS)
    if found() is None:
        await stage.until(lambda: found() is not None or refuted(), limit_ns)
    thing = found()
    if thing is None:
        waited = "" if refuted() else f" within {limit_ns / SECOND_NS:g} s"
        raise NotAsExpected(f"{what}{waited}", instead(), stage.now / SECOND_NS)
    return thing
