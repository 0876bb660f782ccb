"""The reference page in the repository is the one that the schema makes."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel

from callctl.sim.world_file.read import read_world
from callctl.sim.world_file.reference import PREAMBLE, SECTIONS, page
from callctl.sim.world_file.schema import WorldFile

ROOT = Path(__file__).parents[5]
WORLDS = ROOT / "examples" / "worlds"


def test_the_page_is_current() -> None:
    written = (ROOT / "docs" / "simulation.md").read_text(encoding="utf-8")
    assert written == page(), "run `make docs`"


def test_every_key_has_a_meaning() -> None:
    models: list[type[BaseModel]] = [WorldFile, *(model for _, model in SECTIONS)]
    for model in models:
        for name, field in model.model_fields.items():
            assert field.description, name


def test_the_world_on_the_page_can_be_read(tmp_path: Path) -> None:
    text = PREAMBLE.read_text("utf-8").split("```yaml\n")[1].split("```")[0]
    (tmp_path / "w.yaml").write_text(text)
    (tmp_path / "office.cluster.yaml").write_text((WORLDS / "office.cluster.yaml").read_text())
    scenario = read_world(tmp_path / "w.yaml").scenario(1)
    assert [call.caller for call in scenario.calls] == ["SEPFRONT"]


def test_the_settings_on_the_page_can_be_made() -> None:
    [line] = [line for line in PREAMBLE.read_text("utf-8").splitlines() if "--set " in line][-1:]
    path, *settings = line.removeprefix("callctl sim ").split(" --set ")
    world = read_world(ROOT / path, settings)
    assert world.scenario(1).weather.loss == 300
