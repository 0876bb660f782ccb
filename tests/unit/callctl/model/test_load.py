"""A cluster file to a cluster, or to every mistake that is in it."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callctl.errors import ConfigError, Finding
from callctl.model.cluster import Cluster
from callctl.model.device import ClientType, Platform
from callctl.model.line import ExternalPresentation
from callctl.model.load import load_cluster
from callctl.model.reference import SMALLEST
from callctl.model.release import Release
from callctl.model.service_parameter import ServiceParameters

LAB = Path(str(files("callctl") / "examples" / "lab.yaml"))

HEAD = """\
id: test
domain: lab.example
nodes:
  ucm1: {listeners: [udp:127.0.0.1:5060]}
cm_groups: {all: [ucm1]}
device_pools: {office: {cm_group: all}}
"""

Load = Callable[[str], Cluster]
Findings = Callable[[str], list[tuple[int | None, str, str]]]
RawFindings = Callable[[str], tuple[Finding, ...]]


def test_the_lab_cluster_loads() -> None:
    lab = load_cluster(LAB)
    assert [node.listeners[0].port for node in lab.nodes.values()] == [5060, 5160, 5260]
    assert lab.publisher.name == "ucm1"
    assert lab.users["1001"].password.get_secret_value() == "pw1001"
    shared = [device.name for device in lab.devices_of_line["2000"]]
    assert shared == ["SEP001122334404", "TCT1005", "BOT1006"]
    assert lab.lines["1006"].external_presentation == ExternalPresentation("Sales", "+8175555XXXX")
    asleep = {device.platform for device in lab.devices.values() if device.mobile}
    assert asleep == {Platform.IOS, Platform.ANDROID}
    assert lab.devices["TAB1204"].client is ClientType.WEBEX  # from the JSON lines file
    assert lab.cloud.push_enabled
    assert lab.cloud.emulator


def test_what_is_left_out_takes_its_default(load: Load) -> None:
    cluster = load(SMALLEST)
    device = cluster.devices["TCT1001"]
    assert (device.platform, device.device_pool) == (Platform.IOS, "office")
    assert cluster.nodes["ucm1"].publisher
    assert cluster.nodes["ucm1"].fqdn == "ucm1.lab.example"
    assert cluster.release == Release(15)
    assert cluster.service_parameters == ServiceParameters()
    assert not cluster.cloud.push_enabled


def test_what_looks_like_a_number_or_a_switch_stays_text_where_text_is_due(load: Load) -> None:
    cluster = load(HEAD + "users: {no: {password: 0123}}\nlines: {007: {display_name: yes}}\n")
    assert cluster.users["no"].password.get_secret_value() == "0123"
    assert cluster.lines["007"].display_name == "yes"


def test_an_entry_with_nothing_below_it_takes_the_defaults(load: Load) -> None:
    assert load(HEAD + "lines:\n  1001:\n  1002:\nusers:\n").lines["1002"].display_name == ""


def test_service_parameters_are_taken_over(load: Load) -> None:
    text = "service_parameters: {drop_s: 20, invite_challenge_code: 401, record_route: flows}\n"
    parameters = load(HEAD + text).service_parameters
    expected = ServiceParameters(drop_s=20, invite_challenge_code=401, record_route="flows")
    assert parameters == expected


def test_all_mistakes_come_at_once_each_with_its_line_and_key(raw_findings: RawFindings) -> None:
    text = """\
id: test
domain: lab.example
nodes:
  ucm1:
    listeners: [udp:127.0.0.1:5060]
    fqnd: ucm1.lab.example
  ucm2:
    listeners: [udp:127.0.0.2:99999, sctp:127.0.0.2:5060]
cm_groups:
  all: [ucm1, ucm2, ucm3]
device_pools:
  office: {cm_group: al}
users:
  ada: {password: tiger, pasword: lion}
  ben: {}
lines:
  1001:
devices:
  TCTADA: {owner: ada, lines: [1001, 1002], device_pool: ofice, custom_region: perhaps}
  BOTBEN: {owner: bne, lines: [1001], device_pool: ofice, platform: ios}
service_parameters:
  drop_s: 1000
  ring_bak_s: 5
