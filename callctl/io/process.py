"""The process around the shells: which event loop, and how memory is looked after."""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Final, TypeVar, TypeVarTuple

import anyio

Args = TypeVarTuple("Args")
T = TypeVar("T")

YOUNG_MAX: Final = 50_000
"""Objects before a collection. A call holds some hundred for seconds; with Python's own 700 most
of a busy node's time went into looking at them again and again."""


def run_loop(main: Callable[[*Args], Awaitable[T]], *args: *Args) -> T:
    """Run `main(*args)`: on uvloop where there is one, else on asyncio's own loop."""
    fast = find_spec("uvloop") is not None
    return anyio.run(main, *args, backend="asyncio", backend_options={"use_uvloop": fast})


@contextmanager
def settled_memory() -> Iterator[None]:
    """Enter once everything that stays is in place: the collector leaves it alone meanwhile."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_MAX, 20, 1_000)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
