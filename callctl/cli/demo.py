"""`callctl demo`: one call to a sleeping phone, step by step, and a verdict."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Final

from cyclopts import Parameter
from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    from callctl.cli.demo_call import DemoCall
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
    """Start three nodes and emulated clouds, put a phone to sleep, call it, and judge what happens.

    Exits with 0 only if the phone was woken by its push, registered, rang, was answered, and
    nothing of the call is left at the end.
    """
    from callctl.cli.demo_call import DemoCall
    from callctl.cli.output import print_json
    from callctl.cli.serving import LAB_FILE, load, placed, run_async
    from callctl.io.host import hosted
    from callctl.io.lab import NotReady, with_quick_timers
    from callctl.io.state_dir import StateDir

    cluster, _ = placed(with_quick_timers(load(LAB_FILE)), offset)
    console = Console(quiet=json)

    async def main() -> int:
        _print_cluster(console, cluster)
        # A state directory of its own: a lab that runs beside it stays the one that is asked.
        with TemporaryDirectory(prefix="callctl-demo-") as directory:
            async with hosted(cluster, StateDir(Path(directory))) as host:
                call = DemoCall(host, trace)
                try:
                    cast = await call.set_stage()
                except NotReady as error:
                    call.problems.append(str(error))
                else:
                    for name, phone in cast.mobiles.items():
                        console.print(Text(f"  {name} signed in, {phone.state}"))
                    console.print(Text("  the desk phone of 1004 calls 1005\n"))
                    await call.run(cast)
        _print_call(console, call)
        if json:
            print_json(call.report())
        return 0 if call.ok else 1

    return run_async(main)


def _print_cluster(console: Console, cluster: Cluster) -> None:
    console.print(Text.assemble(("callctl demo", "bold"), f", cluster {cluster.id}"))
    for name, node in cluster.nodes.items():
        console.print(Text(f"  {name}  {'  '.join(str(at) for at in node.listeners)}"))


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
    if call.ok:
        done = "the sleeping iPhone was woken by its push, registered, rang and was answered"
        console.print(Text.assemble(("PASS", "bold green"), f"  {done}"), soft_wrap=True)
    else:
        for problem in call.problems:
            console.print(Text.assemble(("FAIL", "bold red"), f"  {problem}"), soft_wrap=True)
