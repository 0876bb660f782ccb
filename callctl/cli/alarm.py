"""`callctl alarm`: the alarms of a running cluster, and what each one means."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Annotated

from cyclopts import App, Parameter

from callctl.cli.client import HERE, AdminClient, Where
from callctl.cli.errors import Refused
from callctl.cli.output import clock_time, print_json, print_line, print_table
from callctl.serviceability.alarm_catalogue import CATALOGUE, AlarmDefinition
from callctl.serviceability.alarm_reference import releases

app = App(name="alarm", help="Alarms of a running cluster.")


@app.command(name="list")
def list_(
    *,
    all: Annotated[
        bool, Parameter(negative="", help="Whatever was told, not only what holds now.")
    ] = False,
    limit: Annotated[int, Parameter(help="With --all, the newest so many.")] = 50,
    where: Where = HERE,
) -> int:
    """The alarms whose condition holds; with `--all` what was raised, repeated and cleared."""
    client = AdminClient(where)
    alarms = client.get("alarms", "history", limit=limit) if all else client.get("alarms")
    if where.json:
        print_json(alarms)
        return 0
    columns = ("SINCE", "ALARM", "SEVERITY", "NODE", "ABOUT", "TIMES", "DETAIL")
    rows = [
        (
            clock_time(each["raised_at"]),
            each["alarm"],
            each["severity"],
            each["node"],
            each["subject"],
            each["occurrences"],
            each["detail"],
        )
        for each in alarms
    ]
    if all:
        told = [(clock_time(each["at"]), each["state"]) for each in alarms]
        both = [first + rest for first, rest in zip(told, rows, strict=True)]
        print_table(("TIME", "STATE", *columns), both, none="no alarms so far")
    else:
        print_table(columns, rows, none="no alarms")
    return 0


@app.command
def show(
    name: Annotated[str, Parameter(help="As `alarm list` has it; upper or lower case.")],
    *,
    json: Annotated[bool, Parameter(negative="", help="Print JSON, for scripts.")] = False,
) -> int:
    """What an alarm means and what to do about it. Needs no cluster."""
    definition = _named(name)
    facts = {
        "alarm": definition.name,
        "severity": definition.severity.alarm_name,
        "component": definition.component,
        "explanation": definition.explanation,
        "action": definition.action,
        "row": definition.row,
        "releases": releases(definition),
    }
    if json:
        print_json(facts)
        return 0
    print_line((definition.name, "bold"), f"  {facts['severity']}, {definition.component}")
    print_line(("releases  ", "dim"), facts["releases"])
    print_line(("cause     ", "dim"), definition.explanation)
    print_line(("action    ", "dim"), definition.action)
    return 0


def _named(name: str) -> AlarmDefinition:
    """Raises: Refused, with the names that are close."""
    by_name = {each.lower(): definition for each, definition in CATALOGUE.items()}
    found = by_name.get(name.lower())
    if found is None:
        close = [by_name[each].name for each in get_close_matches(name.lower(), by_name)]
        hint = f"; did you mean {', '.join(close)}?" if close else ""
        raise Refused(f"there is no alarm {name!r}{hint}")
    return found
