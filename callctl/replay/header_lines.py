"""Headers as the lines they stand in, spelled as they are."""

from __future__ import annotations

import re
from typing import Final

from sipstack.message.headers import Headers

BRANCH: Final = re.compile(r"(;\s*branch\s*=\s*)([^\s;,]+)", re.IGNORECASE)
"""Of a Via."""


def lines_of(headers: Headers, key: str) -> list[str]:
    """All lines of one header."""
    return [line for at, line in zip(headers.keys, headers.lines, strict=True) if at == key]


def add_lines(headers: Headers, key: str, lines: list[str]) -> None:
    """At the end."""
    headers.keys += [key] * len(lines)
    headers.lines += lines
