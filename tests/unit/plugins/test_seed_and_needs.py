"""The `seed` fixture and the `needs` guard, tested by runs of pytest inside a test."""

from __future__ import annotations

import pytest

from helpers.inner_run import run

PRINTS_ITS_SEED = "def test_it(seed): assert 0, seed"
NEEDS_BARESIP = 'import pytest\n@pytest.mark.needs("baresip")\ndef test_it(): pass'


def drawn(result: pytest.RunResult) -> str:
    return next(line for line in result.outlines if line.startswith("E   AssertionError"))


def test_one_seed_draws_the_same_chance_again_and_another_draws_another(
    suite: pytest.Pytester,
) -> None:
    suite.makepyfile(PRINTS_ITS_SEED)
    first, again, other = (run(suite, "--seed", n) for n in ("1", "1", "2"))
    assert drawn(first) == drawn(again) != drawn(other)


def test_a_failed_test_prints_the_command_that_repeats_its_seed(suite: pytest.Pytester) -> None:
    suite.makepyfile(test_luck=PRINTS_ITS_SEED)
    result = run(suite, "--seed", "77")
    result.stdout.fnmatch_lines(["*to repeat: python -m pytest --seed 77 'test_luck.py::test_it'"])


def test_a_missing_program_skips_its_test_and_says_what_to_install(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    result = without_programs(suite, monkeypatch)
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*baresip is not installed (apt-get install baresip-core)"])


def test_a_missing_program_fails_its_test_on_a_build_server(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    result = without_programs(suite, monkeypatch)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*baresip is not installed*and CI=true"])


def without_programs(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.RunResult:
    suite.makepyfile(NEEDS_BARESIP)
    monkeypatch.setenv("PATH", str(suite.path))
    return run(suite, "-rsE")
