"""Which way a call would take, asked of the simulated world."""

from __future__ import annotations

import pytest

from callctl.model.build import desk_phone, iphone, make_cluster, make_user
from callctl.model.cluster import Cluster
from callctl.model.hunt_pilot import HuntPilot
from callctl.model.line import Forwarding, Line
from callctl.model.trunk import RoutePattern, SipTrunk, TrunkDestination
from callctl.sim.route import NoRoute, Route, route

FIRST = TrunkDestination("UDP", "192.0.2.90", 5060)
SECOND = TrunkDestination("UDP", "192.0.2.91", 5060)


def cluster() -> Cluster:
    return make_cluster(
        devices=[iphone("front", "2001", name="TCTFRONT"), desk_phone("hall", "2002")],
        lines=[Line("2001", forwarding=Forwarding(no_answer="9001", no_answer_s=5))],
        users=[make_user("front")],
        hunt_pilots=[HuntPilot("3000", ("2002", "2001"), member_ring_s=4)],
        trunks=[SipTrunk("PSTN", (FIRST, SECOND))],
        route_patterns=[RoutePattern("9!", ("PSTN",))],
    )


def codes(found: Route) -> list[tuple[str, str]]:
    return [(step.code, step.device) for step in found.steps]


@pytest.mark.req("CMG-07")
def test_sleeping_phone_is_named_the_backup_when_its_node_is_down() -> None:
    for down, named in (((), "ucm1"), (("ucm1",), "ucm2"), (("ucm1", "ucm2"), "ucm3")):
        found = route(cluster(), "2001", down=down)
        assert found.taken_by == named
        push = next(step for step in found.steps if step.code == "ring-push")
        assert dict(push.values)["node"] == named
        offered = next(step for step in found.steps if step.code == "offered")
        assert dict(offered.values)["node"] == named
        assert ("ringing", "TCTFRONT") in codes(found)


def test_reason_for_the_named_node_is_told() -> None:
    found = route(cluster(), "2001", down=["ucm1"], taken_by="ucm3")
    text = [step.sentence() for step in found.steps]
    assert "ring push to TCTFRONT naming ucm2: its backup node, as ucm1 is out of service" in text


def test_phone_in_use_gets_the_invite_at_once() -> None:
    assert ("direct", "TCTFRONT") in codes(route(cluster(), "2001", awake=["TCTFRONT"]))


def test_forwarding_leads_over_the_trunk_and_its_second_destination_if_the_first_is_down() -> None:
    tried = [
        dict(step.values)["destination"]
        for step in route(cluster(), "2001").steps
        if step.code == "trunk"
    ]
    assert tried == [str(FIRST)]
    found = route(cluster(), "2001", down=[str(FIRST)])
    tried = [dict(step.values)["destination"] for step in found.steps if step.code == "trunk"]
    assert tried[-1] == str(SECOND)
    assert ("ringing", "trunk PSTN") in codes(found)


def test_hunt_tells_one_member_after_the_other() -> None:
    found = route(cluster(), "3000")
    assert [dict(step.values)["number"] for step in found.steps if step.code == "hunt"] == [
        "2002",
        "2001",
    ]
    assert found.status == 480


@pytest.mark.parametrize(
    ("number", "options", "problem"),
    [
        ("77", {}, "77 is no number"),
        ("2001", {"down": ["ucm9"]}, "no node or trunk destination ucm9"),
        ("2001", {"down": ["ucm1", "ucm2", "ucm3"]}, "no node is left"),
        ("2001", {"down": ["ucm1"], "taken_by": "ucm1"}, "ucm1 cannot take"),
        ("2001", {"awake": ["SEPHALL"]}, "SEPHALL is no device"),
    ],
)
def test_question_that_cannot_be_asked_is_refused(
    number: str, options: dict[str, list[str]], problem: str
) -> None:
    with pytest.raises(NoRoute, match=problem):
        route(cluster(), number, **options)  # type: ignore[arg-type]
