"""`callctl cloud` and the part of the admin API that it asks, on a running emulated cloud."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import pytest
from anyio import to_thread
from cyclopts import CycloptsError
from fastapi import FastAPI

from callctl.cli.cloud import app
from callctl.cli.errors import CommandError, Refused, Usage
from callctl.cloud.delivery import DeviceAttached
from callctl.cloud.fault_orders import SERVICES
from callctl.cloud.faults import fingerprint_of
from callctl.cloud.http import HttpAnswer
from callctl.cloud.known_faults import KNOWN_FAULTS
from callctl.cloud.partner import DEFAULT_PROJECT_ID
from callctl.io.cloud_api import cloud_router
from callctl.io.emulators import PushCloud, PushCloudSettings
from callctl.io.http_pool import HttpPool, PoolSettings, Post
from callctl.io.http_server import serve
from callctl.io.pki import CertificateAuthority
from callctl.io.state_dir import Running, StateDir
from callctl.model.cloud import CloudSettings
from helpers.pushes import FCM_TOKEN
from sipstack.io.clock import MonotonicClock
from sipstack.io.entropy import OsEntropy

pytestmark = pytest.mark.anyio

AUTHORITY = CertificateAuthority()
FINGERPRINT = fingerprint_of(FCM_TOKEN)
Run = Callable[..., Any]


class Desk:
    """A running cloud, and the command line beside it."""

    def __init__(self, cloud: PushCloud, capsys: pytest.CaptureFixture[str]) -> None:
        self.cloud = cloud
        self._capsys = capsys
        self._asked = 0

    async def text(self, line: str) -> str:
        """What the command prints. Raises: CommandError."""
        self._capsys.readouterr()
        code = await to_thread.run_sync(_run, line)
        assert code == 0
        return self._capsys.readouterr().out

    async def json(self, line: str) -> Any:  # noqa: ANN401
        return json.loads(await self.text(f"{line} --json"))

    async def ask(self, service: str, header: str = "") -> int | str:
        """Knock at a service: the status it answers, or why there was none."""
        told: list[int | str] = []

        def keep(_: str, result: HttpAnswer | str) -> None:
            told.append(result if isinstance(result, str) else result.status)

        url = self.cloud.services[service].url
        tls = self.cloud.services[service].authority.client_context()
        pool = HttpPool(PoolSettings(url), tls, self.cloud.hosting.clock, keep, keep)
        async with anyio.create_task_group() as tasks:
            await tasks.start(pool.run)
            request = f"GET /ping HTTP/1.1\r\nHost: x\r\n{header}\r\n"
            pool.post(Post("k", request.encode(), None))
            with anyio.fail_after(5):
                while not told:  # noqa: ASYNC110  (nothing to wait on)
                    await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()
        return told[0]


def _run(line: str) -> int:
    code = app(line.split(), exit_on_error=False, print_error=False, result_action="return_value")
    assert isinstance(code, int)
    return code


@asynccontextmanager
async def desk(
    directory: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> AsyncIterator[Desk]:
    clock = MonotonicClock()
    fos_authority = CertificateAuthority("another root")
    cloud = PushCloud(PushCloudSettings(), clock, OsEntropy(), AUTHORITY, fos_authority)
    api = FastAPI()
    api.include_router(cloud_router(lambda: cloud))
    state = StateDir(directory / "state")
    state.make_token(OsEntropy())
    monkeypatch.setenv("CALLCTL_STATE", str(state.path))
    async with anyio.create_task_group() as tasks:
        await tasks.start(cloud.run)
        async with serve(api, None) as port:
            state.announce(Running(f"http://127.0.0.1:{port}", "lab", 1))
            yield Desk(cloud, capsys)
        tasks.cancel_scope.cancel()


@pytest.mark.req("CLOUD-01")
async def test_every_service_of_the_cloud_runs_and_says_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with desk(tmp_path, monkeypatch, capsys) as run:
        assert await run.ask("ci") == 200
        assert await run.ask("fos") == 404
        services = await run.json("status")
        assert {each["service"] for each in services} == set(SERVICES)
        for each in services:
            assert each["state"] == "up"
            assert each["url"].startswith("https://127.0.0.1:")
            assert each["faults"] == []
        by_name = {each["service"]: each for each in services}
        assert by_name["ci"]["by_status"] == {"200": 1}
        assert by_name["fos"]["by_status"] == {"404": 1}
        hosts = [each["url"].split("/")[2] for each in services]
        assert len(set(hosts)) == len(hosts) - 1  # FCM gives tokens at its own host
        assert "alarm-upload" in await run.text("status")


@pytest.mark.req("CLOUD-01")
async def test_fos_has_an_authority_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with desk(tmp_path, monkeypatch, capsys) as run:
        run.cloud.services["fos"].authority = AUTHORITY  # who trusts that one alone
        assert await run.ask("fos") == "tls"
        assert len(run.cloud.cisco.fos.log) == 0


@pytest.mark.req("CLOUD-14")
@pytest.mark.parametrize(
    ("service", "name"),
    [
        ("fos", "fos-a.wbx2.com"),
        ("ci", "idbroker.webex.com"),
        ("push-rest", "push.webexconnect.com"),
    ],
)
async def test_emulated_service_proves_the_name_that_is_the_default_in_production(
    service: str,
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A resolver that sends the name to loopback is all a lab needs; or a URL of its own."""
    defaults = CloudSettings()
    assert name in defaults.hosts
    assert replace(defaults, ci_url="https://127.0.0.1:4443").hosts[1] == "127.0.0.1"
    async with desk(tmp_path, monkeypatch, capsys) as run:
        found = run.cloud.services[service]
        port = urlsplit(found.url).port
        assert port is not None
        tls = found.authority.client_context()
        stream = await anyio.connect_tcp(
            "127.0.0.1", port, tls=True, ssl_context=tls, tls_hostname=name
        )
        await stream.aclose()
        with pytest.raises(ssl.SSLCertVerificationError):
            await anyio.connect_tcp(
                "127.0.0.1", port, tls=True, ssl_context=tls, tls_hostname="elsewhere.example.com"
            )


