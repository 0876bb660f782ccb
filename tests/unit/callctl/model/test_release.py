"""Releases and versions: form, order, spelling."""

from __future__ import annotations

import pytest

from callctl.model.release import ExpresswayVersion, Release, Since, Version

IN_ORDER = (
    "11.5(1)",
    "11.5(1)SU3",
    "11.5(1)SU3a",
    "11.5(1)SU8",
    "11.5(1)SU10",
    "12.0(1)",
    "12.5(1)",
    "12.5(1)SU2",
    "12.5(1)SU3",
    "14",
    "14SU1",
    "14SU3",
    "15",
    "15SU1",
)


@pytest.mark.req("REL-07")
def test_releases_are_ordered_by_train_and_service_update() -> None:
    releases = [Release.parse(text) for text in IN_ORDER]
    assert sorted([*releases[3:], *releases[:3]]) == releases
    assert len(set(releases)) == len(IN_ORDER)


@pytest.mark.req("REL-07")
def test_14su3_is_14_0_1_su3() -> None:
    assert Release.parse("14SU3") == Release.parse("14.0(1)SU3") == Release(14, 0, 1, 3)


def test_a_release_is_written_as_it_is_known() -> None:
    assert [str(Release.parse(text)) for text in IN_ORDER] == list(IN_ORDER)


def test_features_go_by_train() -> None:
    assert Release.parse("12.0(1)") > Release.parse("11.5(1)SU8")
    assert Release.parse("12.0(1)").train != Release.parse("12.5(1)SU3").train
    assert Release.parse("12.5(1)SU3").train == Release.parse("12.5(2)").train


@pytest.mark.parametrize(
    "text", ["", "x", "9x", "11.5(1)SU", "SU3", "14 SU3", "11.5(1)su8", "٣", "-1"]
)
def test_what_is_no_release_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a release"):
        Release.parse(text)


@pytest.mark.req("REL-07")
def test_client_versions_are_ordered_by_number_not_by_text() -> None:
    texts = ("8.0", "11.8.1", "12.9", "12.9 MR", "12.9.2", "12.10", "14.2", "43.6")
    versions = [Version.parse(text) for text in texts]
    assert sorted([*versions[3:], *versions[:3]]) == versions
    assert Version.parse("12.9 MR") == Version.parse("12.9.1")
    assert Version.parse("13") == Version.parse("13.0")
    assert str(Version.parse("12.9 MR")) == "12.9.1"


@pytest.mark.req("REL-07")
def test_expressway_versions_are_ordered_and_are_no_client_versions() -> None:
    texts = ("X8.9.1", "X8.10.1", "X12.6", "X12.6.2", "X12.7")
    versions = [ExpresswayVersion.parse(text) for text in texts]
    assert sorted([*versions[3:], *versions[:3]]) == versions
    assert str(versions[3]) == "X12.6.2"
    with pytest.raises(TypeError):
        assert ExpresswayVersion.parse("X12.6") < Version.parse("12.7")  # type: ignore[operator]


@pytest.mark.parametrize("text", ["", "X", "12.6", "X12.", "Xx"])
def test_what_is_no_expressway_version_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="version"):
        ExpresswayVersion.parse(text)


@pytest.mark.parametrize("text", ["", "1.", ".1", "1.2.3.4.5", "X12.6", "123456", "1_0", "²"])
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a version"):
        Version.parse(text)


@pytest.mark.req("REL-07")
@pytest.mark.parametrize(
    ("release", "next_start"),
    [
        ("10.5", "11.5(1)SU8"),
        ("11.5(1)SU7", "11.5(1)SU8"),
        ("11.5(1)SU8", None),
        ("11.5(1)SU9", None),
        ("12.0(1)", "12.5(1)SU3"),
        ("12.5(1)SU2", "12.5(1)SU3"),
        ("12.5(1)SU3", None),
        ("14", None),
        ("15SU1", None),
    ],
)
def test_what_began_in_two_trains_is_in_the_later_releases_of_each(
    release: str, next_start: str | None
) -> None:
    """OP-62: 12.0(1) is not above 11.5(1)SU8 for features."""
    since = Since.parse("11.5(1)SU8", "12.5(1)SU3")
    start = since.next_after(Release.parse(release))
    assert (None if start is None else str(start)) == next_start
    assert since.reached_by(Release.parse(release)) is (next_start is None)
    assert str(since) == "11.5(1)SU8, 12.5(1)SU3"


@pytest.mark.parametrize(
    ("told", "version"),
    [
        ("12.9 MR", "12.9.1"),
        ("12.8.0.303720", "12.8"),
        ("17.4 (21E219)", "17.4"),
        ("14.3.1", "14.3.1"),
        ("44.1-beta", "44.1"),
        ("", None),
        ("main build", None),
        ("202401", None),
    ],
)
def test_version_is_read_from_what_a_client_tells(told: str, version: str | None) -> None:
    found = Version.told_by(told)
    assert (None if found is None else str(found)) == version
