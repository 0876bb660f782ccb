"""Every combination of release, device and path against the catalogue's tables.

The tables stand here once more, transcribed from the catalogue by hand and read by other rules than
the product's: which row a release falls into and what each version reaches is written out, so that
neither an order of releases nor a comparison of versions is shared with what is tested.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import pytest

from callctl.model.device import ClientType, Platform
from callctl.model.release import Release
from callctl.push.capability.capability import AccessPath, Capability, Switches, capability
from callctl.push.capability.tables import TABLES
from callctl.push.features import Channel

# Table C3. An empty cell is "none".
C3 = {
    "11.5(1)SU4 to SU7": {
        "iOS 12": "basic push; single channel",
        "iOS 13 and later": "basic push; single channel",
        "Android": "",
        "iOS 16.5": "basic cloud push",
    },
    "11.5(1)SU8": {
        "iOS 12": "basic push; single channel",
        "iOS 13 and later": "basic push; caller ID; separate channels",
        "Android": "",
        "iOS 16.5": "basic cloud push",
    },
    "12.5(x) up to SU2": {
        "iOS 12": "basic push; single channel",
        "iOS 13 and later": "basic push; single channel",
        "Android": "",
        "iOS 16.5": "basic cloud push",
    },
    "12.5(1)SU3": {
        "iOS 12": "basic push; single channel",
        "iOS 13 and later": "basic push; caller ID; external presentation; node; separate channels",
        "Android": "basic push; node; separate channels",
        "iOS 16.5": "basic cloud push",
    },
    "14SU3": {
        "iOS 12": "",
        "iOS 13 and later": "",
        "Android": "basic push; node; separate channels; no local push",
        "iOS 16.5": "local push; basic push; caller ID; external presentation; node",
    },
}

# OP-62: the row of C3 of each release, "" before all of them; then whether C1 has China region
# and FCM there, whether it has LPNS, and what C4 says it speaks.
RELEASES = {
    "11.5(1)SU2": ("", False, False, 2),
    "11.5(1)SU3": ("11.5(1)SU4 to SU7", False, False, 2),  # OP-60
    "11.5(1)SU4": ("11.5(1)SU4 to SU7", False, False, 2),
    "11.5(1)SU5": ("11.5(1)SU4 to SU7", False, False, 2),
    "11.5(1)SU6": ("11.5(1)SU4 to SU7", False, False, 2),
    "11.5(1)SU7": ("11.5(1)SU4 to SU7", False, False, 2),
    "11.5(1)SU8": ("11.5(1)SU8", False, False, 2),
    "11.5(1)SU9": ("11.5(1)SU8", False, False, 3),
    "12.0(1)": ("12.5(x) up to SU2", False, False, 2),
    "12.5(1)": ("12.5(x) up to SU2", False, False, 2),
    "12.5(1)SU1": ("12.5(x) up to SU2", False, False, 2),
    "12.5(1)SU2": ("12.5(x) up to SU2", False, False, 2),
    "12.5(1)SU3": ("12.5(1)SU3", True, False, 2),
    "12.5(1)SU4": ("12.5(1)SU3", True, False, 3),
    "14": ("12.5(1)SU3", True, False, 3),
    "14SU1": ("12.5(1)SU3", True, False, 3),
    "14SU2": ("12.5(1)SU3", True, False, 3),
    "14SU3": ("14SU3", True, True, 3),
    "15": ("14SU3", True, True, 3),
}

# The columns of C3 that a system is in; none below the least of C1 (iOS 12, Android 8.0).
SYSTEMS: dict[tuple[Platform, str], tuple[str, ...]] = {
    (Platform.IOS, "11.4.1"): (),
    (Platform.IOS, "12.0"): ("iOS 12",),
    (Platform.IOS, "12.5.7"): ("iOS 12",),
    (Platform.IOS, "13"): ("iOS 13 and later",),
    (Platform.IOS, "13.1"): ("iOS 13 and later",),
    (Platform.IOS, "16.4.1"): ("iOS 13 and later",),
    (Platform.IOS, "16.5"): ("iOS 13 and later", "iOS 16.5"),
    (Platform.IOS, "17.4 (21E219)"): ("iOS 13 and later", "iOS 16.5"),
    (Platform.IOS, ""): ("iOS 13 and later", "iOS 16.5"),
    (Platform.ANDROID, "7.1.2"): (),
    (Platform.ANDROID, "8.0"): ("Android",),
    (Platform.ANDROID, "14"): ("Android",),
    (Platform.ANDROID, "unknown"): ("Android",),
}

J, W, S = ClientType.JABBER, ClientType.WEBEX, ClientType.STANDARD


@dataclass(frozen=True)
class Reaches:
    """Which rows of C1 and A2 a version of a client reaches."""

    messaging: bool = True
    calling: bool = True
    callkit: bool = True
    china: bool = True
    fcm: bool = True
    lpns: bool = True


ALL = Reaches()
CLIENTS: dict[tuple[ClientType, str], Reaches] = {
    (J, "11.8.0"): Reaches(False, False, False, False, False, False),
    (J, "11.8.1"): Reaches(True, False, False, False, False, False),
    (J, "11.9.0"): Reaches(True, True, False, False, False, False),
    (J, "12.8.0.303720"): Reaches(True, True, False, False, False, False),
    (J, "12.9"): Reaches(True, True, True, False, False, False),
    (J, "12.9 MR"): Reaches(True, True, True, True, True, False),
    (J, "12.9.1"): Reaches(True, True, True, True, True, False),
    (J, "14.1.9"): Reaches(True, True, True, True, True, False),
    (J, "14.2"): ALL,
    (J, ""): ALL,
    (W, "40.5.2"): Reaches(False, False, False, False, False, False),
    (W, "40.6"): Reaches(False, True, True, False, False, False),
    (W, "40.7.9"): Reaches(False, True, True, False, False, False),
    (W, "40.8"): Reaches(False, True, True, False, True, False),
    (W, "41.3"): Reaches(False, True, True, False, True, False),
    (W, "41.4"): Reaches(False, True, True, True, True, False),
    (W, "43.5.1"): Reaches(False, True, True, True, True, False),
    (W, "43.6"): Reaches(messaging=False),
    (W, "main build"): Reaches(messaging=False),
    (S, "0.1"): Reaches(messaging=False, lpns=False),
    (S, ""): Reaches(messaging=False, lpns=False),
}

SWITCHES = [Switches(caller, strict) for caller, strict in product((False, True), repeat=2)]


@dataclass(frozen=True)
class Asked:
    release: str
    platform: Platform
    os_version: str
    client: ClientType
    client_version: str
    custom_region: bool
    path: AccessPath
    switches: Switches

    def answer(self) -> Capability:
        return capability(
            Release.parse(self.release),
            self.platform,
            self.os_version,
            self.client,
            self.client_version,
            custom_region=self.custom_region,
            path=self.path,
            switches=self.switches,
        )


def everything() -> Iterator[Asked]:
    """The whole product."""
    for release, system, client, region, path, switches in product(
        RELEASES, SYSTEMS, CLIENTS, (False, True), AccessPath, SWITCHES
    ):
        yield Asked(release, *system, *client, region, path, switches)


def listed(asked: Asked) -> set[str]:
    """What C3 lists for a device, DIFF-15 and OP-61 read into it."""
    row = RELEASES[asked.release][0]
    columns = SYSTEMS[asked.platform, asked.os_version]
    if not row or not columns:
        return set()
    cells = [C3[row][column] for column in columns]
    loose = "iOS 16.5" in columns or not asked.switches.strict_matrix
    if row == "14SU3" and columns[0] == "iOS 13 and later" and loose:
        cells.append(C3["12.5(1)SU3"]["iOS 13 and later"])
    return {feature for cell in cells for feature in cell.split("; ") if feature}


def expected(asked: Asked) -> dict[str, object]:
    """The answer as the tables have it."""
    _, since_su3, lpns, level = RELEASES[asked.release]
    columns = SYSTEMS[asked.platform, asked.os_version]
    reaches = CLIENTS[asked.client, asked.client_version]
    cell = listed(asked)
    ios_13 = "iOS 13 and later" in columns
    android = asked.platform is Platform.ANDROID
    calls = "basic push" in cell and (reaches.fcm if android else reaches.calling)
    china = ios_13 and since_su3 and reaches.china
    if asked.custom_region and not china:
        calls = False  # CHN-09
    if android:
        messages = "basic push" in cell and asked.client is J and reaches.fcm
    else:
        known = asked.release == "11.5(1)SU2" and bool(columns)
        messages = ("basic push" in cell or known) and asked.client is J and reaches.messaging
    separate = "separate channels" in cell and (calls or messages)
    to_android = android and asked.switches.android_caller_id
    voip = Channel.VOIP if separate else Channel.DEFAULT
    local = (
        calls
        and lpns
        and "iOS 16.5" in columns
        and reaches.lpns
        and asked.path is AccessPath.ENTERPRISE
    )
    return {
        "call_push": calls,
        "separate_channels": separate,
        "call_channel": Channel.MESSAGE if asked.custom_region else voip,
        "message_channel": Channel.MESSAGE if separate else Channel.DEFAULT,
        "caller_id": calls and ("caller ID" in cell or to_android),
        "external_presentation": calls and ("external presentation" in cell or to_android),
        "active_node": calls and "node" in cell,
        "second_push": calls and separate,
        "custom_region": calls and china,
        "message_push": messages,
        "local_push": local,
        "callkit": calls and ios_13 and not asked.custom_region and reaches.callkit,
        "push_level": level,
    }


def told(answer: Capability) -> dict[str, object]:
    """The same of what the product says."""
    features = answer.features
    return {
        "call_push": features.call_push,
        "separate_channels": features.separate_channels,
        "call_channel": features.call_channel,
        "message_channel": features.message_channel,
        "caller_id": features.caller_id,
        "external_presentation": features.external_presentation,
        "active_node": features.active_node,
        "second_push": features.second_push,
        "custom_region": features.custom_region,
        "message_push": answer.message_push,
        "local_push": answer.local_push,
        "callkit": answer.callkit,
        "push_level": answer.push_level.level,
    }


@pytest.mark.req("GEN-03", "GEN-05", "GEN-08", "GEN-10", "CMG-05", "CMG-06")
@pytest.mark.req("CID-01", "CID-02", "CID-04", "CID-05", "CHN-02", "CHN-03", "CHN-07", "CHN-09")
@pytest.mark.req(
    "AND-01",
    "AND-03",
    "AND-06",
    "AND-08",
    "AND-10",
    "REL-01",
    "REL-03",
    "REL-06",
    "REL-08",
    "REL-09",
)
@pytest.mark.req("MODE-08", "MODE-09", "MODE-21", "MODE-22")
def test_every_release_device_and_path_is_answered_as_the_tables_of_the_catalogue_have_it() -> None:
    count = 0
    for asked in everything():
        assert told(asked.answer()) == expected(asked), asked
        count += 1
    assert count == len(RELEASES) * len(SYSTEMS) * len(CLIENTS) * 2 * 2 * 4


@pytest.mark.req("GEN-10")
def test_every_answer_names_rows_that_are_there_and_every_refusal_says_why() -> None:
    rows = {name: set(table.row_names) for name, table in TABLES.items()}
    columns = {name: set(table.columns) for name, table in TABLES.items()}
    columns["A1"] = {"iOS 12", "iOS 13 and later", "Android"}
    for asked in everything():
        if asked.path is AccessPath.MRA or asked.switches.strict_matrix:
            continue
        answer = asked.answer()
        assert bool(answer.refused) is not answer.features.call_push
        assert bool(answer.message_refused) is not answer.message_push
        assert bool(answer.local_refused) is not answer.local_push
        named = told(answer).keys() | {"screens", "behaviour"}
        assert answer.sources.keys() == named
        for name, sources in answer.sources.items():
            if name in ("callkit", "screens"):
                assert bool(sources) is (answer.screens is not None)
            elif RELEASES[asked.release][0]:
                assert sources, (asked, name)
            for source in sources:
                assert source.row in rows[source.table], source
                assert not source.column or source.column in columns[source.table], source


@pytest.mark.req("GEN-04")
@pytest.mark.parametrize("platform", [Platform.DESK, Platform.DESKTOP, Platform.BROWSER])
def test_what_is_no_mobile_is_never_pushed_to(platform: Platform) -> None:
    for release, (client, version) in product(RELEASES, CLIENTS):
        answer = capability(Release.parse(release), platform, "14", client, version)
        assert answer.refused == f"no push to a {platform.value} (GEN-04)"
        assert told(answer) == {
            **dict.fromkeys(told(answer), False),
            "call_channel": Channel.DEFAULT,
            "message_channel": Channel.DEFAULT,
            "push_level": RELEASES[release][3],
        }


def ask(
    release: str,
    platform: Platform = Platform.IOS,
    os_version: str = "17.4",
    client: ClientType = J,
    version: str = "14.3",
    *,
    custom_region: bool = False,
    switches: Switches | None = None,
) -> Capability:
    return capability(
        Release.parse(release),
        platform,
        os_version,
        client,
        version,
        custom_region=custom_region,
        switches=switches or Switches(),
    )


@pytest.mark.req("MODE-20", "MODE-21", "MODE-22")
def test_screens_go_by_the_version_of_the_client_whatever_the_release() -> None:
    """Table A2."""
    for release in RELEASES:
        if release == "11.5(1)SU2":
            continue
        for version in ("12.9", "14.3", ""):
            screens = ask(release, version=version).screens
            assert screens is not None
            assert screens.locked.startswith("Push arrives; CallKit screen with caller ID;")
            assert screens.unlocked.startswith("Push arrives; incoming-call notification with Ca")
        for version in ("11.9", "12.8", "12.8.5"):
            screens = ask(release, version=version).screens
            assert screens is not None
            assert "call information is shown inside the app" in screens.locked
            assert "CallKit" not in screens.locked + screens.unlocked
        # The Webex app and standard clients have one experience (MODE-11).
        for client in (W, S):
            assert ask(release, client=client, version="40.6").callkit


def test_screens_are_those_of_ios_13_and_the_rest_is_told_by_the_mode() -> None:
    """Table A1, where A2 does not reach."""
    old = ask("12.5(1)SU3", os_version="12.4")
    assert (old.screens, old.behaviour.split(". ")[1]) == (None, "Push on the single channel")
    android = ask("15", Platform.ANDROID, "14")
    assert android.screens is None
    assert "through Google" in android.behaviour
    china = ask("15", custom_region=True)
    assert (china.screens, china.behaviour.split(". ")[0]) == (None, "No CallKit")
    assert ask("15").behaviour == ""


@pytest.mark.req("CHN-09", "CHN-03", "CHN-02")
@pytest.mark.parametrize(
    ("release", "platform", "os_version", "client", "version", "lacks"),
    [
        ("12.5(1)SU2", Platform.IOS, "17.4", J, "14.3", "needs release 12.5(1)SU3 or later"),
        ("11.5(1)SU9", Platform.IOS, "17.4", J, "14.3", "needs release 12.5(1)SU3 or later"),
        ("15", Platform.IOS, "17.4", J, "12.9", "needs Jabber 12.9.1"),
        ("15", Platform.IOS, "17.4", W, "41.3", "needs Webex app 41.4"),
        ("12.5(1)SU3", Platform.IOS, "12.4", W, "41.4", "needs iOS 13"),
        ("15", Platform.ANDROID, "14", J, "14.3", "needs iOS"),
    ],
)
def test_device_in_the_custom_region_gets_no_call_push_at_all_where_its_region_is_not_offered(
    release: str,
    platform: Platform,
    os_version: str,
    client: ClientType,
    version: str,
    lacks: str,
) -> None:
    answer = ask(release, platform, os_version, client, version, custom_region=True)
    assert answer.refused == f"call push in the custom region {lacks} (CHN-09)"
    assert answer.features.call_channel is Channel.MESSAGE
    assert ask(release, platform, os_version, client, version).features.call_push


@pytest.mark.parametrize(
    ("release", "platform", "os_version", "version", "refused"),
    [
        ("11.5(1)SU2", Platform.IOS, "17.4", "14.3", "call push needs release 11.5(1)SU3 or later"),
        ("12.5(1)SU2", Platform.ANDROID, "14", "14.3", "call push needs release 12.5(1)SU3 or la"),
        ("15", Platform.ANDROID, "7.1", "14.3", "call push needs Android 8"),
        ("15", Platform.ANDROID, "14", "12.9", "call push needs Jabber 12.9.1"),
        ("15", Platform.IOS, "13", "11.8.1", "call push needs Jabber 11.9"),
        ("14SU3", Platform.IOS, "12.4", "14.3", "release 14SU3 pushes nothing to iOS 12 (REL-09)"),
    ],
)
@pytest.mark.req("AND-06", "REL-09", "GEN-05")
def test_refusal_names_what_is_missing(
    release: str, platform: Platform, os_version: str, version: str, refused: str
) -> None:
    assert ask(release, platform, os_version, version=version).refused.startswith(refused)


def test_strict_matrix_takes_the_table_at_its_word() -> None:
    """OP-61, DIFF-15."""
    strict = Switches(strict_matrix=True)
    for release, os_version, pushed in (
        ("14SU2", "16.4", True),
        ("14SU3", "16.4", False),
        ("15", "13", False),
        ("15", "16.5", True),
        ("15", "", True),
    ):
        assert ask(release, os_version=os_version, switches=strict).features.call_push is pushed
        assert ask(release, os_version=os_version).features.call_push
    assert ask("15", os_version="16.4", switches=strict).refused == (
        "release 15 pushes nothing to iOS 13 and later (OP-61)"
    )


def test_row_that_only_a_rule_leads_to_is_cited_with_the_rule() -> None:
    def rows(answer: Capability) -> list[str]:
        return [str(source) for source in answer.sources["active_node"]]

    assert rows(ask("12.5(1)SU3")) == ["C3 12.5(1)SU3 / iOS 13 and later"]
    assert rows(ask("14")) == ["C3 12.5(1)SU3 / iOS 13 and later (OP-62)"]
    assert rows(ask("12.0")) == ["C3 12.5(x) up to SU2 / iOS 13 and later (OP-62)"]
    assert rows(ask("11.5(1)SU3")) == ["C3 11.5(1)SU4 to SU7 / iOS 13 and later (OP-60)"]
    assert rows(ask("14SU3", os_version="16.4")) == ["C3 12.5(1)SU3 / iOS 13 and later (OP-61)"]
    assert rows(ask("14SU3")) == [
        "C3 12.5(1)SU3 / iOS 13 and later (OP-61)",
        "C3 14SU3 / iOS 16.5",
    ]
    switched = ask("15", Platform.ANDROID, "14", switches=Switches(android_caller_id=True))
    assert [str(it) for it in switched.sources["caller_id"]] == [
        "C3 14SU3 / Android (OP-62, OP-17)"
    ]
