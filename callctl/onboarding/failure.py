"""What came back from FOS, or did not: a machine account, or one of the reasons of OP-49."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Final

import msgspec

from callctl.egress.failure import Step
from callctl.model.machine_account import MachineAccount
from callctl.onboarding.state import Reason

_REASON_OF_STEP: Final[dict[Step, Reason]] = {
    "proxy authentication": Reason.PROXY_AUTHENTICATION,
    "certificate": Reason.CERTIFICATE_MISSING,
}
VOUCHER_ERRORS: Final = frozenset(
    {"VoucherMissing", "VoucherUnknown", "VoucherExpired", "VoucherUsed", "VoucherIssuer"}
)
"""`error` of FOS, status 400, 403 or 409: only another voucher helps."""

_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=4096)]
_Url = Annotated[str, msgspec.Meta(max_length=1024, pattern="^https://[^\\s/?#@]+[^\\s?#]*$")]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why onboarding failed, and what the one who repairs it wants to know. Never a secret."""

    reason: Reason
    detail: str = ""


class _Provisioned(msgspec.Struct, rename="camel", frozen=True):
    """The answer of FOS (OP-15)."""

    account_id: _Text
    organisation_id: _Text
    token_url: _Url
    refresh_token: _Text
    push_rest_url: _Url


class _Error(msgspec.Struct, frozen=True):
    """The answer of FOS that says no."""

    error: Annotated[str, msgspec.Meta(max_length=64, pattern="^[A-Za-z]+$")]


def failure_of_step(step: Step, detail: str = "") -> Failure:
    """Why the answer never came."""
    return Failure(_REASON_OF_STEP.get(step, Reason.CLOUD_NOT_REACHABLE), detail or step)


def outcome_of(status: int, body: bytes, pkid: Callable[[], str]) -> MachineAccount | Failure:
    """What an answer of FOS gives. Somebody in between may have answered in its place."""
    if status in (200, 201):
        try:
            made = msgspec.json.decode(body, type=_Provisioned)
        except (msgspec.DecodeError, RecursionError):  # not told on: it may hold a refresh token
            return Failure(Reason.CLOUD_NOT_REACHABLE, "the answer is not one of FOS")
        return MachineAccount(
            pkid(),
            made.account_id,
            made.organisation_id,
            made.token_url,
            made.refresh_token,
            made.push_rest_url,
        )
    if status == 407:
        return Failure(Reason.PROXY_AUTHENTICATION, "the proxy answered 407")
    try:
        error = msgspec.json.decode(body, type=_Error).error
    except (msgspec.DecodeError, RecursionError):
        error = ""
    detail = f"FOS answered {status} {error}".rstrip()
    if error in VOUCHER_ERRORS:
        return Failure(Reason.VOUCHER_MISSING, detail)
    return Failure(Reason.CLOUD_NOT_REACHABLE, detail)
