"""Faults of the emulated clouds, which are the same in virtual time and over sockets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from callctl.cloud.faults import Fault, FaultPlan
from callctl.testing.stage import CloudName


class Faulty(Protocol):
    """A cloud that faults can be put into."""

    @property
    def faults(self) -> FaultPlan: ...


class FaultHands:
    """Puts faults into the cores of the clouds; what was said last of a cloud holds."""

    def __init__(self, cores: Mapping[CloudName, Faulty]) -> None:
        self._cores = cores

    def answer(
        self,
        cloud: CloudName,
        status: int,
        reason: str,
        retry_after_s: int | None,
        times: int | None,
    ) -> None:
        """Answer every request so."""
        self._add(
            cloud, Fault(status=status, reason=reason, retry_after_s=retry_after_s, times=times)
        )

    def be_silent(self, cloud: CloudName, times: int | None) -> None:
        """Never answer."""
        self._add(cloud, Fault(silent=True, times=times))

    def delay(self, cloud: CloudName, ns: int) -> None:
        """Pass on, or deliver, so late."""
        self._add(cloud, Fault(delay_ns=ns))

    def lose(self, cloud: CloudName, times: int | None) -> None:
        """Take it, and never deliver it."""
        self._add(cloud, Fault(lose=True, times=times))

    def double(self, cloud: CloudName) -> None:
        """Deliver twice."""
        self._add(cloud, Fault(duplicate=True))

    def clear(self, cloud: CloudName) -> None:
        """No more faults of the core."""
        self._cores[cloud].faults.clear()

    def _add(self, cloud: CloudName, fault: Fault) -> None:
        self.clear(cloud)
        self._cores[cloud].faults.add(fault)
