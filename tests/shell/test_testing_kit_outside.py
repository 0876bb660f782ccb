"""The test kit from outside: a project of its own, with callctl installed from a wheel.

Its environment has the packages of this one, so that no network is needed; callctl itself comes
from the wheel alone.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import pytest

from helpers.testing_kit import annotated, recipes

ROOT: Final = Path(__file__).parents[2]
SAMPLE: Final = ROOT / "examples" / "failover"
WITHOUT_BACKUP: Final = "cluster_without_backup.yaml"
FIRST: Final = "test_recipe_00.py"  # has its annotations on the page

WRONG: Final = """\
from callctl.testing import MobilePhone


async def test_wrong(phone: MobilePhone) -> None:
    phone.rings()
    await phone.sings()
    await phone.gets_push("forgotten")
"""


def run(where: Path, *command: str | Path, **environment: str) -> tuple[int, str]:
    """Exit code and output of a command."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    done = subprocess.run(
        [str(word) for word in command],
        cwd=where,
        env={**clean, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=250,
    )
    return done.returncode, done.stdout


def wheel(directory: Path) -> Path:
    """callctl as a wheel, by the backend that is installed, else by one that pip can get."""
    installed = find_spec("hatchling") is not None
    how = ("--no-deps", "--no-build-isolation") if installed else ("--no-deps",)
    pip = (sys.executable, "-m", "pip", "wheel", "-q")
    code, output = run(directory, *pip, *how, "-w", directory, ROOT)
    if code and not installed and os.environ.get("CI") != "true":
        pytest.skip(f"hatchling is not installed, and pip cannot get it: {output[-200:]}")
    assert not code, output
    [made] = directory.glob("callctl-*.whl")
    return made


class Outside:
    """A project with an environment of its own."""

    def __init__(self, directory: Path) -> None:
        self.python = directory / "venv" / "bin" / "python"
        self.project = directory / "project"
        shutil.copytree(SAMPLE, self.project)
        venv = ("-m", "venv", "--without-pip", directory / "venv")
        assert run(directory, sys.executable, *venv)[0] == 0
        lent = directory / "lent"
        lent.mkdir()
        for each in Path(sysconfig.get_paths()["purelib"]).iterdir():
            if "callctl" not in each.name and each.name != "__pycache__":
                (lent / each.name).symlink_to(each)
        _, site = run(lent, self.python, "-c", "import site; print(site.getsitepackages()[0])")
        Path(site.strip(), "lent.pth").write_text(f"{lent}\n")
        pip = (sys.executable, "-m", "pip", "--python", self.python, "install", "--no-index")
        code, output = run(directory, *pip, "--no-compile", f"{wheel(directory)}[testing]")
        assert not code, output

    def pytest(self, *options: str, **environment: str) -> tuple[int, str]:
        """Run its tests."""
        return run(self.project, self.python, "-m", "pytest", *options, **environment)


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Outside:
    return Outside(tmp_path_factory.mktemp("outside"))


def test_the_ten_lines_pass_with_the_plugin_found_by_its_entry_point(outside: Outside) -> None:
    code, output = outside.pytest()
    assert code == 0, output
    assert "1 passed" in output
    assert "callctl-" in output  # among the plugins
    where = "import callctl; print(callctl.__file__)"
    _, file = run(outside.project, outside.python, "-c", where)
    assert file.startswith(str(outside.python.parents[1]))


@pytest.mark.needs("tshark")
def test_a_group_without_backup_fails_and_ladder_and_capture_show_that_no_push_left(
    outside: Outside, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    code, output = outside.pytest("--callctl-artifacts", str(kept), CLUSTER=WITHOUT_BACKUP)
    assert code == 1, output
    assert "expected: TCT4711 is woken by a push that names east" in output
    assert "no node of its CM group (west) is in service" in output
    ladder = output.partition("callctl ladder")[2].partition("callctl explain")[0]
    rungs = [line for line in ladder.splitlines() if " s " in line]
    assert "• dies" in rungs[0]
    assert any("── INVITE ──" in rung for rung in rungs)
    assert any("◀──── 480 Temporarily Unavailable ─────│" in rung for rung in rungs)
    assert "push" not in ladder
    [capture] = kept.glob("*.pcapng")
    assert str(capture) in output
    fields = ("-T", "fields", "-e", "frame.interface_name")
    code, read = run(tmp_path, "tshark", "-r", capture, "-Y", "sip.Status-Code == 480", *fields)
    assert code == 0
    assert read.split()[-1] == "east"


def test_mypy_finds_mistakes_with_words_and_nothing_else_in_project_and_recipes(
    outside: Outside,
) -> None:
    tests = outside.project / "tests"
    made = [name for name in recipes() if name.endswith(".py") and name != FIRST]
    for name in made:
        (tests / name).write_text(annotated(recipes()[name]), "utf-8")
    (tests / "test_wrong.py").write_text(WRONG, "utf-8")
    code, output = run(outside.project, outside.python, "-m", "mypy", "--strict")
    for name in (*made, "test_wrong.py"):
        (tests / name).unlink()
    assert code == 1, output
    errors = [line for line in output.splitlines() if ": error: " in line]
    assert [line.rpartition("[")[2] for line in errors] == [
        "unused-coroutine]",
        "attr-defined]",
        "arg-type]",
    ]
    assert all(line.startswith("tests/test_wrong.py:") for line in errors)
