"""Frames of the link between CallManager and its push service, written out and read as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from callctl.push.call_manager_link import WriteLink
from callctl.push.service import WritePeer


def framed(*texts: str) -> bytes:
    """These JSON texts as they travel."""
    bodies = [text.encode() for text in texts]
    return b"".join(len(body).to_bytes(4, "big") + body for body in bodies)


def unframed(octets: bytes) -> list[dict[str, Any]]:
    """What the frames in `octets` say; they must be whole."""
    found = []
    while octets:
        length = int.from_bytes(octets[:4], "big")
        assert len(octets) >= 4 + length, "cut off"
        found.append(msgspec.json.decode(octets[4 : 4 + length]))
        octets = octets[4 + length :]
    return found


def written(actions: Iterable[object]) -> list[dict[str, Any]]:
    """What either end writes to the other, by frames."""
    octets = [it.octets for it in actions if isinstance(it, WriteLink | WritePeer)]
    return unframed(b"".join(octets))


def others(actions: Iterable[object]) -> list[object]:
    """All that is not written."""
    return [it for it in actions if not isinstance(it, WriteLink | WritePeer)]
