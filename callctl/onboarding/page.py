"""The Cisco Cloud Onboarding page: its boxes, their defaults, and what a Save changes.

Source: SVC-03 (settings table of section 12), ONB-05, ONB-09, TRB-01, TRB-10, PROXY-01.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from callctl.model.cloud import ProxySettings

XCP_ROUTER_NOTICE: Final = "Restart the Cisco XCP Router on all IM and Presence Service nodes."
ACTIVATION_CODE_NOTICE: Final = (
    "No phones are enabled in the Device Defaults page to use Activation Code Onboarding"
)
"""Says that no device type is onboarded by activation code, and nothing about push (ONB-14)."""


@dataclass(frozen=True, slots=True)
class PageSettings:
    """All boxes of the page."""

    push_enabled: bool = False
    manage_certificates: bool = True  # the sources state no default; on as in the cluster file
    proxy: ProxySettings | None = None
    troubleshooting: bool | None = None  # None: nobody has touched the box
    encrypted_pii: bool = False

    @property
    def sends_troubleshooting(self) -> bool:
        """Send Troubleshooting Information: on with push, unless it was cleared (TRB-01)."""
        return self.push_enabled and self.troubleshooting is not False

    @property
    def sends_pii(self) -> bool:
        """Personal data goes along, encrypted; never without the rest (TRB-10, TRB-13)."""
        return self.sends_troubleshooting and self.encrypted_pii


class Kept(Enum):
    """Stands for a box that a Save leaves as it is."""

    KEPT = "kept"


KEPT: Final = Kept.KEPT


@dataclass(frozen=True, slots=True)
class PageChange:
    """What the administrator changed before a Save; None and `KEPT` leave a box as it is."""

    push_enabled: bool | None = None
    manage_certificates: bool | None = None
    proxy: ProxySettings | Kept | None = KEPT  # None: no proxy
    troubleshooting: bool | None = None
    encrypted_pii: bool | None = None

    def applied_to(self, page: PageSettings) -> PageSettings:
        """The boxes after this change."""
        return PageSettings(
            _or(self.push_enabled, page.push_enabled),
            _or(self.manage_certificates, page.manage_certificates),
            page.proxy if isinstance(self.proxy, Kept) else self.proxy,
            page.troubleshooting if self.troubleshooting is None else self.troubleshooting,
            _or(self.encrypted_pii, page.encrypted_pii),
        )


def _or(wanted: bool | None, kept: bool) -> bool:
    return kept if wanted is None else wanted
