"""What the checker warns of, and what it is silent about."""

from __future__ import annotations

import pytest

from callctl.model.build import android, desk_phone, iphone, make_cluster
from callctl.model.cloud import CloudSettings
from callctl.model.cluster import Cluster
from callctl.model.deployment import Deployment, DeploymentType
from callctl.model.device import ClientType, Device
from callctl.model.release import ExpresswayVersion, Release
from callctl.push.capability.deployment_check import deployment_warnings

CURRENT = (iphone("1001"), android("1002"), desk_phone("1003"))


def beside(
    im_and_presence: str | None = None,
    expressway: str | None = None,
    kind: DeploymentType = DeploymentType.ON_PREMISES,
) -> Deployment:
    return Deployment(
        None if im_and_presence is None else Release.parse(im_and_presence),
        None if expressway is None else ExpresswayVersion.parse(expressway),
        kind,
    )


def warned(
    release: str,
    *devices: Device,
    deployment: Deployment | None = None,
    push: bool = True,
    jabber: dict[str, str] | None = None,
) -> list[tuple[str, str, str]]:
    cluster: Cluster = make_cluster(
        devices=devices or CURRENT,
        release=release,
        cloud=CloudSettings(push_enabled=push),
        deployment=deployment or Deployment(),
        jabber_client_configuration=jabber,
    )
    return [
        (".".join(map(str, remark.path)), remark.problem, remark.expected)
        for remark in deployment_warnings(cluster)
    ]


def test_deployment_of_today_is_silent() -> None:
    for release in ("12.5(1)SU4", "14SU3", "15"):
        for other in (beside(), beside("15", "X15.2"), beside("12.5(1)SU4", "X12.7")):
            assert warned(release, deployment=other) == []
    assert warned("12.5(1)SU3", deployment=beside("12.5(1)SU3", "X12.6.2")) == []


@pytest.mark.req("REL-02")
def test_server_below_the_minimum_is_named_with_the_systems_that_need_more() -> None:
    """Table C2: 12.5(1)SU2 has neither what iOS 13 nor what Android needs."""
    found = warned("12.5(1)SU2", deployment=beside("11.5(1)SU7", "X12.5"))
    assert [it for it in found if "REL-02" in it[2]] == [
        (
            "release",
            "CUCM 12.5(1)SU2 is below the minimum for iOS 13+ (APNs)",
            "12.5(1)SU3 or later (REL-02, Table C2)",
        ),
        (
            "deployment.im_and_presence",
            "IM&P 11.5(1)SU7 is below the minimum for iOS 13+ (APNs)",
            "11.5(1)SU8 or later (REL-02, Table C2)",
        ),
        (
            "deployment.expressway",
            "Expressway X12.5 is below the minimum for iOS 13+ (APNs)",
            "X12.6 or later (REL-02, Table C2)",
        ),
        (
            "release",
            "CUCM 12.5(1)SU2 is below the minimum for Android",
            "12.5(1)SU3 or later (REL-02, Table C2)",
        ),
        (
            "deployment.im_and_presence",
            "IM&P 11.5(1)SU7 is below the minimum for Android",
            "12.5(1)SU3 or later (REL-02, Table C2)",
        ),
        (
            "deployment.expressway",
            "Expressway X12.5 is below the minimum for Android",
            "X12.6.2 or later (REL-02, Table C2)",
        ),
    ]


@pytest.mark.req("REL-02")
@pytest.mark.parametrize(
    ("release", "iphones", "androids"),
    [
        ("11.5(1)SU7", "11.5(1)SU8", "12.5(1)SU3"),
        ("11.5(1)SU8", None, "12.5(1)SU3"),
        ("11.5(1)SU9", None, "12.5(1)SU3"),
        ("12.0(1)", "12.5(1)SU3", "12.5(1)SU3"),
        ("12.5(1)SU2", "12.5(1)SU3", "12.5(1)SU3"),
        ("12.5(1)SU3", None, None),
        ("14", None, None),
    ],
)
def test_minimum_of_the_cluster_goes_by_its_train(
    release: str, iphones: str | None, androids: str | None
) -> None:
    for device, needed in ((iphone("1"), iphones), (android("2"), androids)):
        found = [
            it[2] for it in warned(release, device) if it[0] == "release" and "Table C2)" in it[2]
        ]
        assert found == ([] if needed is None else [f"{needed} or later (REL-02, Table C2)"])


