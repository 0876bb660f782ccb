"""Software releases and versions, parsed and ordered (REL-07, OP-62)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

_RELEASE: Final = re.compile(
    r"([1-9]\d?)(?:\.(\d{1,2})(?:\((\d{1,2})\))?)?(?:SU(\d{1,2})([a-z])?)?", re.ASCII
)
_VERSION: Final = re.compile(r"\d{1,5}(?:\.\d{1,5}){0,3}", re.ASCII)
_LEADING: Final = re.compile(
    r"\d{1,5}(?:\.\d{1,5}){0,2}(?!\d)", re.ASCII
)  # build numbers are longer


@dataclass(frozen=True, slots=True, order=True)
class Release:
    """A release of the call-control or IM and Presence server, such as `12.5(1)SU3` or `14SU3`.

    Compared by (major, minor, maintenance, SU, letter): `14SU3` is 14.0(1)SU3 (OP-62). Which
    features a release has goes by `train`: 12.0(1) is newer than 11.5(1)SU8 but has fewer.
    """

    major: int
    minor: int = 0
    maintenance: int = 1
    service_update: int = 0
    letter: str = ""  # "a" in 14SU2a, a repair of 14SU2

    @classmethod
    def parse(cls, text: str) -> Release:
        """Raises: ValueError unless `text` has the form of a release."""
        match = _RELEASE.fullmatch(text)
        if match is None:
            raise ValueError(f"{text!r} is not a release such as 12.5(1)SU3, 14SU3 or 15")
        major, minor, maintenance, service_update, letter = match.groups()
        return cls(
            int(major),
            int(minor or 0),
            int(maintenance or 1),
            int(service_update or 0),
            letter or "",
        )

    @property
    def train(self) -> tuple[int, int]:
        """(major, minor): service updates count within one train only."""
        return self.major, self.minor

    def __str__(self) -> str:
        # From 14 on a release is named without its zero minor number.
        short = self.major >= 14 and (self.minor, self.maintenance) == (0, 1)
        text = str(self.major) if short else f"{self.major}.{self.minor}({self.maintenance})"
        return f"{text}SU{self.service_update}{self.letter}" if self.service_update else text


@dataclass(frozen=True, slots=True)
class Since:
    """From which releases on something is there: `11.5(1)SU8, 12.5(1)SU3` (OP-62).

    Trains are apart: of the starts the one of a release's own major number counts, else the
    latest of a lower one. So 12.0(1) has not what began with 11.5(1)SU8 and 12.5(1)SU3.
    """

    starts: tuple[Release, ...]  # ascending, at most one of each major number

    @classmethod
    def parse(cls, *texts: str) -> Since:
        """Raises: ValueError unless each text has the form of a release."""
        return cls(tuple(Release.parse(text) for text in texts))

    def reached_by(self, release: Release) -> bool:
        """True if `release` is one of the starts, or a later one of its train."""
        below = [start for start in self.starts if start.major <= release.major]
        return bool(below) and release >= below[-1]

    def next_after(self, release: Release) -> Release | None:
        """The start to upgrade to from a release that has reached none; None if it has."""
        if self.reached_by(release):
            return None
        return next(start for start in self.starts if start > release)

    def __str__(self) -> str:
        return ", ".join(map(str, self.starts))


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """A version of a client app or of a mobile operating system, such as `12.9.1` or `16.5`.

    Trailing zeros do not count: `13` equals `13.0`. `12.9 MR` is 12.9.1 (OP-62).
    """

    parts: tuple[int, ...]

    @classmethod
    def parse(cls, text: str) -> Version:
        """Raises: ValueError unless `text` has the form of a version."""
        return cls(_parts(text.removesuffix(" MR") + ".1" if text.endswith(" MR") else text))

    @classmethod
    def told_by(cls, text: str) -> Version | None:
        """The version that a client tells: `12.8.0.303720` is 12.8; None if it tells none."""
        try:
            return cls.parse(text)
        except ValueError:
            found = _LEADING.match(text)
            return None if found is None else cls(_parts(found[0]))

    def __str__(self) -> str:
        return ".".join(map(str, self.parts))


@dataclass(frozen=True, slots=True, order=True)
class ExpresswayVersion:
    """A version of Expressway, such as `X12.6.2`; never compared with one of a client."""

    parts: tuple[int, ...]

    @classmethod
    def parse(cls, text: str) -> ExpresswayVersion:
        """Raises: ValueError unless `text` is X and a version."""
        if not text.startswith("X"):
            raise ValueError(f"{text!r} is not an Expressway version such as X12.6.2")
        return cls(_parts(text[1:]))

    def __str__(self) -> str:
        return "X" + ".".join(map(str, self.parts))


@lru_cache(maxsize=1024)  # a hundred thousand devices run a handful of versions
def _parts(text: str) -> tuple[int, ...]:
    if _VERSION.fullmatch(text) is None:
        raise ValueError(f"{text!r} is not a version such as 12.9.1 or 16.5")
    parts = [int(part) for part in text.split(".")]
    while len(parts) > 1 and parts[-1] == 0:
        parts.pop()
    return tuple(parts)
