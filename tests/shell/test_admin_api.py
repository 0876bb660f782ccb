"""The admin API of a running cluster, as its clients see it."""

from __future__ import annotations

import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest

from callctl.io.host import Hosted, hosted
from callctl.io.phone_setup import Manner
from callctl.io.state_dir import StateDir
from callctl.model.build import PUSH_ON, desk_phone, iphone
from callctl.phone.settings import AnswerPlan
from helpers.node_rig import eventually, loopback_cluster
from sipstack.timing import MS

pytestmark = pytest.mark.anyio


@dataclass
class Api:
    """A running cluster and a client of its admin API."""

    host: Hosted
    state: StateDir
    client: httpx2.AsyncClient

    async def get(self, path: str, **query: Any) -> Any:  # noqa: ANN401
        answer = await self.client.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, path: str, status: int = 200, **body: Any) -> Any:  # noqa: ANN401
        answer = await self.client.post(path, json=body or None)
        assert answer.status_code == status, answer.text
        return answer.json()


@asynccontextmanager
async def api_of(directory: Path, *, push: bool = False, nodes: int = 2) -> AsyncIterator[Api]:
    devices = (desk_phone("1001"), desk_phone("1002"), iphone("2001"))
    cluster = (
        loopback_cluster(*devices, nodes=nodes, cloud=PUSH_ON)
        if push
        else loopback_cluster(*devices, nodes=nodes)
    )
    state = StateDir(directory / "state")
    async with hosted(cluster, state) as host:
        headers = {"Authorization": f"Bearer {state.token()}"}
        async with httpx2.AsyncClient(
            base_url=host.admin_url, headers=headers, trust_env=False
        ) as client:
            yield Api(host, state, client)


async def test_token_is_made_at_first_start_readable_by_its_owner_alone_and_kept(
    tmp_path: Path,
) -> None:
    async with api_of(tmp_path) as api:
        token = api.state.token()
        file = api.state.path / "admin.token"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(api.state.path.stat().st_mode) == 0o700
        running = api.state.running()
        assert running is not None
        assert running.url == api.host.admin_url
    assert api.state.running() is None
    async with api_of(tmp_path) as again:
        assert again.state.token() == token


async def test_nothing_but_health_and_the_description_is_told_without_the_token(
    tmp_path: Path,
) -> None:
    async with api_of(tmp_path) as api:
        description = await api.get("/openapi.json")
        assert (await api.client.get("/docs")).status_code == 200
        for headers in ({}, {"Authorization": "Bearer wrong"}):
            async with httpx2.AsyncClient(
                base_url=api.host.admin_url, headers=headers, trust_env=False
            ) as stranger:
                assert (await stranger.get("/health")).json()["status"] == "ok"
                for path, operations in description["paths"].items():
                    if path == "/health":
                        continue
                    for method in operations:
                        answer = await stranger.request(method.upper(), path)
                        assert answer.status_code == 401, (method, path)


async def test_nodes_are_listed_stopped_killed_and_started(tmp_path: Path) -> None:
    async with api_of(tmp_path) as api:
        await eventually(lambda: api.host.cluster.nodes[0].engine.membership.is_up("ucm2"))
        first, second = await api.get("/nodes")
        assert (first["name"], first["state"], first["sees"]) == ("ucm1", "up", ["ucm2"])
        assert second["incarnation"] == 1
        assert (await api.post("/nodes/ucm2/stop"))["state"] == "down"
        assert (await api.get("/nodes"))[0]["sees"] == []
        assert "does not run" in (await api.post("/nodes/ucm2/kill", 409))["detail"]
        again = await api.post("/nodes/ucm2/start")
        assert (again["state"], again["incarnation"]) == ("up", 2)
        assert "runs already" in (await api.post("/nodes/ucm2/start", 409))["detail"]
        assert (await api.post("/nodes/ucm2/kill"))["state"] == "down"
        assert (await api.get("/health"))["status"] == "degraded"
        await api.post("/nodes/ucm1/kill")
        assert (await api.get("/health"))["status"] == "down"
        assert "no node" in (await api.client.get("/registrations")).json()["detail"]
        assert (await api.post("/nodes/ucm9/stop", 404))["detail"] == "there is no node ucm9 here"


async def test_push_service_of_a_node_is_stopped_and_started(tmp_path: Path) -> None:
    async with api_of(tmp_path) as api:
        assert (await api.post("/nodes/ucm1/cpns/stop"))["cpns"] == "down"
        assert (await api.post("/nodes/ucm1/cpns/start"))["cpns"] == "up"


