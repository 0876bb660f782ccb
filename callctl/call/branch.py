"""One copy of an INVITE, to one binding of a device or to one destination of a trunk."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

from callctl.model.trunk import TrunkDestination
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
        "binding",
        "call",
        "destination",
        "done",
        "fallback",
        "leg",
        "sent",
        "state",
        "to_tag",
        "transaction",
    )

    def __init__(
        self,
        call: object,
        leg: Leg,
        binding: Binding | None,
        destination: TrunkDestination | None = None,
    ) -> None:
        self.call = call  # a `Call`, which knows this module, not the other way round
        self.leg = leg
        self.binding = binding
        self.destination = destination
        self.state = BranchState.CALLING
        self.to_tag: str | None = None  # of the 2xx that was forwarded
        self.transaction: Any = None  # the engine's client transaction
        self.fallback: Any = None  # what the engine sends if the flow cannot be had
        self.sent: Any = None  # to a trunk: the request as sent, for the answer to a challenge
        self.done = False  # its transaction is over: nothing can come any more

    @property
    def node(self) -> str | None:
        """The node whose flow it goes over; None for a copy to a trunk."""
        return None if self.binding is None else self.binding.node
