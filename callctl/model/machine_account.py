"""The machine account of a cluster: what onboarding gives it, and what it gets tokens with.

Not to be mixed up with the tokens of users (AUTH-12). Source: CLOUD-02, ONB-21, OP-15.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class MachineAccount:
    """One row of the table `machineaccountdetails`."""

    pkid: str  # UUID of the row
    account_id: str
    organisation_id: str
    token_url: str  # of CI
    refresh_token: str = field(repr=False)
    push_rest_url: str
