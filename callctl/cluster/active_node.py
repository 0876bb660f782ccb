"""The active node of a device: where it should register now, and where a push sends it."""

from __future__ import annotations

from collections.abc import Callable, Sequence


def active_node(
    group: Sequence[str], last_node: str | None, in_service: Callable[[str], bool]
) -> str | None:
    """The node of the last registration if in service, else the first of the group that is.

    Args:
        group: nodes of the device's CM group, the primary first (CMG-02).
        last_node: where the device registered last; None if it never did. A node outside the
            group does not count: the device may not register there any more.
        in_service: call processing and push service of a node both up.

    Returns: a node of the group, None if none is in service (CMG-11).
    Source: CMG-07, OP-30.
    """
    if last_node in group and last_node is not None and in_service(last_node):
        return last_node
    return next((node for node in group if in_service(node)), None)
