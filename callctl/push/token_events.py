"""What a machine token needs to be told, and what it tells (CPNS-05, CPNS-06, CLOUD-07, TRB-20)."""

from __future__ import annotations

from dataclasses import dataclass

from callctl.model.machine_account import MachineAccount
from sipstack.timing import Instant


@dataclass(frozen=True, slots=True)
class MachineAccountGiven:
    """By onboarding or by the repair. It is used from the next start of the service on."""

    account: MachineAccount | None  # None: there is none any more


@dataclass(frozen=True, slots=True)
class TokenObtained:
    """CI gave an access token: what an administrator looks for in the log (TRB-21)."""

    channel: str
    lifetime_s: int


@dataclass(frozen=True, slots=True)
class TokenFetchFailed:
    """CI gave none."""

    channel: str
    reason: str  # never text of CI
    again_at: Instant
    status: int | None = None  # of the answer, where there was one


@dataclass(frozen=True, slots=True)
class TokenStateChanged:
    """Whether pushes can leave. Not told while nobody knows: at first, and while one is fetched."""

    available: bool
    reason: str = ""  # why not


@dataclass(frozen=True, slots=True)
class RepairStateChanged:
    """CI answered 400: the machine account must be repaired by hand. Or it need not any more."""

    due: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class MachineAccountRenewed:
    """CI gave a new refresh token (RFC 6749 §6): to be stored, and to be known to every node."""

    account: MachineAccount
