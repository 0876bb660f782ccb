"""`callctl sim`: the simulated world, seed after seed."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter


def sim(
    *,
    seed: Annotated[int, Parameter(help="The first seed.")] = 1,
    runs: Annotated[int, Parameter(help="How many seeds, one after the other.")] = 1,
    processes: Annotated[int, Parameter(help="Run so many at a time.")] = 1,
    trace: Annotated[bool, Parameter(negative="", help="Print every message.")] = False,
) -> int:
    """Run nodes, phones, cloud and network in virtual time, checking every invariant.

    Exits with 1 if a seed broke one; the same seed repeats it octet for octet.
    """
    from callctl.sim.command import simulate

    return simulate(seed, runs, trace=trace, processes=processes)
