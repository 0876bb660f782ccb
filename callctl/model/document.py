"""YAML text to plain data, with the line of every key, and without surprises.

Scalars stay text: what they mean is for the schema to say, so a name `no`, a DN `0123` and a
release `15` arrive as they were written. Only an empty plain value, `null` and `~` become None.
Aliases are followed within a limit, tags are refused, a key given twice is a mistake.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from callctl.model.consistency import Mistake, Path
from callctl.model.values import quoted

Tree: TypeAlias = dict[str, Any] | list[Any] | str | None

TEXT_MAX: Final = 2 << 20  # characters; reading them takes seconds, masses go into bulk files
VALUES_MAX: Final = 200_000  # after aliases have been followed: nine lines can ask for a billion
DEPTH_MAX: Final = 16  # the schema needs five; an alias to what surrounds it has no end

PLAIN_TAGS: Final = frozenset(
    f"tag:yaml.org,2002:{kind}"
    for kind in ("map", "seq", "str", "int", "float", "bool", "null", "timestamp", "merge", "value")
)
"""What a value is taken for that has no tag; anything else was asked for."""

BULK_HINT: Final = "many devices go into a file named under bulk"


class Document:
    """One parsed file: `tree`, and where each part of it stands."""

    __slots__ = ("_lines", "_values", "mistakes", "tree")

    def __init__(self, text: str) -> None:
        self.tree: Tree = None
        self.mistakes: list[tuple[int | None, Mistake]] = []  # line, from 1, and what is wrong
        self._lines: dict[Path, int] = {}
        self._values = 0
        try:
            root = _compose(text)
            if root is not None:
                self.tree = self._plain(root, ())
        except _Refused as refusal:
            self._report(refusal.line, refusal.path, refusal.problem, refusal.expected)

    def line_of(self, path: Path) -> int | None:
        """The line of the key at `path`, or of the nearest that surrounds it."""
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path)

    def _plain(self, node: Node, path: Path) -> Tree:
        line = _line(node)
        self._values += 1
        if self._values > VALUES_MAX:
            raise _Refused(line, path, f"more than {VALUES_MAX} values", f"fewer; {BULK_HINT}")
        if len(path) > DEPTH_MAX:
            raise _Refused(line, path, "nested too deep, or an alias to itself", "fewer levels")
        self._lines.setdefault(path, line)
        tag = str(node.tag)
        if tag not in PLAIN_TAGS:
            self._report(line, path, f"has the tag {quoted(tag)}", "plain values without tags")
        if isinstance(node, MappingNode):
            return self._mapping(node, path)
        if isinstance(node, SequenceNode):
            return [self._plain(item, (*path, at)) for at, item in enumerate(node.value)]
        return _scalar(node)

    def _mapping(self, node: MappingNode, path: Path) -> dict[str, Any]:
        plain: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = _line(key_node)
            key = _scalar(key_node) if isinstance(key_node, ScalarNode) else None
            if key is None:
                self._report(line, path, "a key is empty, a list or a mapping", "text as a key")
                continue
            if key in plain:
                first = self._lines[*path, key]
                self._report(line, (*path, key), f"comes again, first in line {first}", "once")
                continue
            self._lines[*path, key] = line
            plain[key] = self._plain(value_node, (*path, key))
        return plain

    def _report(self, line: int | None, path: Path, problem: str, expected: str) -> None:
        self.mistakes.append((line, Mistake(path, problem, expected)))


class _Refused(Exception):
    """The text cannot be read any further."""

    def __init__(self, line: int | None, path: Path, problem: str, expected: str) -> None:
        super().__init__(problem)
        self.line, self.path, self.problem, self.expected = line, path, problem, expected


def _compose(text: str) -> Node | None:
    if len(text) > TEXT_MAX:
        raise _Refused(None, (), f"has {len(text)} characters", f"at most {TEXT_MAX}; {BULK_HINT}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an anchor used again is legal and harmless
            return YAML(typ="safe", pure=True).compose(text)  # type: ignore[no-any-return]
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else None
        raise _Refused(line, (), *_syntax(error, text, line)) from None
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        problem = f"has the control character U+{ord(text[error.position]):04X}"
        raise _Refused(line, (), problem, "printable characters") from None
    except (YAMLError, RecursionError, ValueError) as error:
        problem = "is not YAML" if not isinstance(error, RecursionError) else "is nested too deep"
        raise _Refused(None, (), problem, "YAML 1.2") from None


def _syntax(error: MarkedYAMLError, text: str, line: int | None) -> tuple[str, str]:
    written = text.splitlines()[line - 1 : line] if line else []
    if any("\t" in part[: len(part) - len(part.lstrip())] for part in written):
        return "a tab at the start of the line", "spaces: YAML allows no tab there"
    details = " ".join(str(part) for part in (error.context, error.problem) if part)
    return f"is not YAML: {details}", "YAML 1.2 with even indentation"


def _line(node: Node) -> int:
    return int(node.start_mark.line) + 1


def _scalar(node: Node) -> str | None:
    text = str(node.value)
    plain = isinstance(node, ScalarNode) and node.style is None  # no quotes, no block
    return None if plain and text in ("", "~", "null") else text


def key_text(path: Path) -> str:
    """`path` as people write it: cm_groups.all[3]."""
    return "".join(_key_parts(path))


def _key_parts(path: Path) -> Iterator[str]:
    for index, part in enumerate(path):
        if isinstance(part, int):
            yield f"[{part}]"
        else:
            shown = quoted(part)[1:-1]  # a key can hold anything, escape codes of a terminal too
            yield f".{shown}" if index else shown
