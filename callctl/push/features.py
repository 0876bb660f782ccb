"""Which parts of push a server release offers to a device (Table C3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from callctl.model.device import Platform
from callctl.model.release import Release, Version


@dataclass(frozen=True, slots=True)
class PushFeatures:
    """One cell of Table C3: what pushes to a device may hold, and which are sent at all."""

    call_push: bool = False
    separate_channels: bool = False  # VoIP and Message, else one shared channel
    caller_id: bool = False  # name and number inside the sealed content, CID-01
    external_presentation: bool = False  # CID-04
    active_node: bool = False  # CMG-05, CMG-06
    second_push: bool = False  # OP-70
    custom_region: bool = False  # CHN-03


NONE: Final = PushFeatures()
BASIC: Final = PushFeatures(call_push=True)
CALLKIT: Final = PushFeatures(
    call_push=True, separate_channels=True, caller_id=True, second_push=True
)
FULL: Final = PushFeatures(
    call_push=True,
    separate_channels=True,
    caller_id=True,
    external_presentation=True,
    active_node=True,
    second_push=True,
    custom_region=True,
)
ANDROID: Final = PushFeatures(
    call_push=True, separate_channels=True, active_node=True, second_push=True
)
ANDROID_CALLER_ID: Final = PushFeatures(
    call_push=True, separate_channels=True, caller_id=True, active_node=True, second_push=True
)

_CALL_PUSH_FROM: Final = Release(11, 5, 1, 3)  # OP-60
_CALLKIT_FROM: Final = Release(11, 5, 1, 8)
_FULL_FROM: Final = Release(12, 5, 1, 3)
_END_OF_IOS_12: Final = Release(14, 0, 1, 3)
_IOS_13: Final = Version((13,))


def features_of(
    release: Release, platform: Platform, os_version: str, *, android_caller_id: bool = False
) -> PushFeatures:
    """What `release` offers to a device of `platform` with the given system version.

    An unknown system version ("" or not a number) counts as current. `android_caller_id` sends the
    caller's name and number, sealed, to Android too, which the table does not list (OP-17).
    Source: Table C3, OP-61, OP-62, OP-70.
    """
    if platform is Platform.ANDROID:
        if release < _FULL_FROM:
            return NONE
        return ANDROID_CALLER_ID if android_caller_id else ANDROID
    if platform is not Platform.IOS or release < _CALL_PUSH_FROM:
        return NONE
    if _before_ios_13(os_version):
        return BASIC if release < _END_OF_IOS_12 else NONE
    if release >= _FULL_FROM:
        return FULL
    # 12.0 and early 12.5 are newer than 11.5(1)SU8 and yet know less (OP-62).
    return CALLKIT if release.train == (11, 5) and release >= _CALLKIT_FROM else BASIC


def _before_ios_13(os_version: str) -> bool:
    try:
        return Version.parse(os_version) < _IOS_13
    except ValueError:
        return False
