"""A cluster that cannot start says why in one line that names the file, and does not start."""

from __future__ import annotations

from pathlib import Path

import pytest

from callctl.cli.main import main

CLUSTER = """\
id: small
domain: lab.example
nodes: {ucm1: {listeners: [udp:127.0.0.1:26060, tcp:127.0.0.1:26060]}}
cm_groups: {all: [ucm1]}
device_pools: {office: {cm_group: all}}
users: {1001: {password: pw1001}}
lines: {1001: {}}
devices: {TCT1001: {owner: 1001, lines: [1001]}}
cloud: {push_enabled: true, onboarding: manual}
"""


@pytest.mark.parametrize("name", ["onboarding.json", "management-agent.json"])
def test_file_of_the_state_directory_that_is_damaged_is_named(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster, state = tmp_path / "cluster.yaml", tmp_path / "state"
    cluster.write_text(CLUSTER)
    state.mkdir(mode=0o700)
    (state / name).write_text("{")
    (state / name).chmod(0o600)
    assert main(["run", str(cluster), "--state", str(state)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert str(state / name) in line
    assert (state / name).read_text() == "{"  # and nothing of it is lost


def test_certificate_that_is_not_there_is_a_mistake_with_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster = tmp_path / "cluster.yaml"
    cluster.write_text(CLUSTER + "certificates:\n  tomcat_trust: [gone.pem]\n")
    assert main(["check", str(cluster)]) == 1
    assert "cluster.yaml:10" in capsys.readouterr().out
    assert main(["run", str(cluster), "--state", str(tmp_path / "state")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "cluster.yaml:10" in line
    assert "gone.pem" in line
