"""`callctl cloud`: the clouds of a running cluster, and the faults of the emulated ones."""

from __future__ import annotations

from typing import Annotated, Any

from cyclopts import App, Parameter

from callctl.cli.client import HERE, AdminClient, Where
from callctl.cli.errors import Usage
from callctl.cli.output import clock_time, print_json, print_line, print_table

app = App(name="cloud", help="The clouds: reach them, watch and break the emulated ones.")

# By name, because what they need takes longer to import than to look at a cloud.
app.command("callctl.cli.cloud_check:check", name="check", help="Can every node reach the cloud?")
app.command(
    "callctl.cli.cloud_repair:repair_token",
    name="repair-token",
    help="Replace a machine account's refresh token that has expired, step by step.",
)
app.command(
    "callctl.cli.proxy_capacity:proxy_capacity",
    name="proxy-capacity",
    help="What a proxy must carry: transactions per second and connections.",
)

Target = Annotated[
    str,
    Parameter(help="Only this device: the start of its fingerprint, as callctl cloud log has it."),
]


@app.command
def status(*, where: Where = HERE) -> int:
    """Each emulated service: where it is, what it answered, which faults are in force."""
    services = AdminClient(where).get("cloud")
    if where.json:
        print_json(services)
        return 0
    print_table(
        ("SERVICE", "STATE", "URL", "OPEN", "ANSWERS", "FAULTS"),
        [
            (
                each["service"],
                each["state"],
                each["url"],
                each["connections"],
                ", ".join(f"{status} x{count}" for status, count in each["by_status"].items()),
                ", ".join(_fault_text(fault) for fault in each["faults"]),
            )
            for each in services
        ],
        none="no emulated cloud",
    )
    return 0


@app.command
def fault(
    service: str | None = None,
    name: str | None = None,
    /,
    *,
    status: Annotated[int | None, Parameter(help="The status to answer.")] = None,
    reason: Annotated[str, Parameter(help="The reason that goes with it.")] = "",
    retry_after: Annotated[int | None, Parameter(help="Retry-After, in seconds.")] = None,
    location: Annotated[str, Parameter(help="Where a redirection points to.")] = "",
    delay: Annotated[int | None, Parameter(help="How late, in ms.")] = None,
    octets: Annotated[int | None, Parameter(help="How many octets, or octets a second.")] = None,
    target: Target = "",
    subscriber_service: Annotated[
        str, Parameter(help="Only this subscriber service, topic or project.")
    ] = "",
    times: Annotated[int | None, Parameter(help="So often, then it is over.")] = None,
    percent: Annotated[float, Parameter(help="How many of a hundred it hits.")] = 100.0,
    for_s: Annotated[float | None, Parameter(name="--for", help="So many seconds long.")] = None,
    clear: Annotated[
        bool, Parameter(negative="", help="End all faults, or those of the service.")
    ] = False,
    where: Where = HERE,
) -> int:
    """Put a fault in force, or end them with --clear; without a name, list what there is.

    Parameters
    ----------
    service
        push-rest, apns, fcm, fcm-tokens, fos, ci, plm, cssm or alarm-upload.
    name
        What is to go wrong.
    """
    if clear:
        return _clear(service, name, where)
    if service is None or name is None:
        return _list(service, where)
    values: dict[str, Any] = {
        "status": status,
        "reason": reason,
        "retry_after_s": retry_after,
        "location": location,
        "delay_ms": delay,
        "octets": octets,
        "target": target,
        "subscriber_service": subscriber_service,
        "times": times,
        "percent": percent,
        "for_s": for_s,
    }
    _check(service, name, values)
    added = AdminClient(where).post(
        "cloud", "faults", body={**values, "service": service, "fault": name}
    )
    if where.json:
        print_json(added)
    else:
        print_line((service, "bold"), f" fault {added['number']}: {_fault_text(added)}")
    return 0


