"""How the cluster reaches the push clouds."""

from __future__ import annotations

from dataclasses import dataclass

from callctl.model.push_access import DirectPush


@dataclass(frozen=True, slots=True)
class CloudSettings:
    """Push is off until it is switched on (GEN-02); the address is that of CLOUD-01."""

    push_enabled: bool = False
    emulator: bool = False  # the address below is ignored: emulators run beside the nodes
    push_rest_url: str = "https://push.webexconnect.com"
    direct: DirectPush | None = None  # None: every push goes through Push REST (PUSH-02)
