"""The way of a machine account to an access token: what is asked of CI, and what its answer means.

Source: OP-14, CLOUD-07; RFC 6749 §5 and §6.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final
from urllib.parse import urlencode

from callctl.model.machine_account import MachineAccount
from callctl.push.direct.grant import is_token

CLIENT_ID: Final = "callctl-push"
"""The client of RFC 6749: the product. Which machine asks, the refresh token alone tells."""

GRANT_TYPE: Final = "refresh_token"
LIFETIME_MAX_S: Final = 30 * 86_400  # of an access token

REPAIR_REASONS: Final = {
    "invalid_request": "invalid request",
    "unsupported_grant_type": "unsupported grant type",
    "invalid_client": "invalid client",
    "invalid_grant": "invalid refresh token",
    "token_limit_reached": "token limit reached",
}
"""What a 400 of CI says, in its words and in ours."""


def refresh_form(account: MachineAccount) -> bytes:
    """The form to post to `account.token_url`."""
    fields = {
        "grant_type": GRANT_TYPE,
        "refresh_token": account.refresh_token,
        "client_id": CLIENT_ID,
    }
    return urlencode(fields).encode()


def repair_reason(fields: Mapping[str, object]) -> str:
    """Why CI answered 400; never in its own text."""
    return REPAIR_REASONS.get(str(fields.get("error")), "bad request")


def renewed(account: MachineAccount, fields: Mapping[str, object]) -> MachineAccount | None:
    """The account with the refresh token that CI gave in place of the old one; None if none."""
    given = fields.get("refresh_token")
    if not isinstance(given, str) or not is_token(given) or given == account.refresh_token:
        return None
    return replace(account, refresh_token=given)
