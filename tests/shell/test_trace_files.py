"""Traces in files: their places, their size, a disk that fails, and the search through them."""

from __future__ import annotations

import json
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from callctl.io.trace_files import FOLDER, TraceFiles, find, path_of
from callctl.serviceability.tracing import Source, TraceLevel, TraceRecord, shortened
from helpers.ops_rig import run_command
from sipstack.timing import MS, Instant

UNIX_NS = 1_795_327_200_000_000_000


def record(
    source: Source,
    text: str,
    *,
    at_ms: int = 0,
    node: str = "ucm1",
    tracking_id: str = "",
    level: TraceLevel = TraceLevel.INFO,
    personal: str = "",
) -> TraceRecord:
    return TraceRecord(source, node, Instant(at_ms * MS), level, text, tracking_id, personal)


@pytest.fixture
def traces(tmp_path: Path) -> Iterator[TraceFiles]:
    made = TraceFiles(tmp_path / FOLDER, UNIX_NS)
    yield made
    made.close()
    assert "traces" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.req("TRB-14", "TRB-15")
def test_each_service_writes_in_its_folder_of_its_node(traces: TraceFiles, tmp_path: Path) -> None:
    traces.write(record(Source.CMAS, "upload begun"))
    traces.write(record(Source.CPNS, "token obtained", node="ucm2"))
    traces.write(record(Source.CPNS, "too much", level=TraceLevel.DEBUG))
    traces.flush()
    log4j = "var/log/active/cm/trace/{}/log4j"
    (cmas,) = (tmp_path / FOLDER / "ucm1" / log4j.format("cmas")).iterdir()
    (cpns,) = (tmp_path / FOLDER / "ucm2" / log4j.format("ccmpns")).iterdir()
    assert cmas.read_text().endswith(" INFO  ucm1 - upload begun\n")
    assert cpns.read_text().endswith(" INFO  ucm2 - token obtained\n")
    assert stat.S_IMODE(cmas.stat().st_mode) == 0o600


def test_files_turn_over_at_their_size_and_old_ones_go(tmp_path: Path) -> None:
    traces = TraceFiles(tmp_path, UNIX_NS, file_octets_max=2_000, files_max=3)
    for number in range(200):
        traces.write(record(Source.CPNS, f"line {number}", tracking_id=f"CPNS_{number}"))
    traces.close()
    folder = path_of(tmp_path, Source.CPNS, "ucm1").parent
    files = sorted(folder.iterdir())
    assert [file.name for file in files] == ["ccmpns.log", "ccmpns.log.1", "ccmpns.log.2"]
    assert all(file.stat().st_size <= 2_000 for file in files)
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in files)
    assert find(tmp_path, "CPNS_199")[0].text == "line 199"
    assert find(tmp_path, "CPNS_0") == []
    assert traces.lost_on_disk == traces.lost_on_the_way == 0


def test_disk_that_takes_nothing_loses_lines_counts_them_and_holds_up_nobody(
    tmp_path: Path,
) -> None:
    root = tmp_path / "root"
    root.write_text("no directory")  # so nothing can be made in it, not even by root
    traces = TraceFiles(root, UNIX_NS)
    for _ in range(3):
        traces.write(record(Source.CPNS, "x"))
    traces.flush()
    assert traces.lost_on_disk == 3
    root.unlink()
    traces.write(record(Source.CPNS, "works again", tracking_id="CPNS_1"))
    traces.close()
    assert traces.lost_on_disk == 3
    assert [line.text for line in find(root, "CPNS_1")] == ["works again"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_full_disk_is_counted(tmp_path: Path) -> None:
    path = path_of(tmp_path, Source.CPNS, "ucm1")
    path.parent.mkdir(parents=True)
    path.symlink_to("/dev/full")
    traces = TraceFiles(tmp_path, UNIX_NS)
    traces.write(record(Source.CPNS, "x"))
    traces.write(record(Source.CMAS, "has its own file"))
    traces.flush()
    assert traces.lost_on_disk == 1
    traces.close()


def test_full_queue_loses_lines_and_counts_them(tmp_path: Path) -> None:
    traces = TraceFiles(tmp_path, UNIX_NS, queue_max=2)
    path = path_of(tmp_path, Source.CPNS, "ucm1")
    path.parent.mkdir(parents=True)
    os.mkfifo(path)  # whoever opens it for writing waits for a reader
    for _ in range(10):
        traces.write(record(Source.CPNS, "x"))
    lost = traces.lost_on_the_way
    assert lost in (7, 8)  # one may be with the writer already
    with path.open("rb") as reader:  # frees the writer
        traces.close()
        assert reader.read().count(b"\n") == 10 - lost


def test_name_of_a_node_is_never_a_way_out_of_the_folder(tmp_path: Path) -> None:
    for name in ("", ".", "..", "../x", "a/b", "a\0b"):
        with pytest.raises(ValueError, match="cannot name a folder"):
            path_of(tmp_path, Source.CPNS, name)


@pytest.mark.req("OP-69")
def test_names_stand_in_a_file_only_after_its_level_was_set_to_debug(
    traces: TraceFiles, tmp_path: Path
) -> None:
    for _ in range(2):
        told = f"ring push to {shortened('0123456789')}"
        traces.write(record(Source.CPNS, told, personal="TCTALICE 1005"))
        traces.flush()
        traces.levels.set(Source.CPNS, "ucm1", TraceLevel.DEBUG)
    first, second = path_of(tmp_path / FOLDER, Source.CPNS, "ucm1").read_text().splitlines()
    assert first.endswith("ring push to ...456789")
    assert second.endswith("ring push to ...456789 [TCTALICE 1005]")


@pytest.mark.req("TRB-22", "PUSH-06")
def test_one_search_finds_a_push_in_the_traces_of_every_part(
    traces: TraceFiles, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = (Source.CALL_MANAGER, Source.CPNS, Source.PUSH_REST, Source.APNS)
    for at_ms, source in enumerate(parts):
        node = "cloud" if source in (Source.PUSH_REST, Source.APNS) else "ucm1"
        traces.write(record(source, "has it", at_ms=at_ms * 10, node=node, tracking_id="CPNS_a1b2"))
        traces.write(record(source, "has another", node=node, tracking_id="CPNS_a1b3"))
    traces.flush()
    state = str(tmp_path)
    assert run_command(["trace", "find", "CPNS_a1b2", "--json", "--state", state]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [each["source"] for each in found] == ["CallManager", "CPNS", "Push REST", "APNs"]
    assert {each["text"] for each in found} == {"has it"}
    assert run_command(["trace", "find", "CPNS_a1b2", "--state", state]) == 0
    assert "Push REST" in capsys.readouterr().out
    assert run_command(["trace", "find", "CPNS_zzzz", "--state", state]) == 1
    assert capsys.readouterr().out == "no trace mentions CPNS_zzzz\n"


def test_search_for_less_than_a_tracking_id_or_where_nothing_is_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command(["trace", "find", "C", "--state", str(tmp_path)]) == 2
    assert run_command(["trace", "find", "CPNS_1", "--state", str(tmp_path)]) == 3
    assert "there are no traces in" in capsys.readouterr().err