@app.command
def log(
    service: str | None = None,
    /,
    *,
    limit: Annotated[int, Parameter(help="The newest so many.")] = 20,
    where: Where = HERE,
) -> int:
    """What the emulated services got and answered, newest first.

    Parameters
    ----------
    service
        Only this one.
    """
    query: dict[str, Any] = {"limit": limit}
    if service is not None:
        query["service"] = service
    records = AdminClient(where).get("cloud", "log", **query)
    if where.json:
        print_json(records)
        return 0
    print_table(
        ("TIME", "SERVICE", "STATUS", "REASON", "TRACKING ID", "TARGET", "FINGERPRINT", "OCTETS"),
        [
            (
                clock_time(each["at"]),
                each["service"],
                "no answer" if each["status"] is None else each["status"],
                each["reason"],
                each["tracking_id"],
                each["target"] and f"...{each['target']}",
                each["fingerprint"],
                each["octets"],
            )
            for each in records
        ],
        none="nothing yet",
    )
    return 0


@app.command
def goaway(
    *,
    unread: Annotated[
        bool, Parameter(negative="", help="Say that what is open was not read.")
    ] = False,
    where: Where = HERE,
) -> int:
    """Let the emulated APNs say goodbye on every connection now."""
    done = AdminClient(where).post("cloud", "goaway", body={"unread": unread})
    return _tell(done, "connections were told goodbye", where)


@app.command
def revoke_tokens(service: str = "ci", /, *, where: Where = HERE) -> int:
    """Let no access token given out so far be good any more.

    Parameters
    ----------
    service
        Who gave them: ci, push-rest or fcm-tokens.
    """
    givers = ("ci", "push-rest", "fcm-tokens")
    if service not in givers:
        raise Usage(f"{service} gives no access tokens: {', '.join(givers)}")
    done = AdminClient(where).post("cloud", "tokens", "revoke", body={"service": service})
    return _tell(done, f"giver of tokens ({service}) has revoked them", where)


@app.command
def remove_app(service: str, target: str, /, *, where: Where = HERE) -> int:
    """Let a user remove the app: its device token is dead from now on.

    Parameters
    ----------
    service
        apns or fcm.
    target
        The start of the fingerprint of the device token, as callctl cloud log has it.
    """
    if service not in ("apns", "fcm"):
        raise Usage(f"{service} has no devices: apns, fcm")
    body = {"service": service, "target": target}
    done = AdminClient(where).post("cloud", "apps", "remove", body=body)
    return _tell(done, "device tokens are dead", where)


def _check(service: str, name: str, values: dict[str, Any]) -> None:
    """Before a cluster is asked. Raises: Usage, which lists what is known."""
    from callctl.cloud.fault_orders import BadFault, FaultOrder
    from callctl.cloud.known_faults import made
    from sipstack.timing import Instant

    try:
        made(FaultOrder(service, name, **values), Instant(0))
    except BadFault as error:
        raise Usage(str(error)) from error


def _list(service: str | None, where: Where) -> int:
    """The faults that there are; no cluster is asked."""
    from callctl.cloud.fault_orders import SERVICES
    from callctl.cloud.known_faults import KNOWN_FAULTS

    if service is not None and service not in SERVICES:
        raise Usage(f"no service is called {service!r}: {', '.join(SERVICES)}")
    rows = [
        {
            "fault": name,
            "text": known.text,
            "services": [each for each in SERVICES if each in known.services],
        }
        for name, known in KNOWN_FAULTS.items()
        if service is None or service in known.services
    ]
    if where.json:
        print_json(rows)
        return 0
    print_table(
        ("FAULT", "WHAT IT DOES", "OF"),
        [
            (
                row["fault"],
                row["text"],
                "all" if len(row["services"]) == len(SERVICES) else row["services"],
            )
            for row in rows
        ],
        none="no faults",
    )
    return 0


def _clear(service: str | None, name: str | None, where: Where) -> int:
    if name is not None and not name.isdigit():
        raise Usage("--clear takes a service, and the number of one fault")
    path = [part for part in (service, name) if part is not None]
    done = AdminClient(where).delete("cloud", "faults", *path)
    return _tell(done, "fault ended" if done["count"] == 1 else "faults ended", where)


def _tell(done: dict[str, Any], what: str, where: Where) -> int:
    if where.json:
        print_json(done)
    else:
        print_line(f"{done['count']} {what}")
    return 0


def _fault_text(fault: dict[str, Any]) -> str:
    left = "" if fault["left"] is None else f", {fault['left']} left"
    hits = "" if fault["hits"] is None else f" (hit {fault['hits']}{left})"
    return f"{fault['fault']}{hits}"
