"""The reference page of the fleet file, generated from its schema by `make docs`: docs/fleet.md.

The text above the tables is kept beside this module, in preamble.md.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from pydantic import BaseModel

from callctl.fleet.quantity import DISTRIBUTION_FORM, DURATION_FORM, RATE_FORM, SHARE_FORM
from callctl.fleet.schema import (
    AnswersEntry,
    CallersEntry,
    CallsEntry,
    ClusterEntry,
    FleetFile,
    GroupEntry,
    KillEntry,
    NetworksEntry,
    PhonesEntry,
    TargetEntry,
)
from callctl.model.schema_table import keys_table, table

PREAMBLE: Final = Path(__file__).with_name("preamble.md")

SECTIONS: Final[tuple[tuple[str, type[BaseModel]], ...]] = (
    ("phones", PhonesEntry),
    ("phones.groups", GroupEntry),
    ("calls", CallsEntry),
    ("calls.answers", AnswersEntry),
    ("callers", CallersEntry),
    ("networks", NetworksEntry),
    ("cluster", ClusterEntry),
    ("kills", KillEntry),
    ("target", TargetEntry),
)

FORMS: Final = (
    ("time", DURATION_FORM),
    ("share", SHARE_FORM),
    ("number", RATE_FORM),
    ("distribution of times", DISTRIBUTION_FORM),
)


def page() -> str:
    """The whole page, in Markdown."""
    parts = [PREAMBLE.read_text("utf-8"), "## Forms of values\n"]
    parts.append(table(("Value", "Form"), FORMS))
    parts += ["## Top level\n", keys_table(FleetFile)]
    for name, model in SECTIONS:
        parts += [f"## `{name}`\n", f"{model.__doc__}\n", keys_table(model)]
    return "\n".join(parts)


if __name__ == "__main__":
    sys.stdout.buffer.write(page().encode())  # whatever the terminal speaks, the page is UTF-8
