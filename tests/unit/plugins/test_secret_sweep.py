"""The sweep for secrets, tested by runs of pytest in which something leaks."""

from __future__ import annotations

import pytest

from helpers.inner_run import INI, LIST

CONFTEST = 'pytest_plugins = ("plugins.requirements", "plugins.secret_sweep")'

SETTING = """
import logging
import subprocess
import sys
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from callctl.io.state_dir import Running, StateDir
from callctl.model.user import Secret
from callctl.push.envelope import b64url, seal
from sipstack.io.entropy import OsEntropy

PASSWORD = "kx92-vverylong!"
SECRET = Secret(PASSWORD)
KEY = bytes(range(100, 132))
CONTENT = b'{"displayName": "Ada Byron", "displayNumber": "+4930901820"}'
"""


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeini(INI)
    pytester.makeconftest(CONFTEST)
    pytester.path.joinpath("list.toml").write_text(LIST)
    return pytester


LEAKS = """
import pytest

@pytest.fixture(scope="module", autouse=True)
def known():
    seal(CONTENT, key=KEY, key_id="k", iv=bytes(12), tracking_id="t", target="x")

def test_argument(): logging.getLogger("callctl").warning("with %s", PASSWORD)
def test_key(): logging.error("key=%s", KEY.hex())
def test_key_in_base64(): logging.error({"key": b64url(KEY)})
def test_name(): logging.error("call of Ada Byron")
def test_number(): logging.error("sip:+4930901820@x")
def test_exception():
    try: raise ValueError(PASSWORD)
    except ValueError: logging.exception("bad")
def test_digest(): logging.error('response="%s"', "0123456789abcdef" * 2)
def test_private_key(): logging.error("-----BEGIN EC PRIVATE KEY-----")
def test_bearer(): logging.error("Authorization: Bearer 0123456789abcdef")
def test_output(): print(PASSWORD)
def test_process(): subprocess.run([sys.executable, "-c", "pass", PASSWORD])
def test_admin(tmp_path): logging.error(StateDir(tmp_path).make_token(OsEntropy()))
def test_file(tmp_path): StateDir(tmp_path).announce(Running("http://x", PASSWORD, 1))
def test_mode(tmp_path):
    state = StateDir(tmp_path)
    state.make_token(OsEntropy())
    (tmp_path / "admin.token").chmod(0o644)
def test_metrics():
    registry = CollectorRegistry()
    Gauge("calls", "Calls.", ["caller"], registry=registry).labels("Ada Byron").set(1)
    generate_latest(registry)
"""

NO_LEAKS = """
from hypothesis import given, strategies

@given(strategies.just("a-drawn-word"))
def test_drawn(word): Secret(word)

def test_drawn_word(): logging.error("a-drawn-word")

def test_good(tmp_path):
    state = StateDir(tmp_path)
    state.make_token(OsEntropy())
    state.announce(Running("http://x", "lab", 1))
    (tmp_path / "cluster.yaml").write_text(PASSWORD)
    logging.error("nothing of interest, call 1001 took 1001 ms")
"""


def run(suite: pytest.Pytester, tests: str) -> pytest.RunResult:
    suite.makepyfile(test_it=f"{SETTING}\n{tests}\n")
    return suite.runpytest_subprocess("-p", "no:cacheprovider", "--requirements-list=list.toml")


@pytest.mark.req("SEC-05")
def test_secret_or_person_that_leaks_makes_the_run_fail(suite: pytest.Pytester) -> None:
    result = run(suite, LEAKS)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(passed=15)
    of_root = "in the log of root"
    told = {
        "argument": "a secret of 15 characters in the log of callctl",
        "key": f"a secret of 64 characters {of_root}",
        "key_in_base64": f"a secret of 43 characters {of_root}",
        "name": f"a name (ad..., 9 characters) {of_root}",
        "number": f"a number (49..., 10 digits) {of_root}",
        "exception": f"a secret of 15 characters {of_root}",
        "digest": f"a digest response {of_root}",
        "private_key": f"a private key {of_root}",
        "bearer": f"a bearer token {of_root}",
        "output": "a secret of 15 characters in stdout of the test",
        "process": "a secret of 15 characters in arguments of python*",
        "admin": f"a secret of 64 characters {of_root}",
        "file": "a secret of 15 characters in the file running.json",
        "mode": "a mode that lets others read in the file admin.token",
        "metrics": "a name (ad..., 9 characters) in metrics",
    }
    result.stdout.fnmatch_lines_random(
        [
            "*sweep for secrets*: 15 found*",
            *(f"test_it.py::test_{test}: {what}" for test, what in told.items()),
        ]
    )
    assert "kx92" not in result.stdout.str()
    assert "Byron" not in result.stdout.str()


def test_what_is_for_its_owner_and_what_a_test_writes_itself_is_no_leak(
    suite: pytest.Pytester,
) -> None:
    result = run(suite, NO_LEAKS)
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["sweep for *: nothing found (2 log lines, *2 files*"])
