"""Tutorials that are run as they stand on their page: what a command shows is what it prints.

Of the fenced blocks of a page

- `console` holds commands, each behind `$ `, and below each what it has to print. Bash runs them
  one after the other in one directory; each has to end with 0. One that ends in ` &` goes on until
  the tutorial has ended, and the next waits until it has printed what stands below it.
- `sh` and `text` are for the reader alone: what needs a clone or a network, and excerpts.
- any other is the content of the file that the line above it names, at its end: "`cluster.yaml`:".

In what a command has to print a line `...` stands for any lines, or none; within a line `…` stands
for any text, and `~1.2`, or another number behind `~`, for any number. A run of blanks counts as
one blank, a run of `─` as one of them; empty lines do not count. Nothing below a command: it has to
print nothing.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path, PurePosixPath
from subprocess import DEVNULL, PIPE, STDOUT, Popen
from threading import Condition, Thread
from typing import Final, TypeAlias

from helpers.standard_ports import standard_ports

LONGEST_S: Final = 60.0  # of one command
END_S: Final = 20.0  # for one that is told to end

ANY_LINES: Final = "..."
WILD: Final = re.compile(r"(…|~\d[\d.,]*)")
FOR_THE_READER: Final = ("sh", "text")
FENCE: Final = re.compile(r"```(\w*)$")
NAMED: Final = re.compile(r"`([\w./-]+)`:$")
SKIPPED_SHOWN: Final = 3  # lines opposite `...` that a mismatch shows one by one


class BadPage(ValueError):
    """The page cannot be run; the text says which line is wrong."""


class Mismatch(AssertionError):
    """A command did not do what the page says."""


@dataclass(frozen=True, slots=True)
class Command:
    """Something to be run."""

    line: int  # of the page, from 1
    text: str
    expected: tuple[str, ...]

    @property
    def stays(self) -> bool:
        """True if it goes on while the next ones run."""
        return self.text.endswith(" &")


@dataclass(frozen=True, slots=True)
class NewFile:
    """Something to be written."""

    line: int  # of the page, from 1
    path: str
    text: str


Step: TypeAlias = Command | NewFile


# What a page says.


def steps_of(page: str) -> Iterator[Step]:
    """What is to be done, in order. Raises: BadPage."""
    language: str | None = None
    above, begins, inside = "", 0, list[str]()
    for number, line in enumerate(page.splitlines(), start=1):
        fence = FENCE.match(line)
        if language is None and fence:
            language, begins, inside = fence[1], number + 1, []
        elif language is None:
            above = line.strip() or above
        elif fence:
            yield from _block(language, begins, inside, above)
            language, above = None, ""
        else:
            inside.append(line)
    if language is not None:
        raise BadPage(f"line {begins - 1}: this block does not end")


def _block(language: str, begins: int, lines: list[str], above: str) -> Iterator[Step]:
    if language in FOR_THE_READER:
        return
    if language == "console":
        yield from _commands(begins, lines)
        return
    named = NAMED.search(above)
    if named is None:
        raise BadPage(f"line {begins - 1}: no line above this block names its file")
    path = PurePosixPath(named[1])
    if path.is_absolute() or ".." in path.parts:
        raise BadPage(f"line {begins - 1}: {path} is not below the directory of the tutorial")
    yield NewFile(begins, str(path), "".join(f"{line}\n" for line in lines))


def _commands(begins: int, lines: list[str]) -> Iterator[Command]:
    starts = [at for at, line in enumerate(lines) if line.startswith("$ ")]
    if not starts or starts[0] != 0:
        raise BadPage(f"line {begins}: this block does not begin with a command")
    for at, end in zip_longest(starts, starts[1:], fillvalue=len(lines)):
        last = at
        while lines[last].endswith("\\") and last + 1 < end:
            last += 1
        text = "\n".join(lines[at : last + 1]).removeprefix("$ ")
        yield Command(begins + at, text, tuple(lines[last + 1 : end]))


# What was printed, beside what had to be.


def is_all(expected: Sequence[str], got: Sequence[str]) -> bool:
    """True if `expected` describes `got` from its first to its last line."""
    wanted, printed = _plain(expected), _plain(got)
    return len(printed) in _reached(wanted, printed).get(len(wanted), ())


def is_there(expected: Sequence[str], got: Sequence[str]) -> bool:
    """True if `expected` describes what `got` begins with."""
    wanted = _plain(expected)
    return len(wanted) in _reached(wanted, _plain(got))


def side_by_side(expected: Sequence[str], got: Sequence[str]) -> str:
    """Both in columns, line by line as far as they agree; `≠` where they cease to."""
    wanted, printed = _plain(expected), _plain(got)
    reached = _reached(wanted, printed)
    agreed = max(reached)
    at = max(reached[agreed])
    rows: list[tuple[str, str, str]] = []
    rest = zip_longest(wanted[agreed:], printed[at:], fillvalue="")
    rows += [(" " if number else "≠", *pair) for number, pair in enumerate(rest)]
    for count in range(agreed, 0, -1):
        line = wanted[count - 1]
        if line != ANY_LINES:
            at -= 1
            rows.insert(0, (" ", line, printed[at]))
            continue
        before = max(each for each in reached[count - 1] if each <= at)
        rows[:0] = _skipped(printed[before:at])
        at = before
    rows.insert(0, (" ", "expected", "got"))
    width = max(len(left) for _, left, _ in rows)
    return "\n".join(f"{mark} {left:<{width}} │ {right}".rstrip() for mark, left, right in rows)


def _reached(wanted: Sequence[str], got: Sequence[str]) -> dict[int, set[int]]:
    """How many lines of `got` the first so many of `wanted` may stand for.

    It ends with the last line of `wanted` that has been found.
    """
    reached = {0: {0}}
    for count, line in enumerate(wanted, start=1):
        before = reached[count - 1]
        if line == ANY_LINES:
            after = set(range(min(before), len(got) + 1))
        else:
            pattern = _pattern(line)
            after = {at + 1 for at in before if at < len(got) and pattern.fullmatch(got[at])}
        if not after:
            break
        reached[count] = after
    return reached


def _pattern(line: str) -> re.Pattern[str]:
    """What one line of `wanted` stands for."""
    parts = WILD.split(line)
    stands_for = (".*" if part == "…" else r"[\d.,]+" for part in parts[1::2])
    return re.compile(
        "".join(chain(*zip_longest(map(re.escape, parts[::2]), stands_for, fillvalue="")))
    )


def _plain(lines: Sequence[str]) -> list[str]:
    """Lines without what does not count."""
    plain = (" ".join(re.sub("─+", "─", line).split()) for line in lines)
    return [line for line in plain if line]


def _skipped(lines: Sequence[str]) -> list[tuple[str, str, str]]:
    """What stands opposite `...`."""
    if len(lines) > SKIPPED_SHOWN:
        return [(" ", ANY_LINES, f"({len(lines)} lines)")]
    return [(" ", ANY_LINES, line) for line in lines or [""]]


# Running it.


class Job:
    """A command of bash that runs, and what it has printed so far: both its outputs, as it came."""

    def __init__(self, text: str, directory: Path, environment: Mapping[str, str]) -> None:
        self.lines: list[str] = []
        self._changed = Condition()
        self._closed = False
        # In a group of its own, so that all that it starts can be told to end.
        self._process = Popen(
            ["bash", "-c", text],
            cwd=directory,
            env=dict(environment),
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=STDOUT,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def until(self, condition: Callable[[], bool], within_s: float = LONGEST_S) -> bool:
        """Wait until a condition holds, looked at with every line. False if it never does."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or condition(), within_s)
            return condition()

    def exit_code(self, within_s: float = LONGEST_S) -> int | None:
        """Of a command that ends by itself; None if it does not."""
        self._reader.join(within_s)
        return None if self._reader.is_alive() else self._process.wait(within_s)

    def end(self) -> None:
        """Tell it to end, if it has not."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if not self._reader.is_alive() and self._process.poll() is not None:
                break
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
            self._reader.join(END_S)
        self._process.wait(END_S)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with self._changed:
                self.lines.append(line)
                self._changed.notify_all()
        with self._changed:
            self._closed = True
            self._changed.notify_all()


def run_tutorial(page: Path, directory: Path, environment: Mapping[str, str]) -> None:
    """Do all that a page says, below a directory. Raises: BadPage, Mismatch."""
    __tracebackhide__ = True
    with ExitStack() as running:
        for step in steps_of(page.read_text("utf-8")):
            if isinstance(step, NewFile):
                file = directory / step.path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(step.text, "utf-8")
                continue
            job = Job(step.text.removesuffix(" &"), directory, environment)
            running.callback(job.end)
            problem = _waited_for(job, step) if step.stays else _ended(job, step)
            if problem:
                both = side_by_side(step.expected, job.lines)
                raise Mismatch(f"{page}:{step.line}: $ {step.text}\n{problem}\n\n{both}")


def _waited_for(job: Job, step: Command) -> str:
    """What is wrong with a command that stays, once it had its time; "" if nothing is."""
    with standard_ports():  # it may be a cluster, and look for ports
        there = job.until(lambda: is_there(step.expected, job.lines))
    return "" if there else "it does not print what it has to"


def _ended(job: Job, step: Command) -> str:
    """What is wrong with a command that has to end; "" if nothing is."""
    code = job.exit_code()
    if code is None:
        return f"it has not ended after {LONGEST_S:.0f} s"
    if code:
        return f"it ended with {code}"
    return "" if is_all(step.expected, job.lines) else "it does not print what it has to"
