"""Direct push channels in the cluster file: accounts, key files, and who is pushed to by them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from callctl.model.cluster import Cluster
from callctl.model.device import PushWay
from callctl.model.push_access import APNS_SANDBOX_URL, APNS_URL, FCM_URL, DirectPush
from helpers.direct import SIGNING_KEY, pem_of, rsa_key

Load: TypeAlias = Callable[[str], Cluster]
Findings: TypeAlias = Callable[[str], list[tuple[int | None, str, str]]]

HEAD = """\
id: test
domain: lab.example
nodes:
  ucm1: {listeners: [udp:127.0.0.1:5060]}
cm_groups: {all: [ucm1]}
device_pools: {office: {cm_group: all}}
cloud:
  push_enabled: true
"""

WHOLE = """\
  direct:
    services: [APNS, "FCM:dev"]
    apns:
      team_id: TEAM123456
      key_id: KEY1234567
      key_file: AuthKey.p8
      bundle_id: org.example.phone
    fcm:
      service_account_file: account.json
"""

ACCOUNT: dict[str, Any] = {
    "type": "service_account",
    "project_id": "my-project",
    "private_key_id": "kid-1",
    "client_email": "push@my-project.iam.gserviceaccount.com",
    "token_uri": "https://oauth2.googleapis.com/token",
    "universe_domain": "googleapis.com",
}


@pytest.fixture(autouse=True)
def key_files(tmp_path: Path) -> None:
    (tmp_path / "AuthKey.p8").write_text(pem_of(SIGNING_KEY.private))
    account = {**ACCOUNT, "private_key": pem_of(rsa_key())}
    (tmp_path / "account.json").write_text(json.dumps(account))


def direct_of(cluster: Cluster) -> DirectPush:
    assert cluster.cloud.direct is not None
    return cluster.cloud.direct


@pytest.mark.req("PUSH-02")
def test_cluster_that_says_nothing_pushes_to_nobody_but_push_rest(load: Load) -> None:
    assert load(HEAD).cloud.direct is None


@pytest.mark.req("CLOUD-14")
def test_accounts_are_read_from_their_files_and_hosts_have_their_names_as_defaults(
    load: Load,
) -> None:
    direct = direct_of(load(HEAD + WHOLE))
    assert direct.services == {"APNS", "FCM:dev"}
    assert direct.apns is not None
    assert direct.fcm is not None
    key, account = direct.apns.key, direct.fcm.account
    assert key is not None
    assert account is not None
    assert (key.team_id, key.key_id) == ("TEAM123456", "KEY1234567")
    assert key.private.private_numbers() == SIGNING_KEY.private.private_numbers()
    assert (account.project_id, account.key_id) == ("my-project", "kid-1")
    assert account.token_url == "https://oauth2.googleapis.com/token"
    assert (direct.apns.url, direct.apns.sandbox_url) == (APNS_URL, APNS_SANDBOX_URL)
    assert direct.fcm.url == FCM_URL


@pytest.mark.req("CLOUD-14")
def test_every_host_can_be_on_loopback(load: Load) -> None:
    text = (HEAD + WHOLE).replace(
        "      bundle_id:",
        "      url: https://127.0.0.1:7001\n      sandbox_url: https://127.0.0.1:7002\n"
        "      bundle_id:",
    )
    direct = direct_of(load(text + "      url: https://127.0.0.1:7003\n"))
    assert direct.apns is not None
    assert direct.fcm is not None
    urls = (direct.apns.url, direct.apns.sandbox_url, direct.fcm.url)
    assert urls == tuple(f"https://127.0.0.1:{port}" for port in (7001, 7002, 7003))


def test_emulator_needs_no_account(load: Load) -> None:
    emulated = HEAD + "  emulator: true\n  direct: {services: [APNS, FCM], apns: {}, fcm: {}}\n"
    direct = direct_of(load(emulated))
    assert direct.apns is not None
    assert direct.fcm is not None
    assert (direct.apns.key, direct.apns.bundle_id) == (None, "org.callctl.phone")
    assert direct.fcm.account is None


def test_device_may_have_a_way_of_its_own(load: Load) -> None:
    devices = """\
lines: {1001: {}, 1002: {}}
devices:
  TCT1001: {lines: [1001], push_channel: direct}
  TCT1002: {lines: [1002], push_channel: push_rest}
