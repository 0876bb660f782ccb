"""`callctl cloud check`: can every node reach the cloud, and which step fails if not."""

from __future__ import annotations

from callctl.cli.client import HERE, AdminClient, Where
from callctl.cli.output import print_json, print_line, print_table
from callctl.cli.push import took


def check(*, where: Where = HERE) -> int:
    """Try every cloud host from every node, the token, and the port between the nodes.

    Says which step fails first: DNS, TCP, proxy, proxy authentication, TLS, certificate, token,
    the answer of Push REST, the block list. Exits with 1 if anything fails.
    """
    report = AdminClient(where).post("cloud", "check")
    if where.json:
        print_json(report)
        return 0 if report["ok"] else 1
    print_table(
        ("NODE", "TARGET", "USE", "RESULT", "FIRST FAILING STEP", "TOOK"),
        [
            (
                each["node"],
                each["target"],
                each["use"],
                "ok" if each["ok"] else "failed",
                each["step"],
                took(each["took_ms"]),
            )
            for each in report["checks"]
        ],
        none="no nodes",
    )
    # A fault that several nodes share is told once.
    told: dict[tuple[str, str, str], list[str]] = {}
    for each in report["checks"]:
        if not each["ok"]:
            key = (each["target"], each["cause"], each["action"])
            told.setdefault(key, []).append(each["node"])
    for (target, cause, action), nodes in told.items():
        whither = f" to {target}" if target else ""
        print_line((f"{', '.join(nodes)}{whither}: ", "bold"), cause)
        print_line(f"  {action}")
    if report["ok"]:
        print_line("Every node reaches the cloud.")
    for note in report["notes"]:
        print_line((f"Not seen from here: {note}", "dim"))
    return 0 if report["ok"] else 1
