"""`callctl route`: which node and path a call would take, and why."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

from cyclopts import Parameter

from callctl.cli.errors import Refused, Usage
from callctl.cli.lab_file import LAB_FILE
from callctl.cli.output import print_json, print_line
from callctl.errors import ConfigError

if TYPE_CHECKING:
    from callctl.model.cluster import Cluster
    from callctl.sim.route import Route

REACHED: Final = frozenset({"direct", "offered", "joined"})
PUSHED: Final = frozenset({"ring-push", "ring-push-again"})
TEXT_WIDTH: Final = 84


def route(
    *,
    to: Annotated[str, Parameter(help="The number that is dialled.")],
    down: Annotated[
        list[str] | None,
        Parameter(
            help="A node that is out of service, or a trunk destination such as "
            "udp:192.0.2.9:5060. May come again.",
            negative="",
        ),
    ] = None,
    taken_by: Annotated[
        str | None, Parameter(help="The node the INVITE reaches; else the first that is up.")
    ] = None,
    awake: Annotated[
        list[str] | None,
        Parameter(help="A mobile phone that is in use, not asleep. May come again.", negative=""),
    ] = None,
    cluster: Annotated[
        Path | None, Parameter(help="The cluster file; else that of the lab.")
    ] = None,
    json: Annotated[bool, Parameter(negative="", help="Print JSON, for scripts.")] = False,
) -> int:
    """Which node and path a call would take, and why.

    Plays the call in the simulated world with the engine that takes real calls; no running cluster
    is asked. Every device rings and nobody answers, so that hunts and forwarding show themselves.
    """
    from callctl.sim.route import NoRoute
    from callctl.sim.route import route as play

    loaded = _cluster(cluster)
    try:
        found = play(loaded, to, down=down or (), taken_by=taken_by, awake=awake or ())
    except NoRoute as error:
        raise Usage(str(error)) from error
    report = _report(loaded, found)
    if json:
        print_json(report)
    else:
        _print(report)
    return 0


def _cluster(file: Path | None) -> Cluster:
    from callctl.model.load import load_cluster

    path = LAB_FILE if file is None else file
    if not path.is_file():
        raise Usage(f"{path} is not a file")
    try:
        return load_cluster(path)
    except ConfigError as error:
        raise Refused(f"{error.findings[0]} (callctl check {path} has all)") from error


def _report(cluster: Cluster, found: Route) -> dict[str, Any]:
    paths: dict[str, dict[str, Any]] = {}
    for step in found.steps:
        if step.code not in REACHED | PUSHED | {"trunk"}:
            continue
        empty: dict[str, Any] = {"device": step.device, "push_names": [], "via": []}
        path = paths.setdefault(step.device, empty)
        values = dict(step.values)
        kept = path["push_names" if step.code in PUSHED else "via"]
        where = str(values["destination" if step.code == "trunk" else "node"])
        if where not in kept:
            kept.append(where)
    for name, path in paths.items():
        path["cm_group"] = _group(cluster, name, found.down)
        hops = [found.taken_by, *(via for via in path["via"][-1:] if via != found.taken_by)]
        path["path"] = ["caller", *hops, *([name] if name in cluster.devices else [])]
    return {
        "to": found.number,
        "taken_by": found.taken_by,
        "down": list(found.down),
        "status": found.status,
        "paths": list(paths.values()),
        "steps": [
            {
                "at_ms": (step.at - found.began_at) / 1e6,
                "code": step.code,
                "text": step.sentence(),
                "requirements": list(step.requirements()),
            }
            for step in found.steps
        ],
    }


def _group(cluster: Cluster, name: str, down: tuple[str, ...]) -> list[str]:
    """The nodes of a device's CM group in order, those that are down so marked."""
    device = cluster.devices.get(name)
    if device is None:
        return []
    nodes = cluster.group_of(device).nodes
    return [f"{node} (down)" if node in down else node for node in nodes]


def _print(report: dict[str, Any]) -> None:
    down = f", with {' and '.join(report['down'])} out of service" if report["down"] else ""
    print_line((f"A call to {report['to']}{down}", "bold"), f": taken by {report['taken_by']}")
    for path in report["paths"]:
        group = f"   CM group {', '.join(path['cm_group'])}" if path["cm_group"] else ""
        way = " → ".join(path["path"]) if path["via"] else f"{path['device']}: not reached"
        named = f", push names {' then '.join(path['push_names'])}" if path["push_names"] else ""
        print_line(f"  {way}{named}{group}")
    print_line("")
    for step in report["steps"]:
        reason = ", ".join(step["requirements"])
        text = f"{step['at_ms'] / 1000:+10.3f} s  {step['text']:<{TEXT_WIDTH}}  {reason}"
        print_line(text.rstrip())
    end = "it still rings" if report["status"] is None else f"the caller gets {report['status']}"
    print_line("")
    print_line(f"If nobody answers, {end}.")