"""
    cluster = load(HEAD + WHOLE + devices)
    ways = [device.push_way for device in cluster.devices.values()]
    assert ways == [PushWay.DIRECT, PushWay.PUSH_REST]


def test_everything_that_is_missing_is_named(findings: Findings) -> None:
    assert findings(HEAD + "  direct:\n    apns:\n      bundle_id: org.example\n    fcm: {}\n") == [
        (10, "cloud.direct.apns.team_id", "is missing"),
        (10, "cloud.direct.apns.key_id", "is missing"),
        (10, "cloud.direct.apns.key_file", "is missing"),
        (12, "cloud.direct.fcm.service_account_file", "is missing"),
    ]
    without_bundle = WHOLE.replace("      bundle_id: org.example.phone\n", "")
    assert findings(HEAD + without_bundle) == [(11, "cloud.direct.apns.bundle_id", "is missing")]
    half = "  emulator: true\n  direct:\n    apns: {team_id: TEAM123456}\n"
    assert [key for _, key, _ in findings(HEAD + half)] == [
        "cloud.direct.apns.key_id",
        "cloud.direct.apns.key_file",
    ]


def test_service_and_device_without_a_way_are_named_with_their_lines(findings: Findings) -> None:
    text = (
        HEAD
        + """\
  emulator: true
  direct:
    services: [APNS, FCM]
    apns: {}
lines: {1001: {}}
devices:
  BOT1001: {lines: [1001], push_channel: direct}
  SEP1001: {lines: [1001], push_channel: push_rest}
"""
    )
    assert findings(text) == [
        (11, "cloud.direct.services[1]", "is FCM"),
        (15, "devices.BOT1001.push_channel", "is direct"),
        (16, "devices.SEP1001.push_channel", "is set for desk, which is never pushed to"),
    ]


@pytest.mark.parametrize(
    ("old", "new", "line", "key", "problem"),
    [
        ("TEAM123456", "team", 12, "cloud", "'team' is not an id of Apple"),
        ("AuthKey.p8", "none.p8", 14, "cloud", "none.p8 cannot be read: No such file"),
        ("AuthKey.p8", "account.json", 14, "cloud", "account.json is not a private key in PEM"),
        ("account.json", "AuthKey.p8", 17, "cloud", "is not the JSON of a service account"),
        ("[APNS,", "[APN,", 10, "cloud", "'APN' is not a subscriber service"),
        ("org.example.phone", "org..phone", 15, "cloud", "'org..phone' is not a bundle id"),
        ("team_id:", "team:", 12, "cloud", "unknown key"),
    ],
)
def test_mistake_names_line_and_key(
    findings: Findings, old: str, new: str, line: int, key: str, problem: str
) -> None:
    found = findings(HEAD + WHOLE.replace(old, new, 1))
    assert found[0][0] == line
    assert found[0][1].startswith(key)
    assert problem in found[0][2]


def test_key_of_another_kind_is_refused_and_not_shown(findings: Findings, tmp_path: Path) -> None:
    for private, problem in (
        (rsa_key(), "is not a key of an elliptic curve"),
        (ec.generate_private_key(ec.SECP384R1()), "is not a key on P-256"),
    ):
        (tmp_path / "AuthKey.p8").write_text(pem_of(private))
        assert findings(HEAD + WHOLE) == [
            (14, "cloud.direct.apns.key_file", f"AuthKey.p8 {problem}")
        ]
    (tmp_path / "AuthKey.p8").write_bytes(b"x" * 70_000)
    assert findings(HEAD + WHOLE)[0][2] == "AuthKey.p8 is too long"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"type": "authorized_user"}, "has a type that is not service_account"),
        ({"token_uri": "http://oauth2.googleapis.com/token"}, "has a token_uri that is not https"),
        ({"token_uri": "https://[half"}, "has a token_uri that is not https"),
        ({"private_key": "secret text"}, "has a private_key that is none"),
        ({"project_id": "a/b"}, "has a project_id that is none"),
        ({"client_email": None}, "is not the JSON of a service account"),
    ],
)
def test_service_account_that_is_none_is_refused_and_not_quoted(
    findings: Findings, tmp_path: Path, changes: dict[str, Any], problem: str
) -> None:
    account = {**ACCOUNT, "private_key": pem_of(rsa_key()), **changes}
    (tmp_path / "account.json").write_text(json.dumps(account))
    assert findings(HEAD + WHOLE) == [
        (17, "cloud.direct.fcm.service_account_file", f"account.json {problem}")
    ]


def test_key_of_a_service_account_has_2048_bits(findings: Findings, tmp_path: Path) -> None:
    weak = rsa.generate_private_key(public_exponent=65_537, key_size=1_024)
    account = {**ACCOUNT, "private_key": pem_of(weak)}
    (tmp_path / "account.json").write_text(json.dumps(account))
    ((_, _, problem),) = findings(HEAD + WHOLE)
    assert problem == "account.json has a private_key that is not RSA with 2048 bits or more"


def test_no_key_is_shown_by_what_holds_it(load: Load) -> None:
    shown = repr(direct_of(load(HEAD + WHOLE)))
    assert "private" not in shown.lower()
