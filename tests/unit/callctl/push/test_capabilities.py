"""The capability function at work: asked for each push, worked out once for each kind of device."""

from __future__ import annotations

from dataclasses import replace

import pytest

from callctl.model.device import ClientType, Platform
from callctl.model.release import Release
from callctl.push.capability.capabilities import KNOWN_MAX, Capabilities
from callctl.push.capability.capability import BY_THE_BOOK
from callctl.push.features import Channel
from callctl.push.kind import PushKind, channel_of
from helpers.pushes import CHINA, IPHONE, features_in


def capabilities(release: str) -> Capabilities:
    return Capabilities(Release.parse(release), BY_THE_BOOK)


def test_devices_that_differ_in_one_thing_are_told_apart() -> None:
    jabber = replace(IPHONE, client=ClientType.JABBER, client_version="14.3")
    known = capabilities("14SU2")
    first = known.of(jabber)
    assert first.callkit
    assert not known.of(replace(jabber, client_version="12.8")).callkit
    assert not known.of(replace(jabber, client=ClientType.WEBEX)).message_push
    assert not known.of(replace(jabber, os_version="12.4")).features.second_push
    assert not known.of(replace(jabber, platform=Platform.ANDROID)).features.caller_id
    in_region = known.features(replace(jabber, custom_region=True))
    assert in_region.call_channel is Channel.MESSAGE
    # Who it is makes no difference, and is not worked out again.
    assert known.of(replace(jabber, device_name="TCTOTHER", voip_token="cc")) is first


def test_versions_that_a_client_makes_up_do_not_fill_the_memory() -> None:
    known = capabilities("15")
    for number in range(3 * KNOWN_MAX):
        assert known.features(replace(IPHONE, client_version=f"44.{number}")).call_push
    assert known.size <= KNOWN_MAX


@pytest.mark.req("CHN-09")
@pytest.mark.parametrize("kind", [PushKind.INCOMING, PushKind.MISSED, PushKind.ANSWERED_ELSEWHERE])
def test_no_features_whatever_bring_a_call_of_the_custom_region_to_the_voip_channel(
    kind: PushKind,
) -> None:
    """Not even those of another device: the last word before a push leaves is the binding's."""
    assert channel_of(kind, CHINA, features_in("15")(IPHONE)) is Channel.MESSAGE
    assert channel_of(kind, IPHONE, features_in("15")(IPHONE)) is Channel.VOIP


def test_messages_have_their_own_channel_where_there_are_two() -> None:
    for release, channel in (("12.5(1)SU2", Channel.DEFAULT), ("12.5(1)SU3", Channel.MESSAGE)):
        features = features_in(release)(IPHONE)
        assert channel_of(PushKind.INSTANT_MESSAGE, IPHONE, features) is channel
