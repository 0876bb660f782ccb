"""`callctl check`: what it prints, and its exit code."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from shutil import copytree

import pytest

from callctl.cli.check import check

LAB = Path(str(files("callctl") / "examples" / "lab.yaml"))


def test_a_right_file_gives_0_and_what_is_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert check(LAB) == 0
    counts = "3 nodes, 2 CM groups, 2 device pools, 30 users, 31 lines, 33 devices"
    assert capsys.readouterr().out == f"{LAB}: ok, {counts}\n"


def test_mistakes_give_1_and_each_is_printed_with_its_place(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("id: a\ndomain: b.c\nnodez: {}\n")
    assert check(path) == 1
    lines = capsys.readouterr().out.splitlines()
    assert f"{path}:3  nodez" in lines
    assert "    unknown key" in lines
    assert "    expected nodes; did you mean that?" in lines
    assert lines[-1] == "3 mistakes"


def test_json_is_one_object_of_everything(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("id: [a\n")
    assert check(path, json=True) == 1
    report = json.loads(capsys.readouterr().out)
    assert (report["ok"], report["counts"]) == (False, {})
    [finding] = report["findings"]
    assert set(finding) == {"file", "line", "key", "problem", "expected"}
    assert check(LAB, json=True) == 0
    assert json.loads(capsys.readouterr().out)["counts"]["devices"] == 33


@pytest.mark.req("CMG-02")
def test_group_of_one_node_that_has_mobile_phones_is_warned_of_where_there_are_more_nodes(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = copytree(LAB.parent, tmp_path / "lab") / LAB.name
    text = LAB.read_text()
    assert "kyoto: [ucm2, ucm3]" in text
    path.write_text(text.replace("kyoto: [ucm2, ucm3]", "kyoto: [ucm2]"))
    assert check(path) == 0
    lines = capsys.readouterr().out.splitlines()
    [heading] = [line for line in lines if line.endswith("cm_groups.kyoto  warning")]
    problem = lines[lines.index(heading) + 1].strip()
    assert problem == "ucm2 has no backup: without it nothing wakes 12 mobile phones"
    assert check(path, strict=True) == 1


def test_no_file_gives_2(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert check(tmp_path / "missing.yaml") == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "missing.yaml is not a file" in captured.err
