"""The scan of what emulators received, tested by runs of pytest in which something leaks."""

from __future__ import annotations

import pytest

from helpers.inner_run import INI, LIST

CONFTEST = 'pytest_plugins = ("plugins.requirements", "plugins.emulator_scan")'

SETTING = """
from dataclasses import replace
import msgspec
import pytest
from callctl.cloud.delivery import DeviceAttached
from callctl.cloud.fcm import Fcm
from callctl.cloud.http import HttpRequest, RequestReceived
from callctl.model.build import desk_phone, iphone, make_cluster
from callctl.push.envelope import seal
from helpers.pushes import CountedEntropy, FCM_TOKEN, KEY, at
from sipstack.io.entropy import OsEntropy

CONTENT = msgspec.json.encode({"v": 1, "displayName": "Ada Byron", "displayNumber": "+4930901820"})

def cloud():
    core = Fcm({"phones": "google-token"}, CountedEntropy())
    core.receive(DeviceAttached(FCM_TOKEN, "phones"), at(0))
    return core

def push(core, **data):
    body = msgspec.json.encode({"message": {"token": FCM_TOKEN, "data": data}})
    headers = (("authorization", "Bearer google-token"),)
    path = "/v1/projects/phones/messages:send"
    core.receive(RequestReceived(1, HttpRequest("POST", path, headers, body)), at(0))

def sealed(iv, content=CONTENT, tracking_id="t1"):
    made = seal(content, key=KEY, key_id="k", iv=iv, tracking_id=tracking_id, target="x")
    return msgspec.json.encode(made.payload()).decode()
"""


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeini(INI)
    pytester.makeconftest(CONFTEST)
    pytester.path.joinpath("list.toml").write_text(LIST)
    return pytester


def run(suite: pytest.Pytester, body: str, *options: str) -> pytest.RunResult:
    suite.makepyfile(test_it=SETTING + body)
    return suite.runpytest_subprocess(
        "-p", "no:cacheprovider", "--requirements-list=list.toml", *options
    )


@pytest.mark.req("SEC-06", "GEN-12")
def test_name_number_and_hunt_pilot_in_clear_make_the_run_fail(suite: pytest.Pytester) -> None:
    """Those of the content of a push, and those of a cluster."""
    body = """
from callctl.model.build import desk_phone, make_cluster

@pytest.fixture(scope="module", autouse=True)
def known():
    content = {"displayName": "Ada Byron", "displayNumber": "+4930901820",
               "huntPilotDn": "555800099"}
    sealed(bytes(12), msgspec.json.encode(content))
    make_cluster(devices=(desk_phone("4711"),))

def test_name(): push(cloud(), note="from Ada Byron")
def test_digits(): push(cloud(), note="4930901820")
def test_number(): push(cloud(), note="call +4930901820 back")
def test_pilot(): push(cloud(), note="555800099")
def test_inside(): push(cloud(), payload='{"inner": {"who": ["ada byron"]}}')
def test_line(): push(cloud(), note="4711")
def test_nothing(): push(cloud(), note="47110, Ada, 555800098, byron ada")
"""
    result = run(suite, body)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(passed=7)
    result.stdout.fnmatch_lines_random(
        [
            "*scan of what*: 6 found*",
            "test_it.py::test_name: a name in clear in note: ad*",
            "test_it.py::test_digits: a number in clear in note: 49*",
            "test_it.py::test_number: a number in clear in note: 49*",
            "test_it.py::test_pilot: a number in clear in note: 55*",
            "test_it.py::test_inside: a name in clear in who: ad*",
            "test_it.py::test_line: a number in clear in note: 47*",
        ]
    )
    assert "Byron" not in result.stdout.str()


@pytest.mark.req("SEC-06")
def test_sealed_pushes_pass_and_the_same_push_may_come_twice(suite: pytest.Pytester) -> None:
    body = """
def test_good():
    chance, core = OsEntropy(), cloud()
    for number in range(50):
        payload = sealed(chance.octets(12), tracking_id=str(number))
        for _ in range(2):
            push(core, payload=payload)
"""
    result = run(suite, body)
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["*nothing found (100 requests, 100 seals, 50 with real chance)"])


def test_pair_of_real_chance_is_judged_over_all_processes_of_the_run(
    suite: pytest.Pytester,
) -> None:
    body = """
@pytest.mark.parametrize("number", range(8))
def test_one(number):
    entropy = OsEntropy()
    entropy._block, entropy._used = bytes(64), 0  # chance that is broken: the same everywhere
    push(cloud(), payload=sealed(entropy.octets(12), tracking_id=str(number)))
"""
    result = run(suite, body, "-n", "2")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(passed=8)
    result.stdout.fnmatch_lines(["*scan of what*found*", "*key and IV of another*"])


def test_pair_may_not_seal_two_contents_of_one_world_nor_of_the_real_one(
    suite: pytest.Pytester,
) -> None:
    """But a simulated world may repeat what another has drawn from the same seed."""
    body = """
STORIES = (b'{"displayName": "Ada Byron"}', b'{"displayName": "Bob Frost"}')

def test_real_chance():
    iv = OsEntropy().octets(12)
    for story in STORIES:
        push(cloud(), payload=sealed(iv, story))

def test_two_worlds():
    for story in STORIES:
        push(cloud(), payload=sealed(bytes(12), story))

def test_one_world():
    core = cloud()
    for story in STORIES:
        push(core, payload=sealed(bytes(12), story))
"""
    result = run(suite, body)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "*2 found*",
            "*test_one_world: key and IV of another push of the same simulated world",
            "*test_real_chance: key and IV of another push (test_it.py::test_real_chance)",
        ]
    )
