"""The pytest plugin of `callctl.testing`, in runs of pytest of their own."""

from __future__ import annotations

import re
from pathlib import Path
from subprocess import run

import pytest

from helpers.testing_kit import LOOPS, plugin_options, run_tests

CALL = """
    call = await caller.calls(phone)
    await phone.answers()
    await call.is_answered_by(phone)
"""
FAILS = """
async def test_wrong(cluster, caller, phone):
    await cluster.node("ucm1").stops()
    await caller.calls(phone)
    await phone.is_woken(node="ucm3")
"""


def test_a_test_needs_no_mark_no_plugin_and_no_loop(pytester: pytest.Pytester) -> None:
    result = run_tests(pytester, f"async def test_bare(caller, phone):{CALL}")
    result.assert_outcomes(passed=1)


def test_anyio_runs_it_on_both_loops(pytester: pytest.Pytester) -> None:
    result = run_tests(
        pytester,
        f"""
import anyio
import pytest

pytestmark = pytest.mark.anyio

@pytest.fixture(params={LOOPS})
def anyio_backend(request):
    return "asyncio", {{"use_uvloop": request.param == "uvloop"}}

async def test_other_things_may_be_awaited(caller, phone):
    await anyio.sleep(0)
{CALL}
    await anyio.sleep(0)
""",
        "-v",
    )
    result.assert_outcomes(passed=len(LOOPS))
    result.stdout.fnmatch_lines([f"*awaited[[]{loop}*PASSED*" for loop in LOOPS])


def test_a_method_of_a_class_is_a_test_too(pytester: pytest.Pytester) -> None:
    tests = f"class TestIt:\n  async def test_method(self, caller, phone):{CALL}"
    run_tests(pytester, tests).assert_outcomes(passed=1)


def test_a_test_that_is_no_async_def_hands_its_words_to_perform(pytester: pytest.Pytester) -> None:
    result = run_tests(
        pytester,
        """
def test_sync(caller, phone, perform):
    call = perform(caller.calls(phone))
    perform(phone.answers())
    perform(call.is_answered_by(phone))

def test_not_awaited(caller, phone):
    caller.calls(phone)

def test_that_looks_only(cluster):
    assert len(cluster.nodes) == 3
""",
    )
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*NothingTested: said and not awaited: SEP1001.calls*perform*"])


def test_outcomes_and_errors_of_a_test_are_its_own(pytester: pytest.Pytester) -> None:
    result = run_tests(
        pytester,
        """
import asyncio
import pytest

async def test_skips(clock):
    await clock.passes(1)
    pytest.skip("not today")

@pytest.mark.xfail(raises=ZeroDivisionError, strict=True)
async def test_xfails(clock):
    await clock.passes(1)
    1 / 0

async def test_waits_for_a_loop(clock):
    await asyncio.sleep(0)
""",
    )
    result.assert_outcomes(skipped=1, xfailed=1, failed=1)
    result.stdout.fnmatch_lines(["*mark it with @pytest.mark.anyio*"])


# What a failure shows.


def test_a_failure_shows_what_happened_the_ladder_the_story_and_where_to_look(
    pytester: pytest.Pytester,
) -> None:
    result = run_tests(pytester, FAILS)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            '>       await phone.is_woken(node="ucm3")',
            "E *expected: TCT2001 is woken by a push that names ucm3 within 20 s",
            "E *instead: TCT2001 was woken by a push at 1.160 s*",
            "E * Ring pushes by ucm3 at 0.060 s, naming ucm2: accepted.",
            "*: NotAsExpected",
            "-* callctl ladder -*",
            "*SEP1001*ucm1*ucm2*ucm3*push cloud*TCT2001*",
            "*0.060 s*─ ring push ucm2 ▶*",
            "*REGISTER*",
            "-* callctl explain -*",
            "*ring push to TCT2001 naming ucm2: its backup node*",
            "capture: */.callctl/*test_wrong.pcapng",
            "seed *; to repeat: pytest --callctl-seed * '*::test_wrong'",
        ],
        consecutive=False,
    )
    assert "callctl/testing/word.py" not in result.stdout.str()  # the last line is the test's own


@pytest.mark.needs("tshark")
def test_the_capture_is_kept_where_it_was_wanted_and_tshark_reads_it(
    pytester: pytest.Pytester, tmp_path: Path
) -> None:
    run_tests(pytester, FAILS, "--callctl-artifacts", str(tmp_path / "kept"))
    [capture] = (tmp_path / "kept").glob("*.pcapng")
    [ladder] = (tmp_path / "kept").glob("*.txt")
    assert "ring push ucm2" in ladder.read_text()
    assert not pytester.path.joinpath(".callctl").exists()

    def field(name: str, display: str) -> list[str]:
        command = ["tshark", "-r", str(capture), "-Y", display, "-T", "fields", "-e", name]
        return run(command, capture_output=True, text=True, check=True).stdout.splitlines()

    assert "INVITE" in field("sip.Method", "sip.CSeq.method == INVITE && sip.Request-Line")
    assert "180" in field("sip.Status-Code", "sip.Status-Line")
    notes = field("frame.comment", "syslog")
    assert {"stops", "woken", "rings", "ring push ucm2, from ucm3 to push cloud"} <= set(notes)
    assert not field("_ws.malformed", "_ws.malformed")
    assert not field("frame.number", "tcp.analysis.retransmission")
    assert set(field("frame.interface_name", "sip")) == {"ucm1", "ucm2", "ucm3"}


