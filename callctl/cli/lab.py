"""`callctl lab`: the cluster of the demo, left up for other people's phones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from cyclopts import Parameter

from callctl.cli.output import print_json, print_line

if TYPE_CHECKING:
    from callctl.io.host import Hosted
    from callctl.model.cluster import Cluster

SOFTPHONE: Final = "1001"  # of the lab's users, the one that the recipes register
SLEEPER: Final = "1005"


def lab(
    *,
    offset: Annotated[
        int | None,
        Parameter(help="Add to every port; else the first of 0, 10000, ... that is free."),
    ] = None,
    admin_port: Annotated[int, Parameter(help="Of the admin API; 0 for any free one.")] = 0,
    state: Annotated[
        Path | None, Parameter(help="State directory.", env_var="CALLCTL_STATE")
    ] = None,
    json: Annotated[bool, Parameter(negative="", help="Print JSON, for scripts.")] = False,
) -> int:
    """Leave the cluster of the demo up: three nodes, emulated clouds, sleeping phones.

    Prints how to register SIPp, baresip or Linphone. Ctrl-C stops it.
    """
    import anyio

    from callctl.cli.serving import LAB_FILE, load, placed, run_async
    from callctl.io.host import ended_by_signal, hosted
    from callctl.io.lab import raise_cast
    from callctl.io.process import settled_memory
    from callctl.io.state_dir import StateDir, default_path

    cluster, used = placed(load(LAB_FILE), offset)
    state_dir = StateDir(state or default_path())

    async def main() -> int:
        async with (
            ended_by_signal(),
            hosted(cluster, state_dir, admin_port=admin_port) as host,
        ):
            cast = await raise_cast(host.cluster, host.parties)
            if json:
                phones = {name: phone.state for name, phone in cast.mobiles.items()}
                nodes = {n: [str(at) for at in cluster.nodes[n].listeners] for n in cluster.nodes}
                print_json({"admin": host.admin_url, "nodes": nodes, "phones": phones})
            else:
                _print(host, used, state_dir.path)
            with settled_memory():
                await anyio.sleep_forever()
        return 0

    return run_async(main)


def _print(host: Hosted, offset: int, state: Path) -> None:
    cluster = host.cluster.cluster
    for name, node in cluster.nodes.items():
        print_line((name, "bold"), f"  {'  '.join(str(at) for at in node.listeners)}")
    if offset:
        print_line(f"the usual ports are taken: all are {offset} higher")
    print_line(f"admin API  {host.admin_url}/docs  (token: {state}/admin.token)")
    print_line()
    print_line(
        "Asleep, woken by push: 1005 (iPhone), 1006 (Android, and an iPhone without CallKit)."
    )
    print_line("Awake: 1004 (desk phone). For your own softphones: 1001, 1002, 1003.")
    print_line(recipes(cluster))
    print_line(
        "In another terminal: callctl call 1004 1005; callctl explain last; callctl reg show"
    )
    print_line("Ctrl-C stops the lab.")


def recipes(cluster: Cluster) -> str:
    """How to register real SIP clients at the first node, as lines to copy."""
    node = next(iter(cluster.nodes.values()))
    udp, tls = node.listener("UDP"), node.listener("TLS")
    assert udp is not None
    assert tls is not None
    at, user = f"{udp.host}:{udp.port}", SOFTPHONE
    password = cluster.users[user].password.get_secret_value()
    keys = f"-inf {user}.csv -key user {user} -key domain {cluster.domain} -m 1 -nostdin"
    return f"""
SIPp (its scenarios are in tests/interop/sipp of the sources; -t t1 for TCP)
  printf 'SEQUENTIAL\\n[authentication username={user} password={password}]\\n' > {user}.csv
  sipp {at} -sf tests/interop/sipp/call.xml {keys} -key callee {SLEEPER} -d 2000
baresip (a line for ~/.baresip/accounts; then: baresip, and /dial {SLEEPER})
  <sip:{user}@{at};transport=udp>;auth_pass={password}
Linphone (linphonec; then: call {SLEEPER})
  register sip:{user}@{at} sip:{at} {password}
Any other: user {user}, password {password}, domain {udp.host}, proxy {at} over UDP or TCP, \
{tls.port} over TLS
"""
