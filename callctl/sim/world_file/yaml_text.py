"""Plain data to YAML that people can read and change: short entries in one line, the rest below."""

from __future__ import annotations

import re
from collections.abc import Iterator
from json import dumps
from typing import Final, TypeAlias

Plain: TypeAlias = "str | list[Plain] | dict[str, Plain]"

WIDTH: Final = 100

_SAFE: Final = re.compile(r"[A-Za-z0-9+*][\w .+()@/!-]*(:[\w.]+)*", re.ASCII)
_NULL: Final = frozenset({"null", "~", ""})


def yaml_text(tree: dict[str, Plain]) -> str:
    """A document; the keys of the top level each begin a part of their own."""
    return "".join(f"{line}\n" for line in _mapping(tree, 0))


def _mapping(tree: dict[str, Plain], indent: int) -> Iterator[str]:
    pad = " " * indent
    for key, value in tree.items():
        name = _scalar(key)
        line = f"{pad}{name}: {_flow(value)}"
        if isinstance(value, str) or not value or (indent and len(line) <= WIDTH):
            yield line
            continue
        yield f"{pad}{name}:"
        yield from _below(value, indent + 2)


def _below(value: list[Plain] | dict[str, Plain], indent: int) -> Iterator[str]:
    if isinstance(value, dict):
        yield from _mapping(value, indent)
        return
    pad = " " * indent
    for item in value:
        line = f"{pad}- {_flow(item)}"
        if isinstance(item, str) or not item or len(line) <= WIDTH:
            yield line
            continue
        first, *rest = _below(item, indent + 2)
        yield f"{pad}- {first.lstrip()}"
        yield from rest


def _flow(value: Plain) -> str:
    if isinstance(value, str):
        return _scalar(value)
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return "{" + ", ".join(f"{_scalar(key)}: {_flow(it)}" for key, it in value.items()) + "}"


def _scalar(text: str) -> str:
    plain = _SAFE.fullmatch(text) and not text.endswith(" ") and text not in _NULL
    return text if plain else dumps(text, ensure_ascii=False)
