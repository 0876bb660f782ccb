"""The page about replaying, with the reference of the notes made from their schema.

`make docs` writes it to docs/replay.md. The guide above the tables is kept beside this module, in
preamble.md.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from pydantic import BaseModel

from callctl.model.schema_table import keys_table, table
from callctl.replay.notes_schema import (
    AcceptEntry,
    DifferenceKind,
    NodeEventEntry,
    NotesFile,
    PushEntry,
    RegisteredEntry,
    SignedEntry,
)

PREAMBLE: Final = Path(__file__).with_name("preamble.md")

MEANINGS: Final = {
    DifferenceKind.MISSING: "It came in the capture, and does not come now.",
    DifferenceKind.UNEXPECTED: "It comes now, and did not come in the capture.",
    DifferenceKind.STATUS: "A request is answered otherwise.",
    DifferenceKind.TARGET: "It goes to another place, or asks for another URI; a push is sent by "
    "another node, or names another one.",
    DifferenceKind.HEADER: "A header that means something is another, is new, or is gone; or the "
    "body is another.",
    DifferenceKind.LATE: "It comes later than `tolerance_s` allows, counted from what it follows.",
    DifferenceKind.EARLY: "It comes earlier than that.",
}

SECTIONS: Final[tuple[tuple[str, type[BaseModel]], ...]] = (
    ("registered", RegisteredEntry),
    ("sign_ins` and `sign_outs", SignedEntry),
    ("node_events", NodeEventEntry),
    ("pushes", PushEntry),
    ("accept", AcceptEntry),
)


def page() -> str:
    """The whole page, in Markdown."""
    rows = ((f"`{kind.value}`", MEANINGS[kind]) for kind in DifferenceKind)
    parts = [PREAMBLE.read_text("utf-8"), "### What a difference is called\n"]
    parts += [table(("Name", "Meaning"), rows), "### Top level\n", keys_table(NotesFile)]
    for name, model in SECTIONS:
        parts += [f"### `{name}`\n", f"{model.__doc__}\n", keys_table(model)]
    return "\n".join(parts)


if __name__ == "__main__":
    sys.stdout.buffer.write(page().encode())  # whatever the terminal speaks, the page is UTF-8
