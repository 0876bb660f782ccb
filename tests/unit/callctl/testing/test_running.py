"""How tests are run without an event loop, and what their end brings to light."""

from __future__ import annotations

import asyncio

import pytest

from callctl.sim.watch import Watch
from callctl.testing import InvariantBroken, NothingTested, SetUpError
from callctl.testing.live_host import LiveHost
from callctl.testing.plan import Plan
from callctl.testing.running import by_hand, conclude, judged, judged_async

from .conftest import World


def test_words_need_no_event_loop(world: World) -> None:
    async def test() -> float:
        await world.clock.passes(1)
        return world.clock.now

    assert by_hand(test()) == 1


def test_whoever_waits_for_an_event_loop_is_told_which_mark_to_use() -> None:
    async def test() -> None:
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match=r"@pytest.mark.anyio"):
        by_hand(test())


def test_a_word_that_was_not_awaited_is_named(world: World) -> None:
    phone = world.phone
    by_hand(world.play.begun())
    phone.rings()  # type: ignore[unused-coroutine]
    world.cluster.node("ucm1").dies()  # type: ignore[unused-coroutine]
    with pytest.raises(NothingTested, match=r"not awaited: TCT2001.rings, ucm1.dies. Write"):
        conclude(world.play)
    conclude(world.play)  # said once


def test_what_the_judges_blame_fails_the_test(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test() -> None:
        await world.caller.calls(world.phone)
        await world.phone.rings()
        assert world.play.stage is not None

    rest = Watch.rest
    monkeypatch.setattr(
        Watch, "rest", lambda self, parties: (rest(self, parties), self.blame("I99", "planted"))
    )
    with pytest.raises(InvariantBroken, match=r"(?s)broke its own rules.*I99 at .* s: planted"):
        by_hand(judged_async(test, world.play, None)())


def test_a_test_that_failed_is_not_judged(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def test() -> None:
        by_hand(world.clock.passes(1))
        raise ValueError("the test's own")

    monkeypatch.setattr(type(world.play), "judge", lambda play: pytest.fail("it was judged"))
    with pytest.raises(ValueError, match="the test's own"):
        judged(test, world.play)()


def test_the_ladder_ends_where_the_test_does(world: World) -> None:
    async def test() -> None:
        await world.caller.calls(world.phone)
        await world.phone.answers()

    by_hand(judged_async(test, world.play, None)())
    assert not world.play.ladder.find("BYE")  # by which the world came to rest
    assert world.play.ladder.find("200 OK")
    assert "answered: 200 OK" not in world.play.explained[0]


def test_a_live_world_is_refused_where_no_loop_runs_it() -> None:
    with pytest.raises(SetUpError, match="a live test is `async def`"):
        by_hand(LiveHost().raise_curtain(Plan()))
    with pytest.raises(SetUpError, match="a live test runs on asyncio"):
        by_hand(LiveHost().beside(lambda: asyncio.sleep(0)))