"""
    path = raw_findings("")[0].file
    assert [str(finding).removeprefix(f"{path}:") for finding in raw_findings(text)] == [
        "6: nodes.ucm1.fqnd: unknown key; expected fqdn; did you mean that?",
        "8: nodes.ucm2.listeners[0]: '99999' is not a port from 1 to 65535; expected "
        "transport:address:port, as udp:127.0.0.1:5060 or tls:[::1]:5061",
        "8: nodes.ucm2.listeners[1]: 'sctp' is not a transport; expected udp, tcp, tls, ws or wss; "
        "transport:address:port, as udp:127.0.0.1:5060 or tls:[::1]:5061",
        "10: cm_groups.all[2]: there is no node 'ucm3'; expected one that the file defines",
        "12: device_pools.office.cm_group: there is no CM group 'al'; expected all",
        "14: users.ada.pasword: unknown key; expected password; did you mean that?",
        "15: users.ben: has no password; expected password or password_file",
        "19: devices.TCTADA.custom_region: is 'perhaps'; expected true or false",
        "20: devices.BOTBEN.device_pool: there is no device pool 'ofice'; expected office",
        "20: devices.BOTBEN.owner: there is no user 'bne'; expected ben",
        "20: devices.BOTBEN.platform: is ios, but BOT names stand for android; expected android, "
        "or another device name",
        "22: service_parameters.drop_s: is '1000'; expected at most 120",
        "23: service_parameters.ring_bak_s: unknown key; expected ring_back_s; did you mean that?",
    ]


@pytest.mark.req("CMG-01")
def test_a_fourth_node_in_a_cm_group_is_refused(findings: Findings) -> None:
    nodes = "".join(f"  ucm{n}: {{listeners: [udp:127.0.0.{n}:5060]}}\n" for n in range(1, 5))
    text = f"id: a\ndomain: b.c\nnodes:\n{nodes}cm_groups:\n  all: [ucm1, ucm2, ucm3, ucm4]\n"
    assert findings(text) == [(9, "cm_groups.all", "names 4 nodes")]
    assert findings(text.replace("[ucm1, ucm2, ucm3, ucm4]", "[]")) == [
        (9, "cm_groups.all", "names 0 nodes")
    ]
    assert findings(text.replace("ucm3, ucm4", "ucm1")) == [
        (9, "cm_groups.all", "names a node twice")
    ]


@pytest.mark.req("CMG-02")
def test_the_order_of_a_cm_group_is_that_of_the_file() -> None:
    group = load_cluster(LAB).cm_groups["kyoto"]
    assert (group.role_of("ucm2"), group.role_of("ucm3")) == ("primary", "backup")


@pytest.mark.req("CMG-03")
def test_a_device_cannot_name_a_cm_group_itself(findings: Findings) -> None:
    text = HEAD + "lines: {1: }\ndevices:\n  X: {lines: [1], platform: desk, cm_group: all}\n"
    assert findings(text) == [(9, "devices.X.cm_group", "unknown key")]


@pytest.mark.req("GEN-07")
def test_push_cannot_be_enabled_on_unrestricted_software(findings: Findings) -> None:
    text = HEAD + "unrestricted: true\ncloud:\n  push_enabled: true\n"
    assert findings(text) == [(9, "cloud.push_enabled", "cannot be true on unrestricted software")]


@pytest.mark.req("CHN-02")
def test_only_ios_devices_can_be_in_the_custom_region(findings: Findings) -> None:
    text = HEAD + "lines: {1: }\ndevices:\n  BOTX: {lines: [1], custom_region: true}\n"
    assert findings(text) == [(9, "devices.BOTX.custom_region", "is set for android")]


@pytest.mark.parametrize(
    ("second", "problem"),
    [
        ("udp:127.0.0.1:5060", "udp:127.0.0.1:5060 is taken by ucm1 (udp:127.0.0.1:5060)"),
        ("tls:127.0.0.1:5070", "tls:127.0.0.1:5070 is taken by ucm1 (tcp:127.0.0.1:5070)"),
        ("udp:[0:0::1]:5060", "udp:[::1]:5060 is taken by ucm1 (udp:[::1]:5060)"),
    ],
)
def test_two_listeners_cannot_share_a_port(findings: Findings, second: str, problem: str) -> None:
    text = f"""\
id: test
domain: lab.example
nodes:
  ucm1:
    listeners: ["udp:127.0.0.1:5060", "tcp:127.0.0.1:5070", "udp:[::1]:5060"]
  ucm2:
    listeners: ["{second}", "udp:127.0.0.1:5070"]
cm_groups: {{all: [ucm1, ucm2]}}
"""
    assert findings(text) == [(7, "nodes.ucm2.listeners[0]", problem)]


@pytest.mark.parametrize(
    "listener",
    [
        "udp",
        "udp:localhost:5060",
        "udp:127.0.0.1:0",
        "udp:127.0.0.1:٣",
        "udp:::1:5060",
        "udp:[127.0.0.1]:5060",
        "udp:0.0.0.0:5060",
        "udp:224.0.1.75:5060",
        "wsx:127.0.0.1:80",
    ],
)
def test_a_listener_is_a_transport_an_address_that_can_be_sent_to_and_a_port(
    findings: Findings, listener: str
) -> None:
    text = HEAD.replace("udp:127.0.0.1:5060", f'"{listener}"')
    [(line, key, _)] = findings(text)
    assert (line, key) == (4, "nodes.ucm1.listeners[0]")


def test_only_one_node_is_publisher(findings: Findings) -> None:
    text = """\
