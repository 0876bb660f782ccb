"""Who is in a cluster, under which names and numbers, and what is refused before it is played."""

from __future__ import annotations

from pathlib import Path

import pytest

from callctl.model.build import make_node
from callctl.sim.phone_party import PhoneParty
from callctl.testing import NotAsExpected, SetUpError
from callctl.testing.casting import cluster_of
from callctl.testing.plan import Plan
from callctl.testing.running import by_hand as perform
from callctl.testing.virtual_scenario import virtual_cluster
from callctl.testing.wishes import plan_of, wishes_of

from .conftest import MakeWorld, World

LAB = Path(__file__).parents[4] / "callctl" / "examples" / "lab.yaml"
FILE = """
id: small
domain: small.example
nodes:
  one: {listeners: ["tcp:127.0.0.1:5060", "tls:127.0.0.1:5061"]}
  two: {listeners: ["tcp:127.0.0.1:5160", "tls:127.0.0.1:5161"]}
cm_groups: {all: [one, two], desks: [two, one]}
device_pools: {all: {cm_group: all}, desks: {cm_group: desks}}
users: {ada: {password: secret}, office: {password: other}}
lines: {"501": {}, "500": {display_name: Office}}
devices:
  TCTADA:
    owner: ada
    lines: ["501"]
    device_pool: all
    client: jabber
    client_version: 14.3
    os_version: 17.4
  SEPOFFICE: {owner: office, lines: ["500"], device_pool: desks}
  SEPNOBODY: {lines: ["500"], device_pool: desks}
trunks:
  PSTN: {destinations: ["tcp:192.0.2.1:5060", "tcp:192.0.2.1:5080"]}
route_patterns: {"00!": {trunks: [PSTN], strip: 2, prefix: "+"}}
service_parameters: {drop_s: 20, t1_ms: 400}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "cluster.yaml"
    path.write_text(FILE)
    return path


def test_people_get_names_and_numbers_that_are_free(world: World) -> None:
    cluster = world.cluster
    assert (world.phone.name, world.phone.number) == ("TCT2001", "2001")
    assert (world.caller.name, world.caller.number) == ("SEP1001", "1001")
    assert str(cluster.iphone()) == "TCT2002"
    assert str(cluster.android()) == "BOT2003"
    assert str(cluster.android("2001")) == "BOT2001"
    assert str(cluster.iphone("2001")) == "TCT2001-2"
    assert str(cluster.desk_phone()) == "SEP1002"
    assert repr(cluster.desk_phone(name="SEPLOBBY")) == "<desk phone SEPLOBBY, 1003>"
    assert repr(cluster).startswith("<cluster: ucm1, ucm2, ucm3; TCT2001, SEP1001, TCT2002")
    assert [str(peer) for peer in cluster.trunk(peers=2).peers] == ["PSTN-1", "PSTN-2"]


def test_a_phone_is_what_it_was_asked_for(world: World) -> None:
    cluster = world.cluster
    phones = [
        cluster.iphone(ios="12.4", client_version="12.8"),
        cluster.iphone(custom_region=True, client="webex"),
        cluster.android(client="standard"),
    ]
    devices = [world.play.plan.mobiles[phone.name].device for phone in phones]
    assert [(it.os_version, it.client.value, it.client_version) for it in devices] == [
        ("12.4", "jabber", "12.8"),
        ("17.0", "webex", "44.1"),
        (None, "standard", None),
    ]
    assert [it.custom_region for it in devices] == [False, True, False]


def test_every_kind_of_phone_is_played_at_once_and_rings(world: World) -> None:
    cluster = world.cluster
    cluster.iphone("2001", client="webex")
    in_china = cluster.iphone("2001", custom_region=True)
    phones = [
        world.phone,
        in_china,
        cluster.android("2001"),
        cluster.android("2001", client="standard"),
        cluster.iphone("2001", client="standard"),
        cluster.desk_phone("2001"),
        cluster.desk_phone("2001", transport="UDP"),
    ]
    perform(world.caller.calls("2001"))
    for phone in phones:
        if phone is in_china:
            perform(in_china.taps_notification())
        perform(phone.rings())
    assert world.play.judge() == []


def test_a_phone_has_a_cm_group_of_its_own(world: World) -> None:
    phone = world.cluster.iphone(cm_group=("ucm2", "ucm3"))
    perform(world.caller.calls(phone))
    perform(phone.is_woken(node="ucm2"))


def test_names_of_callers_show(world: World) -> None:
    porter = world.cluster.desk_phone(display_name="Night Porter")
    perform(porter.calls(world.phone))
    perform(world.phone.shows_call("Night Porter 1002"))


def test_lines_say_where_calls_go(world: World) -> None:
    cluster, phone = world.cluster, world.phone
    porter = cluster.desk_phone()
    cluster.line(phone.number, forward_all=porter, display_name="Owner")
    cluster.line(phone.number, forward_busy="1001")  # the rest stays as it was
    perform(world.caller.calls(phone))
    perform(porter.rings())
    perform(phone.stays_asleep(5))


def test_whoever_comes_too_late_is_told_so(world: World) -> None:
    perform(world.clock.passes(1))
    for ask in (world.cluster.iphone, world.cluster.desk_phone, world.cluster.trunk):
        with pytest.raises(SetUpError, match="too late, ask for it before the first word"):
            ask()


# What the mark says.


def test_more_nodes_their_names_and_groups(make_world: MakeWorld) -> None:
    world = make_world(nodes=["east", "west"], cm_groups={"phones": ["west", "east"]})
    perform(world.caller.calls(world.phone))
    perform(world.phone.is_woken(node="west"))
    assert [str(node) for node in world.cluster.nodes] == ["east", "west"]
    assert [str(node) for node in make_world(nodes=5).cluster.nodes][-1] == "ucm5"
    lonely = make_world(nodes=1)
    perform(lonely.caller.calls(lonely.phone))
    perform(lonely.phone.rings())


def test_release_and_parameters_hold(make_world: MakeWorld) -> None:
    world = make_world(release="12.5(1)SU2", parameters={"drop_s": 20, "ring_back_s": 3})
    perform(world.cloud.apns.loses_pushes())
    call = perform(world.caller.calls(world.phone))
    perform(call.ends_with(480))
    assert call.waited_s == pytest.approx(20, abs=0.2)
    assert call.rang_after_s == pytest.approx(3, abs=0.2)
    assert [push.node for push in world.phone.pushes if push.kind == "ring"] == [""]


@pytest.mark.parametrize(
    ("wishes", "why"),
    [
        ({"nodes": 0}, "0 nodes: a cluster has 1 to 20"),
        ({"file": "nowhere.yaml"}, "there is no cluster file nowhere.yaml"),
        ({"file": LAB, "nodes": 2}, "nodes: the cluster file .* says that"),
        ({"cm_groups": {"phones": ["ucm9"]}}, "CM group phones: there is no node ucm9"),
        ({"parameters": {"drops_s": 1}}, "there is no service parameter drops_s: ring_back_s"),
        ({"parameters": {"drop_s": 1000}}, "drop_s is 1000, not 2 to 120 s"),
        ({"release": "banana"}, "banana"),
    ],
)
def test_what_cannot_be_played_is_refused_with_the_reason(
    wishes: dict[str, object], why: str
) -> None:
    with pytest.raises((SetUpError, ValueError), match=why):
        virtual_cluster(plan_of({"seed": 1, **wishes}))


def test_the_closest_mark_counts_and_unknown_keywords_are_refused() -> None:
    assert wishes_of([{"nodes": 2}, {"nodes": 5, "release": "14SU3"}]) == {
        "nodes": 2,
        "release": "14SU3",
    }
    with pytest.raises(SetUpError, match="the mark callctl knows no node: cm_groups, file"):
        wishes_of([{"node": 1}])


# A cluster file.


def test_a_cluster_file_is_played_at_addresses_of_its_own(
    make_world: MakeWorld, file: Path
) -> None:
    world = make_world(file=file)
    assert (world.phone.name, world.caller.name) == ("TCTADA", "SEPOFFICE")
    assert world.cluster.mobile("TCTADA") is world.phone
    perform(world.cluster.node("one").stops())
    call = perform(world.caller.calls(world.phone))
    perform(world.phone.shows_call("Office 500"))
    perform(world.phone.is_woken(node="two"))
    perform(world.phone.answers())
    perform(call.is_answered_by(world.phone))


def test_the_trunks_of_a_cluster_file_have_their_peers(make_world: MakeWorld, file: Path) -> None:
    world = make_world(file=file)
    first, second = world.cluster.trunk("PSTN").peers
    perform(first.dies())
    perform(world.caller.calls("0049171555"))
    perform(second.rings())


def test_the_parameters_of_a_file_win_over_those_of_a_world_and_lose_to_the_mark(
    file: Path,
) -> None:
    plan = Plan(file=file, parameters={"t1_ms": 100})

    def parameter(name: str) -> object:
        scaled = {"t1_ms": 50, "t2_ms": 200, "drop_s": 5}
        cluster = cluster_of(plan, make_node, lambda transports: (), scaled)
        return getattr(cluster.service_parameters, name)

    assert [parameter(name) for name in ("t1_ms", "t2_ms", "drop_s")] == [100, 200, 20]


def test_the_cluster_file_of_the_lab_is_played(make_world: MakeWorld) -> None:
    world = make_world(file=LAB)
    phone = world.cluster.mobile("BOT1006", line="2000")
    call = perform(world.caller.calls("2000"))  # shared with a desk phone and an iPhone
    perform(phone.is_woken(node="ucm2"))
    perform(phone.answers())
    perform(call.is_answered_by(phone))


def test_who_is_not_in_the_file_is_refused(make_world: MakeWorld, file: Path) -> None:
    cluster = make_world(file=file).cluster
    with pytest.raises(SetUpError, match="has no device TCTBOB"):
        cluster.mobile("TCTBOB")
    with pytest.raises(SetUpError, match="SEPOFFICE is no mobile phone"):
        cluster.mobile("SEPOFFICE")
    with pytest.raises(SetUpError, match="TCTADA is a mobile phone"):
        cluster.desk("TCTADA")
    with pytest.raises(SetUpError, match="SEPNOBODY has no line 501, but 500"):
        cluster.desk("SEPNOBODY", line="501")
    with pytest.raises(SetUpError, match="TCTADA is there already, with line 501"):
        cluster.mobile("TCTADA", line="500")
    with pytest.raises(SetUpError, match="SEPNOBODY has no owner"):
        cluster.desk("SEPNOBODY")
    with pytest.raises(SetUpError, match="the cluster file says who is there"):
        cluster.iphone()
    with pytest.raises(SetUpError, match="has no trunk SIDE"):
        cluster.trunk("SIDE")


def test_without_a_file_nobody_is_known_by_a_name(world: World) -> None:
    with pytest.raises(SetUpError, match="there is no cluster file"):
        world.cluster.mobile("TCTADA")


def test_mistakes_of_a_cluster_file_are_told_all_at_once(make_world: MakeWorld, file: Path) -> None:
    file.write_text(
        FILE.replace("all: [one, two]", "all: [one, three]").replace(
            'lines: ["501"]', 'lines: ["50"]'
        )
    )
    with pytest.raises(SetUpError, match=r"(?s)cluster.yaml:.*three.*cluster.yaml:"):
        make_world(file=file)


def test_a_phone_that_cannot_come_is_named_before_the_test_begins(
    make_world: MakeWorld, file: Path
) -> None:
    file.write_text(
        FILE.replace('"tcp:127.0.0.1:5060", ', "").replace(', "tls:127.0.0.1:5161"', "")
    )
    world = make_world(file=file)
    with pytest.raises(SetUpError, match="CM group have no transport in common"):
        perform(world.clock.passes(1))


def test_a_phone_that_never_came_is_named(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PhoneParty, "start", lambda party: None)
    with pytest.raises(SetUpError, match="TCT2001 could register at no node of its CM group"):
        perform(world.clock.passes(1))


def test_words_that_wait_in_vain_tell_of_a_number_that_nobody_has(world: World) -> None:
    call = perform(world.caller.calls("9999"))
    with pytest.raises(NotAsExpected, match=r"refused \(404\)"):
        perform(call.is_answered())
