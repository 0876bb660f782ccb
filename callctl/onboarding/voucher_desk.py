"""Generate Voucher: licences are synchronised, then the voucher is fetched (ONB-04).

Source: LIC-01 to LIC-11, ONB-04, OP-57, OP-59.
"""

from __future__ import annotations

from typing import TypeAlias

from callctl.model.release import Release
from callctl.onboarding.event import (
    DeleteVouchers,
    FetchVoucher,
    LicenseDeregistered,
    LicenseManagerFailed,
    LicenseRegistered,
    LicensesSynchronised,
    Refused,
    ReservationChanged,
    SynchroniseLicenses,
    VoucherReceived,
)
from callctl.onboarding.licensing import Issuer, Licensing, Voucher, issuer_for
from callctl.onboarding.state import Reason
from sipstack.timing import Instant

LicenseEvent: TypeAlias = (
    LicensesSynchronised
    | VoucherReceived
    | LicenseManagerFailed
    | LicenseRegistered
    | LicenseDeregistered
    | ReservationChanged
)
DeskAction: TypeAlias = SynchroniseLicenses | FetchVoucher | DeleteVouchers | Refused


class VoucherDesk:
    """Licences of a cluster, and the one voucher it holds at most."""

    def __init__(self, licensing: Licensing, *, unrestricted: bool) -> None:
        self.licensing = licensing
        self.voucher: Voucher | None = None
        self._unrestricted = unrestricted
        self.fetching = False  # synchronised or fetched now

    def forbidden(self) -> Reason | None:
        """What no voucher and no certificate helps against (GEN-07, LIC-03)."""
        if self._unrestricted:
            return Reason.UNRESTRICTED
        return Reason.LICENSE_RESERVATION if self.licensing.reserved else None

    def request(self) -> DeskAction:
        """The administrator wants a voucher."""
        forbidden = self.forbidden()
        if forbidden is not None:
            return Refused(forbidden.value, forbidden)
        if self.fetching:
            return Refused("a voucher is being fetched")
        manager = self.licensing.voucher_manager
        if manager is None:
            return Refused("register with Cisco Smart Software Manager or a satellite first")
        self.fetching = True
        return SynchroniseLicenses(manager)

    def receive(self, event: LicenseEvent, now: Instant) -> DeskAction | None:
        """Take what happened. Returns: what to do, None if that is nothing."""
        licensing, problem = self.licensing, None
        match event:
            case LicensesSynchronised():
                licensing.synchronised = True
                manager = licensing.voucher_manager
                if self.fetching and manager is not None:
                    return FetchVoucher(manager)
            case LicenseManagerFailed(detail):
                self.fetching = False
                problem = f"license manager: {detail}"
            case VoucherReceived(voucher):
                problem = self._take(voucher)
            case LicenseRegistered(manager):
                problem = licensing.registered(manager)
            case LicenseDeregistered():
                problem = licensing.deregistered(now)
            case ReservationChanged(on):
                problem = licensing.reservation(on, now)
        return None if problem is None else Refused(problem)

    def upgraded(self, release: Release, now: Instant) -> DeskAction | None:
        """The cluster runs another release now: vouchers of PLM are worth nothing to CSSM."""
        was_smart = self.licensing.smart
        self.licensing.upgraded(release, now)
        if was_smart or not self.licensing.smart:
            return None
        self.voucher = None
        return DeleteVouchers(Issuer.PLM)

    def _take(self, voucher: Voucher) -> str | None:
        if not self.fetching:
            return "nobody asked for this voucher"
        self.fetching = False
        release = self.licensing.release
        if voucher.issuer is not issuer_for(release):
            return f"{release} does not take vouchers of {voucher.issuer.value}"
        self.voucher = voucher
        return None
