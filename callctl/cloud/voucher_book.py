"""The vouchers that licence managers have made, as FOS knows them (LIC-04, OP-57)."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from callctl.model.release import Release
from callctl.onboarding.licensing import DAY_NS, Issuer, issuer_for
from sipstack.entropy import Entropy
from sipstack.timing import Instant

LIFETIME_NS: Final = 30 * DAY_NS
VOUCHERS_MAX: Final = 10_000  # remembered; the oldest goes first


@dataclass(slots=True)
class _Made:
    issuer: Issuer
    ends_at: Instant
    used_by: str | None = None  # cluster id


class VoucherError(ValueError):
    """A voucher that does not onboard; the text is the `error` of the answer."""

    @property
    def status(self) -> int:
        """Of the answer."""
        return {"VoucherUsed": 409, "VoucherMissing": 400}.get(str(self), 403)


class VoucherBook:
    """Made here, used up there."""

    def __init__(self, entropy: Entropy, lifetime_ns: int = LIFETIME_NS) -> None:
        self.lifetime_ns = lifetime_ns
        self._entropy = entropy
        self._made: OrderedDict[str, _Made] = OrderedDict()

    def make(self, issuer: Issuer, now: Instant) -> str:
        """A new one. Its text means nothing to anybody else."""
        code = f"{issuer.value}-{self._entropy.octets(24).hex().upper()}"
        self._made[code] = _Made(issuer, Instant(now + self.lifetime_ns))
        if len(self._made) > VOUCHERS_MAX:
            self._made.popitem(last=False)
        return code

    def use(self, code: str, cluster_id: str, release: Release, now: Instant) -> None:
        """Use one up. Raises: VoucherError, and it is as good as before."""
        if not code:
            raise VoucherError("VoucherMissing")
        made = self._made.get(code)
        if made is None:
            raise VoucherError("VoucherUnknown")
        if made.issuer is not issuer_for(release):
            raise VoucherError("VoucherIssuer")
        if made.used_by is not None:
            raise VoucherError("VoucherUsed")
        if now >= made.ends_at:
            raise VoucherError("VoucherExpired")
        made.used_by = cluster_id