def test_the_seed_of_a_failure_repeats_it_octet_for_octet(pytester: pytest.Pytester) -> None:
    tests = """
async def test_lossy(network, caller, phone, clock):
    await network.loses(0.3)
    await network.delays(0.01, 0.2)
    await caller.calls(phone)
    await clock.passes(8)
    assert False
"""

    def sections(*options: str) -> tuple[str, str]:
        result = run_tests(pytester, tests, *options)
        text = re.sub(r"(?s)\n=+ short.*", "", result.stdout.str())
        ladder, told = text.partition("callctl ladder")[2].split("-- callctl --")
        return ladder, told

    ladder, told = sections()
    assert sections() == (ladder, told)  # without a seed it is always the same one, too
    [seed] = re.findall(r"--callctl-seed (\d+)", told)
    assert sections("--callctl-seed", seed) == (ladder, told)
    assert sections("--callctl-seed", "1")[0] != ladder


def test_a_broken_invariant_fails_a_test_that_was_about_something_else(
    pytester: pytest.Pytester,
) -> None:
    pytester.makeconftest(
        """
import pytest
from callctl.sim.node_processes import NodeProcesses
from callctl.push.events import PostPush

@pytest.fixture(autouse=True)
def every_push_is_posted_twice(monkeypatch):
    through = NodeProcesses._through
    def twice(self, actions, now):
        done = through(self, actions, now)
        return tuple(it for it in done for _ in range(2 if isinstance(it, PostPush) else 1))
    monkeypatch.setattr(NodeProcesses, "_through", twice)
"""
    )
    result = run_tests(
        pytester,
        """
import pytest

async def test_judged(caller, phone):
    await caller.calls(phone)
    await phone.rings()

@pytest.mark.callctl(judges=False)
async def test_left_alone(caller, phone):
    await caller.calls(phone)
    await phone.rings()
""",
    )
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        ["*InvariantBroken: the cluster broke its own rules:", "E *CPNS-08 at 0.060 s: *again*"]
    )


# What a cluster is like.


def test_the_mark_and_fixtures_of_the_suite_say_what_the_cluster_is_like(
    pytester: pytest.Pytester,
) -> None:
    result = run_tests(
        pytester,
        """
import pytest
from callctl.testing import Cluster, MakeCluster

pytestmark = pytest.mark.callctl(release="14SU3", nodes=2)

async def test_of_the_file(cluster: Cluster) -> None:
    assert len(cluster.nodes) == 2

@pytest.mark.callctl(nodes=["east", "west"])
class TestOfTheClass:
    @pytest.fixture
    def phone(self, cluster: Cluster):
        return cluster.android(wakes_after=2)

    async def test_it(self, cluster, caller, phone):
        call = await caller.calls(phone)
        await phone.is_woken(node="east")
        assert call.node == "west"

class TestOfAFixture:
    @pytest.fixture
    def cluster(self, make_cluster: MakeCluster) -> Cluster:
        return make_cluster(cm_groups={"phones": ["ucm2", "ucm1"]}, parameters={"drop_s": 7})

    async def test_it(self, cloud, caller, phone):
        await cloud.apns.loses_pushes()
        call = await caller.calls(phone)
        await call.ends_with(480)
        assert 7 <= call.waited_s < 7.5
        assert [push.node for push in phone.pushes if push.kind == "ring"] == ["ucm2"]
""",
    )
    result.assert_outcomes(passed=3)


@pytest.mark.parametrize(
    ("mark", "told"),
    [
        ("node=3", "*SetUpError: the mark callctl knows no node: cm_groups, file, judges*"),
        ("3", "*takes keywords only, such as nodes=3*"),
        ("nodes=0", "*SetUpError: 0 nodes: a cluster has 1 to 20*"),
        ("file='nowhere.yaml'", "*SetUpError: there is no cluster file */nowhere.yaml*"),
    ],
)
def test_a_mark_that_cannot_be_meant_is_an_error(
    pytester: pytest.Pytester, mark: str, told: str
) -> None:
    result = run_tests(
        pytester,
        f"""
import pytest

@pytest.mark.callctl({mark})
async def test_it(phone):
    await phone.rings()
""",
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([told])


def test_marks_and_options_are_known_to_pytest(pytester: pytest.Pytester) -> None:
    run_tests(pytester, "", "--markers").stdout.fnmatch_lines(
        ["@pytest.mark.callctl(nodes, release*", "@pytest.mark.callctl_live: *"]
    )
    run_tests(pytester, "", "--help").stdout.fnmatch_lines(
        ["*--callctl-seed=N*", "*--callctl-artifacts=DIR*"]
    )


def test_the_plugin_imports_no_world_before_a_test_asks_for_one(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
import sys

def test_it():
    heavy = {"callctl.engine", "callctl.sim.simulation", "callctl.io", "pydantic"}
    assert not heavy & set(sys.modules)
"""
    )
    result = pytester.runpytest_subprocess(
        *plugin_options(), "-p", "no:cacheprovider", "-p", "no:hypothesispytest"
    )
    result.assert_outcomes(passed=1)
