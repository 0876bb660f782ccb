"""`callctl rtmt`: performance counters, as the Real Time Monitoring Tool shows them (CTR-12)."""

from __future__ import annotations

from typing import Annotated, Any

from cyclopts import App, Parameter

from callctl.cli.client import HERE, AdminClient, Where
from callctl.cli.output import print_json, print_line, print_table

app = App(name="rtmt", help="Performance counters of a running cluster.")

LAST = "LAST 60 s"


@app.command
def show(
    pattern: str | None = None,
    *,
    node: Annotated[str | None, Parameter(help="This node alone.")] = None,
    all_: Annotated[
        bool,
        Parameter(name="--all", negative="", help="Also counters that nothing moves here."),
    ] = False,
    where: Where = HERE,
) -> int:
    """Where the counters of each node stand.

    Parameters
    ----------
    pattern
        A counter, or an object such as 'Cisco CallManager'; a part of it, or a pattern with * and ?
        in it, is enough.
    """
    query: dict[str, str] = {} if node is None else {"node": node}
    counters = AdminClient(where).get("perfmon", pattern=pattern or "*", **query)
    shown = [it for it in counters if all_ or pattern is not None or not it["note"]]
    if where.json:
        print_json(shown)
        return 0
    names = list(dict.fromkeys(value["node"] for it in counters for value in it["values"]))
    interval = any(it["kind"] == "interval" for it in shown)
    noted = any(it["note"] for it in shown)
    print_table(
        ("OBJECT", "COUNTER", "KIND", *names, *([LAST] if interval else ()))
        + (("NOTE",) if noted else ()),
        [_row(it, names, interval=interval, noted=noted) for it in shown],
        none="no counters",
    )
    hidden = len(counters) - len(shown)
    if hidden:
        print_line(f"{hidden} more stand still here, for parts or releases to come: --all")
    if not names:
        print_line("no node runs, so there is no count")
    return 0


def _row(counter: dict[str, Any], names: list[str], *, interval: bool, noted: bool) -> list[object]:
    values = {value["node"]: value for value in counter["values"]}
    row: list[object] = [counter["object"], counter["name"], counter["kind"]]
    row += [values[name]["value"] if name in values else None for name in names]
    if interval:
        lasts = [values[name]["last_full"] for name in names if name in values]
        known = [f"{last}" if last is not None else "-" for last in lasts]
        row.append(" ".join(known) if counter["kind"] == "interval" else None)
    if noted:
        row.append(counter["note"])
    return row
