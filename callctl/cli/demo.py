"""`callctl demo`: a cluster is onboarded, a sleeping phone is called; each step, and a verdict."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Final

from cyclopts import Parameter
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from callctl.cli.demo_call import DemoCall
    from callctl.cli.demo_onboarding import DemoOnboarding
    from callctl.model.cluster import Cluster

WIDTH_MAX: Final = 132


def demo(
    *,
    offset: Annotated[
        int | None,
        Parameter(help="Add to every port; else the first of 0, 10000, ... that is free."),
    ] = None,
    trace: Annotated[Path | None, Parameter(help="Write the call to this pcapng file.")] = None,
    json: Annotated[bool, Parameter(negative="", help="Print JSON, for scripts.")] = False,
) -> int:
    """Start three nodes and emulated clouds, onboard, call a phone that sleeps, judge what happens.

    Exits with 0 only if the cluster was onboarded and every node has its access token, the phone
    was woken by its push, registered, rang, was answered, and nothing of the call is left at the
    end.
    """
    from callctl.cli.demo_call import DemoCall
    from callctl.cli.demo_onboarding import onboarding_of
    from callctl.cli.output import print_json
    from callctl.cli.serving import LAB_FILE, load, placed, run_async
    from callctl.io.host import hosted
    from callctl.io.lab import with_quick_timers
    from callctl.io.state_dir import StateDir

    cluster, _ = placed(with_quick_timers(load(LAB_FILE)), offset)
    console = Console(quiet=json)

    async def main() -> int:
        _print_cluster(console, cluster)
        # A state directory of its own: a lab that runs beside it stays the one that is asked.
        with TemporaryDirectory(prefix="callctl-demo-") as directory:
            async with hosted(cluster, StateDir(Path(directory))) as host:
                onboarding = onboarding_of(host)
                _print_onboarding(console, onboarding)
                call = DemoCall(host, trace)
                if onboarding.ok:
                    await _placed(console, call)
        if onboarding.ok:
            _print_call(console, call)
        problems = [*onboarding.problems, *call.problems]
        ok = onboarding.ok and call.ok
        _print_verdict(console, problems, ok=ok)
        if json:
            report = {"ok": ok, "problems": problems, "onboarding": onboarding.report()}
            print_json(report | {"stages": call.report()})
        return 0 if ok else 1

    return run_async(main)


async def _placed(console: Console, call: DemoCall) -> None:
    """Let the phones come and sleep, then call one of them."""
    from callctl.io.lab import NotReady

    try:
        cast = await call.set_stage()
    except NotReady as error:
        call.problems.append(str(error))
        return
    for name, phone in cast.mobiles.items():
        console.print(Text(f"  {name} signed in, {phone.state}"))
    console.print(Text("  the desk phone of 1004 calls 1005\n"))
    await call.run(cast)


def _print_cluster(console: Console, cluster: Cluster) -> None:
    console.print(Text.assemble(("callctl demo", "bold"), f", cluster {cluster.id}"))
    for name, node in cluster.nodes.items():
        where = "  ".join(str(at) for at in node.listeners)
        console.print(Text(f"  {name}  {where}"), soft_wrap=True)


def _print_onboarding(console: Console, onboarding: DemoOnboarding) -> None:
    console.print()
    console.print(Text.assemble(("onboarding", "bold"), " with the emulated Cisco cloud"))
    table = Table.grid(padding=(0, 2))
    for number, step in enumerate(onboarding.steps, start=1):
        style = "green" if step.outcome == onboarding.status else "yellow"
        table.add_row(Text(f"  {number}."), Text(step.words), Text(step.outcome, style))
    console.print(table, width=min(console.width, WIDTH_MAX))
    holders = [node for node, held in onboarding.tokens.items() if held]
    if holders:
        console.print(Text(f"  access tokens of CI: {', '.join(holders)}"))
    if onboarding.ok:
        console.print(Text("  pushes flow", "green"))
    console.print()


def _print_call(console: Console, call: DemoCall) -> None:
    from callctl.cli.demo_call import DESK_NAME, IPHONE_NAME
    from callctl.cli.ladder import CLOUD, draw

    lanes = (DESK_NAME, *call.ladder.nodes, CLOUD, IPHONE_NAME)
    width = min(console.width, WIDTH_MAX) if console.is_terminal else WIDTH_MAX
    for line in draw(call.ladder.rungs, lanes, width):
        console.print(line, soft_wrap=True)
    console.print()
    for stage in call.stages:
        ms = call.after_ms(stage)
        time = Text("missing", "red") if ms is None else Text(f"{ms:9.1f} ms")
        console.print(Text.assemble(f"  {stage.name:<14}", time))
    console.print()


def _print_verdict(console: Console, problems: list[str], *, ok: bool) -> None:
    if ok:
        done = (
            "the cluster was onboarded; "
            "the sleeping iPhone was woken by its push, registered, rang and was answered"
        )
        console.print(Text.assemble(("PASS", "bold green"), f"  {done}"), soft_wrap=True)
    for problem in problems:
        console.print(Text.assemble(("FAIL", "bold red"), f"  {problem}"), soft_wrap=True)
