"""`callctl device`: devices of a running cluster, and the simulated phones among them."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from callctl.cli.client import HERE, AdminClient, Where
from callctl.cli.output import print_json, print_line, print_table

app = App(name="device", help="Devices: list, and suspend or resume the simulated ones.")


@app.command(name="list")
def list_(
    *,
    all: Annotated[
        bool, Parameter(negative="", help="Also those nobody has heard of yet.")
    ] = False,
    where: Where = HERE,
) -> int:
    """Devices, how each can be reached, and where it should register."""
    devices = AdminClient(where).get("devices", all=all)
    if where.json:
        print_json(devices)
    else:
        print_table(
            ("DEVICE", "LINES", "PLATFORM", "CLIENT", "CONTACTS", "PUSH", "ACTIVE NODE", "PHONE"),
            [
                (
                    each["name"],
                    each["lines"],
                    each["platform"],
                    each["client"],
                    each["registrations"],
                    each["push"],
                    each["active_node"],
                    each["phone"],
                )
                for each in devices
            ],
            none="no device is registered or signed in",
        )
    return 0


@app.command
def suspend(name: str, *, where: Where = HERE) -> int:
    """Let the system of a simulated phone suspend its app: its connections are gone.

    Parameters
    ----------
    name
        The device.
    """
    return _work(name, "suspend", where)


@app.command
def resume(name: str, *, where: Where = HERE) -> int:
    """Bring the app of a simulated phone to the screen.

    Parameters
    ----------
    name
        The device.
    """
    return _work(name, "resume", where)


def _work(name: str, what: str, where: Where) -> int:
    device = AdminClient(where).post("devices", name, what)
    if where.json:
        print_json(device)
    else:
        print_line(f"{name} is {device['phone']}")
    return 0
