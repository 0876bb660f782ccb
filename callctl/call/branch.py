"""One copy of an INVITE, to one binding of a device or to one destination of a trunk."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

from callctl.model.trunk import SipTrunk, TrunkDestination
from callctl.registration.binding import Binding

if TYPE_CHECKING:
    from callctl.call.leg import Leg


class BranchState(Enum):
    """What is known of one copy of the INVITE."""

    CALLING = "calling"
    PROCEEDING = "proceeding"
    ACCEPTED = "accepted"
    ENDED = "ended"  # failed, cancelled or given up; a late 2xx can still come


class Branch:
    """One copy of the INVITE, on one flow. Exactly one of binding and destination is set."""

    __slots__ = (
        "answers",
        "binding",
        "call",
        "destination",
        "done",
        "fallback",
        "leg",
        "state",
        "to_tag",
        "transaction",
        "trunk",
    )

    def __init__(
        self,
        call: object,
        leg: Leg,
        binding: Binding | None,
        way: tuple[SipTrunk, TrunkDestination] | None = None,
    ) -> None:
        self.call = call  # a `Call`, which knows this module, not the other way round
        self.leg = leg
        self.binding = binding
        self.trunk: SipTrunk | None = None if way is None else way[0]
        self.destination: TrunkDestination | None = None if way is None else way[1]
        self.state = BranchState.CALLING
        self.to_tag: str | None = None  # of the 2xx that was forwarded
        self.transaction: Any = None  # the engine's client transaction
        self.fallback: Any = None  # what the engine sends if the flow cannot be had
        self.answers = 0  # challenges of a peer that were answered
        self.done = False  # its transaction is over: nothing can come any more

    @property
    def node(self) -> str | None:
        """The node whose flow it goes over; None for a copy to a trunk."""
        return None if self.binding is None else self.binding.node
