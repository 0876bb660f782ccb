"""The cluster of a world file: in a file of its own, or written where the path would be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from callctl.errors import ConfigError, Finding
from callctl.model.cluster import Cluster
from callctl.model.consistency import Mistake
from callctl.model.document import Document
from callctl.model.load import Loading, load_cluster

KEY = "cluster"


def cluster_in_file(path: Path) -> tuple[Cluster | None, tuple[Finding, ...]]:
    """The cluster file that a world names, and every mistake in it."""
    try:
        return load_cluster(path), ()
    except ConfigError as error:
        return None, error.findings


class InlineCluster(Loading):
    """Reads what stands below `cluster` as a cluster file is read; places are those of the world
    file."""

    __slots__ = ("_tree",)

    def __init__(self, path: Path, document: Document, tree: dict[str, Any]) -> None:
        super().__init__(path)
        self.document = document
        self._tree = tree

    def cluster(self) -> Cluster | None:
        """The cluster as far as it could be made."""
        return self.assembled(self.validated(self._tree))

    def report(self, mistake: Mistake, line: int | None = None) -> None:
        super().report(mistake._replace(path=(KEY, *mistake.path)), line)
