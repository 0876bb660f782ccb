"""`callctl node`: the nodes of a running cluster."""

from __future__ import annotations

from typing import Literal

from cyclopts import App

from callctl.cli.client import HERE, AdminClient, Where
from callctl.cli.errors import Refused
from callctl.cli.output import print_json, print_line, print_table

app = App(name="node", help="Nodes of a running cluster: list, stop, start, kill.")


@app.command(name="list")
def list_(*, where: Where = HERE) -> int:
    """Every node, its state and whom it sees."""
    nodes = AdminClient(where).get("nodes")
    if where.json:
        print_json(nodes)
    else:
        print_table(
            (
                "NODE",
                "STATE",
                "CPNS",
                "LISTENERS",
                "SEES",
                "PENDING",
                "CONNECTIONS",
                "STARTS",
                "RESTART DUE",
            ),
            [
                (
                    node["name"],
                    node["state"],
                    node["cpns"],
                    node["listeners"],
                    node["sees"],
                    node["pending"],
                    node["connections"],
                    node["incarnation"],
                    ", ".join(node["restarts_due"]),
                )
                for node in nodes
            ],
            none="no nodes",
        )
    return 0


@app.command
def show(name: str, *, where: Where = HERE) -> int:
    """One node: its listeners, the peers of its trunks, its counters.

    Parameters
    ----------
    name
        The node.
    """
    nodes = AdminClient(where).get("nodes")
    node = next((it for it in nodes if it["name"] == name), None)
    if node is None:
        raise Refused(f"there is no node {name}; there are {', '.join(it['name'] for it in nodes)}")
    if where.json:
        print_json(node)
        return 0
    style = "green" if node["state"] == "up" else "red"
    print_line(f"{name} is ", (node["state"], style), f", push service {node['cpns']}")
    print_line("listens at " + ", ".join(node["listeners"]))
    print_table(
        ("TRUNK", "DESTINATION", "STATE", "WHY"),
        [(it["trunk"], it["destination"], it["state"], it["reason"]) for it in node["trunks"]],
        none="no trunks",
    )
    counted = {**node["counters"], **{f"ignored: {k}": v for k, v in node["ignored"].items()}}
    print_table(("COUNTER", "SINCE START"), sorted(counted.items()), none="no counters")
    return 0


@app.command
def stop(name: str, *, where: Where = HERE) -> int:
    """Take a node out of service in order: the others know at once.

    Parameters
    ----------
    name
        The node.
    """
    return _work(name, ("stop",), where)


@app.command
def start(name: str, *, where: Where = HERE) -> int:
    """Bring a node back into service.

    Parameters
    ----------
    name
        The node.
    """
    return _work(name, ("start",), where)


@app.command
def kill(name: str, *, where: Where = HERE) -> int:
    """Let a node die without a word: the others find out by its missing heartbeats.

    Parameters
    ----------
    name
        The node.
    """
    return _work(name, ("kill",), where)


@app.command
def cpns(name: str, state: Literal["start", "stop"], *, where: Where = HERE) -> int:
    """Start or stop the push service of a node.

    Parameters
    ----------
    name
        The node.
    state
        What to do with it.
    """
    return _work(name, ("cpns", state), where)


def _work(name: str, what: tuple[str, ...], where: Where) -> int:
    node = AdminClient(where).post("nodes", name, *what)
    if where.json:
        print_json(node)
    else:
        style = "green" if node["state"] == "up" else "red"
        print_line(f"{name} is ", (node["state"], style), f", push service {node['cpns']}")
    return 0
