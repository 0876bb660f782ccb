"""OP-08: no app is ended by its own operating system, and none has its pushes withheld.

iOS does so to an app that gets a VoIP push and reports no call to CallKit. Whether the app or the
cluster is at fault, its owner misses every call from there on.
"""

from __future__ import annotations

from callctl.phone.phone_event import AppTerminated, PushWithheld
from callctl.sim.party import Party
from callctl.sim.watch import Judge


class AppAlive(Judge):
    """Hears what every phone says of its system."""

    invariant = "OP-08"
    __slots__ = ()

    def told(self, who: Party, event: object) -> None:
        """An end that the owner did not want."""
        if isinstance(event, AppTerminated) and event.by_system:
            self.blame(f"{who.label}: its system ended the app: {event.cause}")
        elif isinstance(event, PushWithheld):
            self.blame(f"{who.label}: its system withheld a VoIP push")
