"""The page about replaying in the repository is the one that guide and schema make."""

from __future__ import annotations

import re
from pathlib import Path

from ruamel.yaml import YAML

from callctl.replay.notes_schema import DifferenceKind, NotesFile
from callctl.replay.reference import MEANINGS, PREAMBLE, page

DOCS = Path(__file__).parents[4] / "docs"


def test_page_in_the_repository_is_current() -> None:
    assert (DOCS / "replay.md").read_text(encoding="utf-8") == page(), "run `make docs`"


def test_every_key_of_the_schema_is_on_the_page() -> None:
    for key in NotesFile.model_fields:
        assert f"| `{key}` |" in page()


def test_every_difference_has_a_meaning() -> None:
    assert set(MEANINGS) == set(DifferenceKind)


def test_example_of_the_guide_is_one_that_the_schema_takes() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", PREAMBLE.read_text("utf-8"), re.DOTALL)
    file = NotesFile.model_validate(YAML(typ="safe").load(example))
    assert [entry.difference for entry in file.accept] == [DifferenceKind.LATE]
