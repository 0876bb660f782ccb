"""Session descriptions (RFC 8866), without losing an octet. For phones and tests: a proxy that
forwards a body never reads it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from sipstack.errors import SipSyntaxError

DIRECTIONS: Final = ("sendrecv", "sendonly", "recvonly", "inactive")
_LINE: Final = re.compile(r"[^\r\n]*+(?:\r\n|\n|\r|\Z)")


@dataclass(slots=True)
class Block:
    """The session part, or one media part from its `m=` line on; lines with their ends."""

    lines: list[str] = field(default_factory=list)

    def get(self, kind: str) -> str | None:
        """Value of the first `kind=` line, None if there is none."""
        return next((line[2:].rstrip("\r\n") for line in self.lines if line[0] == kind), None)

    def all(self, kind: str) -> list[str]:
        """Value of each `kind=` line."""
        return [line[2:].rstrip("\r\n") for line in self.lines if line[0] == kind]

    def replace(self, kind: str, value: str) -> None:
        """Put `value` in place of the first `kind=` line.

        Raises: KeyError if there is none.
        """
        for index, line in enumerate(self.lines):
            if line[0] == kind:
                end = line[len(line.rstrip("\r\n")) :]
                self.lines[index] = f"{kind}={value}{end}"
                return
        raise KeyError(kind)

    @property
    def direction(self) -> str | None:
        """ "sendrecv", "sendonly", "recvonly", "inactive", or None if no attribute says so."""
        return next((value for value in self.all("a") if value in DIRECTIONS), None)

    def set_direction(self, direction: str) -> None:
        """Make this the one direction attribute: in place of the first, or at the end."""
        assert direction in DIRECTIONS, direction
        kept: list[str] = []
        placed = False
        for line in self.lines:
            if line[0] == "a" and line[2:].rstrip("\r\n") in DIRECTIONS:
                if not placed:
                    end = line[len(line.rstrip("\r\n")) :]
                    kept.append(f"a={direction}{end}")
                    placed = True
            else:
                kept.append(line)
        if not placed:
            if kept and not kept[-1].endswith(("\r", "\n")):
                kept[-1] += "\r\n"
            kept.append(f"a={direction}\r\n")
        self.lines = kept


@dataclass(slots=True)
class SessionDescription:
    """`str()` gives back exactly what was parsed, plus what was edited."""

    session: Block
    media: list[Block]

    @classmethod
    def parse(cls, text: str) -> SessionDescription:
        """Raises: SipSyntaxError (400) unless each line is a letter, `=` and a value, `v` first."""
        session = Block()
        media: list[Block] = []
        at = session
        for line in _LINE.findall(text):
            if not line:
                continue
            if not (len(line) >= 2 and "a" <= line[0] <= "z" and line[1] == "="):
                raise SipSyntaxError("line is not type=value", header="body")
            if line[0] == "m":
                at = Block()
                media.append(at)
            at.lines.append(line)
        if not session.lines or session.lines[0][0] != "v":
            raise SipSyntaxError("does not start with v=", header="body")
        return cls(session, media)

    def connection_of(self, media: Block) -> str | None:
        """The `c=` value that holds for `media`: its own, else the session's (§5.7)."""
        own = media.get("c")
        return self.session.get("c") if own is None else own

    def direction_of(self, media: Block) -> str:
        """The direction that holds for `media`; sendrecv if nothing is said (§6.7)."""
        return media.direction or self.session.direction or "sendrecv"

    def __str__(self) -> str:
        return "".join("".join(block.lines) for block in (self.session, *self.media))
