"""What pydantic found wrong, in words for the person who wrote the file."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from callctl.model.consistency import Mistake, Path
from callctl.model.values import quoted


def mistakes_of(error: ValidationError, model: type[BaseModel]) -> Iterator[Mistake]:
    """Every mistake in `error`, raised by `model`."""
    for details in error.errors(include_url=False):
        # A mistake in the name of an entry carries a mark of pydantic's behind the name.
        path = tuple(part for part in details["loc"] if part != "[key]")
        yield Mistake(path, *_in_words(details, path, model))


def _in_words(details: ErrorDetails, path: Path, model: type[BaseModel]) -> tuple[str, str]:
    context: dict[str, Any] = details.get("ctx", {})
    match details["type"]:
        case "callctl":
            return context["problem"], context["expected"]
        case "extra_forbidden":
            return "unknown key", _known_keys(str(path[-1]), _model_at(path[:-1], model))
        case "missing":
            return "is missing", "a value"
        case "enum":
            return f"is {_shown(details)}", str(context["expected"]).replace("'", "")
        case "bool_parsing" | "bool_type":
            return f"is {_shown(details)}", "true or false"
        case "int_parsing" | "int_type" | "int_from_float":
            return f"is {_shown(details)}", "a whole number"
        case "greater_than_equal":
            return f"is {_shown(details)}", f"at least {context['ge']}"
        case "less_than_equal":
            return f"is {_shown(details)}", f"at most {context['le']}"
        case "too_short":
            return "is empty", f"at least {context['min_length']}"
        case "too_long":
            return "is too long", f"at most {context['max_length']}"
        case "string_type":
            return f"is {_shown(details)}", "text"
        case "list_type":
            return f"is {_shown(details)}", "a list"
        case "dict_type" | "model_type":
            return f"is {_shown(details)}", "keys and values, indented below it"
        case _:
            return details["msg"], "another value"


def _shown(details: ErrorDetails) -> str:
    value = details["input"]
    if value is None:
        return "empty"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return quoted(value) if isinstance(value, str) else repr(value)[:60]


def _known_keys(name: str, model: type[BaseModel] | None) -> str:
    keys = list(model.model_fields) if model else []
    close = get_close_matches(name, keys, n=1)
    if close:
        return f"{close[0]}; did you mean that?"
    return "one of " + ", ".join(keys)


def _model_at(path: Path, model: type[BaseModel]) -> type[BaseModel] | None:
    """The model of the mapping at `path` below `model`: for its keys."""
    kind: Any = model
    for part in path:
        entry = _model_in(kind)
        if entry is not None and part in entry.model_fields:
            kind = entry.model_fields[str(part)].annotation
        elif entry is not None:
            return None
        else:  # the name of an entry, or an index
            kind = get_args(kind)[-1]
    return _model_in(kind)


def _model_in(kind: Any) -> type[BaseModel] | None:  # noqa: ANN401  (any annotation)
    """`kind` itself, or what is optional in `X | None`, if it is a model."""
    optional = type(None) in get_args(kind)
    for candidate in get_args(kind) if optional else (kind,):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None
