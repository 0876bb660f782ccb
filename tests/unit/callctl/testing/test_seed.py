"""Everything drawn comes from the seed."""

from __future__ import annotations

from pathlib import Path

from callctl.testing.running import by_hand as perform

from .conftest import MakeWorld, World


def played(world: World) -> None:
    perform(world.network.loses(0.2))
    perform(world.network.delays(0.01, 0.3))
    call = perform(world.caller.calls(world.phone))
    perform(world.clock.passes(5))
    perform(world.caller.gives_up())
    perform(call.ends())


def captured(world: World, path: Path) -> bytes:
    return world.play.ladder.save_pcapng(path).read_bytes()


def test_the_same_seed_is_the_same_ladder_and_the_same_octets(
    make_world: MakeWorld, tmp_path: Path
) -> None:
    first, again, other = (make_world(seed=seed) for seed in (7, 7, 8))
    for world in (first, again, other):
        played(world)
    assert str(first.play.ladder) == str(again.play.ladder)
    assert captured(first, tmp_path / "a") == captured(again, tmp_path / "b")
    assert captured(first, tmp_path / "a") != captured(other, tmp_path / "c")
    assert str(first.play.ladder) != str(other.play.ladder)
