"""CLOUD-06: a target that was refused is pushed to no more, by no node, until a new one is given.

And a refusal that comes late, for a target that was replaced, stops nothing (REG-06).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from callctl.push.events import PostPush, PushAnswered
from callctl.registration.push_binding import PushBinding
from callctl.serviceability.alarm import AlarmCleared, AlarmNotice
from callctl.sim.cloud_way import CloudNews
from callctl.sim.party import Party
from callctl.sim.watch import Judge
from sipstack.timing import Instant

INVALID_TARGET: Final = "PushNotificationInvalidDeviceTokenResponse"


@dataclass(slots=True)
class _SignIn:
    targets: frozenset[str]
    at: Instant


class Refusals(Judge):
    """Knows every target, when its device gave it, and when a node was told that it is invalid.

    Says nothing of pushes once a node or a link was lost: one may not have heard.
    """

    invariant = "CLOUD-06"
    __slots__ = ("_active", "_bus_ns", "_ever", "_posted", "_refused", "_signed_in")

    def __init__(self, bus_ns: int) -> None:
        """`bus_ns`: more than the slowest bus takes; news that cross are nobody's fault."""
        self._bus_ns = bus_ns
        self._signed_in: dict[str, _SignIn] = {}  # by device name
        self._posted: dict[str, tuple[str, Instant]] = {}  # target and time, by tracking id
        self._refused: dict[str, Instant] = {}  # by target
        self._ever: set[str] = set()  # targets that were refused at any time
        self._active: dict[str, None] = {}  # devices with the alarm

    def signed_in(self, binding: PushBinding) -> None:
        """From now on its targets are good."""
        given = {binding.voip_token, binding.message_token} - {None}
        targets = frozenset(target for target in given if target is not None)
        self._signed_in[binding.device_name] = _SignIn(targets, self.now)
        for target in targets:
            self._refused.pop(target, None)

    def posted(self, who: Party, push: PostPush) -> None:
        """Judge the target."""
        target = msgspec.json.decode(push.body)["target"]
        self._posted[push.tracking_id] = target, self.now
        refused_at = self._refused.get(target)
        if refused_at is None or self.ledger.nodes_lost:
            return
        if self.now - refused_at > 2 * self._bus_ns:
            late = (self.now - refused_at) / 1e9
            self.blame(f"{who.label} pushes to a target {late:.3f} s after it was refused")

    def heard(self, who: Party, news: CloudNews) -> None:
        """A node is told."""
        if not isinstance(news, PushAnswered) or news.status != 410:
            return
        target, posted_at = self._posted.get(news.tracking_id, ("", self.now))
        if not target or not getattr(who, "linked", True):
            return  # CallManager cannot be told
        self._ever.add(target)
        for signed_in in self._signed_in.values():
            if target in signed_in.targets and posted_at < signed_in.at + self._bus_ns:
                return  # it was given again meanwhile
        self._refused.setdefault(target, self.now)

    def alarm(self, notice: AlarmNotice) -> None:
        """Note which devices are said to be stopped."""
        if notice.name == INVALID_TARGET:
            if isinstance(notice, AlarmCleared):
                self._active.pop(notice.subject, None)
            else:
                self._active[notice.subject] = None

    def rest(self, parties: Sequence[Party]) -> None:
        """Who is still said to be stopped must have a target that was refused."""
        for device in self._active:
            signed_in = self._signed_in.get(device)
            if signed_in is not None and not signed_in.targets & self._ever:
                self.blame(f"{device} is still stopped, though its targets are good")
