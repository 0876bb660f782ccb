"""The states of onboarding, which may follow which, and what the page says in each.

Source: Table L, ONB-07, ONB-10, OP-49.
"""

from __future__ import annotations

from enum import Enum
from typing import Final


class State(Enum):
    """Where the cluster stands on its way to push."""

    NOT_ONBOARDED = "not onboarded"
    VOUCHER_READY = "voucher ready"
    CERTS_PREPARED = "certificates prepared"  # they wait for the restart of Tomcat
    PENDING = "pending"
    REQUESTING = "requesting"
    COMPLETED = "completed"  # restarts are due
    ACTIVE = "active"
    FAILED = "failed"
    DISABLING = "disabling"


# What stands in Table L, and besides: whoever clears the box before anything was asked for goes
# back to where the voucher stands, and an upgrade can take the voucher away (LIC-07).
MOVES: Final[dict[State, frozenset[State]]] = {
    State.NOT_ONBOARDED: frozenset({State.VOUCHER_READY}),
    State.VOUCHER_READY: frozenset({State.CERTS_PREPARED, State.NOT_ONBOARDED}),
    State.CERTS_PREPARED: frozenset({State.PENDING, State.VOUCHER_READY, State.NOT_ONBOARDED}),
    State.PENDING: frozenset({State.REQUESTING, State.VOUCHER_READY, State.NOT_ONBOARDED}),
    State.REQUESTING: frozenset({State.COMPLETED, State.FAILED}),
    State.COMPLETED: frozenset({State.ACTIVE, State.DISABLING}),
    State.ACTIVE: frozenset({State.DISABLING, State.COMPLETED}),
    State.FAILED: frozenset({State.PENDING, State.VOUCHER_READY, State.NOT_ONBOARDED}),
    State.DISABLING: frozenset({State.NOT_ONBOARDED}),
}

ONBOARDED: Final = (State.COMPLETED, State.ACTIVE)

PENDING_TEXT: Final = "Cisco Cloud Onboarding Pending"
COMPLETED_TEXT: Final = "Cloud Onboarding Completed"
FAILED_TEXT: Final = "Cloud Onboarding Failed: "  # and the reason; a text of this project (OP-49)

STATUS: Final = {
    State.PENDING: PENDING_TEXT,
    State.COMPLETED: COMPLETED_TEXT,
    State.ACTIVE: COMPLETED_TEXT,
}
"""What the page says; in the other states the sources give no text."""


class Reason(Enum):
    """Why onboarding failed or is refused (OP-49)."""

    VOUCHER_MISSING = "voucher missing"
    CERTIFICATE_MISSING = "certificate missing"
    CLOUD_NOT_REACHABLE = "cloud not reachable"
    PROXY_AUTHENTICATION = "proxy authentication"
    LICENSE_RESERVATION = "license reservation active"
    UNRESTRICTED = "unrestricted software"


def failed_text(reason: Reason) -> str:
    """The status of the page after a failure, or while it refuses."""
    return FAILED_TEXT + reason.value
