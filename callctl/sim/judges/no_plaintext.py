"""I14: nothing personal leaves unencrypted towards the cloud."""

from __future__ import annotations

from base64 import b64encode

from callctl.sim.watch import Judge


class NoPlaintext(Judge):
    """Looks for names, numbers and user ids in all that goes to a cloud or from one to the next.

    `words` are long enough not to turn up by chance.
    """

    invariant = "I14"
    __slots__ = ("_needles",)

    def __init__(self, words: tuple[str, ...]) -> None:
        needles: list[bytes] = []
        for word in words:
            raw = word.encode()
            needles += [raw, raw.hex().encode()]
            # base64 of a text begins like this wherever the text begins on a multiple of three
            needles.append(b64encode(raw)[: len(raw) // 3 * 4])
        self._needles = tuple(needles)

    def to_cloud(self, octets: bytes) -> None:
        """Judge one piece."""
        for needle in self._needles:
            if needle in octets:
                self.blame(f"{needle.decode()} leaves in clear text")
                return
