"""docs/testing.md: every recipe passes as it stands on the page, and the page names every word."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from textwrap import indent
from typing import Final

import pytest

import callctl.testing
from callctl.testing import cloud
from callctl.testing.call import Call
from callctl.testing.clock import Clock
from callctl.testing.cluster import Cluster
from callctl.testing.network import Network
from callctl.testing.node import Node, PushService
from callctl.testing.party import DeskPhone, TrunkPeer
from callctl.testing.phone import MobilePhone
from callctl.testing.wishes import KNOWN
from helpers.testing_kit import PAGE, recipes, run_kit

SPEAKERS: Final = (
    Call,
    Clock,
    Cluster,
    DeskPhone,
    MobilePhone,
    Network,
    Node,
    PushService,
    TrunkPeer,
    cloud.Ci,
    cloud.PartnerCloud,
    cloud.PushRest,
)
RECIPES: Final = 22


def words(speaker: type) -> Iterator[str]:
    """The words of a class: those of its methods that are wrapped as such."""
    for name, method in inspect.getmembers(speaker, inspect.isfunction):
        if hasattr(method, "__wrapped__") and not name.startswith("_"):
            yield name


def test_every_recipe_passes_as_it_stands_on_the_page(pytester: pytest.Pytester) -> None:
    files = recipes()
    assert {f"test_recipe_{number:02}.py" for number in range(RECIPES + 1)} < set(files)
    for name, text in files.items():
        pytester.path.joinpath(name).write_text(text, "utf-8")
    result = run_kit(pytester)
    outcomes = result.parseoutcomes()
    skipped = outcomes.pop("skipped", 0)  # the one that reads its capture, without tshark
    assert skipped <= 1
    assert set(outcomes) == {"passed"}, result.stdout.str()
    assert outcomes["passed"] + skipped > 2 * RECIPES


def test_the_first_test_of_the_page_is_that_of_the_package() -> None:
    first = recipes()["test_recipe_00.py"].partition("async def")
    assert indent("".join(first[1:]), "    ") in (callctl.testing.__doc__ or "")


@pytest.mark.parametrize("speaker", SPEAKERS)
def test_the_page_names_every_word(speaker: type) -> None:
    told = PAGE.read_text("utf-8").partition("## When a test fails")[0]
    missing = [name for name in words(speaker) if not re.search(rf"\b{name}\(", told)]
    assert not missing


def test_the_page_names_no_word_that_there_is_not() -> None:
    known = {name for speaker in SPEAKERS for name in words(speaker)}
    rows = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| ")]
    table = [row for row in rows if re.match(r"\| (whoever|a |the clouds|the network)", row)]
    assert len(table) == 8
    told = {name for row in table for name in re.findall(r"`(\w+)\(", row)}
    assert not told - known


def test_the_page_names_every_keyword_of_the_mark() -> None:
    told = set(re.findall(r"^\| `(\w+)=", PAGE.read_text("utf-8"), re.M))
    assert told == KNOWN
