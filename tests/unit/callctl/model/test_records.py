"""The run-time records: what they refuse, hide and index."""

from __future__ import annotations

import pytest

from callctl.model.build import android, desk_phone, iphone, make_cluster, make_node, softphone
from callctl.model.device import Device, Platform
from callctl.model.line import ExternalPresentation, Line
from callctl.model.node import CmGroup, Listener
from callctl.model.user import Secret, User


@pytest.mark.req("CMG-01")
def test_a_cm_group_has_one_to_three_different_nodes() -> None:
    assert CmGroup("one", ("a",)).nodes == ("a",)
    assert CmGroup("three", ("a", "b", "c")).nodes == ("a", "b", "c")
    for refused in ((), ("a", "b", "c", "d"), ("a", "b", "a")):
        with pytest.raises(ValueError, match="CM group bad"):
            CmGroup("bad", refused)


@pytest.mark.req("CMG-02")
def test_order_in_a_cm_group_is_primary_backup_tertiary() -> None:
    group = CmGroup("all", ("ucm3", "ucm1", "ucm2"))
    roles = [group.role_of(node) for node in ("ucm3", "ucm1", "ucm2", "ucm4")]
    assert roles == ["primary", "backup", "tertiary", None]


@pytest.mark.req("CMG-03")
def test_a_device_gets_its_cm_group_through_its_device_pool_only() -> None:
    assert "cm_group" not in Device.__slots__
    cluster = make_cluster(
        cm_groups={"berlin": ["ucm1", "ucm2"], "kyoto": ["ucm3"]},
        device_pools={"hq": "berlin", "east": "kyoto"},
        devices=[
            iphone("ada", device_pool="hq"),
            iphone("ben", device_pool="east"),
            desk_phone("ben", device_pool="east"),
        ],
    )
    groups = {name: cluster.group_of(device).name for name, device in cluster.devices.items()}
    assert groups == {"TCTADA": "berlin", "TCTBEN": "kyoto", "SEPBEN": "kyoto"}


def test_a_shared_line_lists_its_devices_in_the_order_of_the_file() -> None:
    phones = [
        desk_phone("ada", "1001", "2000"),
        iphone("ben", "1002", "2000"),
        android("ben", "2000"),
    ]
    cluster = make_cluster(devices=phones)
    assert cluster.devices_of_line["2000"] == tuple(phones)
    assert cluster.devices_of_line["1001"] == (phones[0],)
    assert cluster.devices_of_user == {"ada": (phones[0],), "ben": (phones[1], phones[2])}


def test_a_password_shows_nowhere() -> None:
    user = User("ada", Secret("tiger"), "Ada")
    assert "tiger" not in f"{user} {user!r} {user.password}"
    assert user.password.get_secret_value() == "tiger"
    assert user.password == Secret("tiger") != Secret("lion")


@pytest.mark.parametrize(
    ("number", "dn", "shown"),
    [
        ("+4930555", "1001", "+4930555"),
        ("+4930555XXX", "1001", "+4930555001"),
        ("+4930555xxxx", "1001", "+49305551001"),
        ("+49XXXXXX", "1001", "+491001"),
        ("XX", "1001", "01"),
    ],
)
def test_x_at_the_end_of_a_presentation_number_is_filled_from_the_dn(
    number: str, dn: str, shown: str
) -> None:
    """OP-16."""
    assert ExternalPresentation("Sales", number).number_for(dn) == shown


def test_listeners_are_written_as_in_the_file_and_found_by_transport() -> None:
    node = make_node("ucm1", 1, host="::1")
    assert [str(listener) for listener in node.listeners] == [
        "udp:[::1]:5060",
        "tcp:[::1]:5060",
        "tls:[::1]:5061",
    ]
    assert node.listener("TLS") == Listener("TLS", "::1", 5061)
    assert node.listener("WS") is None


def test_a_cluster_made_in_code_is_complete_and_the_same_each_time() -> None:
    first, second = (
        make_cluster(devices=[softphone("1001"), iphone("1002", "1002", "1001")]) for _ in range(2)
    )
    assert list(first.nodes) == ["ucm1", "ucm2", "ucm3"]
    assert first.nodes == second.nodes
    assert first.publisher.name == "ucm1"
    assert first.cm_groups["default"].nodes == ("ucm1", "ucm2", "ucm3")
    assert first.users["1001"].password.get_secret_value() == "pw1001"
    assert set(first.lines) == {"1001", "1002"}
    assert repr(first) == "<Cluster test: 3 nodes, 2 users, 2 devices>"


def test_five_nodes_made_in_code_leave_the_last_two_outside_the_default_group() -> None:
    cluster = make_cluster(nodes=("a", "b", "c", "d", "e"))
    assert cluster.cm_groups["default"].nodes == ("a", "b", "c")


def test_given_users_lines_and_nodes_are_kept() -> None:
    ada = User("ada", Secret("own"), "Ada")
    node = make_node("only", 7, port=9000)
    line = Line("1001", "Ada", ExternalPresentation("Sales", "500"))
    cluster = make_cluster(
        nodes=[node], users=[ada], lines=[line, "1002"], devices=[iphone("ada", "1001")]
    )
    assert cluster.users == {"ada": ada}
    assert cluster.lines == {"1001": line, "1002": Line("1002")}
    assert cluster.nodes["only"].listeners[2].port == 9001


@pytest.mark.parametrize(
    ("device", "problem"),
    [
        (iphone("ada", device_pool="nowhere"), "there is no device pool 'nowhere'"),
        (iphone("ada", name="SEPADA"), "SEP names stand for desk"),
        (
            Device("X", None, ("1",), "default", Platform.ANDROID, custom_region=True),
            "is set for android",
        ),
        (
            Device("X", None, ("1", "1"), "default", Platform.DESK),
            "names a line twice",
        ),
        (
            Device("X", None, ("1",), "default", Platform.IOS, subscriber_service="FCM"),
            "FCM does not serve ios",
        ),
    ],
)
def test_contradictions_in_code_are_refused_as_those_in_files(device: Device, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        make_cluster(devices=[device])


def test_two_devices_of_one_name_or_instance_are_refused() -> None:
    with pytest.raises(ValueError, match="same name"):
        make_cluster(devices=[iphone("ada"), iphone("ada")])
    urn = "urn:uuid:00000000-0000-0000-0000-000000000001"
    twins = [
        Device(name, None, ("1",), "default", Platform.DESK, instance=urn) for name in ("A", "B")
    ]
    with pytest.raises(ValueError, match="belongs to A"):
        make_cluster(devices=twins)
