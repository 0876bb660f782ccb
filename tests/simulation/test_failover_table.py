"""The failover table: any node takes the call, any node is lost, at each moment of the wake."""

from __future__ import annotations

from pathlib import Path

import pytest

from callctl.sim.failover import NODES, Cell, Manner, Phase, Verdict, cells, page, play

BEFORE = (Phase.KNOWN, Phase.BEFORE_PUSH)
PAGE = Path(__file__).parents[2] / "docs" / "failover.md"


def verdicts(taken_by: str) -> dict[Cell, Verdict]:
    return {cell: play(cell) for cell in cells() if cell.taken_by == taken_by}


@pytest.mark.req("CMG-04", "CMG-07", "CMG-08", "CALL-16", "CALL-21", "CALL-22", "REG-02", "REG-11")
@pytest.mark.parametrize("taken_by", NODES)
def test_every_cell_has_one_final_one_invite_a_flow_and_two_ring_pushes_at_most(
    taken_by: str,
) -> None:
    for cell, verdict in verdicts(taken_by).items():
        assert verdict.violations == (), cell
        assert verdict.ends == 1, cell
        assert verdict.call_uuids <= 1, cell
        assert len(verdict.ring_pushes) <= 2, cell
        assert len(verdict.invites) == verdict.flows, cell
        if cell.lost != taken_by:
            # A node that is not the owner of the call never costs the caller the call.
            assert (verdict.status, verdict.finals) == (200, 1), cell
        elif cell.phase is Phase.ANSWERED:
            assert (verdict.status, verdict.finals) == (200, 1), cell
        elif cell.manner is Manner.STOPPED and cell.phase not in BEFORE:
            # It leaves in order: whoever waits is told to try another node.
            assert (verdict.status, verdict.finals) == (503, 1), cell
            assert verdict.after_s < 5, cell
        else:
            # The parked call dies with its node, as a call that failed and not as one that hangs.
            assert verdict.finals == 0, cell
            assert not verdict.phone_talks, cell


@pytest.mark.req("CMG-07", "CMG-11")
def test_push_names_the_backup_once_the_primary_is_known_to_be_down() -> None:
    for manner in Manner:
        verdict = play(Cell("ucm3", "ucm1", manner, Phase.KNOWN))
        assert verdict.ring_pushes == ("ucm2",)
        assert verdict.invites == ("ucm2",)


@pytest.mark.req("CALL-16")
def test_phone_woken_with_a_node_that_dies_meanwhile_is_pushed_again_with_the_next_one() -> None:
    verdict = play(Cell("ucm3", "ucm1", Manner.CUT_OFF, Phase.PUSH))
    assert verdict.ring_pushes == ("ucm1", "ucm2")
    assert verdict.status == 200
    assert verdict.after_s < 13


def test_published_table_is_current() -> None:
    assert PAGE.read_text() == page(), "make docs writes it anew"
