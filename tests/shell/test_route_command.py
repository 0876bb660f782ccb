"""`callctl route`: no running cluster, a cluster file, an answer with its reasons."""

from __future__ import annotations

import json

import pytest

from callctl.cli.main import main


def test_path_over_the_backup_is_told_with_its_reasons(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["route", "--to", "1005", "--down", "ucm1"]) == 0
    out = capsys.readouterr().out
    assert "A call to 1005, with ucm1 out of service: taken by ucm2" in out
    assert "caller → ucm2 → TCT1005, push names ucm2   CM group ucm1 (down), ucm2, ucm3" in out
    assert "naming ucm2: its backup node, as ucm1 is out of service" in out
    assert "CMG-07" in out
    assert "If nobody answers, it still rings." in out


def test_answer_for_scripts(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["route", "--to", "1005", "--taken-by", "ucm3", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["taken_by"] == "ucm3"
    assert report["paths"] == [
        {
            "device": "TCT1005",
            "push_names": ["ucm1"],
            "via": ["ucm1"],
            "cm_group": ["ucm1", "ucm2", "ucm3"],
            "path": ["caller", "ucm3", "ucm1", "TCT1005"],
        }
    ]


def test_bad_question_is_one_line_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (
        ["--to", "1005", "--down", "ucm7"],
        ["--to", "77"],
        ["--to", "1", "--cluster", "?"],
    ):
        assert main(["route", *words]) == 2
        errors = capsys.readouterr().err
        assert errors.startswith("callctl: ")
        assert errors.count("\n") == 1
