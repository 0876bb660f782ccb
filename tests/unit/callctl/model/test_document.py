"""YAML to plain data: what stays text, what is refused, and in which line."""

from __future__ import annotations

from itertools import pairwise

import pytest

from callctl.model.document import DEPTH_MAX, TEXT_MAX, VALUES_MAX, Document, key_text


def mistakes(text: str) -> list[tuple[int | None, str, str]]:
    return [(line, key_text(it.path), it.problem) for line, it in Document(text).mistakes]


def test_values_stay_the_text_they_were_written_as() -> None:
    document = Document(
        "a: [no, 0123, 15, 1e3, 2024-01-01, '~', \"\", 12:30:00]\nb: ~\nc:\nd: null\n"
    )
    assert document.tree == {
        "a": ["no", "0123", "15", "1e3", "2024-01-01", "~", "", "12:30:00"],
        "b": None,
        "c": None,
        "d": None,
    }


def test_every_key_and_item_knows_its_line() -> None:
    document = Document("a:\n  b: 1\n  c:\n  - x\n  - y\n")
    assert document.line_of(("a", "b")) == 2
    assert document.line_of(("a", "c", 1)) == 5
    assert document.line_of(("a", "missing", "deeper")) == 1  # the nearest that is there
    assert document.line_of(("nothing",)) == 1


def test_a_key_given_twice_is_a_mistake_and_the_first_counts() -> None:
    document = Document("a: 1\nb: 2\na: 3\n")
    assert document.tree == {"a": "1", "b": "2"}
    assert mistakes("a: 1\nb: 2\na: 3\n") == [(3, "a", "comes again, first in line 1")]


def test_a_tab_as_indentation_is_named_as_such() -> None:
    assert mistakes("a:\n\tb: 1\n") == [(2, "", "a tab at the start of the line")]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a:\n  b: 1\n c: 2\n", 3),
        ("a: [1, 2\nb: 3\n", 2),
        ("a: 'x\n", 2),
        ("a: *nowhere\n", 1),
        ("a: 1\n---\nb: 2\n", 2),
        ("%YAML 9.9\n---\na: 1\n", 1),
        ("@a: 1\n", 1),
    ],
)
def test_a_syntax_error_has_its_line(text: str, line: int) -> None:
    document = Document(text)
    assert document.tree is None
    [(found, mistake)] = document.mistakes
    assert found == line
    assert mistake.problem.startswith("is not YAML: ")


def test_a_control_character_has_its_line() -> None:
    assert mistakes("a: 1\nb: \x01\n") == [(2, "", "has the control character U+0001")]


@pytest.mark.parametrize("tag", ["!!python/object:os.system", "!!binary", "!mine"])
def test_tags_are_refused(tag: str) -> None:
    [(line, key, problem)] = mistakes(f"a: {tag} x\n")
    assert (line, key) == (1, "a")
    assert "tag" in problem


def test_an_alias_stands_for_its_anchor() -> None:
    assert Document("a: &x {b: 1}\nc: *x\nd: &x 2\ne: *x\n").tree == {
        "a": {"b": "1"},
        "c": {"b": "1"},
        "d": "2",
        "e": "2",
    }


def test_an_alias_to_itself_ends() -> None:
    [(line, key, problem)] = mistakes("a: &a [*a]\n")
    assert line == 1
    assert key == "a" + DEPTH_MAX * "[0]"
    assert problem == "nested too deep, or an alias to itself"


def test_nine_lines_that_ask_for_a_billion_values_are_refused() -> None:
    names = "abcdefghi"
    lines = ["a: &a [" + "x," * 9 + "]"]
    lines += [f"{name}: &{name} [" + f"*{before}," * 9 + "]" for before, name in pairwise(names)]
    [(_, _, problem)] = mistakes("\n".join(lines))
    assert problem == f"more than {VALUES_MAX} values"


@pytest.mark.parametrize("opening", ["[", "{a: ", "- "])
def test_bottomless_nesting_is_refused(opening: str) -> None:
    [(_, _, problem)] = mistakes(opening * 3000)
    assert problem.startswith(("is nested too deep", "nested too deep", "is not YAML"))


def test_a_text_without_end_is_not_read() -> None:
    [(_, _, problem)] = mistakes("#" * (TEXT_MAX + 1))
    assert problem == f"has {TEXT_MAX + 1} characters"


def test_a_key_that_is_no_text_is_a_mistake() -> None:
    expected = [(1, "", "a key is empty, a list or a mapping")]
    assert mistakes("? [a, b]\n: 1\n") == expected
    assert mistakes("? {a: b}\n: 1\n") == expected
    assert mistakes("~: 1\n") == expected


def test_a_key_cannot_bring_escape_codes_to_a_terminal() -> None:
    [(_, key, _)] = mistakes('"\\e[31m": 1\n"\\e[31m": 2\n')
    assert key == "\\x1b[31m"
