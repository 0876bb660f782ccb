"""Mistakes in world files: each with file, line and key, and what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest

from callctl.errors import ConfigError
from callctl.sim.world_file.read import read_world

CLUSTER = """\
cluster:
  id: two
  domain: lab.example
  nodes: {ucm1: {listeners: [udp:192.0.2.1:5060, tcp:192.0.2.1:5060, tls:192.0.2.1:5061]}}
  cm_groups: {all: [ucm1]}
  device_pools: {all: {cm_group: all}}
  users: {ada: {password: pw}}
  lines: {1001: {}, 1002: {}}
  devices:
    SEP1001: {owner: ada, lines: [1001], device_pool: all}
    TCT1002: {owner: ada, lines: [1002], device_pool: all, client: jabber}
"""
"""Eleven lines."""


def mistakes(tmp_path: Path, text: str, *settings: str) -> list[str]:
    path = tmp_path / "w.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as raised:
        read_world(path, settings)
    return [str(finding).removeprefix(f"{path}:") for finding in raised.value.findings]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("seed: -1\n", "1: seed: is '-1'; expected at least 0"),
        ("seeds: 1\n", "1: seeds: unknown key; expected seed; did you mean that?"),
        ("calls: 5\n", "1: calls: is '5'; expected a list"),
        (
            "faults:\n  weather: {sip: {loss: 101}}\n",
            "2: faults.weather.sip.loss: '101' is not a share; "
            "expected per cent, from 0 to 100, such as 12.5",
        ),
        (
            "faults:\n  until: soon\n",
            "2: faults.until: 'soon' is not a time; expected seconds, such as 20 or 20.25",
        ),
        (
            "draw:\n  calls:\n    gap: 5-2\n",
            "3: draw.calls.gap: '5-2' begins after its end; expected the least first: 0.5-2",
        ),
        ("judges: [I99]\n", "1: judges[0]: there is no judge of 'I99'"),
        ("- 1\n", "1: is no mapping; expected keys and values: cluster, calls, ..."),
        ("calls:\n  - {at: 20, caller: SEP1, target: 1}\n", "1: calls: names devices of a"),
        ("a: {b: [\n", "2: is not YAML:"),
    ],
)
def test_a_mistake_is_told_with_line_and_key(tmp_path: Path, text: str, told: str) -> None:
    [found] = mistakes(tmp_path, text)
    assert found.startswith(told)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "calls:\n  - {at: 19, caller: SEP1001, target: 1002}\n",
            "13: calls[0].at: is 19; expected at least 20, when everybody has registered",
        ),
        (
            "calls:\n  - {at: 20, caller: SEP1001, target: 1002}\n"
            "  - {at: 20, caller: SEP1010, target: 1002}\n",
            "14: calls[1].caller: ",
        ),
        ("calls:\n  - {at: 20, caller: SEP1001, target: 1003}\n", "13: calls[0].target: "),
        ("phones: {SEP1001: {}}\n", "12: phones.SEP1001: "),
        ("calls: []\ndevices: [TCT1]\n", "13: devices[0]: "),
        ("desk_phones:\n  SEP1001: {host: here}\n", "13: desk_phones.SEP1001.host: "),
        (
            "faults:\n  troubles:\n    - {at: 21, what: kill}\n",
            "14: faults.troubles[0].whom: names 0; expected one node",
        ),
        (
            "faults:\n  troubles:\n    - {at: 21, what: cut, whom: [ucm1, ucm7]}\n",
            "14: faults.troubles[0].whom[1]: ",
        ),
        (
            "faults:\n  troubles: [{at: 21, what: cloud unreachable}]\n",
            "13: faults.troubles[0].how: is missing",
        ),
        ("draw: {cluster: {nodes: 2}}\n", "12: draw.cluster: is given beside a cluster"),
        ("calls: []\ndraw: {calls: {number: 2}}\n", "13: draw.calls: is given beside calls"),
    ],
)
def test_what_does_not_go_with_the_cluster_is_told_too(
    tmp_path: Path, text: str, told: str
) -> None:
    [found] = mistakes(tmp_path, CLUSTER + text)
    assert found.startswith(told)


def test_a_mistake_in_the_cluster_has_the_line_of_the_world_file(tmp_path: Path) -> None:
    text = CLUSTER.replace("lines: [1002]", "lines: [1009]")
    [found] = mistakes(tmp_path, text)
    assert found.startswith("11: cluster.devices.TCT1002.lines[0]: ")


def test_every_mistake_is_told_at_once_and_each_stands_for_itself(tmp_path: Path) -> None:
    text = (
        "seed: x\n"
        "faults:\n"
        "  troubles:\n"
        "    - {at: soon, what: cut}\n"
        "    - {at: 21, what: kill, whom: ucm1}\n"
        "    - {at: 22, what: explode}\n"
    )
    found = mistakes(tmp_path, CLUSTER + text)
    assert [line.split(": ")[1] for line in found] == [
        "seed",
        "faults.troubles[0].at",
        "faults.troubles[2].what",
    ]


def test_a_mistake_on_the_command_line_is_told_as_it_was_typed(tmp_path: Path) -> None:
    path = tmp_path / "w.yaml"
    path.write_text(CLUSTER)
    with pytest.raises(ConfigError) as raised:
        read_world(
            path, ("calls=[{at: 20, caller: SEP1001, target: 9}]", "seed", "draw.calls.gap=x")
        )
    told = [finding.file for finding in raised.value.findings]
    assert "--set seed" in told
    assert "--set draw.calls.gap=x" in told


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: No such file or directory"):
        read_world(tmp_path / "none.yaml")


def test_a_cluster_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "w.yaml"
    path.write_text("cluster: none.yaml\n")
    with pytest.raises(ConfigError, match=r"none\.yaml: is not a file; expected a cluster file"):
        read_world(path)
