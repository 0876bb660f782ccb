"""Hunt pilots, trunks, route patterns, forwarding and mobility in a cluster file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callctl.errors import Finding
from callctl.model.build import iphone, make_cluster
from callctl.model.cluster import Cluster
from callctl.model.hunt_pilot import Distribution, HuntPilot
from callctl.model.line import NO_FORWARDING, ExternalPresentation, Forwarding, Line
from callctl.model.trunk import (
    RoutePattern,
    SipProfile,
    SipTrunk,
    TrunkCredentials,
    TrunkDestination,
    best_first,
)
from callctl.model.user import Secret

Load = Callable[[str], Cluster]
Findings = Callable[[str], list[tuple[int | None, str, str]]]
RawFindings = Callable[[str], tuple[Finding, ...]]

CLUSTER = """\
id: test
domain: lab.example
nodes: {ucm1: {listeners: [udp:127.0.0.1:5060, tcp:127.0.0.1:5062]}}
cm_groups: {all: [ucm1]}
device_pools: {office: {cm_group: all}}
users: {ada: {password: tiger}}
lines: {1001: {}, 1002: {}, 1003: {}}
"""
PSTN = "trunks:\n  pstn: {destinations: [udp:192.0.2.9:5060]}\n"


def without(section: str) -> str:
    """The cluster with one section less, for another in its place."""
    return "".join(it + "\n" for it in CLUSTER.splitlines() if not it.startswith(f"{section}:"))


def test_everything_about_routing_is_read(load: Load, tmp_path: Path) -> None:
    (tmp_path / "pstn.password").write_text("cello\n")
    text = """\
id: test
domain: lab.example
nodes: {ucm1: {listeners: [udp:127.0.0.1:5060]}}
cm_groups: {all: [ucm1]}
device_pools: {office: {cm_group: all}}
users:
  1001: {password: a, mobility_identity: 0491701001}
lines:
  1001:
    forwarding: {busy: 1002, no_answer: 5000, unregistered: 049302001, no_answer_s: 20}
  1002: {external_presentation: {anonymous: true}}
devices:
  TCT1001: {owner: 1001, lines: [1001], sip_profile: open}
hunt_pilots:
  5000: {members: [1002, 1001], distribution: simultaneous, display_name: Sales,
         member_ring_s: 15, forward_unanswered: 1001}
  5001: {members: [1001]}
trunks:
  pstn:
    destinations: [udp:192.0.2.9:5060, "tls:[2001:db8::9]:5061"]
    options_ping_s: 30
    try_s: 2
    outbound: {username: lab, password_file: pstn.password}
    inbound: {username: peer, password: viola}
    trust_identity: false
    external_presentation: {name: Lab, number: +49305550XXX}
    sip_profile: open
  spare: {destinations: [tcp:192.0.2.10:5060]}
route_patterns:
  0!: {trunks: [pstn, spare], strip: 1, prefix: +}
  112: {trunks: [spare]}
sip_profiles:
  open: {enable_external_presentation: true, external_presentation: {name: Open, number: 7}}
"""
    cluster = load(text)
    assert cluster.users["1001"].mobility_identity == "0491701001"
    assert cluster.lines["1001"].forwarding == Forwarding(
        busy="1002", no_answer="5000", unregistered="049302001", no_answer_s=20
    )
    assert cluster.lines["1002"].forwarding is NO_FORWARDING
    assert cluster.lines["1002"].external_presentation == ExternalPresentation("", "", True)
    assert cluster.devices["TCT1001"].sip_profile == "open"
    assert cluster.hunt_pilots == {
        "5000": HuntPilot("5000", ("1002", "1001"), Distribution.SIMULTANEOUS, "Sales", 15, "1001"),
        "5001": HuntPilot("5001", ("1001",), Distribution.SEQUENTIAL, "", 10, None),
    }
    assert cluster.trunks == {
        "pstn": SipTrunk(
            "pstn",
            (
                TrunkDestination("UDP", "192.0.2.9", 5060),
                TrunkDestination("TLS", "2001:db8::9", 5061),
            ),
            30,
            2,
            TrunkCredentials("lab", Secret("cello")),
            TrunkCredentials("peer", Secret("viola")),
            False,
            ExternalPresentation("Lab", "+49305550XXX"),
            "open",
        ),
        "spare": SipTrunk("spare", (TrunkDestination("TCP", "192.0.2.10", 5060),)),
    }
    assert cluster.route_patterns == (
        RoutePattern("112", ("spare",)),
        RoutePattern("0!", ("pstn", "spare"), 1, "+"),
    )
    assert cluster.sip_profiles == {
        "open": SipProfile("open", True, ExternalPresentation("Open", "7"))
    }


def test_passwords_of_trunks_show_nowhere(load: Load) -> None:
    cluster = load(
        CLUSTER
        + "trunks:\n  pstn: {destinations: [udp:192.0.2.9:5060],"
        + " outbound: {username: lab, password: cello}}\n"
    )
    assert "cello" not in f"{cluster.trunks} {cluster.trunks['pstn'].outbound!r}"


def test_what_leads_nowhere_is_named_with_its_place(raw_findings: RawFindings) -> None:
    text = """\
