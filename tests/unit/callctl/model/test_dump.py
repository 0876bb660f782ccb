"""A cluster written as a cluster file is the same cluster when it is read."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest

from callctl.cli.lab_file import LAB_FILE
from callctl.model.build import android, make_cluster, make_user, password_of
from callctl.model.cluster import Cluster
from callctl.model.device import Device, Platform, PushWay
from callctl.model.dump import cluster_text
from callctl.model.line import ExternalPresentation, Line
from callctl.model.load import load_cluster
from callctl.model.service_parameter import ServiceParameters
from callctl.model.trunk import (
    RoutePattern,
    SipProfile,
    SipTrunk,
    TrunkCredentials,
    TrunkDestination,
)
from callctl.model.user import Secret
from callctl.replay.story import record_story
from callctl.sim.stories import STORIES
from callctl.sim.workload import draw

LEFT_OUT = {"cloud", "certificate_files", "alarms", "deployment", "jabber_client_configuration"}


def again(cluster: Cluster, directory: Path) -> Cluster:
    passwords = {name: user.password.get_secret_value() for name, user in cluster.users.items()}
    for trunk in cluster.trunks.values():
        for given in (trunk.inbound, trunk.outbound):
            if given is not None:
                passwords[given.username] = given.password.get_secret_value()
    file = directory / "cluster.yaml"
    file.write_text(cluster_text(cluster, passwords.__getitem__))
    return load_cluster(file)


def assert_same(one: Cluster, other: Cluster) -> None:
    for each in fields(Cluster):
        if each.name not in LEFT_OUT:
            assert getattr(one, each.name) == getattr(other, each.name), each.name
    assert one.cloud.push_enabled is other.cloud.push_enabled


@pytest.mark.parametrize("seed", range(1, 40))
def test_drawn_cluster(seed: int, tmp_path: Path) -> None:
    cluster = draw(seed).cluster
    assert_same(cluster, again(cluster, tmp_path))


@pytest.mark.parametrize("name", STORIES)
def test_cluster_of_a_story(name: str, tmp_path: Path) -> None:
    cluster = record_story(name).cluster
    assert_same(cluster, again(cluster, tmp_path))


def test_cluster_of_the_lab(tmp_path: Path) -> None:
    cluster = load_cluster(LAB_FILE)
    assert_same(cluster, again(cluster, tmp_path))


def test_everything_at_once(tmp_path: Path) -> None:
    shown = ExternalPresentation("Reception", "+49891000", anonymous=False)
    page = Device("web-1", "7", ("7",), "default", Platform.BROWSER)
    phone = replace(android("7"), push_way=PushWay.PUSH_REST)
    cluster = make_cluster(
        devices=[page, phone],
        lines=[Line("7", 'Seven: the "quoted" one, # no comment', shown, "yes")],
        users=[replace(make_user("7", "no"), mobility_identity="0171555")],
        parameters=ServiceParameters(ring_back_s=7, android_caller_id=True),
        trunks=[
            SipTrunk(
                "pstn",
                (TrunkDestination("UDP", "2001:db8::5", 5060),),
                options_ping_s=0,
                trust_identity=False,
                inbound=TrunkCredentials("in", Secret("a: b")),
                outbound=TrunkCredentials("out", Secret("'quoted'")),
                sip_profile="wide",
            )
        ],
        route_patterns=[RoutePattern("0!", ("pstn",), strip=1, prefix="+49")],
        sip_profiles=[SipProfile("wide", True, ExternalPresentation("", "", anonymous=True))],
    )
    assert_same(cluster, again(cluster, tmp_path))


def test_password_is_the_one_that_is_asked_for() -> None:
    text = cluster_text(make_cluster(users=[make_user("1001")]), lambda name: f"for {name}")
    assert "for 1001" in text
    assert password_of("1001") not in text
