"""The plugins of the test suite, tested by runs of pytest inside a test."""

from __future__ import annotations

import json
import tomllib
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

from helpers.inner_run import run
from plugins.requirement_list import expand, known_ids, load_groups
from plugins.requirement_record import Record, fingerprint

TESTS = Path(__file__).parent.parent.parent

SUITE = """
import pytest

@pytest.mark.req("CMG-01", "CMG-02")
def test_passes(): pass

@pytest.mark.req("CMG-02")
def test_fails(): assert False

@pytest.mark.req("CMG-03")
def test_is_skipped(): pytest.skip("why")

@pytest.fixture
def broken():
    yield
    assert False

@pytest.mark.req("CMG-04")
def test_passes_but_its_teardown_fails(broken): pass
"""


def record_of(suite: pytest.Pytester) -> dict[str, Any]:
    outcomes: dict[str, Any] = json.loads(suite.path.joinpath("record.json").read_text())
    return outcomes["outcomes"]  # type: ignore[no-any-return]


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["one process", "xdist"])
def test_each_requirement_is_recorded_with_the_outcome_of_its_tests(
    suite: pytest.Pytester, options: tuple[str, ...]
) -> None:
    suite.makepyfile(test_suite=SUITE)
    result = run(suite, "--requirements-record=record.json", *options)
    result.assert_outcomes(passed=2, failed=1, skipped=1, errors=1)
    assert record_of(suite) == {
        "CMG-01": {"passed": ["test_suite.py::test_passes"]},
        "CMG-02": {
            "failed": ["test_suite.py::test_fails"],
            "passed": ["test_suite.py::test_passes"],
        },
        "CMG-03": {"skipped": ["test_suite.py::test_is_skipped"]},
        "CMG-04": {"failed": ["test_suite.py::test_passes_but_its_teardown_fails"]},
    }


def test_an_id_that_the_list_does_not_have_stops_the_run(suite: pytest.Pytester) -> None:
    suite.makepyfile('import pytest\n@pytest.mark.req("CMG-99")\ndef test_it(): pass')
    result = run(suite)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*test_it: no requirement is called 'CMG-99'"])


def test_a_run_that_asks_for_no_record_of_another_project_leaves_none(
    suite: pytest.Pytester,
) -> None:
    suite.makepyfile("def test_it(): pass")
    run(suite)
    assert not suite.path.joinpath("build").exists()


def test_a_requirement_is_proved_by_a_passing_test_unless_another_fails() -> None:
    record = Record()
    record.add("CMG-01", "passed", "a")
    record.add("CMG-02", "passed", "a")
    record.add("CMG-02", "failed", "b")
    record.add("CMG-03", "skipped", "c")
    assert [record.proves(f"CMG-0{n}") for n in (1, 2, 3, 4)] == [True, False, False, False]


def test_the_fingerprint_follows_every_source_file(tmp_path: Path) -> None:
    source = tmp_path / "callctl" / "call.py"
    source.parent.mkdir()
    source.write_text("a = 1\n")
    before = fingerprint(tmp_path, ["callctl"])
    assert before == fingerprint(tmp_path, ["callctl"])
    source.write_text("a = 2\n")
    assert before != fingerprint(tmp_path, ["callctl"])


BUILT = [
    "GEN",
    "MODE",
    "REG",
    "CMG",
    "CALL",
    "CID",
    "SHL",
    "CHN",
    "AND",
    "PUSH",
    "SEC",
    "CPNS",
    "SVC",
    "CLOUD",
    "ONB",
    "LIC",
    "CERT",
    "NET",
    "PROXY",
    "MRA",
    "AUTH",
    "MOB",
    "ALARM",
    "CTR",
    "TRB",
    "REL",
]


def test_every_id_of_the_groups_that_are_built_is_required_or_has_a_reason_why_not() -> None:
    required = expand((TESTS / "requirements_required.txt").read_text())
    later = tomllib.loads((TESTS / "requirements_later.toml").read_text())
    assert len(required) == len(set(required))
    assert set(required) | set(later) <= known_ids(load_groups())
    assert not set(required) & set(later)
    built = {i for group in load_groups() if group.name in BUILT for i in group.ids}
    assert built <= set(required) | set(later)


def test_published_list_of_proofs_is_current_and_has_one_for_each() -> None:
    spec = spec_from_file_location("list_proofs", TESTS.parent / "scripts" / "list_proofs.py")
    assert spec is not None
    assert spec.loader is not None
    list_proofs = module_from_spec(spec)
    spec.loader.exec_module(list_proofs)
    assert list_proofs.PAGE.read_text() == list_proofs.page(), "make docs writes it anew"
    proofs = list_proofs.proofs_of(TESTS)
    required = expand((TESTS / "requirements_required.txt").read_text())
    assert [i for i in required if not proofs.get(i)] == []


def test_ranges_expand_to_ids_of_the_same_width() -> None:
    assert expand("# all\nREG-03  # kept apart\n\nSEC-08..10") == [
        "REG-03",
        "SEC-08",
        "SEC-09",
        "SEC-10",
    ]
