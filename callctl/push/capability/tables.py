"""All tables of the capability function, by name."""

from __future__ import annotations

from typing import Final

from callctl.push.capability.by_release import C3, C4, C5, C6
from callctl.push.capability.experience import A1, A2, B1, B2
from callctl.push.capability.minimums import C1, C2
from callctl.push.capability.table import Table

TABLES: Final[dict[str, Table]] = {
    table.name: table for table in (A1, A2, B1, B2, C1, C2, C3, C4, C5, C6)
}
