"""Carries out what `callctl sim` was asked for: files are written here."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from callctl.cli.errors import Usage
from callctl.cli.exit_code import NEGATIVE, OK
from callctl.cli.output import print_json
from callctl.cli.sim_capture import write_capture
from callctl.sim.command import Order, carry_out
from callctl.sim.explorer import Explored, explore, play_once
from callctl.sim.report import Report
from callctl.sim.small_model import LOSSES_MAX, PLOTS
from callctl.sim.world_file.write import world_text


def played(order: Order, *, write_world: Path | None, pcap: Path | None, json: bool) -> int:
    """Run what is ordered. Returns: the exit code. Raises: Usage for a file that cannot be written.

    Interrupted, it tells what there is by then.
    """
    for path in (write_world, pcap, order.shrink_to):
        if path is not None and not path.parent.is_dir():
            raise Usage(f"{path}: there is no directory {path.parent}")
    say = _nothing if json else _say
    with _told_of_files():
        if write_world is not None:
            write_world.write_text(world_text(order.scenario_of(order.seed)), encoding="utf-8")
            say(f"{write_world}: the world of seed {order.seed}")
        if pcap is not None:
            for path in write_capture(pcap, order.scenario_of(order.seed)):
                say(str(path))
    report = Report(order.seed, order.runs, order.coverage)
    try:
        with _told_of_files():
            carry_out(order, report, say)
    finally:
        if json:
            print_json(report.plain())
    return report.code


def explored(lose: str | None, losses: int, processes: int, *, trace: bool, json: bool) -> int:
    """Play the small model: all of it, or the one run that `lose` names."""
    if lose is not None:
        return _one_run(lose, trace=trace, json=json)
    if not 0 <= losses <= LOSSES_MAX:
        raise Usage(f"--losses {losses}: 0 to {LOSSES_MAX}")
    say = _nothing if json else _say
    report = Explored()
    try:
        explore(report, losses_max=losses, processes=processes, say=say)
    finally:
        for line in report.lines():
            say(line)
        if json:
            print_json(report.plain())
    return report.code


def _one_run(lose: str, *, trace: bool, json: bool) -> int:
    name, _, numbers = lose.partition(":")
    if name not in PLOTS:
        raise Usage(f"--lose {lose}: there is no plot {name!r}, only {', '.join(PLOTS)}")
    try:
        chosen = tuple(int(number) for number in numbers.split(",") if numbers)
    except ValueError:
        raise Usage(f"--lose {lose}: the plot and numbers, as {name}:12,34") from None
    played = play_once(PLOTS[name], chosen)
    if json:
        print_json(played.plain())
    else:
        for line in played.lines(trace=trace):
            _say(line)
    return NEGATIVE if played.violations else OK


@contextmanager
def _told_of_files() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Usage(f"{error.filename}: {error.strerror or error}") from error


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()  # a run may be long, and who watches it wants to see each failure


def _nothing(_: str) -> None:
    pass