@pytest.mark.req("REL-02")
def test_clients_below_the_minimum_are_counted_under_the_first() -> None:
    old = [android(f"2{n}", client_version="12.9") for n in range(3)]
    webex = android("9", client=ClientType.WEBEX, client_version="40.7")
    found = warned("15", *old, webex, iphone("1", client_version="12.8"), android("8"))
    assert found == [
        (
            "devices.BOT20.client_version",
            "Jabber 12.9 is below the minimum for Android (2 more like it)",
            "Jabber 12.9.1 or later (REL-02, Table C2)",
        ),
        (
            "devices.BOT20",
            "no push wakes it for a call: call push needs Jabber 12.9.1 (2 more like it)",
            "callctl capability --device BOT20 has the tables",
        ),
        (
            "devices.BOT9.client_version",
            "Webex app 40.7 is below the minimum for Android",
            "Webex app 40.8 or later (REL-02, Table C1)",
        ),
        (
            "devices.BOT9",
            "no push wakes it for a call: call push needs Webex app 40.8",
            "callctl capability --device BOT9 has the tables",
        ),
        # Pushed to all the same: it keeps its old manner (MODE-21).
        (
            "devices.TCT1.client_version",
            "Jabber 12.8 is below the minimum for iOS 13+ (APNs)",
            "Jabber 12.9 or later (REL-02, Table C2)",
        ),
    ]


@pytest.mark.req("REL-03")
@pytest.mark.parametrize(
    ("release", "level_3"),
    [
        ("11.5(1)SU8", "11.5(1)SU9"),
        ("12.0(1)", "12.5(1)SU4"),
        ("12.5(1)SU3", "12.5(1)SU4"),
        ("11.5(1)SU9", None),
        ("12.5(1)SU4", None),
        ("14", None),
    ],
)
def test_push_2_behind_an_expressway_of_push_3_does_not_work(
    release: str, level_3: str | None
) -> None:
    """Table C4."""

    def mixed(expressway: str, other: str | None = None) -> list[tuple[str, str]]:
        found = warned(release, iphone("1"), deployment=beside(other, expressway))
        return [(path, expected) for path, problem, expected in found if "Push:3" in problem]

    wanted = f"{level_3} or later, at once (REL-03, Tables C4 and C5)"
    assert mixed("X12.7") == ([("release", wanted)] if level_3 else [])
    assert mixed("X14.0") == mixed("X12.7")
    assert mixed("X12.6.4") == []
    assert ("deployment.im_and_presence", wanted) in mixed("X12.7", release) or level_3 is None


@pytest.mark.req("REL-04")
def test_expressway_that_was_upgraded_before_im_and_presence_is_out_of_order() -> None:
    """Table C5."""

    def order(im_and_presence: str, expressway: str, *devices: Device) -> list[tuple[str, str]]:
        found = warned("15", *devices, deployment=beside(im_and_presence, expressway))
        return [(path, problem) for path, problem, expected in found if "REL-04" in expected]

    assert order("11.5(1)SU7", "X12.6", iphone("1")) == [
        (
            "deployment.expressway",
            "Expressway X12.6 was upgraded for iOS 13+ (APNs) before IM&P 11.5(1)SU7",
        )
    ]
    assert order("11.5(1)SU8", "X12.6", iphone("1")) == []
    assert order("11.5(1)SU7", "X12.5", iphone("1")) == []
    assert len(order("12.5(1)SU2", "X12.6.2", iphone("1"), android("2"))) == 2
    assert order("12.5(1)SU3", "X12.6.2", iphone("1"), android("2")) == []


@pytest.mark.req("REL-05")
def test_iphones_lose_voice_notifications_while_a_part_is_behind() -> None:
    def lost(release: str, *devices: Device, deployment: Deployment | None = None) -> bool:
        found = warned(release, *devices, deployment=deployment)
        return any("lose voice notifications" in problem for _, problem, _ in found)

    assert lost("12.5(1)SU2", iphone("1"))
    assert lost("15", iphone("1"), deployment=beside("12.5(1)SU2"))
    assert lost("12.5(1)SU3", iphone("1"), deployment=beside(None, "X12.7"))
    assert not lost("12.5(1)SU3", iphone("1"))
    assert not lost("12.5(1)SU2", android("1"))


