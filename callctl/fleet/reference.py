"""The reference page of the fleet file, generated from its schema by `make docs`: docs/fleet.md.

The text above the tables is kept beside this module, in preamble.md.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args, get_origin, get_type_hints

from pydantic import BaseModel
from pydantic.fields import FieldInfo

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
from callctl.model.values import Kind

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
    parts.append(_table(("Value", "Form"), FORMS))
    parts += ["## Top level\n", _keys(FleetFile)]
    for name, model in SECTIONS:
        parts += [f"## `{name}`\n", f"{model.__doc__}\n", _keys(model)]
    return "\n".join(parts)


def _keys(model: type[BaseModel]) -> str:
    hints = get_type_hints(model, include_extras=True)
    rows = (
        (f"`{name}`", _kind(hints[name]), _default(field), field.description or "")
        for name, field in model.model_fields.items()
    )
    return _table(("Key", "Value", "Default", "Meaning"), rows)


def _kind(hint: Any) -> str:  # noqa: ANN401  (any annotation)
    """What a value is, in words."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        kinds = [part.text for part in arguments if isinstance(part, Kind)]
        return kinds[0] if kinds else _kind(arguments[0])
    if origin is list:
        return f"list: {_kind(arguments[0])}"
    if origin is dict:
        return f"{_kind(arguments[0])}: {_kind(arguments[1])}"
    if type(None) in arguments:
        return _kind(arguments[0])
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    return "number" if hint is int else "see below"


def _default(field: FieldInfo) -> str:
    default = field.default
    if field.is_required():
        return "required"
    if isinstance(default, BaseModel) or default in (None, {}, []):
        return ""
    if isinstance(default, dict):
        return f"`{', '.join(f'{key}: {value}' for key, value in default.items())}`"
    return f"`{default}`"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    def line(cells: Iterable[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"

    heads = list(head)
    return line(heads) + line("---" for _ in heads) + "".join(map(line, rows))


if __name__ == "__main__":
    sys.stdout.buffer.write(page().encode())  # whatever the terminal speaks, the page is UTF-8
