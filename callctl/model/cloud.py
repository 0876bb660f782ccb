"""How the cluster reaches the push clouds."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Final
from urllib.parse import urlsplit

from callctl.model.push_access import DirectPush
from callctl.model.user import Secret

FOS_URL: Final = "https://fos-a.wbx2.com"
CI_URL: Final = "https://idbroker.webex.com"
PUSH_REST_URL: Final = "https://push.webexconnect.com"


class OnboardingWay(Enum):
    """Who does the steps of onboarding (Table L)."""

    AUTOMATIC = "automatic"  # the start of the cluster, all of them
    MANUAL = "manual"  # the administrator, one by one


@dataclass(frozen=True, slots=True)
class ProxySettings:
    """The proxy between the cluster and the clouds (PROXY-01, PROXY-03)."""

    scheme: str  # "http" or "https": how the proxy itself is spoken to
    host: str  # name or numeric address, IPv6 without brackets
    port: int
    user: str | None = None
    password: Secret | None = field(default=None, repr=False)
    basic_over_http: bool = False  # allows Basic where anybody on the way can read it (OP-54)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class CloudSettings:
    """Push is off until it is switched on (GEN-02); the addresses are those of CLOUD-01."""

    push_enabled: bool = False
    emulator: bool = False  # the addresses below are ignored: emulators run beside the nodes
    push_rest_url: str = PUSH_REST_URL
    fos_url: str = FOS_URL
    ci_url: str = CI_URL
    plm_url: str = ""  # licence managers; "" for one that there is not (LIC-04)
    cssm_url: str = ""
    satellite_url: str = ""
    alarm_upload_url: str | None = None  # None: troubleshooting information goes nowhere (OP-51)
    onboarding: OnboardingWay = OnboardingWay.AUTOMATIC
    proxy: ProxySettings | None = None
    manage_certificates: bool = True  # the Cisco-managed box of the onboarding page (CERT-03)
    insecure_skip_tls_verification: bool = False  # shows in status, metrics and as an alarm
    direct: DirectPush | None = None  # None: every push goes through Push REST (PUSH-02)

    @property
    def hosts(self) -> tuple[str, ...]:
        """The names that every node has to reach (NET-01)."""
        urls = (self.fos_url, self.ci_url, self.push_rest_url)
        return tuple(urlsplit(url).hostname or "" for url in urls)
