"""`callctl cli` and `callctl utils`: the command line of a node, as its administrators know it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from typing import Annotated, Any, Final

from cyclopts import Parameter

from callctl.cli.client import HERE, SLOW_S, AdminClient, Where
from callctl.cli.errors import CommandError, Refused, Usage
from callctl.cli.exit_code import NEGATIVE, OK, USAGE
from callctl.cli.output import print_error, print_json
from callctl.cli.secret_input import read_secret

PROMPT: Final = "admin:"
ENDS: Final = ("exit", "quit")
_TOKEN_APART: Final = re.compile(r"refreshtoken=-(?:$|;|where)")

Node = Annotated[str | None, Parameter(help="The node; else the publisher.")]
Words = Annotated[str, Parameter(allow_leading_hyphen=True)]


def cli(*line: Words, node: Node = None, where: Where = HERE) -> int:
    """Enter a line at the command line of a node; without one, at a prompt until `exit`.

    `callctl cli help` lists the commands. A refresh token is no argument: write
    `refreshtoken=-` and give it on standard input.

    Parameters
    ----------
    line
        The line, such as `utils service list`. Without it, lines come from standard input.
    """
    client = AdminClient(where)
    name = node or publisher(client)
    if line:
        return enter(client, name, " ".join(line), json=where.json)
    return converse(client, name, json=where.json)


def enter(client: AdminClient, node: str, line: str, *, json: bool) -> int:
    """One line from an argument. Returns: the exit code. Raises: Usage for a token in it."""
    compact = "".join(line.lower().replace("'", "").replace('"', "").split())
    if "refreshtoken=" in compact:
        if _TOKEN_APART.search(compact) is None:
            raise Usage("others can read arguments: write refreshtoken=- and give it on stdin")
        secret = read_secret("-", "New refresh token")
        return say(
            client.post(
                "nodes", node, "cli", body={"line": line, "secret": secret}, timeout_s=SLOW_S
            ),
            json,
        )
    return say(client.post("nodes", node, "cli", body={"line": line}, timeout_s=SLOW_S), json)


def converse(client: AdminClient, node: str, *, json: bool) -> int:
    """Lines from standard input, with a prompt if it is a terminal. Returns: the last exit code."""
    code = OK
    for line in _lines():
        if line.strip().lower() in ENDS:
            break
        if line.strip():
            try:
                code = say(
                    client.post("nodes", node, "cli", body={"line": line}, timeout_s=SLOW_S), json
                )
            except Refused as error:
                print_error(str(error))
                code = error.code
    return code


def say(answer: dict[str, Any], json: bool) -> int:
    """Print what the node says. Returns: the exit code."""
    if json:
        print_json(answer)
    elif answer["ok"]:
        sys.stdout.write(answer["text"] + "\n")
        sys.stdout.flush()
    else:
        sys.stderr.write(answer["text"] + "\n")
    return OK if answer["ok"] else USAGE if answer["usage"] else NEGATIVE


def publisher(client: AdminClient) -> str:
    """The node at which one usually works. Raises: CommandError if the cluster has none."""
    nodes = client.get("nodes")
    for node in nodes:
        if node.get("publisher"):
            return str(node["name"])
    if not nodes:
        raise CommandError("the cluster has no nodes")
    return str(nodes[0]["name"])


def _lines() -> Iterable[str]:
    if not sys.stdin.isatty():
        yield from sys.stdin
        return
    while True:
        try:
            yield input(PROMPT)
        except EOFError:
            sys.stdout.write("\n")
            return
