"""`callctl explain` of calls over real sockets: who was called, what happened, how it ended."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from callctl.cli.explain import explanation
from callctl.io.admin_view import Views
from callctl.model.build import android, desk_phone, iphone
from helpers.node_rig import eventually
from helpers.stage import WAITS, Placed, Stage, manner, staged

pytestmark = pytest.mark.anyio

WAKES = iphone("4930444001")
NEVER_WAKES = android("4930444002")
SHARED = iphone("4930444003")
SHARED_DESK = desk_phone("4930444003", device_pool="desks")
NEVER_MS = 60_000


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def stage(anyio_backend: str) -> AsyncIterator[Stage]:
    sleepers = {
        WAKES: manner(),
        NEVER_WAKES: manner(wake_ms=NEVER_MS),
        SHARED: manner(WAITS, wake_ms=NEVER_MS),
    }
    async with staged(sleepers=sleepers, desks={SHARED_DESK: manner()}, nodes=2) as made:
        yield made


def story_of(stage: Stage, call: Placed) -> dict[str, Any]:
    """As the admin API sends it."""
    story = Views(stage.shell, stage.parties).story(call.record)
    read = json.loads(story.model_dump_json())
    assert isinstance(read, dict)
    return read


def sentences(story: dict[str, Any]) -> str:
    """What the command prints, every run of blanks as one."""
    return " ".join(explanation(story).split())


async def pushes_end(stage: Stage, call: Placed, count: int) -> None:
    """Wait until so many pushes of a call have their outcome."""

    def ended() -> int:
        uuid = call.record.call_uuid
        found = [entry for _, entry in stage.shell.pushes() if entry.call_uuid == uuid]
        return sum(entry.outcome is not None for entry in found)

    await eventually(lambda: ended() == count)


async def test_a_phone_that_was_woken_is_told_with_its_system_its_rule_and_its_push(
    stage: Stage,
) -> None:
    call = stage.call("4930444001", hang_up_ms=100)
    await call.answered()
    await pushes_end(stage, call, 1)
    story = story_of(stage, call)
    text = sentences(story)
    assert (
        "Called TCT4930444001 of 4930444001, iPhone (iOS 17.0, Jabber 14.3) VoIP push with" in text
    )
    assert "ring push to TCT4930444001 naming ucm1: it registered there last" in text
    assert "ring push to TCT4930444001 by ucm2, APNS, VoIP channel: accepted (200) after" in text
    assert story["verdict"].startswith("Answered by TCT4930444001, iPhone (iOS 17.0, Jabber 14.3)")
    assert "asleep at first, it registered at ucm1" in story["verdict"]
    assert text.endswith(story["verdict"])


async def test_a_phone_that_never_wakes_is_told_with_what_the_cloud_and_the_caller_saw(
    stage: Stage,
) -> None:
    call = stage.call("4930444002")
    assert await call.ended() == 480
    await pushes_end(stage, call, 2)
    story = story_of(stage, call)
    assert [push["kind"] for push in story["pushes"]] == ["incoming", "missed"]
    assert {(push["service"], push["channel"]) for push in story["pushes"]} == {("FCM", "voip")}
    verdict = story["verdict"]
    assert "480 Temporarily Unavailable" in verdict
    assert "because BOT4930444002 did not register within 2 s." in verdict
    assert "though no device rang by then" in verdict
    assert "BOT4930444002 is told by push of a missed call." in verdict
    assert "The cloud had taken the push" in verdict


async def test_who_was_faster_and_who_was_told_so_is_the_verdict_of_a_shared_line(
    stage: Stage,
) -> None:
    call = stage.call("4930444003", hang_up_ms=100)
    await call.answered()
    story = story_of(stage, call)
    assert [device["device"] for device in story["called"]] == ["TCT4930444003", "SEP4930444003"]
    assert story["verdict"].startswith("Answered by SEP4930444003, desk phone, after ")
    told = "had not registered yet, and is told by push that another device answered."
    assert f"TCT4930444003 {told}" in story["verdict"]


async def test_the_call_of_a_node_that_died_is_lost_and_not_under_way() -> None:
    async with staged(sleepers={NEVER_WAKES: manner(wake_ms=NEVER_MS)}, nodes=2) as stage:
        call = stage.call("4930444002")
        await eventually(lambda: len(stage.shell.records()) == 1)
        await pushes_end(stage, call, 1)
        owner = call.record.node
        verdict = story_of(stage, call)["verdict"]
        assert verdict == "The call is under way, BOT4930444002 parked so far."
        assert not story_of(stage, call)["lost"]
        stage.shell.kill_node(owner)
        assert story_of(stage, call)["lost"]
        verdict = story_of(stage, call)["verdict"]
        assert verdict.startswith(f"Lost: {owner} died after ")
        assert verdict.endswith("and the call with it, when BOT4930444002 had not registered yet.")
        await stage.shell.start_node(owner)
        assert story_of(stage, call)["verdict"] == verdict
