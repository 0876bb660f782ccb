"""`callctl push`: the pushes of a running cluster."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from callctl.cli.client import HERE, AdminClient, Where
from callctl.cli.output import clock_time, print_json, print_table

app = App(name="push", help="Pushes of a running cluster.")


@app.command(name="list")
def list_(
    *,
    limit: Annotated[int, Parameter(help="The newest so many.")] = 20,
    where: Where = HERE,
) -> int:
    """What was pushed, by which node, and what became of it; newest first."""
    pushes = AdminClient(where).get("pushes", limit=limit)
    if where.json:
        print_json(pushes)
    else:
        print_table(
            ("TIME", "NODE", "DEVICE", "KIND", "CALL", "OUTCOME", "STATUS", "TOOK", "TRACKING ID"),
            [
                (
                    clock_time(each["wanted_at"]),
                    each["node"],
                    each["device"],
                    each["kind"],
                    each["call_uuid"][:8],
                    each["outcome"] or "under way",
                    each["status"] or each["reason"],
                    took(each["answered_after_ms"]),
                    each["tracking_id"],
                )
                for each in pushes
            ],
            none="no pushes yet",
        )
    return 0


def took(ms: float | None) -> str | None:
    """A duration in a table."""
    return None if ms is None else f"{ms:.0f} ms"
