"""The same work for many things, in several processes: results in order, nothing piles up."""

from __future__ import annotations

import gc
import signal
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from multiprocessing import active_children
from typing import Final, TypeVar

T = TypeVar("T")
R = TypeVar("R")

COLLECT_EVERY: Final = 50  # things; each leaves cycles behind, and a collection costs more than it
AHEAD: Final = 3  # parcels that wait for each process: enough that none is ever idle


def in_order(
    do: Callable[[T], R], things: Iterable[T], processes: int, at_once: int = 1
) -> Generator[R, None, None]:
    """`do` of each thing, in the order of the things, in this process or in several.

    Things are taken as they are needed. Who stops asking, or is interrupted, leaves no process
    behind. `at_once` things go to a process in one parcel.
    """
    return _here(do, things) if processes == 1 else _elsewhere(do, things, processes, at_once)


def _here(do: Callable[[T], R], things: Iterable[T]) -> Generator[R, None, None]:
    _freeze()
    gc.disable()
    try:
        for number, thing in enumerate(things, start=1):
            yield do(thing)
            if number % COLLECT_EVERY == 0:
                gc.collect()
    finally:
        gc.enable()
        gc.unfreeze()


def _elsewhere(
    do: Callable[[T], R], things: Iterable[T], processes: int, at_once: int
) -> Generator[R, None, None]:
    parcels = _parcels(iter(things), at_once)
    before = active_children()
    with ProcessPoolExecutor(processes, initializer=_begin) as pool:
        first = islice(parcels, AHEAD * processes)
        waiting = deque(pool.submit(_all, do, parcel) for parcel in first)
        try:
            while waiting:
                yield from waiting.popleft().result()
                waiting.extend(pool.submit(_all, do, parcel) for parcel in islice(parcels, 1))
        except BaseException:
            # Nobody asks any more, and what they are at may take long. What waits is left to the
            # pool, which cannot stand it if they are gone and somebody else has cancelled it.
            for child in active_children():
                if child not in before:
                    child.terminate()
            raise


def _freeze() -> None:
    """What is there by now stays for good: the collector need not look at it again."""
    gc.collect()
    gc.freeze()


def _parcels(things: Iterator[T], size: int) -> Iterator[tuple[T, ...]]:
    while parcel := tuple(islice(things, size)):
        yield parcel


def _all(do: Callable[[T], R], things: tuple[T, ...]) -> list[R]:
    return [do(thing) for thing in things]


def _begin() -> None:
    # Ctrl-C goes to all of them: they end without a word, the one that asked says what is said.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    _freeze()
