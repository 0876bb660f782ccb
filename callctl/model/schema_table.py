"""Tables of the reference pages, made from the schemas that do the checking."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from callctl.model.values import Kind


def keys_table(model: type[BaseModel], heading: str = "Key") -> str:
    """What each key of a model may be, and means, as its fields describe it."""
    hints = get_type_hints(model, include_extras=True)
    own = [name for name in model.model_fields if name in model.__annotations__]
    inherited = [name for name in model.model_fields if name not in own]
    rows = (
        (f"`{name}`", _kind(hints[name]), _default(field), field.description or "")
        for name in own + inherited
        for field in (model.model_fields[name],)
    )
    return table((heading, "Value", "Default", "Meaning"), rows)


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table in Markdown."""

    def line(cells: Iterable[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"

    heads = list(head)
    return line(heads) + line("---" for _ in heads) + "".join(map(line, rows))


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
    if isinstance(hint, type) and issubclass(hint, Enum):
        return ", ".join(f"`{shown(member)}`" for member in hint)
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if hint in (int, float):
        return "number"
    if hint is str:
        return "text"
    return "true or false" if hint is bool else "see below"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if isinstance(field.default, BaseModel) or field.default in (None, "", {}, []):
        return ""
    return f"`{shown(field.default)}`"


def shown(value: object) -> str:
    """A value as it is written in YAML."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value.value if isinstance(value, Enum) else value)