@pytest.mark.req("CLOUD-12")
async def test_service_knows_from_where_it_is_asked_and_believes_no_header_that_says_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with desk(tmp_path, monkeypatch, capsys) as run:
        assert await run.ask("ci", "x-peer-address: 192.0.2.1\r\n") == 200
        run.cloud.cisco.ci.block_list.block("192.0.2.1")
        assert await run.ask("ci", "x-peer-address: 192.0.2.1\r\n") == 200
        run.cloud.cisco.ci.block_list.block("127.0.0.1")
        assert await run.ask("ci", "x-peer-address: 192.0.2.9\r\n") == 403


async def test_fault_acts_shows_itself_and_ends_by_its_times_by_its_number_and_all_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with desk(tmp_path, monkeypatch, capsys) as run:
        added = await run.json("fault ci status --status 503 --retry-after 7 --times 2")
        assert (added["service"], added["fault"], added["left"]) == ("ci", "status", 2)
        assert await run.ask("ci") == 503
        text = await run.text("status")
        assert "status (hit 1, 1 left)" in text
        assert [await run.ask("ci"), await run.ask("ci")] == [503, 200]
        hole = await run.json("fault fos refuse")
        shown = await run.json("fault ci certificate-expired --for 60")
        assert await run.ask("fos") in ("connect", "tls")
        assert await run.ask("ci") == "tls"
        assert await run.json(f"fault --clear fos {hole['number']}") == {"count": 1}
        assert await run.ask("fos") == 404
        with pytest.raises(Refused, match=f"fos has no fault {hole['number']}"):
            await run.text(f"fault --clear fos {hole['number']}")
        assert await run.json(f"fault --clear ci {shown['number']}") == {"count": 1}
        await run.text("fault plm silent")
        await run.text("fault cssm garbage --percent 50")
        assert await run.text("fault --clear plm") == "1 fault ended\n"
        assert await run.json("fault --clear") == {"count": 1}
        assert await run.ask("ci") == 200


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("fault apns fire", "no fault is called 'fire': status, silent"),
        ("fault apple silent", "no service is called 'apple': push-rest, apns"),
        ("fault ci goaway", "goaway is no fault of ci, but of apns"),
        ("fault apns silent --percent 101", "percent is 101"),
        ("fault apple", "no service is called 'apple'"),
        ("fault --clear ci first", "--clear takes a service, and the number"),
        ("revoke-tokens fos", "fos gives no access tokens: ci, push-rest, fcm-tokens"),
        ("remove-app ci abcdef", "ci has no devices"),
    ],
)
async def test_wrong_line_is_told_what_is_known_before_a_cluster_is_asked(
    line: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALLCTL_STATE", str(tmp_path))
    with pytest.raises(Usage, match=says) as raised:
        _run(line)
    assert raised.value.code == 2
    assert "\n" not in str(raised.value)


async def test_faults_are_listed_without_a_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CALLCTL_STATE", str(tmp_path))
    assert _run("fault --json") == 0
    assert [each["fault"] for each in json.loads(capsys.readouterr().out)] == list(KNOWN_FAULTS)
    assert _run("fault ci") == 0
    assert "goaway" not in capsys.readouterr().out
    with pytest.raises(CommandError, match="no cluster runs here"):
        _run("status")
    with pytest.raises(CycloptsError):
        _run("log apns fcm")


@pytest.mark.req("SEC-05")
async def test_log_shows_the_end_of_a_target_and_no_payload_and_its_fingerprint_names_it_to_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with desk(tmp_path, monkeypatch, capsys) as run:
        cloud = run.cloud
        now = cloud.hosting.clock()
        cloud.fcm.receive(DeviceAttached(FCM_TOKEN, DEFAULT_PROJECT_ID), now)
        await _message(run, "personal text")
        (record,) = await run.json("log fcm")
        assert (record["status"], record["service"]) == (200, "fcm")
        assert record["target"] == FCM_TOKEN[-6:]
        assert FINGERPRINT.startswith(record["fingerprint"])
        for line in ("log", "log --json", "log fcm"):
            text = await run.text(line)
            assert FCM_TOKEN not in text
            assert "personal" not in text
        await run.text(f"fault fcm stale-token --target {record['fingerprint']}")
        await _message(run, "x")
        await run.text(f"remove-app fcm {record['fingerprint']}")
        await run.text("fault --clear")
        await _message(run, "x")
        assert [each["status"] for each in await run.json("log fcm")] == [404, 200, 200]
        assert len(await run.json("log --limit 1")) == 1
        with pytest.raises(Refused, match="no device of fcm has that fingerprint"):
            await run.text("remove-app fcm 000000")
        with pytest.raises(Refused, match="no service is called 'apple'"):
            await run.text("log apple")


async def test_tokens_are_revoked_and_goodbye_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with desk(tmp_path, monkeypatch, capsys) as run:
        before = run.cloud.access_token
        for service in ("ci", "push-rest", "fcm-tokens"):
            await run.text(f"revoke-tokens {service}")
        assert run.cloud.access_token != before
        assert run.cloud.push_rest.settings.access_tokens == (run.cloud.access_token,)
        assert await run.json("goaway --unread") == {"count": 0}


async def test_cluster_without_an_emulated_cloud_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = FastAPI()
    api.include_router(cloud_router(lambda: None))
    state = StateDir(tmp_path / "state")
    state.make_token(OsEntropy())
    monkeypatch.setenv("CALLCTL_STATE", str(state.path))
    async with serve(api, None) as port:
        state.announce(Running(f"http://127.0.0.1:{port}", "lab", 1))
        with pytest.raises(Refused, match="no emulated cloud"):
            await to_thread.run_sync(_run, "status")


async def _message(run: Desk, text: str) -> None:
    """A data message of a sender with the lab's own token."""
    (access_token,) = run.cloud.push_rest.settings.fcm_access_tokens.values()
    body = json.dumps({"message": {"token": FCM_TOKEN, "data": {"a": text}}}).encode()
    before = len(run.cloud.fcm.log)
    tls = AUTHORITY.client_context()
    ignore: Callable[[str, object], None] = lambda key, result: None  # noqa: E731
    pool = HttpPool(PoolSettings(run.cloud.fcm_url), tls, run.cloud.hosting.clock, ignore, ignore)
    head = (
        f"POST /v1/projects/{DEFAULT_PROJECT_ID}/messages:send HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Bearer {access_token}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    async with anyio.create_task_group() as tasks:
        await tasks.start(pool.run)
        pool.post(Post("k", head.encode() + body, None))
        with anyio.fail_after(5):
            while len(run.cloud.fcm.log) == before:  # noqa: ASYNC110  (nothing to wait on)
                await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()
