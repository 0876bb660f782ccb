"""`callctl call FROM TO` places a call; `callctl call list` and `call show` look at calls."""

from __future__ import annotations

from time import monotonic, sleep
from typing import Annotated, Any, Final, Literal

from cyclopts import App, Parameter

from callctl.cli.client import HERE, AdminClient, Where
from callctl.cli.errors import Usage
from callctl.cli.explain import explanation
from callctl.cli.output import clock_time, print_json, print_line, print_table

POLL_S: Final = 0.1
LONGEST_S: Final = 4_000.0

app = App(
    name="call",
    help="Place a call, or look at calls: `call FROM TO`, `call list`, `call show CALL`.",
)


@app.default
def place(
    from_: Annotated[
        str | None, Parameter(name="FROM", help="Directory number that calls.")
    ] = None,
    to: Annotated[str | None, Parameter(name="TO", help="Directory number to call.")] = None,
    /,
    *,
    node: Annotated[
        str | None, Parameter(help="Node that gets the INVITE; else the first.")
    ] = None,
    transport: Annotated[Literal["udp", "tcp", "tls"], Parameter(help="Of the caller.")] = "udp",
    give_up_after: Annotated[
        float | None, Parameter(help="Seconds; CANCEL if nobody has answered by then.")
    ] = None,
    hang_up_after: Annotated[float, Parameter(help="Seconds from the answer to BYE.")] = 3.0,
    where: Where = HERE,
) -> int:
    """Let a simulated caller call a number, and follow the call to its end.

    Exits with 0 if it was answered, with 1 if not.
    """
    if from_ is None or to is None:
        raise Usage("call needs two directory numbers, or list, or show: callctl call 1004 1005")
    client = AdminClient(where)
    body = {
        "from": from_,
        "to": to,
        "node": node,
        "transport": transport,
        "give_up_after_s": give_up_after,
        "hang_up_after_s": hang_up_after,
    }
    call = client.post("calls", body=body)
    try:
        call = _follow(client, call, quiet=where.json)
    except KeyboardInterrupt:
        client.post("calls", "placed", call["call_id"], "hang-up")
        call = _follow(client, call, quiet=where.json)
    if where.json:
        print_json(call)
    return 0 if call["answered"] else 1


@app.command(name="list")
def list_(
    *,
    limit: Annotated[int, Parameter(help="The newest so many.")] = 20,
    where: Where = HERE,
) -> int:
    """Calls under way and the last ones, newest first."""
    calls = AdminClient(where).get("calls", limit=limit)
    if where.json:
        print_json(calls)
    else:
        print_table(
            ("TIME", "CALL", "FROM", "TO", "NODE", "STATUS", "AFTER", "CALL-ID"),
            [
                (
                    clock_time(call["started_at"]),
                    call["call_uuid"][:8],
                    call["caller"],
                    call["dn"],
                    call["node"],
                    call["status"] or ("lost" if call["lost"] else "under way"),
                    None if call["setup_s"] is None else f"{call['setup_s']:.3f} s",
                    call["call_id"],
                )
                for call in calls
            ],
            none="no calls yet",
        )
    return 0


@app.command
def show(call: str = "last", /, *, where: Where = HERE) -> int:
    """One call, step by step; the same as `explain`.

    Parameters
    ----------
    call
        UUID or the start of one, SIP Call-ID, or `last`.
    """
    story = AdminClient(where).get("calls", call)
    if where.json:
        print_json(story)
    else:
        print_line(explanation(story))
    return 0


def _follow(client: AdminClient, call: dict[str, Any], *, quiet: bool) -> dict[str, Any]:
    """Report each change until the call has ended. Returns: how it was last."""
    until = monotonic() + LONGEST_S
    state = ""
    while monotonic() < until:
        if call["state"] != state:
            state = call["state"]
            if not quiet:
                print_line(*_progress(call))
        if state == "ended":
            break
        sleep(POLL_S)
        call = client.get("calls", "placed", call["call_id"])
    return call


def _progress(call: dict[str, Any]) -> tuple[str | tuple[str, str], ...]:
    state = call["state"]
    if state == "calling":
        return ("calling, ", (f"Call-ID {call['call_id']}", "dim"))
    if state == "ringing":
        return (f"rings after {call['rang_after_s']:.3f} s", (f"  {call['status']}", "dim"))
    if state == "answered":
        return (f"answered after {call['answered_after_s']:.3f} s",)
    status = f"  {call['status']}" if call["status"] and not call["answered"] else ""
    return (f"ended after {call['ended_after_s']:.3f} s, {call['cause']}{status}",)
