"""What stands beside the cluster, as the cluster file describes it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from callctl.model.cluster import Cluster
from callctl.model.consistency import Mistake
from callctl.model.deployment import ALONE, Deployment, DeploymentType
from callctl.model.load import read_cluster
from callctl.model.reference import SMALLEST
from callctl.model.release import ExpresswayVersion, Release

Load = Callable[[str], Cluster]
Findings = Callable[[str], list[tuple[int | None, str, str]]]

BESIDE = """\
deployment:
  im_and_presence: 12.5(1)SU3
  expressway: X12.6.2
jabber_client_configuration:
  EnableVoipSocket: false
  LocalPushSSIDList: ward7;ward8
"""


def test_other_servers_and_client_parameters_are_read(load: Load) -> None:
    cluster = load(SMALLEST + BESIDE)
    assert cluster.deployment == Deployment(
        Release.parse("12.5(1)SU3"), ExpresswayVersion.parse("X12.6.2")
    )
    # As text, however YAML would take it: it is what the client reads.
    assert cluster.jabber_client_configuration == {
        "EnableVoipSocket": "false",
        "LocalPushSSIDList": "ward7;ward8",
    }


def test_cluster_stands_alone_unless_it_says_otherwise(load: Load) -> None:
    cluster = load(SMALLEST)
    assert cluster.deployment == ALONE
    assert cluster.jabber_client_configuration == {}


def test_messages_may_be_carried_by_another_cloud(load: Load) -> None:
    cluster = load(SMALLEST + "deployment: {type: webex_messenger}\n")
    assert cluster.deployment.type is DeploymentType.WEBEX_MESSENGER


@pytest.mark.parametrize(
    ("text", "key", "problem"),
    [
        (
            "deployment: {expressway: 12.6}",
            "deployment.expressway",
            "'12.6' is not an Expressway ve",
        ),
        (
            "deployment: {im_and_presence: X1}",
            "deployment.im_and_presence",
            "'X1' is not a release",
        ),
        ("deployment: {type: cloud}", "deployment.type", "is 'cloud'"),
        ("deployment: {cucm: 15}", "deployment.cucm", "unknown key"),
        ("jabber_client_configuration: {a b: c}", "jabber_client_configuration.a b", "'a b' is n"),
    ],
)
def test_what_is_wrong_beside_the_cluster_has_its_place(
    findings: Findings, text: str, key: str, problem: str
) -> None:
    [(line, found, told)] = findings(SMALLEST + text + "\n")
    assert (line, found) == (SMALLEST.count("\n") + 1, key)
    assert told.startswith(problem)


def test_remark_about_the_file_has_the_place_that_a_mistake_would_have(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(SMALLEST + BESIDE)
    read = read_cluster(path)
    finding = read.finding(Mistake(("deployment", "expressway"), "is old", "a new one"))
    place = SMALLEST.count("\n") + 3
    assert str(finding) == f"{path}:{place}: deployment.expressway: is old; expected a new one"
    # What stands in no file takes the place of what surrounds it.
    assert read.finding(Mistake(("release",), "", "")).line == 1
    device = read.finding(Mistake(("devices", "TCT9", "os_version"), "", ""))
    assert device.line == SMALLEST.splitlines().index("devices:") + 1
