"""How the cluster reaches the push clouds."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CloudSettings:
    """Push is off until it is switched on (GEN-02); the addresses are those of CLOUD-01."""

    push_enabled: bool = False
    emulator: bool = False  # the addresses below are ignored: emulators run beside the nodes
    onboarding_url: str = "https://fos-a.wbx2.com"
    identity_url: str = "https://idbroker.webex.com"
    push_rest_url: str = "https://push.webexconnect.com"
