"""The fleet file and the options beside it: what is read, and how mistakes are told."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from callctl.errors import ConfigError
from callctl.fleet.load import Given, load_plan
from callctl.fleet.plan import Plan, Wish
from callctl.fleet.quantity import Between, Exponential
from callctl.model.device import ClientType, Platform
from sipstack.timing import MS, SECOND

NOTHING: Given = {}


def plan_of(text: str, tmp_path: Path, options: Given = NOTHING) -> Plan:
    file = tmp_path / "fleet.yaml"
    file.write_text(dedent(text))
    return load_plan(file, options, seed=9)


def findings_of(text: str, tmp_path: Path, options: Given = NOTHING) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        plan_of(text, tmp_path, options)
    return [str(finding).removeprefix(f"{tmp_path}/") for finding in raised.value.findings]


def test_without_a_file_there_are_small_defaults() -> None:
    plan = load_plan(None, {}, seed=9)
    assert (plan.seed, plan.phones.count, plan.calls.per_second) == (9, 1_000, 5.0)
    assert (plan.nodes, plan.callers, plan.caller_transport) == (3, 20, "TCP")
    assert (plan.calls.duration_ns, plan.calls.ramp_up_ns) == (60 * SECOND, 6 * SECOND)
    assert plan.phones.transports == (("TLS", 1.0),)
    assert [(group.name, group.share) for group in plan.phones.groups] == [
        ("iphones", 0.6),
        ("androids", 0.4),
    ]


def test_every_part_of_a_file_reaches_the_plan(tmp_path: Path) -> None:
    plan = plan_of(
        """
        seed: 7
        phones:
          count: 50
          groups:
            old: {share: 25%, platform: ios, client: jabber, client_version: 12.8.1,
                  os_versions: {15.8: 40%, 17.4: 60%}}
            china: {share: 25%, platform: ios, region: china}
            plain: {share: 50%, platform: android, client: standard}
          transports: {tcp: 50%, udp: 50%}
          awake: 10%
          never_wake: 2%
          wake_delay: 100ms..200ms
          grace: 1s
        calls:
          per_phone_hour: 72
          arrivals: even
          duration: 30s
          ramp_up: 0s
          answers: {answered: 100%, declined: 0%, busy: 0%, no_answer: 0%}
          talk: exponential 2s
        callers: {count: 3, transport: udp}
        networks: {changes_per_phone_hour: 36, losses_per_phone_hour: 3.6}
        cluster: {nodes: 2, release: 14SU3}
        kills:
          - {node: ucm2, at: 20s}
          - {node: ucm1, at: 10s, back_after: 5s}
        allowed_failures: 1%
        """,
        tmp_path,
    )
    assert (plan.seed, plan.phones.count, plan.nodes, plan.release) == (7, 50, 2, "14SU3")
    old, china, plain = plan.phones.groups
    assert (old.client, old.client_version) == (ClientType.JABBER, "12.8.1")
    assert old.os_versions == (("15.8", 0.4), ("17.4", 0.6))
    assert china.custom_region
    assert (plain.platform, plain.client) == (Platform.ANDROID, ClientType.STANDARD)
    assert plan.phones.transports == (("TCP", 0.5), ("UDP", 0.5))
    assert plan.phones.wake_delay == Between(100 * MS, 200 * MS)
    assert plan.calls.per_second == 1.0
    assert plan.calls.talk == Exponential(2 * SECOND)
    assert plan.calls.answers[0] == (Wish.ANSWER, 1.0)
    assert (plan.callers, plan.caller_transport) == (3, "UDP")
    assert plan.networks.changes == 0.01
    assert [(kill.node, kill.back_after_ns) for kill in plan.kills] == [
        ("ucm1", 5 * SECOND),
        ("ucm2", None),
    ]
    assert plan.allowed_failures == 0.01


def test_busy_hour_figures_make_a_rate(tmp_path: Path) -> None:
    assert plan_of("calls: {bhca: 18000}", tmp_path).calls.per_second == 5.0


def test_every_mistake_is_told_at_once_with_file_line_and_key(tmp_path: Path) -> None:
    assert findings_of(
        """\
        phones:
          count: many
          colour: red
          groups:
            mine: {share: 30%, platform: symbian}
        calls:
          duration: soon
          talk: forever
        kils: []
        """,
        tmp_path,
    ) == [
        "fleet.yaml:2: phones.count: is 'many'; expected a whole number",
        "fleet.yaml:5: phones.groups.mine.platform: is 'symbian'; expected ios or android",
        "fleet.yaml:3: phones.colour: unknown key; expected one of count, groups, transports, "
        "awake, never_wake, wake_delay, grace, tap_after",
        "fleet.yaml:7: calls.duration: 'soon' is not a time; expected a time such as 250ms, 2s, "
        "1m30s or 1h, at most 24h",
        "fleet.yaml:8: calls.talk: 'forever' is not a distribution of times; expected 2s "
        "(always), 1s..4s (evenly between), exponential 10s (its mean), or lognormal 2s 8s "
        "(median, and what 95% stay below)",
        "fleet.yaml:9: kils: unknown key; expected kills; did you mean that?",
    ]


def test_contradictions_are_told_at_once_with_file_line_and_key(tmp_path: Path) -> None:
    assert findings_of(
        """\
        phones:
          awake: 60%
          never_wake: 50%
          transports: {tls: 50%, tcp: 40%}
          groups:
            robots: {share: 90%, platform: android, region: china}
        calls:
          per_second: 5
          bhca: 100
          duration: 10s
          ramp_up: 11s
          answers: {answered: 90%}
        kills:
          - {node: ucm4, at: 5s}
          - {node: ucm1, at: 15s}
        """,
        tmp_path,
    ) == [
        "fleet.yaml:6: phones.groups.robots.region: china is for iOS alone; expected platform ios",
        "fleet.yaml:4: phones.transports: the shares are 0.9 of the whole; expected 100% together",
        "fleet.yaml:12: calls.answers: the shares are 1.05 of the whole; expected 100% together",
        "fleet.yaml:5: phones.groups: the shares are 0.9 of the whole; expected 100% together",
        "fleet.yaml:2: phones.awake: with never_wake it is 110% of the phones; "
        "expected 100% at most",
        "fleet.yaml:9: calls.bhca: stands beside per_second; expected one rate of calls",
        "fleet.yaml:11: calls.ramp_up: is longer than the 10s of the run; expected less",
        "fleet.yaml:14: kills[0].node: there is no ucm4; expected ucm1, ucm2, ucm3",
        "fleet.yaml:15: kills[1].at: is after the 10s of the run; expected a time within",
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[]", "fleet.yaml:1: is no mapping; expected keys and values: phones, calls, ..."),
        ("seed: 1\nseed: 2", "fleet.yaml:2: seed: comes again, first in line 1; expected once"),
        (
            "calls: {per_second: 2000}",
            "fleet.yaml:1: calls.per_second: is 2000 calls per second; expected 1000 at most",
        ),
        (
            "calls: {per_second: 900, duration: 1h}",
            "fleet.yaml:1: calls.per_second: makes 3235500 calls; expected 1000000 at most in all",
        ),
        (
            "target: {domain: lab.example}",
            "fleet.yaml:1: target.domain: is for a registrar; expected a registrar beside it",
        ),
        (
            "target: {registrar: udp:127.0.0.1:5060, user_pattern: joe}",
            "fleet.yaml:1: target.user_pattern: 'joe' has no place for a number; "
            "expected one %d, as fleet%05d",
        ),
        (
            "target: {registrar: udp:127.0.0.1:5060, cluster: state}",
            "fleet.yaml:1: target.registrar: stands beside cluster; expected one of the two",
        ),
        (
            "target: {registrar: wss:127.0.0.1:5060}",
            "fleet.yaml:1: target.registrar: phones speak udp, tcp and tls; expected one of these",
        ),
        (
            "target: {registrar: udp:127.0.0.1:5060}\nkills: [{node: ucm1, at: 1s}]",
            "fleet.yaml:2: kills: a registrar has no nodes to kill; expected no kills",
        ),
    ],
)
def test_one_mistake_is_told_with_its_place(text: str, told: str, tmp_path: Path) -> None:
    assert findings_of(text, tmp_path) == [told]


def test_file_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file or directory; expected a fleet file"):
        load_plan(tmp_path / "none.yaml", {}, seed=1)


def test_options_override_the_file(tmp_path: Path) -> None:
    options: Given = {
        "--phones": (("phones", "count"), "70"),
        "--bhca": (("calls", "bhca"), "7200"),
    }
    plan = plan_of("phones: {count: 50}\ncalls: {per_second: 9}", tmp_path, options)
    assert (plan.phones.count, plan.calls.per_second) == (70, 2.0)


def test_mistake_in_an_option_names_the_option(tmp_path: Path) -> None:
    options: Given = {"--duration": (("calls", "duration"), "long")}
    assert findings_of("phones: {count: 0}", tmp_path, options) == [
        "fleet.yaml:1: phones.count: is '0'; expected at least 1",
        "--duration: 'long' is not a time; expected a time such as 250ms, 2s, 1m30s or 1h, "
        "at most 24h",
    ]


def test_registrar_without_a_name_is_called_by_address_and_unusual_port(tmp_path: Path) -> None:
    usual = plan_of("target: {registrar: udp:127.0.0.1:5060}", tmp_path).target
    other = plan_of("target: {registrar: tls:127.0.0.1:7061, first_user: 100}", tmp_path).target
    assert (usual.domain, other.domain) == ("127.0.0.1", "127.0.0.1:7061")
    assert (usual.user(3), other.user(3)) == ("fleet00003", "fleet00103")
    assert usual.password_of("fleet00003") == "pwfleet00003"
