"""Table C3, row by row."""

from __future__ import annotations

import pytest

from callctl.model.device import Platform
from callctl.model.release import Release
from callctl.push.features import (
    ANDROID,
    ANDROID_CALLER_ID,
    BASIC,
    CALLKIT,
    FULL,
    NONE,
    PushFeatures,
    features_of,
)

IOS = Platform.IOS


@pytest.mark.req("CID-01", "CID-02", "CID-04", "CMG-05", "CMG-06", "CHN-03")
@pytest.mark.parametrize(
    ("release", "platform", "os_version", "features"),
    [
        ("11.5(1)SU2", IOS, "12.4", NONE),
        ("11.5(1)SU3", IOS, "12.4", BASIC),
        ("11.5(1)SU7", IOS, "13.0", BASIC),
        ("11.5(1)SU8", IOS, "12.4", BASIC),
        ("11.5(1)SU8", IOS, "13.0", CALLKIT),
        ("11.5(1)SU9", IOS, "16.5", CALLKIT),
        ("11.5(1)SU9", Platform.ANDROID, "12", NONE),
        ("12.0(1)", IOS, "13.1", BASIC),
        ("12.5(1)SU2", IOS, "13.1", BASIC),
        ("12.5(1)SU3", IOS, "13", FULL),
        ("12.5(1)SU3", IOS, "12.9", BASIC),
        ("12.5(1)SU3", Platform.ANDROID, "8.0", ANDROID),
        ("14SU2", IOS, "12.4", BASIC),
        ("14SU3", IOS, "12.4", NONE),
        ("14SU3", IOS, "16.4", FULL),
        ("15", IOS, "", FULL),
        ("15", Platform.DESK, "", NONE),
    ],
)
def test_release_and_system_version_decide_what_a_push_may_hold(
    release: str, platform: Platform, os_version: str, features: PushFeatures
) -> None:
    assert features_of(Release.parse(release), platform, os_version) is features


def test_caller_id_for_android_is_a_switch() -> None:
    """OP-17."""
    release = Release.parse("15")
    assert features_of(release, Platform.ANDROID, "14", android_caller_id=True) is ANDROID_CALLER_ID
