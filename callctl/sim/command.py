"""`callctl sim`: plain functions, which the command line mounts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from callctl.sim.runner import run, run_many
from sipstack.timing import SECOND

SHOWN_MAX: Final = 20  # failed seeds that are told in full

Say = Callable[[str], None]


def simulate(
    seed: int, runs: int = 1, *, trace: bool = False, processes: int = 1, say: Say = print
) -> int:
    """Run the simulated world `runs` times, from `seed` on; returns the exit code.

    `trace` prints every message of the runs, for which one process has to do. 0: nothing happened
    that must not; 1: something did, and the seeds are named with the command that repeats them.
    """
    say(f"seed {seed}" if runs == 1 else f"seeds {seed} to {seed + runs - 1}")
    if trace:
        failed = [each for each in range(seed, seed + runs) if not _with_trace(each, say)]
        return _ending(failed, runs, 0.0, {}, say)
    failed = []
    virtual_s = 0.0
    stats: dict[str, int] = {}
    for verdict in run_many(range(seed, seed + runs), processes):
        virtual_s += verdict.seconds
        for name, count in verdict.stats.items():
            stats[name] = stats.get(name, 0) + count
        if verdict.violations:
            failed.append(verdict.seed)
        if verdict.violations and len(failed) <= SHOWN_MAX:
            say(f"seed {verdict.seed} FAILED; to repeat: callctl sim --seed {verdict.seed} --trace")
            for violation in verdict.violations:
                say(f"  {violation}")
    return _ending(failed, runs, virtual_s, stats, say)


def _with_trace(seed: int, say: Say) -> bool:
    result = run(seed)
    for line in result.trace.lines():
        say(line)
    say(f"seed {seed}: {result.ended_at / SECOND:.3f} s, trace {result.trace.digest()}")
    for violation in result.violations:
        say(f"  {violation}")
    return result.ok


def _ending(failed: list[int], runs: int, virtual_s: float, stats: dict[str, int], say: Say) -> int:
    if stats:
        say(f"{runs} runs, {virtual_s / 3600:.1f} h of virtual time: {_summary(stats)}")
    if not failed:
        say("no violation")
        return 0
    say(f"{len(failed)} of {runs} runs broke an invariant; to repeat:")
    for seed in failed[:SHOWN_MAX]:
        say(f"  callctl sim --seed {seed}")
    return 1


def _summary(stats: dict[str, int]) -> str:
    named = {
        "push incoming": "ring pushes",
        "push missed": "missed pushes",
        "push answeredElsewhere": "elsewhere pushes",
        "phone AppWoken": "phones woken",
        "phone CallAnswered": "calls answered by phones",
        "agent CallEnded": "calls and legs of desk phones ended",
    }
    return ", ".join(f"{stats[name]} {text}" for name, text in named.items() if name in stats)
