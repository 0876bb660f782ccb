"""The next step of an administrator, in words: what it is, and what it brings about.

Source: Table L, ONB-04 to ONB-12, ONB-16; OP-49 for what to correct.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from callctl.onboarding.onboarding import Onboarding
from callctl.onboarding.state import Reason, State


class StepKind(Enum):
    """What has to be done."""

    REGISTER = "register"
    VOUCHER = "voucher"
    SAVE = "save"
    RESTART = "restart"
    WAIT = "wait"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Step:
    """One step."""

    kind: StepKind
    text: str
    effect: str
    service: str = ""  # of a restart
    nodes: tuple[str, ...] = ()


CORRECTION: Final = {
    Reason.VOUCHER_MISSING: "generate another voucher",
    Reason.CERTIFICATE_MISSING: (
        "upload the certificates of the cloud to tomcat-trust, or let Cisco manage them"
    ),
    Reason.CLOUD_NOT_REACHABLE: (
        "see that DNS answers and that port 443 is open from the publisher, or set the proxy"
    ),
    Reason.PROXY_AUTHENTICATION: "correct user name and password of the proxy",
    Reason.LICENSE_RESERVATION: "turn Specific License Reservation off",
    Reason.UNRESTRICTED: "install export-restricted software: push needs HTTPS",
}
"""What to do about each reason of OP-49."""

_EFFECT_OF_RESTART: Final = {
    State.CERTS_PREPARED: "installs the certificates; the status becomes pending",
    State.COMPLETED: "takes over what was saved; after the last restart pushes flow",
    State.DISABLING: "ends message pushes",
}


def next_step(onboarding: Onboarding) -> Step:
    """What is due now."""
    state, home = onboarding.state, onboarding.home
    match state:
        case State.NOT_ONBOARDED | State.PENDING | State.FAILED if onboarding.desk.voucher is None:
            return _step_to_voucher(onboarding)
        case State.VOUCHER_READY:
            return Step(
                StepKind.SAVE,
                "Check Enable Push Notifications and Save",
                "prepares the certificates of the cloud; nothing is sent yet",
            )
        case State.CERTS_PREPARED | State.COMPLETED | State.DISABLING:
            service, nodes = _first_restart(onboarding)
            return Step(
                StepKind.RESTART, f"Restart {service}", _EFFECT_OF_RESTART[state], service, nodes
            )
        case State.NOT_ONBOARDED | State.PENDING | State.FAILED:
            first = "Check both boxes again"
            if onboarding.failure is not None:
                correction = CORRECTION[onboarding.failure.reason]
                first = correction[0].upper() + correction[1:]
            effect = f"{home.publisher} sends the subscription; the cloud gives a machine account"
            return Step(StepKind.SAVE, f"{first} and Save", effect)
        case State.REQUESTING:
            return Step(StepKind.WAIT, "Wait for the cloud", "the subscription is under way")
        case State.ACTIVE:
            listed = onboarding.due.listed()
            if not listed:
                return Step(StepKind.NONE, "Nothing is due", "pushes flow")
            service, nodes = listed[0]
            return Step(StepKind.RESTART, f"Restart {service}", "as is due", service, nodes)


def _step_to_voucher(onboarding: Onboarding) -> Step:
    if onboarding.desk.fetching:
        return Step(StepKind.WAIT, "Wait for the voucher", "the license manager is asked")
    if onboarding.licensing.voucher_manager is None:
        return Step(
            StepKind.REGISTER,
            "Register with the license manager",
            "a registered cluster can be given a voucher",
        )
    return Step(
        StepKind.VOUCHER, "Generate Voucher", "synchronises the licenses and fetches the voucher"
    )


def _first_restart(onboarding: Onboarding) -> tuple[str, tuple[str, ...]]:
    """The one to begin with. On each IM and Presence node both XCP services go together."""
    listed = onboarding.due.listed()
    if onboarding.state is State.DISABLING:
        return listed[-1]
    return listed[0]
