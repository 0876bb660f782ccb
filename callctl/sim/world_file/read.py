"""Reads a world file, and what the command line sets over it; tells every mistake at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from callctl.errors import ConfigError, Finding
from callctl.model.cluster import Cluster
from callctl.model.consistency import Mistake
from callctl.model.consistency import Path as KeyPath
from callctl.model.document import TEXT_MAX, Document, key_text
from callctl.model.explain import mistakes_of
from callctl.sim.world_file.check import world_mistakes
from callctl.sim.world_file.inline_cluster import KEY, InlineCluster, cluster_in_file
from callctl.sim.world_file.place import Placed, placed
from callctl.sim.world_file.schema import WorldFile
from callctl.sim.world_file.settings import Setting, merged, parse_settings
from callctl.sim.world_file.world import World

LISTS: Final[tuple[KeyPath, ...]] = (
    ("calls",),
    ("faults", "troubles"),
    ("faults", "ci"),
    ("faults", "push_rest"),
    ("faults", "partners"),
)
"""Lists whose items stand for themselves: a wrong one spoils no other."""

KEYED: Final = ("phones", "desk_phones", "peers")
"""The same for mappings."""

NO_FILE: Final = Path("the command line")


def read_world(path: Path | None, settings: Sequence[str] = ()) -> World:
    """The world of a file, of the command line, or of both.

    Raises: ConfigError with every mistake in all of them.
    """
    return _read(_Reading(path), settings)


def parse_world(text: str) -> World:
    """The world of a file that was never written. Raises: ConfigError."""
    return _read(_Reading(None, text))


def _read(reading: _Reading, settings: Sequence[str] = ()) -> World:
    world = reading.world(settings)
    if world is None or reading.findings:
        raise ConfigError(tuple(reading.findings))
    return world


class _Reading:
    """One run over one world file."""

    __slots__ = ("_document", "_given", "_kept", "_path", "_set", "findings")

    def __init__(self, path: Path | None, given: str = "") -> None:
        """`given`: the text, where there is no file."""
        self._path = path
        self._given = given
        self._document = Document("")
        self._set: list[Setting] = []
        self._kept: dict[KeyPath, list[int]] = {}  # of each list, what was not left out
        self.findings: list[Finding] = []

    def world(self, settings: Sequence[str]) -> World | None:
        """The world as far as it could be made; None if there is none at all."""
        tree = self._tree()
        if tree is None:
            return None
        self._set, findings = parse_settings(settings)
        self.findings += findings
        tree, findings = merged(tree, self._set)
        self.findings += findings
        found = self._cluster(tree)
        spoiled = bool(self.findings) and found is None and tree.get(KEY) is not None
        file = self._validated(tree)
        if not spoiled:
            for mistake in world_mistakes(file, found):
                self._report(mistake._replace(path=self._original(mistake.path)))
        self.findings.sort(key=lambda finding: finding.line or 0)
        return World(file, found)

    def _tree(self) -> dict[str, Any] | None:
        text = self._given if self._path is None else self._text(self._path)
        if text is None:
            return None
        self._document = Document(text)
        for line, mistake in self._document.mistakes:
            self._report(mistake, line)
        tree = self._document.tree
        if tree is None:
            return {}
        if not isinstance(tree, dict):
            self._report(Mistake((), "is no mapping", "keys and values: cluster, calls, ..."), 1)
            return None
        return tree

    def _text(self, path: Path) -> str | None:
        try:
            with path.open("rb") as file:
                octets = file.read(4 * TEXT_MAX + 1)
            return octets.decode()
        except OSError as error:
            problem = error.strerror or "cannot be read"
            self._report(Mistake((), problem, "a world file that can be read"))
        except UnicodeDecodeError as error:
            line = octets.count(b"\n", 0, error.start) + 1
            problem = f"octet 0x{octets[error.start]:02X} is not UTF-8"
            self._report(Mistake((), problem, "UTF-8"), line)
        return None

    def _cluster(self, tree: dict[str, Any]) -> Placed | None:
        """What stands at `cluster`: a path or a mapping; None for neither, or a wrong one."""
        given = tree.get(KEY)
        if given is None:
            return None
        cluster: Cluster | None
        findings: Iterable[Finding]
        if isinstance(given, str):
            directory = Path() if self._setting((KEY,)) or self._path is None else self._path.parent
            cluster, findings = cluster_in_file(directory / given)
        elif isinstance(given, dict):
            reading = InlineCluster(self._path or NO_FILE, self._document, given)
            cluster = reading.cluster()
            findings = reading.findings
        else:
            self._report(Mistake((KEY,), "is a list", "the path of a cluster file, or a mapping"))
            return None
        found = tuple(findings)
        self.findings += found
        return None if cluster is None or found else placed(cluster)

    def _validated(self, tree: dict[str, Any]) -> WorldFile:
        """The file without what is wrong in it, all of which is reported."""
        raw = deepcopy({key: value for key, value in tree.items() if value is not None})
        for section in KEYED:
            entries = raw.get(section)
            if isinstance(entries, dict):  # an entry without anything below it is drawn
                raw[section] = {key: {} if it is None else it for key, it in entries.items()}
        raw.pop(KEY, None)
        while True:
            try:
                return WorldFile.model_validate(self._without_gaps(raw))
            except ValidationError as error:
                for mistake in mistakes_of(error, WorldFile):
                    whole = mistake._replace(path=self._original(mistake.path))
                    self._report(whole)
                    _leave_out(raw, whole.path)

    def _without_gaps(self, raw: dict[str, Any]) -> dict[str, Any]:
        """`raw` without the items that were left out; where the others stood is kept."""
        view = {**raw}
        if isinstance(view.get("faults"), dict):
            view["faults"] = {**view["faults"]}
        for path in LISTS:
            holder = view.get("faults") if len(path) > 1 else view
            items = holder.get(str(path[-1])) if isinstance(holder, dict) else None
            if isinstance(holder, dict) and isinstance(items, list):
                self._kept[path] = [at for at, item in enumerate(items) if item is not _GONE]
                holder[str(path[-1])] = [items[at] for at in self._kept[path]]
        return view

    def _original(self, path: KeyPath) -> KeyPath:
        """The same place in the file, where items may have been left out before it."""
        for known, kept in self._kept.items():
            at = path[len(known)] if len(path) > len(known) else None
            if path[: len(known)] == known and isinstance(at, int):
                return (*known, kept[at], *path[len(known) + 1 :])
        return path

    def _setting(self, path: KeyPath) -> Setting | None:
        for setting in reversed(self._set):
            if path[: len(setting.path)] == setting.path:
                return setting
        return None

    def _report(self, mistake: Mistake, line: int | None = None) -> None:
        key = key_text(mistake.path)
        setting = self._setting(mistake.path)
        if setting is not None:
            place: str = setting.place
        else:
            place = str(self._path or NO_FILE)
            line = line or self._document.line_of(mistake.path)
        self.findings.append(Finding(place, line, key, mistake.problem, mistake.expected))


_GONE: Final = object()


def _leave_out(raw: dict[str, Any], path: KeyPath) -> None:
    """Take out the smallest part that stands for itself and holds the mistake."""
    for known in LISTS:
        at = path[len(known)] if len(path) > len(known) else None
        if path[: len(known)] == known and isinstance(at, int):
            holder = raw["faults"] if len(known) > 1 else raw
            holder[str(known[-1])][at] = _GONE
            return
    section = str(path[0])
    entries = raw.get(section)
    if len(path) > 1 and isinstance(entries, dict):
        entries.pop(str(path[1]), None)
    else:
        raw.pop(section, None)
