"""`callctl reg`: who is registered where."""

from __future__ import annotations

from cyclopts import App

from callctl.cli.client import HERE, AdminClient, Where
from callctl.cli.output import print_json, print_table

app = App(name="reg", help="Registrations of a running cluster.")


@app.command
def show(dn: str | None = None, /, *, where: Where = HERE) -> int:
    """Every contact, its node and its flow.

    Exits with 1 if there is none.

    Parameters
    ----------
    dn
        Only those of this directory number or device.
    """
    found = AdminClient(where).get("registrations")
    if dn is not None:
        found = [each for each in found if dn in (each["dn"], each["device"])]
    if where.json:
        print_json(found)
    else:
        print_table(
            ("DN", "DEVICE", "NODE", "FLOW", "REACHABLE", "EXPIRES IN", "CONTACT"),
            [
                (
                    each["dn"],
                    each["device"],
                    each["node"],
                    each["flow"],
                    each["reachable"],
                    f"{each['expires_in_s']:.0f} s",
                    each["contact"],
                )
                for each in found
            ],
            none="nobody is registered" if dn is None else f"{dn} is not registered",
        )
    return 0 if found else 1