id: test
domain: lab.example
nodes: {ucm1: {listeners: [udp:127.0.0.1:5060, tcp:127.0.0.1:5062]}}
cm_groups: {all: [ucm1]}
device_pools: {office: {cm_group: all}}
users:
  ada: {password: tiger, mobility_identity: 0170}
  ben: {password: lion, mobility_identity: 1002}
lines:
  1001: {forwarding: {all: 1001}}
  1002: {forwarding: {busy: 999, no_answer: 5000, unregistered: 0049}}
devices:
  TCTADA: {owner: ada, lines: [1001], sip_profile: opn}
  TCTBEN: {owner: ben, lines: [1002]}
hunt_pilots:
  1001: {members: [1002]}
  5000:
    members: [1002, 1009, 1002]
    forward_unanswered: 5000
  5001: {members: [1001], forward_unanswered: 5009}
trunks:
  pstn:
    destinations:
    - udp:127.0.0.1:5062
    - udp:192.0.2.9:5060
    - udp:192.0.2.9:5060
    sip_profile: opn
  spare: {destinations: [tcp:192.0.2.9:5060]}
route_patterns:
  00!: {trunks: [pstn, psnt, pstn], strip: 4}
  1002: {trunks: [pstn]}
sip_profiles:
  open: {}
"""
    found = raw_findings(text)
    path = found[0].file
    assert [str(finding).removeprefix(f"{path}:") for finding in found] == [
        "7: users.ada.mobility_identity: '0170' leads nowhere; expected a line, a hunt pilot, or a "
        "number that a route pattern matches",
        "8: users.ben.mobility_identity: is the user's own line; expected the number of the mobile "
        "network",
        "10: lines.1001.forwarding.all: is the line itself; expected another number",
        "11: lines.1002.forwarding.busy: '999' leads nowhere; expected a line, a hunt pilot, or a "
        "number that a route pattern matches",
        "13: devices.TCTADA.sip_profile: there is no SIP profile 'opn'; expected open",
        "16: hunt_pilots.1001: is a line already; expected a directory number of its own",
        "18: hunt_pilots.5000.members[1]: there is no line '1009'; expected 1001 or 1002",
        "18: hunt_pilots.5000.members: names a line twice; expected each line once",
        "19: hunt_pilots.5000.forward_unanswered: is the hunt pilot itself; expected another",
        "20: hunt_pilots.5001.forward_unanswered: '5009' leads nowhere; expected a line, a hunt "
        "pilot, or a number that a route pattern matches",
        "24: trunks.pstn.destinations[0]: udp:127.0.0.1:5062 is ucm1 itself; expected a peer's "
        "address",
        "26: trunks.pstn.destinations[2]: udp:192.0.2.9:5060 comes again; expected each "
        "destination once",
        "27: trunks.pstn.sip_profile: there is no SIP profile 'opn'; expected open",
        "28: trunks.spare.destinations[0]: tcp:192.0.2.9:5060 is a destination of pstn; expected "
        "one trunk's",
        "30: route_patterns.00!.trunks[1]: there is no trunk 'psnt'; expected pstn or spare",
        "30: route_patterns.00!.trunks: names a trunk twice; expected each trunk once",
        "30: route_patterns.00!.strip: is 4, and the shortest number that matches has 3; expected "
        "fewer, so that something of the number is left",
        "31: route_patterns.1002: is a line, which is found first; expected a number of nobody "
        "inside",
    ]


@pytest.mark.parametrize(
    ("patterns", "rival"),
    [
        (["0XX", "0X1"], None),  # one is more exact
        (["0!", "00!"], None),
        (["0X!", "00!"], None),
        (["112", "112!"], None),  # the second needs a digit more
        (["1XX2", "1XX3"], None),
        (["01X", "0X1"], "01X"),  # both match 011
        (["1X!", "X1!"], "1X!"),
    ],
)
def test_patterns_that_match_the_same_number_equally_well_are_refused(
    findings: Findings, load: Load, patterns: list[str], rival: str | None
) -> None:
    rows = "".join(f"  {pattern}: {{trunks: [pstn]}}\n" for pattern in patterns)
    text = CLUSTER + PSTN + "route_patterns:\n" + rows
    if rival is None:
        assert load(text).route_patterns
    else:
        problem = f"some numbers match {rival} just as well"
        assert findings(text) == [(12, f"route_patterns.{patterns[1]}", problem)]


def test_forwarding_of_every_call_in_a_circle_is_refused(findings: Findings) -> None:
    lines = """\
