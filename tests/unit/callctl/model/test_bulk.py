"""Bulk files: rows to records, mistakes with file, row and column."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from callctl.errors import Finding
from callctl.model.bulk import FINDINGS_MAX, LINE_MAX
from callctl.model.cluster import Cluster
from callctl.model.device import Device, Platform
from callctl.model.reference import BULK_CSV, BULK_JSONL
from callctl.model.user import Secret

Load = Callable[[str], Cluster]
Place = tuple[int | None, str, str]

CLUSTER = """\
id: test
domain: lab.example
nodes: {ucm1: {listeners: [udp:127.0.0.1:5060]}}
cm_groups: {all: [ucm1]}
device_pools: {office: {cm_group: all}}
users: {ada: {password: tiger}}
lines: {1001: {display_name: Ada}}
bulk: [{NAME}]
"""


@pytest.fixture
def load_bulk(load: Load, tmp_path: Path) -> Callable[[str, str | bytes], Cluster]:
    """Load a cluster with this one bulk file."""

    def load_with(name: str, content: str | bytes) -> Cluster:
        octets = content.encode() if isinstance(content, str) else content
        (tmp_path / name).write_bytes(octets)
        return load(CLUSTER.replace("{NAME}", name))

    return load_with


@pytest.fixture
def places(
    tmp_path: Path, raw_findings: Callable[[str], tuple[Finding, ...]]
) -> Callable[[str, str | bytes], list[Place]]:
    """(row, column, problem) of each finding, all of them in this one bulk file."""

    def find(name: str, content: str | bytes) -> list[Place]:
        octets = content.encode() if isinstance(content, str) else content
        (tmp_path / name).write_bytes(octets)
        found = raw_findings(CLUSTER.replace("{NAME}", name))
        assert {finding.file for finding in found} == {str(tmp_path / name)}
        return [(finding.line, finding.key, finding.problem) for finding in found]

    return find


LoadBulk = Callable[[str, str | bytes], Cluster]
Places = Callable[[str, str | bytes], list[Place]]


def test_a_row_makes_a_user_a_line_and_a_device(load_bulk: LoadBulk) -> None:
    cluster = load_bulk(
        "a.csv",
        "\ufeffdevice,user,password,display_name,platform,os_version,custom_region\r\n"
        'TCTBEN,1002,lion,"Brandt, Ben",ios,17.4,true\r\n',
    )
    assert cluster.devices == {
        "TCTBEN": Device(
            "TCTBEN",
            "1002",
            ("1002",),
            "office",
            Platform.IOS,
            os_version="17.4",
            custom_region=True,
        )
    }
    assert cluster.users["1002"].password == Secret("lion")
    assert cluster.lines["1002"].display_name == "Brandt, Ben"


def test_users_and_lines_come_again_in_rows_and_files(load_bulk: LoadBulk) -> None:
    cluster = load_bulk(
        "a.jsonl",
        '{"user": "ada", "line": "1001", "device": "SEP1"}\n\n'
        '{"user": "ada", "password": "tiger", "line": "1001", "device": "TCT1"}\n'
        '{"user": "ben", "password": "x", "line": "1001", "device": "BOT1"}\n',
    )
    assert [device.name for device in cluster.devices_of_user["ada"]] == ["SEP1", "TCT1"]
    assert len(cluster.devices_of_line["1001"]) == 3
    assert cluster.lines["1001"].display_name == "Ada"


def test_the_examples_of_the_reference_page_load(load_bulk: LoadBulk) -> None:
    assert len(load_bulk("a.csv", BULK_CSV).devices) == 2
    assert load_bulk("a.jsonl", BULK_JSONL).devices["BOT1002"].platform is Platform.ANDROID


def test_devices_of_the_cluster_file_may_use_users_of_a_bulk_file(
    load: Load, tmp_path: Path
) -> None:
    (tmp_path / "a.csv").write_text("user,password,device\nben,lion,SEP1\n")
    text = CLUSTER.replace("{NAME}", "a.csv") + "devices: {TCTBEN: {owner: ben, lines: [ben]}}\n"
    assert [it.name for it in load(text).devices_of_user["ben"]] == ["TCTBEN", "SEP1"]


def test_texts_that_repeat_are_one_object(load_bulk: LoadBulk) -> None:
    rows = "".join(f"u{n},p,SEP{n},office,14.3\n" for n in range(3))
    cluster = load_bulk("a.csv", "user,password,device,device_pool,client_version\n" + rows)
    first, *others = cluster.devices.values()
    assert all(it.device_pool is first.device_pool for it in others)
    assert all(it.client_version is first.client_version for it in others)
    assert first.owner is first.lines[0] is cluster.users["u0"].user_id


def test_mistakes_in_rows_come_all_at_once(places: Places) -> None:
    header = "user,password,line,device,device_pool,platform,os_version,instance\n"
    urn = "urn:uuid:00000000-0000-0000-0000-00000000000A"
    rows = (
        "u1,x,,SEP1,office,,,\n"
        "u2,,,SEP2,office,,,\n"  # 3
        "u1,y,,SEP3,office,,,\n"
        "u1,,,SEP1,office,,,\n"
        "u1,,,PHONE,office,,,\n"
        "u1,,,PHONE,ofice,desk,,\n"  # 7
        "u1,,,BOT1,office,ios,new,\n"
        "u1,,,BOT2,office,ios,,\n"
        "u1,,,SEP4,office\n"
        f"u1,,,SEP5,office,,,{urn}\n"  # 11
        f"u1,,,SEP6,office,,,{urn.lower()}\n"
        "u@1,x,,SEP7,office,,,\n"
        ",x,,SEP8,office,,,\n"
    )
    assert places("a.csv", header + rows) == [
        (3, "password", "is missing, and 'u2' is a new user"),
        (4, "password", "is not the one that 'u1' has already"),
        (5, "device", "'SEP1' comes again"),
        (6, "platform", "is missing, and the name does not tell it"),
        (7, "device_pool", "there is no device pool 'ofice'"),
        (8, "os_version", "'new' is not a version"),
        (9, "platform", "is ios, but BOT names stand for android"),
        (10, "", "has 5 cells"),
        (12, "instance", f"{urn.lower()} belongs to SEP5"),
        (13, "line", "is missing, and the user id 'u@1' is no directory number"),
        (14, "user", "is missing"),
    ]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", [(1, "user", "column is missing"), (1, "device", "column is missing")]),
        ("user,device,pasword", [(1, "pasword", "unknown column")]),
        ("user,device,user", [(1, "user", "column comes again")]),
        (
            "user;device",
            [
                (1, "user;device", "unknown column"),
                (1, "user", "column is missing"),
                (1, "device", "column is missing"),
            ],
        ),
    ],
)
def test_a_wrong_header_is_reported_once_and_not_for_every_row(
    places: Places, header: str, expected: list[Place]
) -> None:
    assert places("a.csv", f"{header}\nu1,SEP1,x\nu2,SEP2,x\n") == expected


def test_a_row_that_is_no_csv_ends_the_file(places: Places) -> None:
    [(row, column, problem)] = places("a.csv", 'user,password,device\na,b,"c" d\n')
    assert (row, column) == (2, "")
    assert problem.startswith("is not CSV: ")


def test_json_lines_that_are_none(places: Places) -> None:
    rows = (
        '{"user": 1002, "password": "x", "device": "SEP1"}\n'
        "{]\n"
        '["user"]\n'
        '{"user": "a", "user": "b", "device": "SEP1"}\n'
        '{"user": "a", "password": "x", "device": "SEP1", "pool": "office"}\n'
        '{"user": "a", "password": "x", "device": "SEP1", "custom_region": "maybe"}\n'
        + "[" * 3000
        + "\n"
        + '{"user": '
        + "9" * 5000
        + "}\n"
    )
    found = places("a.jsonl", rows)
    assert [(row, column) for row, column, _ in found] == [
        (1, "user"),
        (2, ""),
        (3, ""),
        (4, ""),
        (5, "pool"),
        (6, "custom_region"),
        (7, ""),
        (8, ""),
    ]
    assert found[0][2] == "is 1002"
    assert found[3][2] == "is not JSON: a key comes again"


def test_a_row_that_is_not_utf_8_is_the_only_one_lost(places: Places) -> None:
    content = b"user,password,device\na,x,SEP1\n\xff,x,SEP2\nb,x,BAD NAME\n"
    assert places("a.csv", content) == [
        (3, "", "is not UTF-8"),
        (4, "device", "'BAD NAME' is not a name"),
    ]


def test_a_line_without_end_is_not_read(places: Places) -> None:
    assert places("a.jsonl", "x" * (LINE_MAX + 1)) == [(1, "", f"is longer than {LINE_MAX} octets")]


def test_a_file_full_of_mistakes_is_not_read_to_its_end(places: Places) -> None:
    found = places("a.jsonl", "x\n" * (FINDINGS_MAX + 500))
    assert len(found) == FINDINGS_MAX + 1
    assert found[-1] == (
        FINDINGS_MAX + 1,
        "",
        f"more than {FINDINGS_MAX} mistakes: not read further",
    )


def test_a_bulk_file_of_another_kind_or_none_at_all(
    places: Places, raw_findings: Callable[[str], tuple[Finding, ...]]
) -> None:
    assert places("a.xlsx", b"PK") == [(None, "", "ends in '.xlsx'")]
    [finding] = raw_findings(CLUSTER.replace("{NAME}", "missing.csv"))
    assert finding.problem == "is not a file"


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_a_hundred_thousand_devices_load(load_bulk: LoadBulk, kind: str) -> None:
    count = 100_000
    if kind == "csv":
        rows = [f"{n},pw{n},TCT{n},17.4\n" for n in range(1_000_000, 1_000_000 + count)]
        rows.insert(0, "user,password,device,os_version\n")
    else:
        rows = [
            f'{{"user": "{n}", "password": "pw{n}", "device": "TCT{n}", "os_version": "17.4"}}\n'
            for n in range(1_000_000, 1_000_000 + count)
        ]
    cluster = load_bulk(f"a.{kind}", "".join(rows))
    assert len(cluster.devices) == len(cluster.devices_of_line) == count
