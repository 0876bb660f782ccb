"""What a failed test leaves behind."""

from __future__ import annotations

from pathlib import Path

from callctl.testing.report import sections
from callctl.testing.running import by_hand as perform

from .conftest import World


def failed(world: World) -> None:
    """A call is placed, and the test ends there."""
    perform(world.caller.calls(world.phone))
    perform(world.phone.rings())
    world.play.end()


def test_ladder_story_files_and_seed_are_told(world: World, tmp_path: Path) -> None:
    failed(world)
    nodeid = "tests/test_a.py::TestB::test_c[x y/é]"
    told = dict(sections(world.play, nodeid, tmp_path / "kept"))
    assert "── ring push ucm1 ▶" in told["callctl ladder"]
    assert "ring push to TCT2001 naming ucm1" in told["callctl explain"]
    assert f"seed 1; to repeat: pytest --callctl-seed 1 '{nodeid}'" in told["callctl"]
    name = "tests-test_a.py.TestB.test_c-x-y"
    assert {path.name for path in (tmp_path / "kept").iterdir()} == {
        f"{name}.pcapng",
        f"{name}.txt",
    }
    assert f"capture: {tmp_path}/kept/{name}.pcapng" in told["callctl"]


def test_the_usual_directory_keeps_itself_out_of_git(world: World, tmp_path: Path) -> None:
    failed(world)
    sections(world.play, "test_a.py::test_b", tmp_path / ".callctl")
    assert (tmp_path / ".callctl" / ".gitignore").read_text().endswith("*\n")


def test_a_directory_that_cannot_be_written_is_told_and_nothing_else_lost(
    world: World, tmp_path: Path
) -> None:
    failed(world)
    (tmp_path / "file").write_text("")
    told = dict(sections(world.play, "test_a.py::test_b", tmp_path / "file" / "kept"))
    assert "could not be saved: " in told["callctl"]
    assert "ring push" in told["callctl ladder"]