id: a
domain: b.c
nodes:
  u1: {listeners: [udp:127.0.0.1:1], publisher: true}
  u2: {listeners: [udp:127.0.0.1:2], publisher: true}
cm_groups: {all: [u1]}
"""
    assert findings(text) == [(5, "nodes.u2.publisher", "u1 is it already")]


def test_service_parameters_that_contradict_one_another(findings: Findings) -> None:
    text = HEAD + "service_parameters:\n  drop_s: 4\n"
    assert findings(text) == [
        (7, "service_parameters.ring_back_s", "is 5, more than drop_s, which is 4")
    ]


def test_a_wrong_entry_does_not_make_references_to_it_wrong(findings: Findings) -> None:
    text = """\
id: test
domain: lab.example
nodes:
  ucm1: {listeners: []}
cm_groups: {all: [ucm1]}
device_pools: {office: {cm_group: all, colour: red}}
users: {ada: {password: ""}}
lines: {1001: {colour: red}}
devices:
  TCTADA: {owner: ada, lines: [1001], device_pool: office}
"""
    assert findings(text) == [
        (4, "nodes.ucm1.listeners", "is empty"),
        (6, "device_pools.office.colour", "unknown key"),
        (7, "users.ada.password", "is not a password"),
        (8, "lines.1001.colour", "unknown key"),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [(None, "", "is empty")]),
        ("# nothing\n", [(None, "", "is empty")]),
        ("- a\n- b\n", [(1, "", "is no mapping")]),
        ("just words\n", [(1, "", "is no mapping")]),
        (
            "a: 1\n",
            [
                (1, "id", "is missing"),
                (1, "domain", "is missing"),
                (1, "a", "unknown key"),
                (1, "nodes", "is empty or missing"),
                (1, "cm_groups", "is empty or missing"),
            ],
        ),
    ],
)
def test_a_file_that_is_hardly_a_cluster(
    findings: Findings, text: str, expected: list[tuple[int | None, str, str]]
) -> None:
    assert findings(text) == expected


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("id: a b", "'a b' is not a name"),
        ("domain: -x", "'-x' is not a domain name"),
        ("release: 9x", "'9x' is not a release"),
        ("users: no", "is 'no'"),
        ("lines: [1]", "is a list"),
        ("devices: {X: [1]}", "is a list"),
        ("users: {a b: {password: x}}", "'a b' is not a user id"),
        ("lines: {1: {description: {a: b}}}", "is a mapping"),
        ("lines: {1: {external_presentation: {number: 12-34}}}", "'12-34' is not a number to show"),
        ("lines: {1: {external_presentation: {number: ''}}}", "'' is not a number to show"),
        (f"lines: {{1: {{description: {'x' * 201}}}}}", "has 201 characters"),
        ("cloud: {push_rest_url: http://x.y}", "'http://x.y' is not an https URL"),
        ("cloud: {push_rest_url: https://x.y:z}", "'https://x.y:z' is not an https URL"),
        ("unrestricted: 2", "is '2'"),
        ("service_parameters: {t1_ms: 5s}", "is '5s'"),
        ("service_parameters: {t1_ms: 9}", "is '9'"),
        ("service_parameters: {record_route: never}", "is 'never'"),
        ("bulk: devices.csv", "is 'devices.csv'"),
    ],
)
def test_a_value_of_the_wrong_kind_is_named(findings: Findings, line: str, problem: str) -> None:
    key = line.split(":")[0]
    kept = "".join(it + "\n" for it in HEAD.splitlines() if not it.startswith(f"{key}:"))
    assert [it[2] for it in findings(kept + line + "\n")] == [problem]


@pytest.mark.parametrize(
    ("device", "key", "problem"),
    [
        ("{lines: []}", "lines", "is empty"),
        ("{owner: ada}", "lines", "is missing"),
        ("{lines: [1]}", "platform", "is missing, and the name does not tell it"),
        ("{lines: [1], platform: ipod}", "platform", "is 'ipod'"),
        ("{lines: [1], platform: ios, os_version: new}", "os_version", "'new' is not a version"),
        ("{lines: [1, 1], platform: ios}", "lines", "names a line twice"),
        (
            "{lines: [1], platform: ios, instance: urn:uuid:1}",
            "instance",
            "'urn:uuid:1' is not an instance",
        ),
        (
            "{lines: [1], platform: ios, subscriber_service: APNS:old}",
            "subscriber_service",
            "'APNS:old' is not a subscriber service",
        ),
        (
            "{lines: [1], platform: desk, subscriber_service: APNS}",
            "subscriber_service",
            "APNS does not serve desk",
        ),
    ],
)
def test_a_device_that_cannot_be(findings: Findings, device: str, key: str, problem: str) -> None:
    text = HEAD + f"users: {{ada: {{password: x}}}}\nlines: {{1: }}\ndevices:\n  X: {device}\n"
    assert findings(text) == [(10, f"devices.X.{key}", problem)]


def test_a_name_among_many_is_looked_for_by_likeness(raw_findings: RawFindings) -> None:
    users = "".join(f"  user{n}: {{password: x}}\n" for n in range(20))
    text = HEAD + f"users:\n{users}lines: {{1: }}\ndevices:\n"
    [finding] = raw_findings(text + "  TCTX: {lines: [1], owner: usr17}\n")
    assert finding.expected == "one that the file defines; did you mean 'user17'?"
    [finding] = raw_findings(text + "  TCTX: {lines: [1], owner: zoe}\n")
    assert finding.expected == "one that the file defines"


def test_a_device_has_a_hundred_lines_at_most(findings: Findings) -> None:
    many = ", ".join(map(str, range(101)))
    text = HEAD + f"devices:\n  TCTX: {{lines: [{many}]}}\n"
    assert findings(text) == [(8, "devices.TCTX.lines", "is too long")]


def test_a_device_without_pool_needs_exactly_one_pool(findings: Findings) -> None:
    text = HEAD.replace("device_pools: {", "device_pools: {lab: {cm_group: all}, ")
    text += "lines: {1: }\ndevices:\n  X: {lines: [1], platform: desk}\n"
    assert findings(text) == [(9, "devices.X.device_pool", "is missing")]


def test_a_password_can_stand_in_a_file_of_its_own(load: Load, tmp_path: Path) -> None:
    (tmp_path / "ada.password").write_text("tiger lily\nsecond line\n")
    cluster = load(HEAD + "users: {ada: {password_file: ada.password}}\n")
    assert cluster.users["ada"].password.get_secret_value() == "tiger lily"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "there is no such file"),
        (b"", "its first line is empty, too long or not printable"),
        (b"\n", "its first line is empty, too long or not printable"),
        (b"x" * 257, "its first line is empty, too long or not printable"),
        (b"\xff\xfe", "it is not UTF-8"),
    ],
)
def test_a_password_file_that_gives_none(
    findings: Findings, tmp_path: Path, content: bytes | None, reason: str
) -> None:
    if content is not None:
        (tmp_path / "p").write_bytes(content)
    text = HEAD + "users:\n  ada: {password_file: p}\n"
    assert findings(text) == [(8, "users.ada.password_file", f"p gives no password: {reason}")]


def test_a_password_and_a_file_of_it_are_one_too_many(findings: Findings) -> None:
    text = HEAD + "users:\n  ada: {password: x, password_file: p}\n"
    assert findings(text) == [(8, "users.ada", "has a password and a file of it")]


def test_a_wrong_password_is_not_repeated_in_the_finding(raw_findings: RawFindings) -> None:
    secret = "tiger\\tlily"
    [finding] = raw_findings(HEAD + f'users:\n  ada: {{password: "{secret}"}}\n')
    assert "tiger" not in str(finding)


def test_a_file_that_is_not_utf_8_has_the_line_of_it(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_bytes("id: a\ndomain: bücher\n".encode("latin-1"))
    with pytest.raises(ConfigError) as caught:
        load_cluster(path)
    assert caught.value.findings == (Finding(str(path), 2, "", "octet 0xFC is not UTF-8", "UTF-8"),)


def test_a_file_that_is_not_there_or_is_a_directory(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.yaml", tmp_path):
        with pytest.raises(ConfigError, match="is not a file"):
            load_cluster(path)


def test_a_file_that_fails_while_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(SMALLEST)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ConfigError, match=r"c\.yaml: Permission denied"):
        load_cluster(path)


def findings_in(path: Path) -> tuple[Finding, ...]:
    try:
        load_cluster(path)
    except ConfigError as error:
        return error.findings
    return ()


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_a_damaged_file_gives_findings_and_nothing_else(
    tmp_path: Path, data: st.DataObject
) -> None:
    lines = LAB.read_text().splitlines()
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(lines) - 1))
        damage = data.draw(
            st.sampled_from(["", "  ", "- x", "? ", "&a *a", "x: [", "'", "\x00", "~:"])
        )
        cut = data.draw(st.integers(0, len(lines[at])))
        lines[at] = lines[at][:cut] + damage + lines[at][cut:][data.draw(st.integers(0, 3)) :]
    path = tmp_path / "damaged.yaml"
    path.write_text("\n".join(lines))
    assert all(finding.problem and finding.expected for finding in findings_in(path))
