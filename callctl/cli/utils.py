"""`callctl utils ...`: the `utils` commands of a node, as one command of the shell."""

from __future__ import annotations

from callctl.cli.client import HERE, AdminClient, Where
from callctl.cli.node_cli import Node, Words, enter, publisher


def utils(*words: Words, node: Node = None, where: Where = HERE) -> int:
    """The `utils` commands of a node: services, the management agent, reachability.

    The same as at its prompt: `callctl utils service restart Cisco Tomcat --node ucm1`,
    `callctl utils managementAgent alarms pushfrequency 15`; `callctl cli help` lists them.

    Parameters
    ----------
    words
        What follows `utils`.
    """
    client = AdminClient(where)
    line = " ".join(("utils", *words))
    return enter(client, node or publisher(client), line, json=where.json)