async def test_call_to_a_sleeping_phone_is_placed_followed_listed_and_explained(
    tmp_path: Path,
) -> None:
    async with api_of(tmp_path, push=True) as api:
        manner = Manner(AnswerPlan(after_ns=50 * MS), wake_delay_ns=20 * MS, grace_ns=50 * MS)
        phone = await api.host.parties.add_phone("TCT2001", manner=manner)
        await eventually(lambda: phone.signed_in and phone.phone.registered is not None)
        (registration,) = await api.get("/registrations")
        assert registration["device"] == "TCT2001"
        assert registration["reachable"]
        assert (await api.post("/devices/TCT2001/suspend"))["phone"] == "background"
        await eventually(lambda: phone.state == "suspended")
        (device,) = await api.get("/devices")
        assert (device["push"], device["active_node"]) == ("ready", "ucm1")

        wish = {"from": "1001", "to": "2001", "node": "ucm2", "hang_up_after_s": 0.05}
        call = await api.post("/calls", 201, **wish)
        with anyio.fail_after(10):
            while call["state"] != "ended":
                await anyio.sleep(0.02)
                call = await api.get(f"/calls/placed/{call['call_id']}")
        assert call["answered"]
        assert call["cause"] == "hung up"

        (line,) = await api.get("/calls")
        assert (line["caller"], line["dn"], line["node"], line["status"]) == (
            "1001",
            "2001",
            "ucm2",
            200,
        )
        for which in (line["call_uuid"], line["call_uuid"][:8], call["call_id"], "last"):
            story = await api.get(f"/calls/{which}")
            codes = [step["code"] for step in story["steps"]]
            for code in ("received", "parked", "ring-push", "registered", "offered", "answered"):
                assert code in codes
        assert story["steps"][1]["requirements"]
        (push,) = await api.get("/pushes")
        assert (push["device"], push["kind"], push["outcome"]) == (
            "TCT2001",
            "incoming",
            "accepted",
        )
        assert push == story["pushes"][0]
        counters = await api.get("/counters")
        assert counters["ucm2"]["posted_pushes"] == 0
        assert (await api.post("/devices/TCT2001/resume"))["phone"] == "foreground"


async def test_what_is_not_there_is_404_and_says_what(tmp_path: Path) -> None:
    async with api_of(tmp_path) as api:
        for path in ("/calls/last", "/calls/nix", "/calls/placed/nix", "/devices/nix/setup"):
            answer = await api.client.get(path)
            assert answer.status_code == 404, path
        assert (
            "nobody owns" in (await api.post("/calls", 404, **{"from": "9", "to": "1"}))["detail"]
        )
        await api.post("/calls", 422, caller="1001")
        await api.post("/devices/TCT2001/suspend", 404)


async def test_facts_for_a_phone_hold_its_setup_and_no_password(tmp_path: Path) -> None:
    async with api_of(tmp_path, push=True) as api:
        facts = await api.get("/devices/TCT2001/setup")
        assert facts["setup"]["user_id"] == "2001"
        assert len(facts["setup"]["nodes"]) == 6  # two nodes, three transports
        assert set(facts["attach_urls"]) == {"APNS", "FCM"}
        assert "BEGIN CERTIFICATE" in facts["ca_pem"]
        assert "pw2001" not in str(facts)


async def test_trace_is_a_pcapng_file_with_the_messages_of_its_time(tmp_path: Path) -> None:
    async with api_of(tmp_path) as api:
        pieces: list[bytes] = []
        begun = anyio.Event()

        async def read() -> None:
            async with api.client.stream("GET", "/trace", params={"seconds": 1.0}) as answer:
                async for piece in answer.aiter_raw():
                    pieces.append(piece)
                    begun.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await begun.wait()
            await api.post("/calls", 201, **{"from": "1001", "to": "1002"})
        octets = b"".join(pieces)
        assert octets.startswith(b"\x0a\x0d\x0d\x0a")
        assert b"INVITE sip:1002@" in octets
        assert b"SIP/2.0 407 " in octets
        assert octets.count(b'response="') == octets.count(b'response="x')  # secrets are masked


async def test_trace_ends_with_the_cluster(tmp_path: Path) -> None:
    ended = anyio.Event()
    async with anyio.create_task_group() as tasks, httpx2.AsyncClient(trust_env=False) as client:

        async def read(url: str, token: str) -> None:
            headers = {"Authorization": f"Bearer {token}"}
            async with client.stream("GET", f"{url}/trace", headers=headers) as answer:
                async for _ in answer.aiter_raw():
                    started.set()
            ended.set()

        started = anyio.Event()
        with anyio.fail_after(10):
            async with api_of(tmp_path, nodes=1) as api:
                tasks.start_soon(read, api.host.admin_url, api.state.token() or "")
                await started.wait()
            await ended.wait()
