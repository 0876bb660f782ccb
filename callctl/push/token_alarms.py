"""Which alarms the lack of a machine token raises, in each of the services that have one.

Source: Table F (F5, F10, F11), CPNS-06, OP-37.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from callctl.serviceability.condition import Condition, ConditionEntered, ConditionLeft


@dataclass(frozen=True, slots=True)
class TokenAlarms:
    """The names of Table F for what can go wrong; None where a service has no such alarm."""

    invalid: str | None = None  # the token has ended or was refused, and no other can be had
    fetch_failed: str | None = None  # a request for a token failed
    is_null: str | None = None  # there is no token, and no request failed


CPNS_ALARMS: Final = TokenAlarms(invalid="AccessTokenInvalid")
XCP_ALARMS: Final = TokenAlarms(
    fetch_failed="AccessTokenFetchFailed", is_null="XCPConfigMgrAccessTokenIsNull"
)


class TokenConditions:
    """The conditions of one service that hold; each is told when it comes and when it goes."""

    __slots__ = ("_alarms", "_entered", "_node")

    def __init__(self, alarms: TokenAlarms, node: str) -> None:
        self._alarms = alarms
        self._node = node
        self._entered: dict[str, None] = {}

    def follow(
        self, *, invalid: bool, fetch_failed: bool, is_null: bool, why: str
    ) -> tuple[Condition, ...]:
        """What holds now; gives what is new in that."""
        alarms = self._alarms
        holds = {
            alarms.invalid: invalid,
            alarms.fetch_failed: fetch_failed,
            alarms.is_null: is_null,
        }
        out: list[Condition] = []
        for alarm, does in holds.items():
            if alarm is None:
                continue
            if does and alarm not in self._entered:
                self._entered[alarm] = None
                out.append(ConditionEntered(alarm, self._node, detail=why))
            elif not does and alarm in self._entered:
                del self._entered[alarm]
                out.append(ConditionLeft(alarm, self._node))
        return tuple(out)

    def leave(self) -> tuple[Condition, ...]:
        """None holds any more: the service stops."""
        return self.follow(invalid=False, fetch_failed=False, is_null=False, why="")
