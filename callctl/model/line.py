"""Lines: directory numbers, shared by any number of devices."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ExternalPresentation:
    """The name and number that others see instead of the real ones (CID-03)."""

    name: str
    number: str  # trailing X: filled with the last digits of the DN (OP-16)

    def number_for(self, dn: str) -> str:
        """The number to show for `dn`: `+4930555XXX` gives `+4930555001` for DN 1001.

        Of a mask longer than the DN the surplus X are left out: there is nothing to fill them with.
        """
        fixed = self.number.rstrip("Xx")
        masked = len(self.number) - len(fixed)
        return fixed + dn[-masked:] if masked else fixed


@dataclass(frozen=True, slots=True)
class Line:
    """One directory number. It is a shared line as soon as two devices name it (SHL-03)."""

    dn: str
    display_name: str = ""
    external_presentation: ExternalPresentation | None = None
    description: str = ""
