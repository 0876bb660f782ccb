"""Messages as people may see them: secrets masked, every control character visible.

What stands in a capture was written by anybody: it must neither steer a terminal nor end an XML
document.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from difflib import SequenceMatcher
from enum import Enum
from typing import Final, NamedTuple

from callctl.capture.mask import masked
from sipstack.message.names import key_of

_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")
"""Neither tab nor line feed; also what XML 1.0 §2.2 does not allow."""

_BIDI: Final = re.compile(r"[\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Characters that turn the order of others around."""


class Mark(Enum):
    """What two lines that stand for one another have to do with each other."""

    SAME = "same"
    ANEW = "anew"  # they differ, in what is made up for each message or is not compared
    DIFFERS = "differs"  # they are what a difference is about


class Lines(NamedTuple):
    """A line of a message of the capture, and the one that stands there now; None: none does."""

    captured: str | None
    now: str | None
    mark: Mark


def shown(octets: bytes) -> str:
    """A message as text; lines end with a line feed."""
    text = masked(octets).replace(b"\r\n", b"\n").decode("utf-8", "backslashreplace")
    return shown_text(text)


def shown_text(text: str) -> str:
    """Any text, harmless."""
    return _BIDI.sub(_escaped, _CONTROL.sub(_escaped, text))


def side_by_side(captured: bytes, now: bytes, about: Collection[str]) -> tuple[Lines, ...]:
    """Both messages, line by line. `about`: headers that differ, in lower case; "start-line" and
    "body" are two more."""
    there, here = _keyed(shown(captured)), _keyed(shown(now))
    keys, keys_now = [key for key, _ in there], [key for key, _ in here]
    found: list[Lines] = []
    matcher = SequenceMatcher(None, keys, keys_now, autojunk=False)
    for how, first, last, first_now, last_now in matcher.get_opcodes():
        old, new = there[first:last], here[first_now:last_now]
        if how == "equal":
            for (key, line), (_, line_now) in zip(old, new, strict=True):
                found.append(Lines(line, line_now, _mark(key, line, line_now, about)))
            continue
        found += [Lines(line, None, _mark(key, line, None, about)) for key, line in old]
        found += [Lines(None, line, _mark(key, None, line, about)) for key, line in new]
    return tuple(found)


def _keyed(text: str) -> list[tuple[str, str]]:
    """Each line, with what it is: a header's name, or the kind of a line of the body."""
    if not text:
        return []
    head, blank, body = text.partition("\n\n")
    lines = head.rstrip("\n").split("\n")
    found = [("start-line", lines[0])]
    for line in lines[1:]:
        folded = line[:1] in (" ", "\t")
        found.append((found[-1][0] if folded else key_of(line.partition(":")[0].strip()), line))
    if blank and body:
        found.append(("", ""))
        # Of SDP lines `a=rtpmap:` and `m=audio` say what they are; of other bodies the line does.
        found += [(f"body {re.split('[: ]', line)[0]}", line) for line in _lines(body)]
    return found


def _lines(body: str) -> list[str]:
    return body.removesuffix("\n").split("\n")


def _mark(key: str, line: str | None, line_now: str | None, about: Collection[str]) -> Mark:
    if line == line_now:
        return Mark.SAME
    return Mark.DIFFERS if key.split(" ")[0] in about else Mark.ANEW


def _escaped(match: re.Match[str]) -> str:
    number = ord(match[0])
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"
