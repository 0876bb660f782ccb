"""How onboarding and licences read on a terminal."""

from __future__ import annotations

from typing import Any

from callctl.cli.output import print_line, print_table


def print_page(view: dict[str, Any]) -> None:
    """The page: its status, its boxes, what is in force and what is due."""
    print_status(view)
    page = view["page"]
    proxy = page["proxy"]
    boxes = [
        ("Enable Push Notifications", _on(page["push"])),
        ("Cisco manages the Cloud Service CA certificates", _on(page["managed_certificates"])),
        ("HTTP(S) proxy", "off" if proxy is None else _proxy(proxy)),
        ("Send Troubleshooting Information", _on(page["troubleshooting"])),
        ("Send encrypted PII", _on(page["pii"])),
    ]
    print_table(("SETTING", "SAVED"), boxes, none="")
    if view["customer_cluster_id"] is not None:
        print_line(f"Customer cluster id: {view['customer_cluster_id']}")
        print_line(f"Cisco Support Token: {view['support_token']}")
    print_table(
        ("NODE", "PUSH", "ACCOUNT", "UP TO DATE"),
        [
            (each["node"], _on(each["page"]["push"]), each["account_id"], each["up_to_date"])
            for each in view["in_force"]
        ],
        none="no nodes",
    )
    print_due(view)


def print_status(view: dict[str, Any]) -> None:
    """One line or a few: where the cluster stands."""
    failed = view["state"] == "failed"
    style = "red" if failed else "green" if view["state"] == "active" else "yellow"
    text = view["status"] or f"({view['state']})"
    print_line("Status: ", (text, style))
    for name, label in (("detail", "Why"), ("refusal", "Refused"), ("not_kept", "Not written")):
        if view[name]:
            print_line(f"{label}: {view[name]}")
    for notice in view["notices"]:
        print_line("Notice: ", (notice, "dim"))
    pushes = "pushes flow" if view["pushing"] else "no push leaves the cluster"
    print_line(f"Cluster {view['cluster_id']}, publisher {view['publisher']}: {pushes}")
    if view["uploads_fail"]:
        print_line("Uploads of troubleshooting information fail until push was disabled")
        print_line("and the cluster was onboarded anew: it was onboarded by 11.5(1)SU2.")


def print_due(view: dict[str, Any]) -> None:
    """The restarts that are due, and the step that comes next."""
    print_table(
        ("RESTART DUE", "ON"),
        [(each["service"], each["nodes"]) for each in view["restarts_due"]],
        none="no restart is due",
    )
    step = view["next"]
    print_line("Next: ", (step["text"], "bold"), f" ({step['effect']})")


def print_tasks(view: dict[str, Any]) -> None:
    """The task list of a full set-up."""
    print_table(
        ("TASK", "WHAT", "STATE"),
        [(each["number"], each["text"], each["state"]) for each in view["tasks"]],
        none="",
    )


def print_licensing(view: dict[str, Any]) -> None:
    """How the cluster is licensed."""
    print_line(f"Release {view['release']}: {view['mode']}")
    left = view["evaluation_days_left"]
    rows = [
        ("registered with", view["manager"]),
        ("synchronised", view["synchronised"]),
        ("specific license reservation", view["reservation"]),
        ("provisioning allowed", view["allows_provisioning"]),
        ("evaluation ends in", None if left is None else f"{left:g} days"),
        ("ready for onboarding", view["ready"]),
    ]
    print_table(("LICENSING", ""), rows, none="")


def _on(value: bool) -> str:
    return "on" if value else "off"


def _proxy(proxy: dict[str, Any]) -> str:
    user = "" if proxy["user"] is None else f" as {proxy['user']}"
    return f"{proxy['url']}{user}"
