"""Mutated messages without end: `PYTHONPATH=tests python -m torture.fuzz --seed 1`.

Every input follows from the seed and its number alone, so that a failure can be repeated.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Final

from sipstack.errors import SipSyntaxError
from torture.checks import check
from torture.corpus import load
from torture.literals import MESSAGES

_LENGTH: Final = re.compile(rb"(?im)^(?:content-length|l)[ \t]*:[^\n]*\n")
_TOKENS: Final = re.compile(rb"[A-Za-z0-9\-.!%*_+`'~]+|[^A-Za-z0-9]")

OCTETS: Final = (
    *(b"\x00", b"\x01", b"\t", b" ", b"\r", b"\n", b"\r\n", b"\r\n ", b"\r\n\r\n", b'"', b"\\"),
    *(b'\\"', b"<", b">", b"<>", b";", b";;", b",", b"=", b":", b"@", b"?", b"%", b"%00", b"%zz"),
    *(b"[", b"]", b"[::1]", b"*", b"/", b"\x7f", b"\x80", b"\xff", b"\xc3\xa9", b"\xe2\x80\xae"),
    *(b"0", b"-1", b"65536", b"2147483648", b"4294967296", b"9" * 30, b"\xd9\xa3", b"\xc2\xb2"),
)
"""What hand-written parsers trip over."""

LINES: Final = (
    *(b"Via: SIP/2.0/UDP 192.0.2.9", b"v: SIP/2.0/TCP a;branch=z9hG4bK", b"Via: x, y;;,"),
    *(b"To: <sip:a@b>;tag=1;tag=2", b't: "', b"f: <tel:+1(2)>;tag=x", b"From: sip:a@b?x=y"),
    *(b"l: 0", b"Content-Length: +5", b"Content-Length: 5 5", b"CSeq: 1 ACK", b"i: \xc3\xa9"),
    *(b"Max-Forwards: 256", b"Contact: *, <sip:a@b>", b'm: "a,b" <sip:c@d>, <sip:e@f;x=",">'),
    *(b"Route: <sip:a;lr>,<sip:b;lr", b"Require: a b", b"To\x01: <sip:x@y>", b"To : <sip:x@y>"),
    *(b": empty", b"NoColon", b" folded", b'Authorization: Digest a="', b"Session-ID: 1"),
    *(b'Contact: <sip:a@b;pn-provider=apns;pn-prid=%0d%0aX>;reg-id=0;+sip.instance="<"',),
    *(b'Reason: SIP;cause=x;text="', b"Feature-Caps: *;+a", b"WWW-Authenticate: Digest realm=a"),
)
"""Header lines that the grammar of some header forbids, or only just allows."""


class Fuzzer:
    """Mutations over a corpus. `make(number)` is the same whatever was made before."""

    def __init__(self, seed: int, corpus: tuple[bytes, ...] = MESSAGES) -> None:
        self.seed = seed
        self._corpus = corpus
        self._moves: tuple[Callable[[Random, bytearray], bytearray], ...] = (
            self._flip,
            self._insert,
            self._cut,
            self._repeat,
            self._copy_line,
            self._drop_line,
            self._swap_lines,
            self._add_line,
            self._swap_tokens,
            self._graft,
        )

    def make(self, number: int) -> bytes:
        """One input: a message of the corpus with one to six mutations."""
        # A string, because only then does the seed not depend on the hash of a tuple.
        chance = Random(f"{self.seed}/{number}")
        data = bytearray(chance.choice(self._corpus))
        if chance.random() < 0.5:
            # Else most inputs would be refused for their length, and their rest never looked at.
            data = bytearray(_LENGTH.sub(b"", data))
        for _ in range(chance.choice((1, 1, 1, 2, 3, 6))):
            data = chance.choice(self._moves)(chance, data)
        return bytes(data[:65_535])

    def inputs(self, count: int, first: int = 0) -> Iterator[tuple[int, bytes]]:
        """`count` inputs with their numbers, from `first` on."""
        for number in range(first, first + count):
            yield number, self.make(number)

    @staticmethod
    def _place(chance: Random, data: bytearray) -> int:
        """Mostly in the headers, where the grammar is."""
        head = data.find(b"\r\n\r\n")
        limit = head if head > 0 and chance.random() < 0.9 else len(data)
        return chance.randint(0, limit)

    def _flip(self, chance: Random, data: bytearray) -> bytearray:
        if data:
            data[min(self._place(chance, data), len(data) - 1)] = chance.randrange(256)
        return data

    def _insert(self, chance: Random, data: bytearray) -> bytearray:
        place = self._place(chance, data)
        data[place:place] = chance.choice(OCTETS)
        return data

    def _cut(self, chance: Random, data: bytearray) -> bytearray:
        place = self._place(chance, data)
        del data[place : place + chance.choice((1, 1, 2, 8, 64))]
        return data

    def _repeat(self, chance: Random, data: bytearray) -> bytearray:
        place = self._place(chance, data)
        part = data[place : place + chance.choice((1, 2, 16))]
        data[place:place] = part * chance.choice((1, 3, 200))
        return data

    def _copy_line(self, chance: Random, data: bytearray) -> bytearray:
        lines = data.split(b"\r\n")
        lines.insert(chance.randrange(len(lines) + 1), chance.choice(lines))
        return bytearray(b"\r\n").join(lines)

    def _drop_line(self, chance: Random, data: bytearray) -> bytearray:
        lines = data.split(b"\r\n")
        del lines[chance.randrange(len(lines))]
        return bytearray(b"\r\n").join(lines)

    def _swap_lines(self, chance: Random, data: bytearray) -> bytearray:
        lines = data.split(b"\r\n")
        one, other = chance.randrange(len(lines)), chance.randrange(len(lines))
        lines[one], lines[other] = lines[other], lines[one]
        return bytearray(b"\r\n").join(lines)

    def _add_line(self, chance: Random, data: bytearray) -> bytearray:
        lines = data.split(b"\r\n")
        lines.insert(min(len(lines), chance.randint(1, 12)), bytearray(chance.choice(LINES)))
        return bytearray(b"\r\n").join(lines)

    def _swap_tokens(self, chance: Random, data: bytearray) -> bytearray:
        tokens = _TOKENS.findall(bytes(data[:2_000]))
        if len(tokens) > 1:
            one, other = chance.randrange(len(tokens)), chance.randrange(len(tokens))
            tokens[one], tokens[other] = tokens[other], tokens[one]
        return bytearray(b"".join(tokens)) + data[2_000:]

    def _graft(self, chance: Random, data: bytearray) -> bytearray:
        other = chance.choice(self._corpus).split(b"\r\n")
        lines = data.split(b"\r\n")
        lines[chance.randrange(len(lines))] = bytearray(chance.choice(other))
        return bytearray(b"\r\n").join(lines)


def run(fuzzer: Fuzzer, count: int, first: int = 0) -> tuple[int, int]:
    """Check `count` inputs; how many were taken and how many refused.

    Raises: AssertionError that names seed, number and input, for whatever else came out.
    """
    taken = refused = 0
    for number, data in fuzzer.inputs(count, first):
        try:
            result = check(data)
        except Exception as error:
            raise AssertionError(f"seed {fuzzer.seed}, input {number}: {data!r}") from error
        if isinstance(result, SipSyntaxError):
            refused += 1
        else:
            taken += 1
    return taken, refused


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    parser.add_argument("--torture", type=Path, help="directory of foreign messages to start from")
    options = parser.parse_args()
    corpus = MESSAGES + (tuple(load(options.torture).values()) if options.torture else ())
    start = time.monotonic()
    taken, refused = run(Fuzzer(options.seed, corpus), options.count, options.first)
    seconds = time.monotonic() - start
    print(f"seed {options.seed}: {taken} taken, {refused} refused, {seconds:.0f} s")


if __name__ == "__main__":
    main()
