"""What changes with the release of the cluster: Tables C3 to C6."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from callctl.model.release import ExpresswayVersion, Release, Since
from callctl.push.capability.table import Table


class Feature(Enum):
    """What a cell of Table C3 may list."""

    BASIC = "basic push"
    BASIC_CLOUD = "basic cloud push"  # only says that there is no local push
    SINGLE_CHANNEL = "single channel"
    SEPARATE_CHANNELS = "separate channels"
    CALLER_ID = "caller ID in push"
    EXTERNAL_PRESENTATION = "external presentation name and number"
    ACTIVE_NODE = "registration node in push"
    LOCAL_PUSH = "local push for calls"
    NO_LOCAL_PUSH = "no local push"


Cell = tuple[Feature, ...]

_F = Feature


@dataclass(frozen=True, slots=True)
class ReleaseFeatures:
    """One row of Table C3."""

    name: str
    first: Release  # that the table names
    last: Release
    ios_12: Cell
    ios_13: Cell
    android: Cell
    ios_16_5: Cell
    earlier: Release | None = None  # where it begins already, by a rule and not by the table

    @property
    def start(self) -> Release:
        """Where the row begins; it ends where the next does (OP-62)."""
        return self.first if self.earlier is None else self.earlier

    def rule_for(self, release: Release) -> str:
        """Why the row holds for a release: "" if the table names it there."""
        if self.first <= release <= self.last:
            return ""
        return "OP-60" if release.train == self.first.train and release < self.first else "OP-62"

    def cells(self) -> tuple[str, ...]:
        """The row as text."""
        columns = (self.ios_12, self.ios_13, self.android, self.ios_16_5)
        return (self.name, *(_words(cell) for cell in columns))


def _words(cell: Cell) -> str:
    return "; ".join(feature.value for feature in cell) or "none"


_SINGLE: Final = (_F.BASIC, _F.SINGLE_CHANNEL)
_CLOUD: Final = (_F.BASIC_CLOUD,)
_ANDROID: Final = (_F.BASIC, _F.ACTIVE_NODE, _F.SEPARATE_CHANNELS)

SU4_TO_SU7: Final = ReleaseFeatures(
    "11.5(1)SU4 to SU7",
    Release(11, 5, 1, 4),
    Release(11, 5, 1, 7),
    ios_12=_SINGLE,
    ios_13=_SINGLE,
    android=(),
    ios_16_5=_CLOUD,
    earlier=Release(11, 5, 1, 3),  # works one service update before its support begins
)
SU8: Final = ReleaseFeatures(
    "11.5(1)SU8",
    Release(11, 5, 1, 8),
    Release(11, 5, 1, 8),
    ios_12=_SINGLE,
    ios_13=(_F.BASIC, _F.CALLER_ID, _F.SEPARATE_CHANNELS),
    android=(),
    ios_16_5=_CLOUD,
)
EARLY_12: Final = ReleaseFeatures(
    "12.5(x) up to SU2",
    Release(12, 5, 1),
    Release(12, 5, 1, 2),
    ios_12=_SINGLE,
    ios_13=_SINGLE,
    android=(),
    ios_16_5=_CLOUD,
    earlier=Release(12, 0, 1),  # 12.0 counts with them
)
SU3_OF_12_5: Final = ReleaseFeatures(
    "12.5(1)SU3",
    Release(12, 5, 1, 3),
    Release(12, 5, 1, 3),
    ios_12=_SINGLE,
    ios_13=(
        _F.BASIC,
        _F.CALLER_ID,
        _F.EXTERNAL_PRESENTATION,
        _F.ACTIVE_NODE,
        _F.SEPARATE_CHANNELS,
    ),
    android=_ANDROID,
    ios_16_5=_CLOUD,
)
SU3_OF_14: Final = ReleaseFeatures(
    "14SU3",
    Release(14, 0, 1, 3),
    Release(14, 0, 1, 3),
    ios_12=(),
    ios_13=(),  # see OP-61: only local push is missing below iOS 16.5
    android=(*_ANDROID, _F.NO_LOCAL_PUSH),
    ios_16_5=(
        _F.LOCAL_PUSH,
        _F.BASIC,
        _F.CALLER_ID,
        _F.EXTERNAL_PRESENTATION,
        _F.ACTIVE_NODE,
    ),
)
RELEASES: Final = (SU4_TO_SU7, SU8, EARLY_12, SU3_OF_12_5, SU3_OF_14)
"""By their starts, ascending, so that each train has its own rows."""


def row_of(release: Release) -> ReleaseFeatures | None:
    """The row of Table C3 for `release`, the nearest lower one of its train (OP-62).

    None for what is older than every row: it has no call push.
    """
    found = None
    for row in RELEASES:
        if release < row.start:
            break
        found = row
    return found


def shows_external_presentation(release: Release) -> bool:
    """True if names and numbers of external presentation are shown to others (CID-04)."""
    row = row_of(release)
    if row is None:
        return False
    return Feature.EXTERNAL_PRESENTATION in (*row.ios_13, *row.ios_16_5)


@dataclass(frozen=True, slots=True)
class PushLevel:
    """One row of Table C4: the dialect a cluster speaks with the cloud."""

    name: str
    level: int  # 2 or 3
    before_x12_7: str
    from_x12_7: str


PUSH_3_SINCE: Final = Since.parse("11.5(1)SU9", "12.5(1)SU4", "14")
PUSH_3_EXPRESSWAY: Final = ExpresswayVersion.parse("X12.7")

PUSH_2: Final = PushLevel(
    "11.5(1)SU8 or earlier; 12.5(1)SU3 or earlier",
    2,
    "works, within Table C2",
    "APNs does not work: the cluster must be upgraded to a Push:3 release, such as 11.5(1)SU9",
)
PUSH_3: Final = PushLevel(
    "11.5(1)SU9 or later; 12.5(1)SU4 or later; 14 or later", 3, "works as Push:2", "works"
)


def push_level_of(release: Release) -> PushLevel:
    """The row of Table C4 for a release of CUCM or of IM and Presence."""
    return PUSH_3 if PUSH_3_SINCE.reached_by(release) else PUSH_2


C3: Final = Table(
    "C3",
    "Features by CUCM release",
    ("CUCM release", "iOS 12", "iOS 13 and later", "Android", "iOS 16.5"),
    tuple(row.cells() for row in RELEASES),
)
C4: Final = Table(
    "C4",
    "Push:2 and Push:3",
    ("CUCM and IM&P", "Speaks", "Expressway before X12.7", "Expressway X12.7 or later"),
    tuple(
        (row.name, f"Push:{row.level}", row.before_x12_7, row.from_x12_7)
        for row in (PUSH_2, PUSH_3)
    ),
)
C5: Final = Table(
    "C5",
    "Upgrade order when push is already enabled",
    ("Target", "Order"),
    (
        (
            "Minimum releases for iOS 13+ or Android (Table C2)",
            "All IM&P clusters before Expressway",
        ),
        (
            "Expressway X12.7 or later, and IM&P to 11.5(1)SU8, 12.5(1)SU3 or later",
            "At least one IM&P cluster before the Expressway upgrade starts",
        ),
        (
            "Expressway already at a Push:3 release",
            "All CUCM and IM&P clusters to Push:3 releases, at once",
        ),
        ("From 11.5(1)SU2 to 12.0 or later", "Disable push, upgrade, onboard again"),
    ),
)
C6: Final = Table(
    "C6",
    "History",
    ("Release or date", "Change"),
    (
        ("11.5(1)SU2, 2017-01", "Message push for IM&P, no HA"),
        (
            "11.5(1)SU3, 2017-08",
            "Jabber on iPhone and iPad: calls, HA, CPNS and management agent services, alarms",
        ),
        (
            "11.5(1)SU8, 12.5(1)SU3, 12.5.x, 2020-08",
            "iOS 13 channels, caller ID; SU3: Android, China, active node, external presentation. "
            "Push mandatory for iOS since 2020-08",
        ),
        ("14, 2021-03-31", "First issue of the guide"),
        ("14SU1, 2021-10-27", "Nothing new"),
        ("14SU2, 2022-06-16", "Nothing new"),
        ("14SU3, 2023-05-18", "LPNS for calls on iOS"),
        ("2023-05-25", "APNs and LPNS support matrix added"),
        (
            "2023-07-21",
            "iOS 12 support ended; Jabber for Android to target API 34 (Android 14)",
        ),
        ("2023-07-26", "LPNS certificate requirements"),
        ("15, 2023-12-18", "Nothing new"),
        ("15, 2024-02-08", "`fos-a.wbx2.com` added to the SSL decryption exclusions"),
        ("15, 2024-07-10", "Note on end of VoIP socket support on Android removed"),
    ),
)