@pytest.mark.req("REL-09")
def test_ios_12_is_out_of_support_and_refused_from_14_su3_on() -> None:
    old = iphone("1", os_version="12.4", client_version="12.8")
    expected = ("devices.TCT1.os_version", "iOS 12 is out of support (FN70555)")
    assert [it[:2] for it in warned("14SU2", old)] == [expected]
    assert [it[:2] for it in warned("14SU3", old)] == [
        expected,
        (
            "devices.TCT1",
            "no push wakes it for a call: release 14SU3 pushes nothing to iOS 12 (REL-09)",
        ),
    ]


def test_calls_are_pushed_one_service_update_before_their_support() -> None:
    """OP-60."""
    old = iphone("1", os_version="12.4")
    assert ("release", "11.5(1)SU3 pushes calls, but is not supported yet") in [
        it[:2] for it in warned("11.5(1)SU3", old)
    ]
    assert not any("OP-60" in it[2] for it in warned("11.5(1)SU4", old))


@pytest.mark.req("REL-10")
def test_11_5_1_su2_is_only_there_to_be_upgraded_from() -> None:
    order = "disable push, upgrade, onboard again (REL-10, Table C5)"
    for push in (False, True):
        problem = "11.5(1)SU2 is only there to be upgraded from"
        found = warned("11.5(1)SU2", desk_phone("1"), push=push, deployment=beside("11.5(1)SU2"))
        assert found == [
            ("release", problem, order),
            ("deployment.im_and_presence", problem, order),
        ]


@pytest.mark.req("MODE-19")
@pytest.mark.parametrize(
    ("parameters", "problem"),
    [
        ({"EnableVoipSocket": "false"}, None),
        ({"EnableVoipSocket": "False"}, None),
        ({"EnableVoipSocket": "true"}, "is 'true'"),
        ({"EnableVoipSocket": ""}, "is ''"),
        ({"EnableVoipSocket": "0"}, "is '0'"),
        ({"LocalPushSSIDList": "ward7"}, "is missing"),
        ({}, None),
    ],
)
def test_enable_voip_socket_has_to_be_false(
    parameters: dict[str, str], problem: str | None
) -> None:
    found = warned("15", jabber=parameters)
    path = "jabber_client_configuration.EnableVoipSocket"
    expected = "false, else Jabber on iPhone and iPad gets no call push (MODE-19)"
    assert found == ([] if problem is None else [(path, problem, expected)])


def test_region_that_is_not_offered_is_told_for_the_device() -> None:
    found = warned("15", iphone("1", client_version="12.9", custom_region=True))
    assert [it[:2] for it in found] == [
        (
            "devices.TCT1",
            "no push wakes it for a call: call push in the custom region needs Jabber 12.9.1 "
            "(CHN-09)",
        )
    ]


def test_without_push_only_what_is_wrong_in_any_case_is_told() -> None:
    old = beside("11.5(1)SU3", "X12.7")
    assert warned("11.5(1)SU3", push=False, deployment=old) == []
    assert [
        it[0] for it in warned("15", deployment=beside(kind=DeploymentType.WEBEX_MESSENGER))
    ] == ["deployment.type"]


@pytest.mark.req("AND-07")
@pytest.mark.parametrize(
    ("im_and_presence", "expressway", "jabber", "told"),
    [
        ("12.5(1)SU3", "X12.6.2", "12.9.1", False),
        ("14SU3", "X12.7", "14.3", False),
        ("12.5(1)SU2", "X12.6.2", "12.9.1", True),
        ("12.5(1)SU3", "X12.5", "12.9.1", True),
        ("12.5(1)SU3", "X12.6.2", "12.8", True),
    ],
)
def test_known_defect_of_jabber_on_android_is_told_unless_all_three_are_new_enough(
    im_and_presence: str, expressway: str, jabber: str, told: bool
) -> None:
    found = warned(
        "12.5(1)SU3",
        android("1002", client_version=jabber),
        deployment=beside(im_and_presence, expressway),
    )
    assert any("CSCvv12541" in problem for _, problem, _ in found) is told
    without = warned("12.5(1)SU3", iphone("1001"), deployment=beside(im_and_presence, expressway))
    assert not any("CSCvv12541" in problem for _, problem, _ in without)
