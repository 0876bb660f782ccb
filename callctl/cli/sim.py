"""`callctl sim`: the simulated world, seed after seed, by itself or as a world file has it."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import Annotated, Final

from cyclopts import Group, Parameter

RUNS: Final = Group.create_ordered("Runs")
TOLD: Final = Group.create_ordered("What is told")
FILES: Final = Group.create_ordered("Files")
EXPLORER: Final = Group.create_ordered("The small model")

PROCESSES_MAX: Final = 64
RUNS_MAX: Final = 100_000_000
LOSSES: Final = 2


def sim(
    world: Annotated[
        Path | None, Parameter(help="A world file: every key is described in docs/simulation.md.")
    ] = None,
    /,
    *,
    seed: Annotated[
        int | None, Parameter(help="The first seed; else that of the file, or 1.", group=RUNS)
    ] = None,
    runs: Annotated[int, Parameter(help="How many seeds, one after the other.", group=RUNS)] = 1,
    processes: Annotated[int, Parameter(help="Run so many at a time.", group=RUNS)] = 1,
    set_: Annotated[
        tuple[str, ...],
        Parameter(
            name="--set",
            help="A key of the world file, over the file: faults.weather.sip.loss=20. "
            "May come again.",
            consume_multiple=False,
            negative="",
            group=RUNS,
        ),
    ] = (),
    trace: Annotated[bool, Parameter(negative="", help="Print every message.", group=TOLD)] = False,
    coverage: Annotated[
        bool,
        Parameter(
            negative="",
            help="Print how often each fault hit while a call was in each state.",
            group=TOLD,
        ),
    ] = False,
    json: Annotated[
        bool, Parameter(negative="", help="Print one JSON object instead.", group=TOLD)
    ] = False,
    write_world: Annotated[
        Path | None, Parameter(help="Write the world of the seed as a world file.", group=FILES)
    ] = None,
    pcap: Annotated[
        Path | None,
        Parameter(
            help="Write what the nodes of the run saw: a pcapng for Wireshark, with notes and "
            "cluster beside it for `callctl replay`.",
            group=FILES,
        ),
    ] = None,
    shrink: Annotated[
        Path | None,
        Parameter(
            help="Cut the first seed that fails down to the least that still breaks the same "
            "invariant, and write it as a world file.",
            group=FILES,
        ),
    ] = None,
    explore: Annotated[
        bool,
        Parameter(
            negative="",
            help="Play the small model with every placing of lost messages and pushes.",
            group=EXPLORER,
        ),
    ] = False,
    losses: Annotated[
        int, Parameter(help="Lose so many at most in each run: 0, 1 or 2.", group=EXPLORER)
    ] = LOSSES,
    lose: Annotated[
        str | None,
        Parameter(help="Play one run of it, as it was told: phone-answers:12,34.", group=EXPLORER),
    ] = None,
) -> int:
    """Run nodes, phones, cloud and network in virtual time, checking every invariant.

    Exits with 1 if a run broke one; the same seed repeats it octet for octet.
    """
    from callctl.cli.errors import Usage
    from callctl.cli.exit_code import USAGE
    from callctl.cli.output import print_error
    from callctl.cli.sim_run import explored, played
    from callctl.errors import ConfigError
    from callctl.sim.command import Order
    from callctl.sim.workload import draw
    from callctl.sim.world_file.read import read_world

    if not 1 <= processes <= PROCESSES_MAX:
        raise Usage(f"--processes {processes}: 1 to {PROCESSES_MAX}")
    if trace and json:
        raise Usage("--trace or --json, one of the two")
    if explore or lose is not None:
        if world is not None or seed is not None or runs != 1 or set_:
            raise Usage("--explore has a world of its own: no file, --seed, --runs or --set")
        if write_world or pcap or shrink or coverage or (trace and lose is None):
            raise Usage("--explore goes with --losses, --lose, --processes and --json")
        return explored(lose, losses, processes, trace=trace, json=json)
    if losses != LOSSES:
        raise Usage("--losses goes with --explore only")
    if not 1 <= runs <= RUNS_MAX:
        raise Usage(f"--runs {runs}: 1 to {RUNS_MAX}")
    if seed is not None and seed < 0:
        raise Usage(f"--seed {seed}: 0 or more")
    if runs > 1 and (write_world or pcap):
        raise Usage(f"{'--write-world' if write_world else '--pcap'} is for one run: --runs 1")
    scenario_of, first = draw, 1
    if world is not None or set_:
        try:
            read = read_world(world, set_)
        except ConfigError as error:
            for finding in error.findings:
                print_error(str(finding))
            return USAGE
        scenario_of, first = read.scenario, read.seed
    words = ["callctl sim", *(quote(str(it)) for it in (world,) if it is not None)]
    words += [f"--set {quote(text)}" for text in set_]
    order = Order(
        first if seed is None else seed,
        runs,
        scenario_of,
        " ".join(words),
        trace,
        processes,
        coverage,
        shrink,
    )
    return played(order, write_world=write_world, pcap=pcap, json=json)
