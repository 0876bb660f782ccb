"""Lines: directory numbers, shared by any number of devices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class ExternalPresentation:
    """The name and number that others see instead of the real ones (CID-03)."""

    name: str
    number: str  # trailing X: filled with the last digits of the DN (OP-16)
    anonymous: bool = False  # "Anonymous External Presentation": neither name nor number

    def number_for(self, dn: str) -> str:
        """The number to show for `dn`: `+4930555XXX` gives `+4930555001` for DN 1001.

        Of a mask longer than the DN the surplus X are left out: there is nothing to fill them with.
        """
        fixed = self.number.rstrip("Xx")
        masked = len(self.number) - len(fixed)
        return fixed + dn[-masked:] if masked else fixed


@dataclass(frozen=True, slots=True)
class Forwarding:
    """Where calls for a line go when its devices do not take them; None: nowhere (CALL-09).

    A target is a number as it would be dialled: a line, a hunt pilot, or one that a route pattern
    sends to a trunk.
    """

    all: str | None = None
    busy: str | None = None  # a device declined, and no other may still answer (CALL-14)
    no_answer: str | None = None
    unregistered: str | None = None  # nobody could be reached, or came in time
    no_answer_s: int = 12  # ringing time before `no_answer` takes the call


NO_FORWARDING: Final = Forwarding()


@dataclass(frozen=True, slots=True)
class Line:
    """One directory number. It is a shared line as soon as two devices name it (SHL-03)."""

    dn: str
    display_name: str = ""
    external_presentation: ExternalPresentation | None = None
    description: str = ""
    forwarding: Forwarding = NO_FORWARDING