lines:
  1001: {forwarding: {all: 1002}}
  1002: {forwarding: {all: 1003}}
  1003: {forwarding: {all: 1001}}
  1004: {forwarding: {all: 1001}}
  1005: {forwarding: {busy: 1006}}
  1006: {forwarding: {busy: 1005}}
"""
    assert findings(without("lines") + lines) == [
        (8, "lines.1001.forwarding.all", "goes round: 1001 to 1002 to 1003 to 1001"),
        (9, "lines.1002.forwarding.all", "goes round: 1002 to 1003 to 1001 to 1002"),
        (10, "lines.1003.forwarding.all", "goes round: 1003 to 1001 to 1002 to 1003"),
    ]


@pytest.mark.parametrize(
    ("section", "key", "problem"),
    [
        ("trunks: {t: {}}", "trunks.t.destinations", "is missing"),
        ("trunks: {t: {destinations: []}}", "trunks.t.destinations", "is empty"),
        (
            "trunks: {t: {destinations: [ws:192.0.2.9:80]}}",
            "trunks.t.destinations[0]",
            "'ws' is not a transport to a peer",
        ),
        (
            "trunks: {t: {destinations: [udp:pstn.example:5060]}}",
            "trunks.t.destinations[0]",
            "'pstn.example' is not a numeric address",
        ),
        (
            "trunks: {t: {destinations: [udp:192.0.2.9:5060], try_s: 0}}",
            "trunks.t.try_s",
            "is '0'",
        ),
        (
            "trunks: {t: {destinations: [udp:192.0.2.9:5060], outbound: {username: a}}}",
            "trunks.t.outbound",
            "has no password",
        ),
        (
            "trunks: {t: {destinations: [udp:192.0.2.9:5060], inbound: "
            "{username: a, password: b, password_file: c}}}",
            "trunks.t.inbound",
            "has a password and a file of it",
        ),
        (
            "trunks: {t: {destinations: [udp:192.0.2.9:5060], outbound: "
            "{username: a, password_file: c}}}",
            "trunks.t.outbound.password_file",
            "c gives no password: there is no such file",
        ),
        ("hunt_pilots: {5000: {members: []}}", "hunt_pilots.5000.members", "is empty"),
        (
            "hunt_pilots: {5000: {members: [1001], distribution: random}}",
            "hunt_pilots.5000.distribution",
            "is 'random'",
        ),
        (
            "route_patterns: {0X!1: {trunks: [t]}}",
            "route_patterns.0X!1",
            "'0X!1' is not a route pattern",
        ),
        ("route_patterns: {0a: {trunks: [t]}}", "route_patterns.0a", "'0a' is not a route pattern"),
        ("route_patterns: {0!: {trunks: []}}", "route_patterns.0!.trunks", "is empty"),
        (
            "route_patterns: {0!: {trunks: [t], prefix: 4+}}",
            "route_patterns.0!.prefix",
            "'4+' is not a prefix",
        ),
        ("sip_profiles: {p: {colour: red}}", "sip_profiles.p.colour", "unknown key"),
        (
            "sip_profiles: {p: {external_presentation: {name: Lab}}}",
            "sip_profiles.p.external_presentation",
            "has no number",
        ),
        (
            "sip_profiles: {p: {external_presentation: {number: 7, anonymous: true}}}",
            "sip_profiles.p.external_presentation",
            "is anonymous and has a name or number",
        ),
    ],
)
def test_an_entry_that_cannot_be(findings: Findings, section: str, key: str, problem: str) -> None:
    assert findings(CLUSTER + section + "\n") == [(8, key, problem)]


def test_a_wrong_trunk_pattern_or_pilot_does_not_make_references_to_it_wrong(
    findings: Findings,
) -> None:
    text = (
        without("lines")
        + """\
