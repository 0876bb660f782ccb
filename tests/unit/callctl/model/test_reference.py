"""The reference page in the repository is the one that the schema makes."""

from __future__ import annotations

from pathlib import Path

from callctl.model.reference import page
from callctl.model.schema import BulkRow, ClusterFile, DeviceEntry
from callctl.model.service_parameter import PARAMETERS

ROOT = Path(__file__).parents[4]


def test_the_page_is_current() -> None:
    written = (ROOT / "docs" / "cluster-file.md").read_text(encoding="utf-8")
    assert written == page(), "run `make docs`"


def test_every_key_has_a_meaning() -> None:
    for model in (ClusterFile, DeviceEntry, BulkRow):
        for name, field in model.model_fields.items():
            assert field.description, name


def test_every_service_parameter_is_on_the_page() -> None:
    text = page()
    for name, parameter in PARAMETERS.items():
        assert f"| `{name}` |" in text
        assert parameter.text in text
