"""HTML and SVG as text: whatever is not markup is escaped on its way in."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Final, TypeAlias

_VOID: Final = frozenset({"circle", "line", "meta", "path", "rect"})
"""Elements that have no content; written so that HTML, SVG and XML agree."""


Attributes: TypeAlias = Mapping[str, str | int | None]


class Markup(str):
    """Text that is markup already."""

    __slots__ = ()


def element(name: str, attributes: Attributes | None = None, *content: str | None) -> Markup:
    """One element. Content that is no `Markup` is escaped; attributes and content that are None
    are left out."""
    parts = [f"<{name}"]
    for key, value in (attributes or {}).items():
        if value is not None:
            parts.append(f' {key}="{escape(str(value))}"')
    if name in _VOID:
        return Markup("".join([*parts, "/>"]))
    return Markup("".join([*parts, ">", joined(content), f"</{name}>"]))


def joined(content: tuple[str | None, ...] | list[Markup] | list[str]) -> Markup:
    """Several pieces behind one another."""
    return Markup(
        "".join(
            each if isinstance(each, Markup) else escape(each, quote=False)
            for each in content
            if each is not None
        )
    )
