"""The capture shell: a file, and what may go wrong with it."""

from __future__ import annotations

from pathlib import Path

from callctl.io.capture_file import CaptureFile
from helpers.sip_text import OPTIONS, UDP, octets
from sipstack.stack import Stack
from sipstack.timing import Instant
from sipstack.transport.flow import BytesReceived

EPOCH = 1_700_000_000_000_000_000


def test_stack_with_the_observer_fills_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    file = CaptureFile(path, EPOCH)
    stack = Stack(observer=file.observer("node1"))
    stack.receive(BytesReceived(UDP, octets(OPTIONS)), Instant(0))
    file.note(Instant(1), "node1", "a note")
    file.flush()
    assert octets(OPTIONS) in path.read_bytes()
    file.close()
    assert file.failure is None
    assert b"a note" in path.read_bytes()


def test_capture_ends_at_its_largest_size_with_whole_blocks(tmp_path: Path) -> None:
    path = tmp_path / "a.pcapng"
    file = CaptureFile(path, EPOCH, octets_max=3_000)
    for _ in range(100):
        file.note(Instant(0), "node1", "x" * 100)
    file.close()
    assert file.failure == "the capture has reached its largest size"
    assert path.stat().st_size <= 3_000


def test_disk_that_is_full_ends_the_capture_and_nothing_else() -> None:
    file = CaptureFile(Path("/dev/full"), EPOCH)
    for _ in range(10_000):
        file.note(Instant(0), "node1", "x" * 100)
    file.close()
    assert file.failure is not None
