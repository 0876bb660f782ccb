"""`callctl cloud proxy-capacity`: how much the proxy to the clouds has to carry."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from callctl.cli.errors import Usage
from callctl.cli.output import print_json, print_line, print_table
from callctl.egress.proxy_capacity import (
    CALLS_PER_USER,
    SECOND_PUSH_SHARE,
    Deployment,
    capacity_of,
)


def proxy_capacity(
    *,
    users: Annotated[int, Parameter(help="Users with mobile devices.")],
    devices_per_user: Annotated[
        float | None, Parameter(help="Mobile devices of a user, of whatever platform.")
    ] = None,
    ios_per_user: Annotated[float | None, Parameter(help="Instead: iPhones and iPads.")] = None,
    android_per_user: Annotated[float | None, Parameter(help="Instead: Android devices.")] = None,
    calls_per_hour: Annotated[
        float, Parameter(help="Calls that a user gets in the busy hour.")
    ] = CALLS_PER_USER,
    second_push_share: Annotated[
        float,
        Parameter(help="Of ring pushes, those followed by another: missed or taken elsewhere."),
    ] = SECOND_PUSH_SHARE,
    messages_per_hour: Annotated[
        float, Parameter(help="Instant messages that a user gets in the busy hour.")
    ] = 0.0,
    nodes: Annotated[int, Parameter(help="Nodes that push.")] = 2,
    json: Annotated[bool, Parameter(negative="", help="Print JSON, for scripts.")] = False,
) -> int:
    """What a proxy has to carry for a deployment: transactions, connections, bandwidth.

    Asks no cluster. It is an estimate, and says what it assumes.
    """
    by_platform = ios_per_user is not None or android_per_user is not None
    if devices_per_user is not None and by_platform:
        raise Usage("name either --devices-per-user or devices by platform")
    ios = devices_per_user if devices_per_user is not None else ios_per_user
    try:
        deployment = Deployment(
            users=users,
            ios_per_user=ios if ios is not None else (0.0 if by_platform else 1.0),
            android_per_user=android_per_user or 0.0,
            calls_per_user=calls_per_hour,
            second_push_share=second_push_share,
            messages_per_user=messages_per_hour,
            nodes=nodes,
        )
    except ValueError as error:
        raise Usage(str(error)) from error
    capacity = capacity_of(deployment)
    if json:
        print_json(capacity.as_json())
        return 0
    print_table(
        ("WHAT THE PROXY CARRIES", "VALUE", "UNIT"),
        [
            ("transactions, busy hour", f"{capacity.transactions_per_second:g}", "a second"),
            ("transactions, busy second", capacity.busy_transactions_per_second, "a second"),
            ("connections kept open", capacity.kept_connections, ""),
            ("new connections", capacity.new_connections_per_hour, "an hour"),
            (
                "new connections when the proxy restarts",
                capacity.connections_at_once_after_a_restart,
                "at once",
            ),
            ("to the clouds", capacity.bandwidth_up_kbit_s, "kbit/s"),
            ("from the clouds", capacity.bandwidth_down_kbit_s, "kbit/s"),
        ],
        none="nothing",
    )
    if not capacity.nodes_enough:
        print_line("In the busy second pushes wait for a connection: more nodes would be needed.")
    print_line("It is assumed that")
    for assumption in capacity.assumptions:
        print_line(f"- {assumption};")
    return 0
