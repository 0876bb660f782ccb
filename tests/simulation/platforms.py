"""Phones of every platform and client version for stories, and what their owners and clouds saw."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import msgspec

from callctl.model.build import android, iphone
from callctl.model.device import ClientType, Device
from callctl.phone.settings import AnswerPlan
from callctl.sim.scenario import PhonePlan
from simulation.story import PATIENT, PHONE, PHONE_DN, Story, at, phone_plan
from sipstack.timing import Instant

IPHONE = iphone("owner", PHONE_DN, name=PHONE, device_pool="phones")
WEBEX = replace(IPHONE, client=ClientType.WEBEX, client_version="44.1")
JABBER_12_8 = replace(IPHONE, client_version="12.8.1")
IOS_12 = replace(IPHONE, os_version="12.4", client_version="12.8")
ANDROID = android("owner", PHONE_DN, name="BOTPHONE", device_pool="phones")
CHINA = replace(IPHONE, custom_region=True)
RINGS_ON = AnswerPlan(after_ns=None)

VIDEO = "video call from Loading Dock 1001"
CALL = "call from Loading Dock 1001"
TOAST = "notification: Loading Dock: Incoming call: tap now to answer"


def plan_of(
    device: Device,
    wake_s: float | None = 1.0,
    answer: AnswerPlan = PATIENT,
    **more: Any,  # noqa: ANN401
) -> PhonePlan:
    return replace(phone_plan(wake_s, answer), device=device, **more)


def story_of(*plans: PhonePlan, locked: bool = False, **how: Any) -> Story:  # noqa: ANN401
    """A story whose screens are clean, at the moment of the call."""
    story = Story(*plans, **how)
    for log in (story.cloud.push_rest.log, story.cloud.apns.log, story.cloud.fcm.log):
        log.keeps_raw = True
    for plan in plans:
        phone = story.simulation.phones[plan.device.name]
        if locked:
            phone.lock()
        phone.phone.screen.seen.clear()
    story.run_to(0)
    return story


def screen(story: Story, name: str = "") -> list[str]:
    """What the owner of a phone has seen, of the only one if none is named."""
    return story.simulation.phones[name or story.phone.name].phone.screen.texts


def events(story: Story, kind: type) -> list[tuple[Instant, Any]]:
    """What the phone told since the call."""
    return [(when, event) for when, event in story.phone.events(kind) if when >= at(0)]


@dataclass(frozen=True, slots=True)
class Posted:
    """One push as Push REST got it, and as the partner cloud did."""

    service: str
    channel: str
    priority: str
    ttl: int
    sealed: bool
    collapse_id: str | None


def posted(story: Story) -> list[Posted]:
    found = []
    for record in story.cloud.push_rest.log:
        assert record.raw is not None
        outer = msgspec.json.decode(record.raw.body)
        found.append(
            Posted(
                outer["service"],
                outer["channel"],
                outer["priority"],
                outer["ttl"],
                set(outer["payload"]) == {"enc", "kid", "iv", "ct", "tag"},
                outer.get("collapseId"),
            )
        )
    return found


def voip(ttl: int = 13, service: str = "APNS") -> Posted:
    return Posted(service, "voip", "high", ttl, sealed=True, collapse_id=None)
