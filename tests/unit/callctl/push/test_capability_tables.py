"""The rows that the product holds are those of the catalogue, transcribed here once more."""

from __future__ import annotations

import pytest

from callctl.model.release import Release
from callctl.push.capability.by_release import row_of, shows_external_presentation
from callctl.push.capability.tables import TABLES

C1 = """
Apple, APNs messaging | 11.5(1)SU2 | 11.5(1)SU2 | X8.9.1 | 11.8.1 | - | iOS 12
Apple, APNs calling | 11.5(1)SU3 | 11.5(1)SU3 | X8.10.1 | 11.9 | 40.6 | iOS 12
Apple, APNs with CallKit | 11.5(1)SU8, 12.5(1)SU3, 14 | - | X12.6 | 12.9 | 40.6 | iOS 13
Apple, APNs China region | 12.5(1)SU3, 14 | 12.5(1)SU3 | X12.6 | 12.9.1 | 41.4 | iOS 13
Android, FCM | 12.5(1)SU3, 14 | 12.5(1)SU3 | X12.6.2 | 12.9.1 | 40.8 | Android 8
Apple, LPNS | 14SU3 | - | - | 14.2 | 43.6 | iOS 16.5
"""

# Without the columns of recommendations and remarks; the Webex cells are empty in the catalogue
# but for the first.
C2 = """
iOS 16.5+ (LPNS) | 14SU3 | - | 14.2 | 43.6 | -
iOS 12 (APNs) | 11.5(1)SU4 | 11.5(1)SU4 | 11.9 | - | X8.10.1
iOS 13+ (APNs) | 11.5(1)SU8, 12.5(1)SU3 | 11.5(1)SU8, 12.5(1)SU3 | 12.9 | - | X12.6
Android | 12.5(1)SU3 | 12.5(1)SU3 | 12.9.1 | - | X12.6.2
"""

C3 = """
11.5(1)SU4 to SU7 | basic, single | basic, single | | cloud
11.5(1)SU8 | basic, single | basic, caller, separate | | cloud
12.5(x) up to SU2 | basic, single | basic, single | | cloud
12.5(1)SU3 | basic, single | basic, caller, external, node, separate | basic, node, separate | cloud
14SU3 | | | basic, node, separate, unlocal | local, basic, caller, external, node
"""
FEATURES = {
    "basic": "basic push",
    "cloud": "basic cloud push",
    "single": "single channel",
    "separate": "separate channels",
    "caller": "caller ID in push",
    "external": "external presentation name and number",
    "node": "registration node in push",
    "local": "local push for calls",
    "unlocal": "no local push",
}
NOTHING = {"not applicable", "not supported", "messaging not supported", "not over MRA", "-"}


def cells(text: str) -> list[list[str]]:
    """The rows of a table written with bars."""
    return [[cell.strip() for cell in line.split("|")] for line in text.strip().splitlines()]


def shown(name: str) -> list[list[str]]:
    """The rows of the product's table: the least of each, none as a dash."""
    found = []
    for row in TABLES[name].rows:
        least = [cell.partition("; recommended")[0] for cell in row]
        found.append(["-" if cell in NOTHING else cell for cell in least])
    return found


@pytest.mark.req("REL-01")
def test_support_matrix_has_the_minimum_of_every_service() -> None:
    assert [row[:7] for row in shown("C1")] == cells(C1)
    assert {row[7] for row in shown("C1")} == {
        "Apple and Cisco cloud",
        "Google and Cisco cloud",
        "Wi-Fi deployment",
    }


@pytest.mark.req("REL-01")
def test_minimum_releases_for_basic_push() -> None:
    assert [row[:6] for row in shown("C2")] == cells(C2)
    ios_12 = TABLES["C2"].rows[1]
    assert ios_12[1] == ios_12[2] == "11.5(1)SU4; recommended 11.5(1)SU7, 12.5(1)SU2"
    assert (ios_12[3], ios_12[5]) == ("11.9; recommended 12.8", "X8.10.1; recommended X12.6")
    assert "FN70555" in ios_12[6]


@pytest.mark.req("REL-01", "AND-10")
def test_features_of_every_release() -> None:
    wanted = [
        [
            row[0],
            *("; ".join(FEATURES[f] for f in cell.split(", ") if f) or "none" for cell in row[1:]),
        ]
        for row in cells(C3)
    ]
    assert [list(row) for row in TABLES["C3"].rows] == wanted


@pytest.mark.req("REL-07")
@pytest.mark.parametrize(
    ("release", "row"),
    [
        ("11.5(1)SU2", None),
        ("11.5(1)SU3", "11.5(1)SU4 to SU7"),
        ("11.5(1)SU7", "11.5(1)SU4 to SU7"),
        ("11.5(1)SU10", "11.5(1)SU8"),
        ("12.0(1)", "12.5(x) up to SU2"),
        ("12.0(1)SU5", "12.5(x) up to SU2"),
        ("12.5(1)SU2", "12.5(x) up to SU2"),
        ("12.5(1)SU9", "12.5(1)SU3"),
        ("14SU2a", "12.5(1)SU3"),
        ("14SU4", "14SU3"),
        ("15SU2", "14SU3"),
    ],
)
def test_release_without_a_row_takes_the_nearest_lower_one_of_its_train(
    release: str, row: str | None
) -> None:
    """OP-62."""
    found = row_of(Release.parse(release))
    assert (None if found is None else found.name) == row


def test_external_presentation_begins_with_12_5_su3() -> None:
    for release in ("11.5(1)SU2", "11.5(1)SU8", "11.5(1)SU9", "12.0(1)", "12.5(1)SU2"):
        assert not shows_external_presentation(Release.parse(release)), release
    for release in ("12.5(1)SU3", "14", "14SU3", "15"):
        assert shows_external_presentation(Release.parse(release)), release


def test_rows_have_names_of_their_own_and_a_cell_for_each_column() -> None:
    assert list(TABLES) == ["A1", "A2", "B1", "B2", "C1", "C2", "C3", "C4", "C5", "C6"]
    for table in TABLES.values():
        assert len(set(table.row_names)) == len(table.rows)
        assert {len(row) for row in table.rows} == {len(table.columns)}
        assert all(cell for row in table.rows for cell in row)


def test_screens_and_modes_have_the_rows_of_the_catalogue() -> None:
    """Tables A1, A2, B1, B2, C4, C5, C6."""
    sizes = {name: len(table.rows) for name, table in TABLES.items()}
    assert sizes == {
        "A1": 7, "A2": 2, "B1": 4, "B2": 4, "C1": 6, "C2": 4, "C3": 5, "C4": 2, "C5": 4, "C6": 13
    }  # fmt: skip
