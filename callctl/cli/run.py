"""`callctl run FILE`: the nodes of a cluster file, until Ctrl-C."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from callctl.cli.output import print_json, print_line


def run(
    file: Path,
    /,
    *,
    node: Annotated[
        tuple[str, ...], Parameter(negative="", help="Only this node; may come again.")
    ] = (),
    offset: Annotated[int, Parameter(help="Add to every port of the file.")] = 0,
    admin_port: Annotated[int, Parameter(help="Of the admin API; 0 for any free one.")] = 0,
    state: Annotated[
        Path | None, Parameter(help="State directory.", env_var="CALLCTL_STATE")
    ] = None,
    json: Annotated[bool, Parameter(negative="", help="Print JSON, for scripts.")] = False,
) -> int:
    """Run the nodes of a cluster file in this process, until Ctrl-C.

    Where the file asks for emulated clouds they run too. The other commands find the cluster by
    its state directory.

    Parameters
    ----------
    file
        The cluster file, as `check` checks it.
    """
    import anyio

    from callctl.cli.serving import load, placed, run_async
    from callctl.io.host import ended_by_signal, hosted
    from callctl.io.process import settled_memory
    from callctl.io.state_dir import StateDir, default_path

    cluster, _ = placed(load(file), offset)
    state_dir = StateDir(state or default_path())

    async def main() -> int:
        async with (
            ended_by_signal(),
            hosted(cluster, state_dir, only=node, admin_port=admin_port) as host,
        ):
            nodes = {
                n.name: [str(at) for at in cluster.nodes[n.name].listeners]
                for n in host.cluster.nodes
            }
            if json:
                print_json({"cluster": cluster.id, "admin": host.admin_url, "nodes": nodes})
            else:
                for name, listeners in nodes.items():
                    print_line((name, "bold"), f"  {'  '.join(listeners)}")
                print_line(f"admin API {host.admin_url}/docs, token in {state_dir.path}")
                print_line("Ctrl-C stops it")
            with settled_memory():
                await anyio.sleep_forever()
        return 0

    return run_async(main)
