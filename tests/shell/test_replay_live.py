"""`callctl replay run --live`: captures of pcaps/ played against a cluster on sockets."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from callctl.cli.main import main
from callctl.io.ports import moved_where_free
from callctl.io.replay_live import CannotPlay, play_live
from callctl.io.replay_sockets import Target
from callctl.model.cluster import Cluster
from callctl.model.load import load_cluster
from callctl.replay.from_capture import recording_of
from callctl.replay.notes import read_notes
from callctl.replay.replay import read
from callctl.replay.script import script_of
from helpers.node_rig import running
from sipstack.io.entropy import OsEntropy
from sipstack.timing import MS

pytestmark = pytest.mark.anyio

PCAPS = Path(__file__).parents[2] / "pcaps"
UDP, TCP = "sipp-udp-calls-sipp-with-prack", "sipp-tcp-calls-sipp-with-prack"


@pytest.fixture(autouse=True)
def short_tail(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing more comes behind these calls."""
    monkeypatch.setattr("callctl.io.replay_live.TAIL_NS", 1_000 * MS)


def of(name: str) -> Cluster:
    """The cluster of a capture, at ports that are free."""
    return moved_where_free(load_cluster(PCAPS / f"{name}.cluster.yaml"))[0]


@asynccontextmanager
async def served(cluster: Cluster, transport: str) -> AsyncIterator[str]:
    """HOST:PORT of a node that runs."""
    async with running(cluster):
        listener = cluster.nodes["ucm1"].listener(transport)
        assert listener is not None
        yield f"{listener.host}:{listener.port}"


async def played(name: str, live: str) -> int:
    """The exit code; the rest is printed."""
    line = ["replay", "run", str(PCAPS / f"{name}.notes.yaml"), "--live", live, "--json"]
    return await anyio.to_thread.run_sync(main, line)


@pytest.mark.parametrize(
    ("name", "transport", "other"),
    [(UDP, "UDP", ""), (TCP, "TCP", ""), (UDP, "TLS", ";transport=tls")],
)
async def test_our_own_cluster_answers_over_sockets_as_in_the_capture(
    name: str, transport: str, other: str, capfd: pytest.CaptureFixture[str]
) -> None:
    async with served(of(name), transport) as place:
        code = await played(name, f"{place}{other}")
    (report,) = json.loads(capfd.readouterr().out)["captures"]
    assert report["differences"] == []
    assert report["not_said"] == []
    assert report["compared"] > 10
    assert (code, report["mode"]) == (0, f"live {place}{other}")


async def test_what_another_server_does_otherwise_is_named(
    capfd: pytest.CaptureFixture[str],
) -> None:
    cluster = of(UDP)
    open_to_all = replace(cluster.service_parameters, authentication="none")
    async with served(replace(cluster, service_parameters=open_to_all), "UDP") as place:
        assert await played(UDP, place) == 1
    (report,) = json.loads(capfd.readouterr().out)["captures"]
    found = {(it["difference"], it["message"]) for it in report["differences"]}
    assert ("other status", "407 (INVITE)") in found


@contextmanager
def nobody() -> Iterator[str]:
    """HOST:PORT where nobody answers, and where nobody else can come meanwhile."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{deaf.getsockname()[1]}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(("name", "other"), [(UDP, ""), (TCP, ""), (UDP, ";transport=tls")])
def test_where_nobody_is_it_ends_with_2_and_a_line(
    name: str, other: str, capsys: pytest.CaptureFixture[str]
) -> None:
    place = f"127.0.0.1:{free_port()}{other}"
    notes = str(PCAPS / f"{name}.notes.yaml")
    assert main(["replay", "run", notes, "--live", place]) == 2
    assert capsys.readouterr().err == f"callctl: {place}: Connection refused\n"


def test_server_that_says_nothing_is_told_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with nobody() as place:
        notes = str(PCAPS / f"{UDP}.notes.yaml")
        assert main(["replay", "run", notes, "--live", place]) == 2
    assert capsys.readouterr().err == f"callctl: {place}: it says nothing: nothing came\n"


async def test_websocket_is_not_spoken_to_a_live_server() -> None:
    notes = read_notes(PCAPS / f"{UDP}.notes.yaml")
    recording = recording_of(read(notes), notes)
    browser = recording.places[0]._replace(transport="WSS")
    script = script_of(replace(recording, places=(browser,)), notes.file)
    target = Target("127.0.0.1", 5060)
    with pytest.raises(CannotPlay, match="WebSocket is not spoken here"):
        await play_live(script, notes.file, target, {}, lambda _: None, OsEntropy())
