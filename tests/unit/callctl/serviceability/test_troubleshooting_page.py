"""docs/troubleshooting.md speaks of steps, files, alarms and node commands that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from callctl.egress.failure import STEPS
from callctl.serviceability.alarm_catalogue import CATALOGUE
from callctl.serviceability.node_cli import parse_command
from callctl.serviceability.reachability import node_fault, port_fault, token_fault
from callctl.serviceability.tracing import Source

PAGE = (Path(__file__).parents[4] / "docs" / "troubleshooting.md").read_text("utf-8")
LINES = re.findall(r"callctl (?:cli )?\"?((?:utils|run sql) [^\n`#<]+)", PAGE)


@pytest.mark.parametrize("line", LINES)
def test_each_line_for_a_node_is_one_that_it_takes(line: str) -> None:
    entered = line.partition(" --node")[0].rstrip(' "').replace("'*'", "*")
    parse_command(entered.replace("PKID", "7c8f2d5a-1"))


def test_there_are_lines_to_check() -> None:
    assert len(LINES) >= 10


@pytest.mark.req("NET-04", "NET-05", "NET-09")
def test_every_step_that_the_check_can_name_is_explained() -> None:
    named = {*STEPS, "block list", "push rest answer"}
    named |= {node_fault().step, port_fault(1, "").step, token_fault(None, "").step}
    for step in named:
        assert f"| `{step}` |" in PAGE, step


@pytest.mark.req("TRB-14", "TRB-15")
def test_places_of_traces_are_those_in_the_code() -> None:
    for source in Source:
        assert f"`{source.folder}/{source.file}`" in PAGE, source


def test_alarms_that_are_named_exist() -> None:
    named = set(re.findall(r"\b(?:PushNotification|AccessToken|HttpClient)\w+", PAGE))
    assert len(named) >= 4
    assert named <= {*CATALOGUE}
