"""Who calls, as the phone shows it, and the key and service of the push that says so."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from callctl.model.device import Device
from callctl.model.line import ExternalPresentation
from simulation.platforms import (
    ANDROID,
    IOS_12,
    IPHONE,
    VIDEO,
    plan_of,
    posted,
    screen,
    story_of,
)
from simulation.story import CALLER_LINE, PHONE_DN
from sipstack.timing import SECOND


@pytest.mark.req("CID-03", "CID-09")
def test_external_presentation_is_what_push_and_invite_show() -> None:
    line = replace(CALLER_LINE, external_presentation=ExternalPresentation("Harbour", "+49305550"))
    story = story_of(plan_of(IPHONE), locked=True, caller_line=line)
    story.call(hang_up_s=2)
    story.run_to(40)
    assert screen(story)[0] == "CallKit, full screen: video call from Harbour +49305550"
    assert '"Harbour" <sip:+49305550@' in story.message(story.phone.name, "INVITE")
    story.rests()


@pytest.mark.req("CID-10")
@pytest.mark.parametrize(
    ("device", "release"),
    [(IPHONE, "15"), (ANDROID, "15"), (IOS_12, "12.5(1)SU3")],
    ids=["iOS 17", "Android", "iOS 12"],
)
def test_a_caller_who_asks_for_privacy_is_shown_as_nobody_on_any_screen(
    device: Device, release: str
) -> None:
    story = story_of(plan_of(device), locked=True, release=release)
    agent = story.caller.agent
    privacy = (("Privacy", "id"),)
    _, actions = agent.invite(
        PHONE_DN, story.simulation.world.now, headers=privacy, hang_up_after_ns=2 * SECOND
    )
    story.caller.perform(actions)
    story.run_to(40)
    shown = [text for text in screen(story) if "call from" in text]
    assert [text.partition("call from ")[2] for text in shown] == ["Anonymous"]
    assert len(story.answered()) == 1
    story.rests()


@pytest.mark.req("REG-05")
def test_a_key_that_was_renewed_seals_the_next_push() -> None:
    story = story_of(plan_of(IPHONE, key_life_ns=5 * SECOND), locked=True)
    keys = []
    for start in (0, 60, 120):
        story.run_to(start)
        story.call(hang_up_s=10)
        story.run_to(start + 40)
        keys.append(next(reversed(story.phone.phone.identity.keys)))
    sealed = []
    for record in story.cloud.push_rest.log:
        assert record.raw is not None
        sealed.append(msgspec.json.decode(record.raw.body)["payload"]["kid"])
    assert sealed[1:] == keys[:2]
    assert len(set(sealed)) == 3
    assert len([text for text in screen(story) if VIDEO in text]) == 3
    story.rests()


@pytest.mark.req("REG-07")
@pytest.mark.parametrize(
    "device",
    [
        replace(IPHONE, subscriber_service="APNS:beta"),
        replace(IPHONE, subscriber_service="APNS:load"),
        replace(ANDROID, subscriber_service="FCM:dev"),
    ],
    ids=lambda device: device.subscriber_service,
)
def test_the_subscriber_service_of_the_client_is_that_of_every_push(device: Device) -> None:
    story = story_of(plan_of(device, wake_s=None), locked=True)
    story.call()
    story.run_to(40)
    assert [it.service for it in posted(story)] == [device.subscriber_service] * 2
    story.rests()
