"""`callctl cloud repair-token`: a new refresh token in place of one that the cloud refuses."""

from __future__ import annotations

from time import monotonic, sleep
from typing import Annotated, Any, Final

from cyclopts import Parameter

from callctl.cli.client import HERE, AdminClient, Where
from callctl.cli.errors import Usage
from callctl.cli.output import print_json, print_line
from callctl.cli.secret_input import read_secret

POLL_S: Final = 0.1
LONGEST_S: Final = 1_000.0

_MARKS: Final = {"to do": " ", "under way": ">", "done": "x", "failed": "!"}
_STYLES: Final = {"done": "green", "failed": "red", "under way": "yellow", "to do": "dim"}


def repair_token(
    *,
    token_file: Annotated[
        str | None,
        Parameter(
            help="File with the new refresh token, `-` for standard input. Never an argument.",
            allow_leading_hyphen=True,
        ),
    ] = None,
    from_emulator: Annotated[
        bool, Parameter(negative="", help="Let the emulated cloud do steps 1 to 5.")
    ] = False,
    resume: Annotated[bool, Parameter(negative="", help="Go on at the step that failed.")] = False,
    force: Annotated[
        bool, Parameter(negative="", help="Even if no node was answered 400.")
    ] = False,
    where: Where = HERE,
) -> int:
    """Walk through the repair of a refresh token that the token service answers with 400.

    Without options it says whether a repair is needed, and what is to be done by whom. With a
    token it does the rest: writes it, sees that every node has it, restarts what uses it and sees
    that a token is obtained. It can be repeated. Exits with 0 if nothing is left to do.
    """
    if (token_file is not None) + from_emulator + resume > 1:
        raise Usage("choose one of --token-file, --from-emulator and --resume")
    client = AdminClient(where)
    if token_file is None and not from_emulator and not resume:
        found = client.get("cloud", "repair-token")
        if where.json:
            print_json(found)
        else:
            _print_all(found)
        return 0 if found["state"] in ("not needed", "done") else 1
    body: dict[str, Any] = {"from_emulator": from_emulator, "resume": resume, "force": force}
    if token_file is not None:
        body["token"] = read_secret(token_file, "New refresh token")
    found = _follow(client, client.post("cloud", "repair-token", body=body), quiet=where.json)
    if where.json:
        print_json(found)
    elif found["state"] == "failed":
        print_line("Mend that, then: callctl cloud repair-token --resume")
    return 0 if found["state"] == "done" else 1


def _follow(client: AdminClient, found: dict[str, Any], *, quiet: bool) -> dict[str, Any]:
    """Print each step as it ends. Returns: how the repair was last."""
    until = monotonic() + LONGEST_S
    printed: set[int] = set()
    while True:
        for step in found["steps"]:
            if step["state"] in ("done", "failed") and step["number"] not in printed:
                printed.add(step["number"])
                if not quiet:
                    _print_step(step)
        if found["state"] != "under way" or monotonic() > until:
            return found
        sleep(POLL_S)
        found = client.get("cloud", "repair-token")


def _print_all(found: dict[str, Any]) -> None:
    if found["needed"]:
        where = ", ".join(found["refused_on"])
        print_line(f"The token service answers 400 to {where}: the refresh token is to be replaced")
        print_line("by that of a machine account which a new cluster gets. The steps:")
    elif found["state"] == "not needed":
        print_line("The token service has answered 400 to no node: nothing to repair.")
        return
    for step in found["steps"]:
        _print_step(step)
    if found["state"] == "waits for a token":
        way = "--from-emulator" if found["emulated"] else "--token-file FILE, or - for stdin"
        print_line(f"Steps 6 to 10: callctl cloud repair-token {way}")


def _print_step(step: dict[str, Any]) -> None:
    state = step["state"]
    print_line((f"[{_MARKS[state]}] ", _STYLES[state]), f"{step['number']:>2}. {step['title']}")
    more = step["detail"] or (step["command"] if state == "to do" else "")
    by = f"by {step['by']}" + (f": {more}" if more else "")
    print_line((f"        {by}", "dim"))
