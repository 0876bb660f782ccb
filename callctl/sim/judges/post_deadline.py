"""I5: no push leaves after its deadline, however often it is tried, and none lives longer."""

from __future__ import annotations

import msgspec

from callctl.push.events import PostPush
from callctl.push.request import ON_THE_WAY_NS
from callctl.sim.party import Party
from callctl.sim.watch import Judge
from sipstack.timing import SECOND, Instant


class PostDeadline(Judge):
    """The first post of a push sets its deadline; no later one may move it."""

    invariant = "I5"
    __slots__ = ("_deadlines",)

    def __init__(self) -> None:
        self._deadlines: dict[str, Instant] = {}  # by tracking id

    def posted(self, who: Party, push: PostPush) -> None:
        """Look at the clock, and at how long the cloud may keep it."""
        tracking_id, deadline = push.tracking_id, push.deadline
        if self._deadlines.setdefault(tracking_id, deadline) != deadline:
            self.blame(f"{who.label}: {tracking_id} has a new deadline")
        deadline = self._deadlines[tracking_id]
        if self.now >= deadline:
            late = (self.now - deadline) / 1e9
            self.blame(f"{who.label}: {tracking_id} is posted {late:.3f} s after its deadline")
        elif not push.attempt:  # the same octets go by the next address
            left_ns = deadline - self.now + ON_THE_WAY_NS
            if msgspec.json.decode(push.body)["ttl"] * SECOND > left_ns:
                self.blame(f"{who.label}: {tracking_id} may be delivered after its deadline")
