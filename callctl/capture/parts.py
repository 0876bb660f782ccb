"""Parts of something larger, in any order, doubled and overlapping: kept by where they begin."""

from __future__ import annotations

from bisect import bisect_right

from callctl.capture.captured import Frame
from callctl.capture.limits import SEGMENT_COST


class Parts:
    """Octets at offsets, none over another: of those that come twice, the first are kept."""

    __slots__ = ("_frames", "_octets", "_offsets", "cost", "size")

    def __init__(self) -> None:
        self._offsets: list[int] = []
        self._octets: list[bytes] = []
        self._frames: list[Frame] = []
        self.size = 0  # of all parts
        self.cost = 0  # octets of memory, about

    def __len__(self) -> int:
        return len(self._offsets)

    @property
    def first_offset(self) -> int:
        return self._offsets[0]

    @property
    def first_frame(self) -> Frame:
        return self._frames[0]

    def add(self, offset: int, data: bytes, frame: Frame) -> int:
        """Takes of `data` what is not there yet. Returns: how many parts that took to look at."""
        offsets = self._offsets
        at, end = offset, offset + len(data)
        index = bisect_right(offsets, at)
        if index:
            at = max(at, self._end(index - 1))
        seen = 0
        while at < end:
            seen += 1
            until = min(offsets[index], end) if index < len(offsets) else end
            if at < until:
                self._insert(index, at, data[at - offset : until - offset], frame)
                index += 1
            if index == len(offsets):
                break
            at = self._end(index)
            index += 1
        return max(seen, 1)

    def cut(self, size: int) -> None:
        """Drops what lies at `size` or beyond."""
        while self._offsets and self._end(-1) > size:
            at, part, frame = self._take(-1)
            if at < size:
                self._insert(len(self._offsets), at, part[: size - at], frame)

    def take_first(self) -> tuple[int, bytes, Frame]:
        """Removes the first part. Returns: its offset, its octets, and where they are from."""
        return self._take(0)

    def joined(self) -> bytes:
        """All parts in a row."""
        return b"".join(self._octets)

    def _end(self, index: int) -> int:
        return self._offsets[index] + len(self._octets[index])

    def _insert(self, index: int, offset: int, octets: bytes, frame: Frame) -> None:
        self._offsets.insert(index, offset)
        self._octets.insert(index, octets)
        self._frames.insert(index, frame)
        self.size += len(octets)
        self.cost += _cost(octets, frame)

    def _take(self, index: int) -> tuple[int, bytes, Frame]:
        octets, frame = self._octets.pop(index), self._frames.pop(index)
        self.size -= len(octets)
        self.cost -= _cost(octets, frame)
        return self._offsets.pop(index), octets, frame


def _cost(octets: bytes, frame: Frame) -> int:
    return len(octets) + SEGMENT_COST + sum(map(len, frame.comments))
