"""A machine token, and a CI of a few lines, for tests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import msgspec

from callctl.model.machine_account import MachineAccount
from callctl.push.events import FetchToken, TokenFetched
from callctl.push.machine_token import MachineToken, MachineTokenSettings, TokenAction
from callctl.serviceability.condition import ConditionEntered, ConditionLeft
from helpers.pushes import UNIX_MS, at

T = TypeVar("T")

CI_TOKEN_URL = "https://idbroker.example.com/idb/oauth2/v1/access_token"
ACCOUNT = MachineAccount(
    "3c9d6c3c-57b5-4a06-9a5c-6a9b6d6e0001",
    "machine-1",
    "org-1",
    CI_TOKEN_URL,
    "refresh-secret-1",
    "https://push.example.com/push/v1/notifications",
)
LIFETIME_S = 3_600
MINUTE_MS = 60_000


def machine_token(account: MachineAccount | None = ACCOUNT) -> MachineToken:
    """That of CPNS on the node cm1."""
    return MachineToken(MachineTokenSettings("cm1", unix_ms_at_zero=UNIX_MS), account)


def granted_answer(
    access_token: str = "t1", lifetime_s: int = LIFETIME_S, **more: str
) -> TokenFetched:
    """CI gives a token."""
    fields = {"access_token": access_token, "token_type": "Bearer", "expires_in": lifetime_s}
    return TokenFetched("push rest", 200, msgspec.json.encode({**fields, **more}))


def refused_answer(error: str, status: int = 400, retry_after: str | None = None) -> TokenFetched:
    """CI gives none, and says why."""
    return TokenFetched("push rest", status, msgspec.json.encode({"error": error}), retry_after)


def only(kind: type[T], actions: Iterable[object]) -> list[T]:
    """Those of one kind."""
    return [action for action in actions if isinstance(action, kind)]


def alarms(actions: Iterable[object]) -> list[tuple[str, str]]:
    """What was entered and left, in order."""
    found: list[tuple[str, str]] = []
    for action in actions:
        if isinstance(action, ConditionEntered):
            found.append(("entered", action.alarm))
        elif isinstance(action, ConditionLeft):
            found.append(("left", action.alarm))
    return found


def with_token(machine: MachineToken, *, lifetime_s: int = LIFETIME_S) -> tuple[TokenAction, ...]:
    """Let it fetch its token "t1" when its service starts."""
    assert only(FetchToken, machine.advance(at(0)))
    return machine.receive(granted_answer(lifetime_s=lifetime_s), at(0))
