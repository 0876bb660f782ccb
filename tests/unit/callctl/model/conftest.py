"""Cluster files written for one test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from callctl.errors import ConfigError, Finding
from callctl.model.cluster import Cluster
from callctl.model.load import load_cluster

Load: TypeAlias = Callable[[str], Cluster]
Findings: TypeAlias = Callable[[str], list[tuple[int | None, str, str]]]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Load a cluster file of this text; files it names are to be in `tmp_path`."""

    def load_text(text: str) -> Cluster:
        path = tmp_path / "cluster.yaml"
        path.write_text(text, encoding="utf-8")
        return load_cluster(path)

    return load_text


@pytest.fixture
def raw_findings(load: Load) -> Callable[[str], tuple[Finding, ...]]:
    """Every finding in a cluster file of this text."""

    def find(text: str) -> tuple[Finding, ...]:
        with pytest.raises(ConfigError) as caught:
            load(text)
        return caught.value.findings

    return find


@pytest.fixture
def findings(raw_findings: Callable[[str], tuple[Finding, ...]]) -> Findings:
    """(line, key, problem) of every finding in a cluster file of this text."""
    return lambda text: [(it.line, it.key, it.problem) for it in raw_findings(text)]
