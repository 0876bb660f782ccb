"""The reference page of the fleet file."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from callctl.fleet.load import load_plan
from callctl.fleet.reference import PREAMBLE, SECTIONS, page
from callctl.fleet.schema import FleetFile


def test_every_key_is_described() -> None:
    text = page()
    models: list[type[BaseModel]] = [FleetFile, *(model for _, model in SECTIONS)]
    for model in models:
        for name, field in model.model_fields.items():
            assert field.description, f"{model.__name__}.{name}"
            assert f"| `{name}` |" in text
            assert field.description.replace("|", "\\|") in text


def test_no_line_of_a_table_has_lost_a_cell() -> None:
    rows = [line for line in page().splitlines() if line.startswith("| `")]
    assert len(rows) > 50
    assert {row.replace("\\|", "").count(" |") for row in rows} == {4}


def test_example_of_the_page_is_a_fleet_file(tmp_path: Path) -> None:
    text = PREAMBLE.read_text("utf-8")
    example = text.partition("```yaml\n")[2].partition("```")[0]
    (tmp_path / "fleet.yaml").write_text(example)
    plan = load_plan(tmp_path / "fleet.yaml", {}, seed=1)
    assert plan.phones.count == 5_000
    assert plan.kills[0].node == "ucm1"
