"""What makes a tutorial fail, and what it says then."""

from __future__ import annotations

import os
from pathlib import Path
from time import monotonic

import pytest

from helpers.tutorial import (
    BadPage,
    Command,
    Mismatch,
    NewFile,
    is_all,
    is_there,
    run_tutorial,
    side_by_side,
    steps_of,
)

PAGE = """\
# A page

Copy it:

```sh
git clone elsewhere
```

```console
$ echo one; echo two
one
...
$ echo three \\
    four
three four
```

What counts, in `sub/notes.yaml`:

```yaml
a: 1

b: 2
```
"""


def run(tmp_path: Path, text: str) -> None:
    """Run a page of console blocks alone."""
    page = tmp_path / "page.md"
    page.write_text(f"```console\n{text}```\n")
    run_tutorial(page, tmp_path, os.environ)


# What a page says.


def test_commands_come_with_their_lines_and_files_with_their_names() -> None:
    assert list(steps_of(PAGE)) == [
        Command(10, "echo one; echo two", ("one", "...")),
        Command(13, "echo three \\\n    four", ("three four",)),
        NewFile(21, "sub/notes.yaml", "a: 1\n\nb: 2\n"),
    ]


@pytest.mark.parametrize(
    ("page", "why"),
    [
        ("```console\none\n$ echo one\n```", "line 2: this block does not begin with a command"),
        ("```console\n```", "line 2: this block does not begin with a command"),
        ("```console\n$ echo", "line 1: this block does not end"),
        ("Look:\n\n```yaml\na: 1\n```", "line 3: no line above this block names its file"),
        ("`a`:\n```sh\n```\n```yaml\n```", "line 4: no line above this block names its file"),
        ("`../a`:\n```yaml\n```", "line 2: ../a is not below the directory of the tutorial"),
        ("`/a`:\n```yaml\n```", "line 2: /a is not below the directory of the tutorial"),
    ],
)
def test_page_that_cannot_be_run_is_told_by_its_line(page: str, why: str) -> None:
    with pytest.raises(BadPage, match=why):
        list(steps_of(page))


# What matches.


@pytest.mark.parametrize(
    ("expected", "got"),
    [
        ([], []),
        ([], ["", "  "]),
        (["a  b"], ["  a b\n"]),
        (["a", "", "b"], ["a", "b"]),
        (["...", "b"], ["b"]),
        (["...", "b"], ["a", "b", "a", "b"]),
        (["a", "...", "b", "..."], ["a", "x", "b", "a", "y", "b", "z"]),
        (["...", "a", "b"], ["a", "x", "a", "b"]),
        (["at …:…060 now"], ["at 127.0.0.1:5060 now"]),
        (["at … now"], ["at  noon,  now"]),
        (["a.b* (c)"], ["a.b* (c)"]),
        (["after ~0.418 s, ~1,000 …"], ["after 12.5 s, 7 calls"]),
        (["in ~/lab"], ["in ~/lab"]),
        (["── INVITE ─────▶"], ["─── INVITE ──▶"]),
    ],
)
def test_expected_describes_all_that_was_printed(expected: list[str], got: list[str]) -> None:
    assert is_all(expected, got)
    assert is_there(expected, got)


@pytest.mark.parametrize(
    ("expected", "got"),
    [
        ([], ["a"]),
        (["a"], []),
        (["a"], ["a", "b"]),
        (["a", "b"], ["a"]),
        (["...", "b"], ["b", "a"]),
        (["a", "...", "b"], ["b", "a"]),
        (["…060"], ["5061"]),
        (["a.c"], ["abc"]),
        (["after ~0.418 s"], ["after some s"]),
        (["after ~0.418 s"], ["after 418 ms"]),
        (["a b"], ["ab"]),
        (["A"], ["a"]),
        (["a"], ["ab"]),
        (["a"], ["ba"]),
    ],
)
def test_expected_does_not_describe_what_was_printed(expected: list[str], got: list[str]) -> None:
    assert not is_all(expected, got)


def test_what_is_printed_later_does_not_count_for_a_command_that_goes_on() -> None:
    assert is_there(["a", "..."], ["a"])
    assert is_there(["a"], ["a", "b"])
    assert not is_there(["a", "...", "c"], ["a", "b"])


def test_both_stand_side_by_side_and_the_line_that_is_not_there_is_marked() -> None:
    text = side_by_side(["a", "...", "b", "e", "f"], ["a", "x", "y", "b", "c"])
    assert text.splitlines() == [
        "  expected │ got",
        "  a        │ a",
        "  ...      │ x",
        "  ...      │ y",
        "  b        │ b",
        "≠ e        │ c",
        "  f        │",
    ]


def test_of_lines_that_anything_stands_for_only_a_few_are_shown() -> None:
    text = side_by_side(["...", "b", "c"], [*"xxxxx", "b"])
    assert text.splitlines()[1:] == [
        "  ...      │ (5 lines)",
        "  b        │ b",
        "≠ c        │",
    ]


def test_lines_too_many_are_marked() -> None:
    assert side_by_side(["a"], ["a", "b"]).splitlines()[-1] == "≠          │ b"


# Running it.


def test_commands_find_the_files_of_the_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"{PAGE}\n```console\n$ cat sub/notes.yaml\na: 1\nb: 2\n```\n")
    run_tutorial(page, tmp_path, os.environ)


def test_mismatch_names_file_and_line_and_shows_both(tmp_path: Path) -> None:
    with pytest.raises(Mismatch) as caught:
        run(tmp_path, "$ echo one\none\n$ echo two; echo too >&2\ntwo\nthree\n")
    assert str(caught.value).splitlines() == [
        f"{tmp_path / 'page.md'}:4: $ echo two; echo too >&2",
        "it does not print what it has to",
        "",
        "  expected │ got",
        "  two      │ two",
        "≠ three    │ too",
    ]


def test_exit_code_other_than_0_fails_unless_it_is_shown(tmp_path: Path) -> None:
    run(tmp_path, "$ (exit 3); echo $?\n3\n")
    with pytest.raises(Mismatch, match="it ended with 3"):
        run(tmp_path, "$ exit 3\n")


def test_command_that_stays_is_waited_for_and_ended_with_all_that_it_started(
    tmp_path: Path,
) -> None:
    os.mkfifo(tmp_path / "fifo")
    began = monotonic()
    run(
        tmp_path,
        "$ (sleep 0.1; echo ready > fifo; sleep 600) | cat & cat fifo; sleep 600 &\nready\n"
        "$ echo next\nnext\n",
    )
    assert monotonic() - began < 10


def test_command_that_ends_before_it_has_printed_what_it_has_to_is_not_waited_for(
    tmp_path: Path,
) -> None:
    began = monotonic()
    with pytest.raises(Mismatch, match="it does not print what it has to"):
        run(tmp_path, "$ echo no &\nready\n")
    assert monotonic() - began < 10
