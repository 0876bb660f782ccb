"""Whom a call shows as its caller: from inside, over a trunk, and towards one."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callctl.call.caller_identity import (
    HIDDEN,
    CallerIdentity,
    caller_identity,
    headers_towards,
    identity_towards,
)
from callctl.model.build import desk_phone, iphone, make_cluster, softphone
from callctl.model.cluster import Cluster
from callctl.model.line import ExternalPresentation, Line
from callctl.model.service_parameter import ServiceParameters
from callctl.model.trunk import RoutePattern, SipProfile, SipTrunk, TrunkDestination
from callctl.push.content import CallContent
from callctl.push.features import PushFeatures
from callctl.push.kind import PushKind
from sipstack.message.grammar import quote
from sipstack.message.headers import Headers
from sipstack.message.message import Request
from sipstack.message.nameaddr import NameAddr

PEER = TrunkDestination("UDP", "192.0.2.90", 5060)
PSTN = SipTrunk("pstn", (PEER,), sip_profile="open")
LAB = ExternalPresentation("Lab", "+49305550XXX")


def call(sender: str, *headers: tuple[str, str]) -> Request:
    """An INVITE with this From and these headers."""
    made = Headers()
    made.append("From", sender)
    for name, value in headers:
        made.append(name, value)
    return Request("INVITE", "sip:2001@lab.example", made)


def cluster_of(
    line: Line | str = "1001",
    *,
    trunk: SipTrunk = PSTN,
    profile: SipProfile | None = None,
    display: bool = True,
    device_profile: str | None = None,
) -> Cluster:
    return make_cluster(
        devices=[replace(softphone("1001"), sip_profile=device_profile)],
        lines=[line],
        trunks=[trunk],
        route_patterns=[RoutePattern("0!", (trunk.name,))],
        sip_profiles=[profile or SipProfile("open", enable_external_presentation=True)],
        parameters=ServiceParameters(display_external_presentation=display),
    )


DESK = '"Desk" <sip:1001@lab.example>;tag=a'


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (Line("1001"), CallerIdentity("Desk", "1001")),
        (Line("1001", "Front Desk"), CallerIdentity("Front Desk", "1001")),
        (Line("1001", "Front Desk", LAB), CallerIdentity("Lab", "+49305550001")),
        (Line("1001", "Front Desk", ExternalPresentation("", "", True)), HIDDEN),
    ],
)
@pytest.mark.req("CID-03", "OP-16")
def test_a_caller_from_inside_is_shown_as_the_line_is_configured(
    line: Line, shown: CallerIdentity
) -> None:
    assert caller_identity(call(DESK), cluster_of(line)) == shown


@pytest.mark.parametrize(
    ("release", "number"),
    [
        ("11.5(1)SU8", "1001"),
        ("12.5(1)SU2", "1001"),
        ("12.5(1)SU3", "+49305550001"),
        ("14SU3", "+49305550001"),
        ("15", "+49305550001"),
    ],
)
@pytest.mark.req("CID-04")
def test_a_release_without_external_presentation_shows_the_line_itself(
    release: str, number: str
) -> None:
    line = Line("1001", "Front Desk", LAB)
    hidden = Line("1001", "Front Desk", ExternalPresentation("", "", anonymous=True))
    cluster = make_cluster(devices=[softphone("1001")], lines=[line], release=release)
    assert caller_identity(call(DESK), cluster).number == number
    # Who is to be nobody is not shown for all that.
    cluster = make_cluster(devices=[softphone("1001")], lines=[hidden], release=release)
    assert caller_identity(call(DESK), cluster) is HIDDEN


@pytest.mark.req("OP-16")
def test_what_is_configured_nearest_to_the_way_out_comes_first() -> None:
    """OP-16: trunk, SIP profile, directory number."""
    line = Line("1001", "Front Desk", ExternalPresentation("Line", "1XXXX"))
    of_device = SipProfile("open", external_presentation=ExternalPresentation("Profile", "2XXXX"))
    of_trunk = replace(PSTN, external_presentation=ExternalPresentation("Trunk", "3XXXX"))
    bare = replace(PSTN, sip_profile=None)
    inside = cluster_of(line)
    assert caller_identity(call(DESK), inside) == CallerIdentity("Line", "11001")
    profiled = cluster_of(line, profile=of_device, device_profile="open", trunk=bare)
    assert caller_identity(call(DESK), profiled) == CallerIdentity("Profile", "21001")
    assert identity_towards(bare, call(DESK), profiled) == CallerIdentity("Profile", "21001")
    assert identity_towards(bare, call(DESK), inside) == CallerIdentity("Line", "11001")
    assert identity_towards(of_trunk, call(DESK), profiled) == CallerIdentity("Trunk", "31001")
    by_profile = cluster_of(line, profile=of_device)
    assert identity_towards(PSTN, call(DESK), by_profile) == CallerIdentity("Profile", "21001")


def test_on_a_shared_line_the_calling_device_has_to_be_known_for_its_profile() -> None:
    phones = [
        replace(softphone("1001"), sip_profile="open"),
        desk_phone("1002", "1001"),
    ]
    profile = SipProfile("open", external_presentation=ExternalPresentation("Profile", "2XXXX"))
    cluster = make_cluster(devices=phones, sip_profiles=[profile])
    shown = CallerIdentity("Profile", "21001")
    assert caller_identity(call(DESK), cluster) == CallerIdentity("Desk", "1001")
    assert caller_identity(call(DESK), cluster, device=phones[0]) == shown
    assert caller_identity(call(DESK), cluster, device=phones[1]) == CallerIdentity("Desk", "1001")


def test_who_speaks_by_the_user_id_is_shown_with_the_number_that_can_be_called_back() -> None:
    cluster = make_cluster(devices=[iphone("ada", "1001")], lines=[Line("1001", "Front Desk")])
    shown = CallerIdentity("Front Desk", "1001")
    assert caller_identity(call("<sip:ada@lab.example>;tag=a"), cluster) == shown


@pytest.mark.parametrize(
    "wish",
    ["id", "user", "header", "session", "ID", "user;id;critical", "history; session", "none;id"],
)
@pytest.mark.req("CID-10", "OP-16")
def test_a_caller_who_asks_for_privacy_is_nobody_everywhere(wish: str) -> None:
    cluster = cluster_of(Line("1001", "Front Desk", LAB))
    asserted = ("P-Asserted-Identity", "<tel:+49301>")
    request = call(DESK, ("Privacy", wish), asserted)
    for shown in (
        caller_identity(request, cluster),
        caller_identity(request, cluster, PSTN),
        identity_towards(PSTN, request, cluster),
        identity_towards(PSTN, request, cluster, came_over=PSTN),
    ):
        assert (shown.display_name, shown.number, shown.anonymous) == ("Anonymous", "", True)
        assert shown.asserted("lab.example") is None
        assert headers_towards(shown, request, "lab.example") == ()


@pytest.mark.parametrize("wish", ["none", "critical", "history", "", "identity"])
def test_other_privacy_values_hide_nobody(wish: str) -> None:
    assert caller_identity(call(DESK, ("Privacy", wish)), cluster_of()).number == "1001"


def test_privacy_in_a_second_header_line_counts() -> None:
    request = call(DESK, ("Privacy", "none"), ("Privacy", "id"))
    assert caller_identity(request, cluster_of()) is HIDDEN


@pytest.mark.parametrize("sender", ["Anonymous", ""])
def test_an_anonymous_from_hides_the_caller_unless_a_trusted_peer_tells_who_it_is(
    sender: str,
) -> None:
    text = f'"{sender}" <sip:anonymous@anonymous.invalid>;tag=a'
    cluster = cluster_of()
    told = call(text, ("P-Asserted-Identity", '"Harbour" <sip:+4930@pstn.example>'))
    assert caller_identity(call(text), cluster) is HIDDEN
    assert caller_identity(call(text), cluster, PSTN) is HIDDEN
    assert caller_identity(told, cluster, PSTN) == CallerIdentity("Harbour", "+4930")
    assert caller_identity(told, cluster, replace(PSTN, trust_identity=False)) is HIDDEN


OUTSIDE = '"Harbour Office" <sip:+49301112@pstn.example>;tag=a'
REAL = '"Pier 7" <sip:+49305557@pstn.example>'


@pytest.mark.parametrize(
    ("profile_on", "parameter_on", "shown"),
    [
        (True, True, CallerIdentity("Harbour Office", "+49301112")),
        (True, False, CallerIdentity("Pier 7", "+49305557")),
        (False, True, CallerIdentity("Pier 7", "+49305557")),
        (False, False, CallerIdentity("Pier 7", "+49305557")),
    ],
)
@pytest.mark.req("OP-16")
def test_the_presentation_of_a_trunk_call_shows_only_if_profile_and_parameter_say_so(
    profile_on: bool, parameter_on: bool, shown: CallerIdentity
) -> None:
    cluster = cluster_of(
        profile=SipProfile("open", enable_external_presentation=profile_on), display=parameter_on
    )
    request = call(OUTSIDE, ("P-Asserted-Identity", REAL))
    assert caller_identity(request, cluster, PSTN) == shown


def test_a_trunk_without_profile_shows_the_asserted_identity() -> None:
    trunk = replace(PSTN, sip_profile=None)
    request = call(OUTSIDE, ("P-Asserted-Identity", REAL))
    assert caller_identity(request, cluster_of(), trunk).number == "+49305557"


@pytest.mark.parametrize(
    ("asserted", "shown"),
    [
        ("<tel:+49-30-5557>", CallerIdentity("", "+49305557")),
        ("tel:+49305557;phone-context=example.com", CallerIdentity("", "+49305557")),
        (
            '"Pier 7" <sips:+49305557@pstn.example;user=phone>',
            CallerIdentity("Pier 7", "+49305557"),
        ),
        ("<sip:+49305557;isub=1@pstn.example>", CallerIdentity("", "+49305557")),
        (
            '"Pier 7" <sip:+49305557@a.example>, <tel:+49305558>',
            CallerIdentity("Pier 7", "+49305557"),
        ),
        (
            '<tel:+49305557>, "Pier 7" <sip:+49305557@a.example>',
            CallerIdentity("Pier 7", "+49305557"),
        ),
        ("<sip:pier-7@pstn.example>", CallerIdentity("", "pier-7")),
        # The number is that of From: its name may stand in.
        ("<sip:+49301112@pstn.example>", CallerIdentity("Harbour Office", "+49301112")),
        # Nobody can read these: From is all that is left.
        ("<sip:>", CallerIdentity("Harbour Office", "+49301112")),
        ("nonsense", CallerIdentity("Harbour Office", "+49301112")),
        ("<sip:pstn.example>", CallerIdentity("Harbour Office", "+49301112")),
        ("", CallerIdentity("Harbour Office", "+49301112")),
    ],
)
def test_an_asserted_identity_may_be_a_sip_or_a_tel_uri(
    asserted: str, shown: CallerIdentity
) -> None:
    cluster = cluster_of(display=False)
    request = call(OUTSIDE, ("P-Asserted-Identity", asserted))
    assert caller_identity(request, cluster, PSTN) == shown


def test_a_peer_that_is_not_trusted_is_shown_as_from_says() -> None:
    request = call(OUTSIDE, ("P-Asserted-Identity", REAL))
    trunk = replace(PSTN, trust_identity=False)
    assert caller_identity(request, cluster_of(), trunk).number == "+49301112"


def test_a_peer_does_not_get_the_name_of_a_line_by_using_its_number() -> None:
    cluster = cluster_of(Line("1001", "Front Desk", LAB))
    assert caller_identity(call(DESK), cluster, PSTN) == CallerIdentity("Desk", "1001")


def test_a_forwarded_call_keeps_its_caller_on_the_next_trunk() -> None:
    cluster = cluster_of(trunk=replace(PSTN, external_presentation=LAB))
    request = call(OUTSIDE)
    shown = identity_towards(cluster.trunks["pstn"], request, cluster, came_over=PSTN)
    assert shown == CallerIdentity("Harbour Office", "+49301112")


def test_a_caller_hidden_by_the_administrator_is_hidden_from_the_peer_too() -> None:
    trunk = replace(PSTN, external_presentation=ExternalPresentation("", "", anonymous=True))
    cluster = cluster_of(trunk=trunk)
    shown = identity_towards(trunk, call(DESK), cluster)
    assert headers_towards(shown, call(DESK), "lab.example") == (("Privacy", "id"),)
    assert headers_towards(CallerIdentity("Desk", "1001"), call(DESK), "lab.example") == (
        ("P-Asserted-Identity", '"Desk" <sip:1001@lab.example>'),
    )


HOSTILE = st.one_of(
    st.text(),
    st.text(max_size=400).map(lambda text: text * 20),
    st.sampled_from(
        [
            "Bob\r\nX: y",
            'Bob" <sip:boss@lab.example>;x="',
            "${jndi:ldap://x}",
            "%s%n",
            "{{7*7}}",
            "'; --",
            "[red]Bob[/red]",
            "{device}",
            "\N{RIGHT-TO-LEFT OVERRIDE}bob",
            "a\x00b",
            "\udcff\udc80",
            "\\",
            "a@b",
            "%00%0d%0a",
        ]
    ),
)


@settings(deadline=None)
@given(name=HOSTILE, number=HOSTILE)
def test_what_is_asserted_can_always_be_read_and_says_the_same(name: str, number: str) -> None:
    identity = CallerIdentity(name, number)
    asserted = identity.asserted("lab.example")
    if asserted is None:
        return
    assert "\r" not in asserted
    assert "\n" not in asserted
    read = NameAddr.parse(asserted)
    assert read.uri.host == "lab.example"
    assert not read.params.text
    assert len(asserted.encode()) < 1024
    shown = CallerIdentity(read.display_name, read.uri.user_unescaped or "")
    assert shown.asserted("lab.example") == asserted


@settings(deadline=None)
@given(name=HOSTILE)
def test_a_name_of_a_stranger_is_the_same_in_header_push_and_record_and_forges_nothing(
    name: str,
) -> None:
    """Reliability 85, 87, 88: one line, valid JSON, nothing that turns text round."""
    raw = quote(name)
    try:
        request = call(f"{raw} <sip:+4930@pstn.example>;tag=a")
        request.from_  # noqa: B018 (what cannot be read is refused before)
    except ValueError:
        return
    shown = caller_identity(request, cluster_of(), PSTN)
    for text in (shown.display_name, shown.number):
        assert len(text.splitlines()) <= 1
        assert not any(char < " " or "\x7f" <= char < "\xa0" for char in text)
        assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in text
        assert len(text.encode()) <= 256  # and is UTF-8
    content = CallContent(PushKind.INCOMING, "u1", shown.display_name, shown.number)
    pushed = json.loads(content.plaintext(PushFeatures(call_push=True, caller_id=True)))
    assert pushed.get("displayName", "") == shown.display_name
    asserted = shown.asserted("lab.example")
    assert asserted is not None
    assert NameAddr.parse(asserted).display_name == shown.display_name


@pytest.mark.parametrize(
    "name", ["${jndi:ldap://x}", "%s%n", "{{7*7}}", "'; --", "[red]Bob[/red]", "{device}"]
)
def test_templates_and_markup_in_a_name_stay_what_they_are(name: str) -> None:
    """Reliability 88: stored and shown literally."""
    request = call(f"{quote(name)} <sip:+4930@pstn.example>;tag=a")
    assert caller_identity(request, cluster_of(), PSTN).display_name == name
