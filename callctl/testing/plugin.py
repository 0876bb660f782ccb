"""The pytest plugin: fixtures, marks, options, and what a failure shows.

It is loaded into every run of pytest beside callctl, so it imports the worlds only for a test that
asks for one.
"""

from __future__ import annotations

import inspect
from collections.abc import Generator
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Final

import pytest

from callctl.testing.clock import Clock
from callctl.testing.cloud import Cloud
from callctl.testing.cluster import Cluster
from callctl.testing.ladder import Ladder
from callctl.testing.live_host import LiveHost
from callctl.testing.network import Network
from callctl.testing.party import DeskPhone
from callctl.testing.phone import MobilePhone
from callctl.testing.play import Play
from callctl.testing.report import DIRECTORY, sections
from callctl.testing.running import Perform, by_hand, judged, judged_async
from callctl.testing.stage import Theatre
from callctl.testing.wishes import MakeCluster, make_cluster_for, wishes_of

LIVE: Final = "callctl_live"
PLAY: Final = pytest.StashKey[Play]()
HOST: Final = pytest.StashKey[LiveHost]()
MARKS: Final = (
    "callctl(nodes, release, cm_groups, parameters, file, seed, judges): what the cluster of a "
    "test is like",
    f"{LIVE}: the test runs over real sockets on loopback, in real time",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("callctl", "call control tests")
    group.addoption(
        "--callctl-seed",
        type=int,
        metavar="N",
        help="draw all chance from this seed; without it each test has its own, always the same",
    )
    group.addoption(
        "--callctl-artifacts",
        type=Path,
        metavar="DIR",
        help=f"where failed tests leave captures and ladders (default: {DIRECTORY} below the root)",
    )


def pytest_configure(config: pytest.Config) -> None:
    for mark in MARKS:
        config.addinivalue_line("markers", mark)


# Running.


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Put the end of the world behind the test, whoever runs it."""
    play = item.stash.get(PLAY, None)
    if play is None or not isinstance(item, pytest.Function):
        return (yield)
    test = item.obj
    host = item.stash.get(HOST, None)
    if inspect.iscoroutinefunction(test):
        item.obj = judged_async(test, play, host)
    else:
        item.obj = judged(test, play)
    try:
        return (yield)
    finally:
        item.obj = test


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run an async test that no other plugin runs."""
    __tracebackhide__ = True
    test = pyfuncitem.obj
    ours = PLAY in pyfuncitem.stash and inspect.iscoroutinefunction(test)
    if not ours or "anyio_backend" in pyfuncitem.funcargs:
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    if HOST in pyfuncitem.stash:
        import anyio

        anyio.run(lambda: test(**arguments))
    else:
        by_hand(test(**arguments))
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    play = item.stash.get(PLAY, None)
    if play is not None and play.stage is not None and report.failed and call.when == "call":
        directory = item.config.option.callctl_artifacts or item.config.rootpath / DIRECTORY
        report.sections += sections(play, item.nodeid, directory)
    return report


# Fixtures.


@pytest.fixture
def cluster_file() -> Path | str | None:
    """Override it to play a cluster file of your own, by its path from the directory of the test;
    None is a cluster made for the test."""
    return None


@pytest.fixture
def make_cluster(request: pytest.FixtureRequest, cluster_file: Path | str | None) -> MakeCluster:
    """Makes the cluster of the test, for those who override `cluster`; the mark `callctl` says
    what its defaults are."""
    item = request.node
    marks = tuple(item.iter_markers("callctl"))
    if any(mark.args for mark in marks):
        raise pytest.UsageError("the mark callctl takes keywords only, such as nodes=3")
    wishes = wishes_of(mark.kwargs for mark in marks)
    if cluster_file is not None:
        wishes.setdefault("file", cluster_file)
    if wishes.get("file") is not None:
        wishes["file"] = item.path.parent / wishes["file"]
    if request.config.option.callctl_seed is not None:
        wishes["seed"] = request.config.option.callctl_seed
    wishes.setdefault("seed", _seed_of(item.nodeid))
    return make_cluster_for(_theatre(item), wishes, partial(item.stash.__setitem__, PLAY))


@pytest.fixture
def cluster(make_cluster: MakeCluster) -> Cluster:
    """The cluster: three nodes, ucm1 to ucm3, unless the mark `callctl` says otherwise."""
    __tracebackhide__ = True
    return make_cluster()


@pytest.fixture
def phone(cluster: Cluster) -> MobilePhone:
    """An iPhone that sleeps, signed in and locked, at 2001; of a cluster file its first mobile."""
    return cluster.usual_phone()


@pytest.fixture
def caller(cluster: Cluster) -> DeskPhone:
    """A desk phone that calls, at 1001; of a cluster file the first with a line of its own."""
    return cluster.usual_caller()


@pytest.fixture
def cloud(cluster: Cluster) -> Cloud:
    """Push REST, APNs, FCM and CI."""
    return Cloud(cluster._play)


@pytest.fixture
def network(cluster: Cluster) -> Network:
    """The links between nodes, phones, callers and trunk peers."""
    return Network(cluster._play)


@pytest.fixture
def clock(cluster: Cluster) -> Clock:
    """Virtual time, or real time in a live test."""
    return Clock(cluster._play)


@pytest.fixture
def ladder(cluster: Cluster) -> Ladder:
    """Who sent what to whom so far; `str` draws it."""
    return cluster._play.ladder


@pytest.fixture
def perform(cluster: Cluster) -> Perform:
    """Awaits words for a test that is no `async def`; in virtual time only."""
    if cluster._play.theatre.live:
        raise pytest.UsageError("a live test is `async def`: `perform` is for virtual time")
    return by_hand


def _theatre(item: pytest.Item) -> Theatre:
    if item.get_closest_marker(LIVE) is not None:
        host = item.stash[HOST] = LiveHost()
        return host
    from callctl.testing.virtual import VirtualTheatre

    return VirtualTheatre()


def _seed_of(nodeid: str) -> int:
    """A number that is always the same for a test, 0 to 2**32 - 1."""
    return int.from_bytes(sha256(nodeid.encode()).digest()[:4], "big")
