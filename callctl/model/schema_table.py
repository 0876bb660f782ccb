"""Tables of the reference pages, made from the schemas that do the checking."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal, TypeAlias, get_args, get_origin, get_type_hints

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from callctl.model.values import Kind

Kinds: TypeAlias = Mapping[type, str]
Written: TypeAlias = Callable[[object, str], str]

NO_KINDS: Final[Kinds] = MappingProxyType({})


def as_shown(value: object, kind: str) -> str:
    """A default in the words of YAML, whatever kind it is of."""
    return shown(value)


def keys_table(
    model: type[BaseModel],
    heading: str = "Key",
    *,
    kinds: Kinds = NO_KINDS,
    written: Written = as_shown,
) -> str:
    """What each key of a model may be, and means, as its fields describe it.

    `kinds`: words for types that are described elsewhere on the page. `written`: a default as it
    would stand in a file, by its value and the words for its kind.
    """
    hints = get_type_hints(model, include_extras=True)
    own = [name for name in model.model_fields if name in model.__annotations__]
    inherited = [name for name in model.model_fields if name not in own]
    rows = (
        (f"`{name}`", kind, _default(field, kind, written), field.description or "")
        for name in own + inherited
        for field, kind in ((model.model_fields[name], _kind(hints[name], kinds)),)
    )
    return table((heading, "Value", "Default", "Meaning"), rows)


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table in Markdown."""

    def line(cells: Iterable[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"

    heads = list(head)
    return line(heads) + line("---" for _ in heads) + "".join(map(line, rows))


def _kind(hint: Any, kinds: Kinds) -> str:  # noqa: ANN401  (any annotation)
    """What a value is, in words."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        words = [part.text for part in arguments if isinstance(part, Kind)]
        return words[0] if words else _kind(arguments[0], kinds)
    if origin is list:
        return f"list: {_kind(arguments[0], kinds)}"
    if origin is dict:
        return f"{_kind(arguments[0], kinds)}: {_kind(arguments[1], kinds)}"
    if type(None) in arguments:
        return _kind(arguments[0], kinds)
    named = kinds.get(hint) if isinstance(hint, type) else None
    if named is not None:
        return named
    if isinstance(hint, type) and issubclass(hint, Enum):
        return ", ".join(f"`{shown(member)}`" for member in hint)
    if origin is Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if hint in (int, float):
        return "number"
    if hint is str:
        return "text"
    return "true or false" if hint is bool else "see below"


def _default(field: FieldInfo, kind: str, written: Written) -> str:
    if field.is_required():
        return "required"
    if isinstance(field.default, BaseModel) or field.default in (None, "", {}, []):
        return ""
    return f"`{written(field.default, kind)}`"


def shown(value: object) -> str:
    """A value as it is written in YAML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return ", ".join(f"{shown(key)}: {shown(each)}" for key, each in value.items())
    return str(value.value if isinstance(value, Enum) else value)
