"""pytest plugin: the `seed` fixture, for tests that draw chance.

Each run has one seed, new unless `--seed N` names it; each test derives its own from it and its
name, so that a test alone draws what it drew in the whole run. A failed test prints how to repeat.
"""

from __future__ import annotations

import secrets
from collections.abc import Generator
from hashlib import sha256
from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("chance")
    group.addoption("--seed", type=int, help="the seed of this run; without it a new one")
    group.addoption(
        "--fuzz-inputs", type=int, default=20_000, help="mutated inputs that each fuzz test tries"
    )


def pytest_configure(config: pytest.Config) -> None:
    # Workers of xdist start later and take over the options, so they share the seed.
    if config.option.seed is None:
        config.option.seed = secrets.randbits(32)


def pytest_report_header(config: pytest.Config) -> str:
    return f"seed: {config.option.seed}"


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """A number for this test to draw its chance from, 0 to 2**32 - 1."""
    text = f"{request.config.option.seed}/{request.node.nodeid}"
    return int.from_bytes(sha256(text.encode()).digest()[:4], "big")


@pytest.fixture
def fuzz_inputs(request: pytest.FixtureRequest) -> int:
    """How many mutated inputs a fuzz test is to try (`make fuzz` raises it)."""
    return int(request.config.option.fuzz_inputs)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    funcargs: dict[str, Any] = getattr(item, "funcargs", {})
    if report.failed and "seed" in funcargs:
        command = f"python -m pytest --seed {item.config.option.seed} '{item.nodeid}'"
        report.sections.append(("seed", f"{funcargs['seed']}; to repeat: {command}"))
    return report
