"""`callctl trace level`: how much each part of a running cluster writes into its traces."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from callctl.cli.client import HERE, AdminClient, Where
from callctl.cli.errors import Usage
from callctl.cli.output import print_json, print_table
from callctl.serviceability.tracing import Source, TraceLevel


def level(
    part: Annotated[
        str | None, Parameter(help="CallManager, CPNS, CMAS, push-rest, APNs or FCM.")
    ] = None,
    level: Annotated[str | None, Parameter(help="Error, Warn, Info or Debug.")] = None,
    /,
    *,
    node: Annotated[str | None, Parameter(help="On this node alone; else on all.")] = None,
    where: Where = HERE,
) -> int:
    """Show the trace levels, or set one until the cluster ends.

    Only Debug writes devices, names and numbers; keys and tokens are written at no level.
    """
    body = {"part": part, "level": level, "node": node}
    try:
        if part is not None:
            Source.named(part)
        if level is not None:
            TraceLevel.named(level)
    except ValueError as error:
        raise Usage(str(error)) from error
    if part is None and node is not None:
        raise Usage("--node is for a part and its level")
    if part is not None and level is None:
        raise Usage(f"which level for {part}? Error, Warn, Info or Debug")
    client = AdminClient(where)
    found = (
        client.get("trace", "levels") if part is None else client.post("trace", "levels", body=body)
    )
    if where.json:
        print_json(found)
    else:
        rows = [(each["part"], each["node"], each["level"], each["file"]) for each in found]
        print_table(("PART", "SERVER", "LEVEL", "FILE, BELOW traces/"), rows, none="no traces")
    return 0