lines: {1001: {forwarding: {busy: 0049, no_answer: 5000, unregistered: 1002}}, 1002: {x: 1}}
hunt_pilots: {5000: {members: []}, 5001: {members: [1002]}}
trunks: {pstn: {destinations: []}}
route_patterns: {0!: {trunks: [pstn], prefix: a}, 9!: {trunks: [pstn]}}
sip_profiles: {p: {x: 1}}
devices: {TCTX: {lines: [1001], sip_profile: p}}
"""
    )
    assert findings(text) == [
        (7, "lines.1002.x", "unknown key"),
        (8, "hunt_pilots.5000.members", "is empty"),
        (9, "trunks.pstn.destinations", "is empty"),
        (10, "route_patterns.0!.prefix", "'a' is not a prefix"),
        (11, "sip_profiles.p.x", "unknown key"),
    ]


def test_a_line_of_a_bulk_file_is_a_target_too(load: Load, tmp_path: Path) -> None:
    rows = "user,password,device,mobility_identity\n7001,x,TCT7001,7002\n7002,x,TCT7002,\n"
    (tmp_path / "more.csv").write_text(rows)
    text = without("lines") + "lines: {1001: {forwarding: {all: 7002}}}\nbulk: [more.csv]\n"
    cluster = load(text)
    assert cluster.users["7001"].mobility_identity == "7002"
    assert cluster.users["7002"].mobility_identity is None


def test_a_mobility_identity_of_a_bulk_row_that_leads_nowhere_has_the_row(
    raw_findings: RawFindings, tmp_path: Path
) -> None:
    rows = "user,password,device,mobility_identity\n7001,x,TCT7001,0170\n7001,,SEP7001,0171\n"
    (tmp_path / "more.csv").write_text(rows)
    found = raw_findings(CLUSTER + "bulk: [more.csv]\n")
    assert [(it.file, it.line, it.key, it.problem) for it in found] == [
        (
            str(tmp_path / "more.csv"),
            3,
            "mobility_identity",
            "is not the one that '7001' has already",
        ),
        (str(tmp_path / "more.csv"), 2, "mobility_identity", "'0170' leads nowhere"),
    ]


def test_clusters_made_in_code_are_judged_the_same_way() -> None:
    with pytest.raises(ValueError, match="'4711' leads nowhere"):
        make_cluster(lines=[Line("1001", forwarding=Forwarding(busy="4711"))])
    with pytest.raises(ValueError, match="is ucm2 itself"):
        make_cluster(trunks=[SipTrunk("t", (TrunkDestination("UDP", "192.0.2.2", 5060),))])
    with pytest.raises(ValueError, match="there is no trunk"):
        make_cluster(route_patterns=[RoutePattern("0!", ("t",))])
    cluster = make_cluster(
        devices=[iphone("1001")],
        trunks=[SipTrunk("t", (TrunkDestination("UDP", "192.0.2.99", 5060),))],
        route_patterns=[RoutePattern("0!", ("t",)), RoutePattern("00!", ("t",))],
        hunt_pilots=[HuntPilot("5000", ("1001",))],
    )
    assert cluster.destination("1001") is cluster.lines["1001"]
    assert cluster.destination("5000") is cluster.hunt_pilots["5000"]
    assert cluster.destination("0049") == RoutePattern("00!", ("t",))
    assert cluster.destination("0149") == RoutePattern("0!", ("t",))
    assert cluster.destination("9") is None


@pytest.mark.parametrize(
    ("pattern", "number", "matches"),
    [
        ("0!", "01", True),
        ("0!", "0", False),  # ! stands for one digit at least
        ("0!", "0+1", False),
        ("0!", "0\N{ARABIC-INDIC DIGIT THREE}", False),
        ("X", "\N{SUPERSCRIPT TWO}", False),
        ("9XXX", "9123", True),
        ("9XXX", "912", False),
        ("9XXX", "91234", False),
        ("9XXX", "912*", False),
        ("+49!", "+4930", True),
        ("+49!", "04930", False),
        ("*21#", "*21#", True),
        ("!", "1", True),
        ("!", "", False),
        ("0!", "0" * 64, True),
        ("0!", "0" * 65, False),  # no peer is bothered with a number of a thousand digits
    ],
)
def test_what_a_pattern_matches(pattern: str, number: str, matches: bool) -> None:
    assert RoutePattern(pattern, ("t",)).matches(number) is matches


def test_what_a_peer_is_told_of_a_number() -> None:
    assert RoutePattern("0!", ("t",), strip=1, prefix="+").sent("049301") == "+49301"
    assert RoutePattern("9XXX", ("t",)).sent("9123") == "9123"


SIGNS = st.text("01X*", min_size=1, max_size=4)
PATTERNS = st.builds(
    lambda fixed, rest: RoutePattern(fixed + rest, ("t",)), SIGNS, st.sampled_from(["", "!"])
)


@settings(deadline=None)
@given(PATTERNS, PATTERNS, st.text("01*", max_size=5))
def test_of_two_patterns_for_a_number_one_is_better_or_they_are_rivals(
    one: RoutePattern, other: RoutePattern, number: str
) -> None:
    if one.pattern != other.pattern and one.matches(number) and other.matches(number):
        assert one.rivals(other) == other.rivals(one)
        if not one.rivals(other):
            assert one.specificity != other.specificity
            assert best_first([one, other]) == best_first([other, one])
