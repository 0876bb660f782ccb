"""The list of requirement ids, and lists of them written with ranges."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

LIST: Final = Path(__file__).parent.parent / "requirements.toml"
RANGE: Final = re.compile(r"([A-Z]+)-(\d+)\.\.(\d+)")


@dataclass(frozen=True, slots=True)
class Group:
    name: str  # "CMG"
    title: str
    ids: tuple[str, ...]  # in order


def load_groups(path: Path = LIST) -> tuple[Group, ...]:
    """The groups in the order of the file."""
    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    return tuple(Group(name, table["title"], tuple(table["ids"])) for name, table in tables.items())


def known_ids(groups: tuple[Group, ...]) -> frozenset[str]:
    return frozenset(identifier for group in groups for identifier in group.ids)


def expand(text: str) -> list[str]:
    """Ids of a text, one item a line: `SEC-01`, or `SEC-01..08` for a range; `#` begins a comment.

    >>> expand("REG-03\\nSEC-01..03")
    ['REG-03', 'SEC-01', 'SEC-02', 'SEC-03']
    """
    ids: list[str] = []
    for line in text.splitlines():
        item = line.partition("#")[0].strip()
        if match := RANGE.fullmatch(item):
            group, first, last = match.groups()
            ids += [f"{group}-{n:0{len(first)}}" for n in range(int(first), int(last) + 1)]
        elif item:
            ids.append(item)
    return ids
