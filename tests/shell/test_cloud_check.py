"""`callctl cloud check` against what really goes wrong, on loopback, one fault at a time."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio import to_thread

from callctl.io import reachability
from callctl.io.egress import Egress
from callctl.io.pki import CertificateAuthority
from callctl.io.reachability import CloudUrls, NodeWay, TokenNow
from callctl.model.cloud import ProxySettings
from callctl.model.user import Secret
from helpers.bad_proxy import Manner, bad_proxy
from helpers.https_service import https_service
from helpers.loops import on_each_loop
from helpers.ops_rig import ops, run_command
from sipstack.io.clock import MonotonicClock

pytestmark = [pytest.mark.anyio, on_each_loop]

FOS, CI, PUSH = "fos.example", "ci.example", "push.example"
TOKEN = TokenNow(token="access-token", status=200)
NONE_WANTED = TokenNow(wanted=False)
AUTHORITY = CertificateAuthority("trusted")


def answer(status: int, body: bytes = b"{}") -> bytes:
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)


@dataclass
class Cloud:
    """Three services and how they are reached from nodes."""

    urls: CloudUrls

    def way(
        self,
        *,
        proxy: ProxySettings | None = None,
        trusted: ssl.SSLContext | None = None,
        token: TokenNow = TOKEN,
        unknown: str | None = None,
    ) -> NodeWay:
        async def resolve(host: str) -> tuple[str, ...]:
            await anyio.lowlevel.checkpoint()
            return () if host == unknown else ("127.0.0.1",)

        tls = trusted or AUTHORITY.client_context()
        egress = Egress(proxy, tls, MonotonicClock(), resolve=resolve)
        return NodeWay(egress.exchange, token, egress.dial)


@asynccontextmanager
async def cloud(
    *,
    push: bytes = answer(400),
    fos: bytes = answer(404),
    push_tls: ssl.SSLContext | None = None,
    push_plain: bool = False,
) -> AsyncIterator[Cloud]:
    """The three services on loopback; the last one as the test wants it."""
    tls = AUTHORITY.server_context((FOS, CI, PUSH))
    of_push = None if push_plain else push_tls or tls
    async with (
        https_service(tls, fos) as first,
        https_service(tls, answer(302)) as second,
        https_service(of_push, push) as third,
    ):
        yield Cloud(
            CloudUrls(
                f"https://{FOS}:{first.port}",
                f"https://{CI}:{second.port}",
                f"https://{PUSH}:{third.port}",
            )
        )


@contextmanager
def black_hole() -> Iterator[int]:
    """A port that takes no connection and refuses none: its queue is full."""
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port: int = listener.getsockname()[1]
        for each in (first, second):
            each.setblocking(False)
            each.connect_ex(("127.0.0.1", port))
        yield port


@pytest.fixture
def check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., Awaitable[dict[str, Any]]]:
    """Runs the command in JSON; its exit code has to agree with what it says."""

    async def run(
        urls: CloudUrls,
        ways: dict[str, NodeWay | None],
        push_ports: dict[str, tuple[str, int]] | None = None,
    ) -> dict[str, Any]:
        async with ops(tmp_path, urls=urls, ways=ways, push_ports=push_ports) as rig:
            monkeypatch.setenv("CALLCTL_STATE", str(rig.state.path))
            code = await to_thread.run_sync(run_command, ["cloud", "check", "--json"])
            report: dict[str, Any] = json.loads(capfd.readouterr().out)
            assert code == (0 if report["ok"] else 1)
            return report

    return run


def failing(report: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Node, target and step of each check that failed."""
    return [(it["node"], it["target"], it["step"]) for it in report["checks"] if not it["ok"]]


Check = Callable[..., Awaitable[dict[str, Any]]]


@pytest.mark.req("CLOUD-12", "TRB-16", "NET-01", "NET-02")
async def test_every_host_is_tried_from_every_node(check: Check) -> None:
    async with cloud() as services:
        report = await check(services.urls, {"ucm1": services.way(), "imp1": services.way()})
    assert report["ok"]
    hosts = [(it["node"], it["target"]) for it in report["checks"] if it["use"] != "access token"]
    assert hosts == [(node, host) for node in ("ucm1", "imp1") for host in (FOS, CI, PUSH)]
    assert all(it["took_ms"] > 0 for it in report["checks"] if it["use"] != "access token")


@pytest.mark.req("CLOUD-12", "NET-02", "NET-03")
async def test_name_that_does_not_resolve_on_one_node_is_its_fault_alone(check: Check) -> None:
    async with cloud() as services:
        ways = {"ucm1": services.way(), "ucm2": services.way(unknown=CI)}
        report = await check(services.urls, ways)
    assert failing(report) == [("ucm2", CI, "dns")]


@pytest.mark.req("CLOUD-12", "NET-01")
async def test_closed_port_is_step_tcp(check: Check) -> None:
    async with cloud() as services:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))  # and does not listen
            port = taken.getsockname()[1]
            urls = CloudUrls(services.urls.fos, services.urls.ci, f"https://{PUSH}:{port}")
            report = await check(urls, {"ucm1": services.way()})
    assert failing(report) == [("ucm1", PUSH, "tcp")]
    (failed,) = (it for it in report["checks"] if not it["ok"])
    assert "443" in failed["action"]


@pytest.mark.req("CLOUD-12")
async def test_packets_that_are_dropped_end_in_time_at_step_tcp(check: Check) -> None:
    async with cloud() as services:
        with black_hole() as port:
            urls = CloudUrls(services.urls.fos, services.urls.ci, f"https://{PUSH}:{port}")
            report = await check(urls, {"ucm1": services.way()})
    assert failing(report) == [("ucm1", PUSH, "tcp")]


@pytest.mark.req("CLOUD-12", "NET-04")
@pytest.mark.parametrize("proxied", [False, True])
async def test_firewall_that_decrypts_is_told_by_its_own_authority(
    check: Check, proxied: bool
) -> None:
    stranger = CertificateAuthority("firewall", organisation="Vendor").server_context((PUSH,))
    leads_to = dict.fromkeys((FOS, CI, PUSH), "127.0.0.1")
    async with (
        cloud(push_tls=stranger) as services,
        bad_proxy("open", leads_to=leads_to) as proxy,
    ):
        settings = ProxySettings("http", proxy.host, proxy.port) if proxied else None
        report = await check(services.urls, {"ucm1": services.way(proxy=settings)})
        assert proxy.tunnels == (4 if proxied else 0)  # one more, to look at the certificate
    assert failing(report) == [("ucm1", PUSH, "certificate")]
    (failed,) = (it for it in report["checks"] if not it["ok"])
    assert failed["cause"] == (
        f"TLS with {PUSH} is intercepted: its certificate is of O=Vendor, CN=firewall,"
        " which is no CA of Table H1."
    )
    assert failed["action"] == (f"Exclude {PUSH} from TLS decryption on the firewall (NET-04).")


@pytest.mark.req("CLOUD-12")
async def test_certificate_for_another_name_is_step_certificate(check: Check) -> None:
    async with cloud(push_tls=AUTHORITY.server_context(("other.example",))) as services:
        report = await check(services.urls, {"ucm1": services.way()})
    assert failing(report) == [("ucm1", PUSH, "certificate")]
    (failed,) = (it for it in report["checks"] if not it["ok"])
    assert "is for another host: other.example," in failed["cause"]


async def test_service_that_speaks_no_tls_is_step_tls(check: Check) -> None:
    async with cloud(push_plain=True) as services:
        report = await check(services.urls, {"ucm1": services.way()})
    assert failing(report) == [("ucm1", PUSH, "tls")]


async def test_service_that_never_answers_is_step_timeout(
    check: Check, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reachability, "EXCHANGE_S", 0.3)
    async with cloud(push=b"") as services:
        report = await check(services.urls, {"ucm1": services.way()})
    assert failing(report) == [("ucm1", PUSH, "timeout")]


@pytest.mark.req("CLOUD-12")
@pytest.mark.parametrize(
    ("manner", "step"),
    [("403", "proxy"), ("407 for ever", "proxy authentication"), ("hangs up", "proxy")],
)
async def test_proxy_that_does_not_let_through_is_named_not_the_service(
    check: Check, manner: Manner, step: str
) -> None:
    async with cloud() as services, bad_proxy(manner) as proxy:
        settings = ProxySettings(
            "http", proxy.host, proxy.port, user="callctl", password=Secret("wrong")
        )
        ways = {"ucm1": services.way(), "ucm2": services.way(proxy=settings)}
        report = await check(services.urls, ways)
    assert failing(report) == [("ucm2", host, step) for host in (FOS, CI, PUSH)]
    assert "wrong" not in json.dumps(report)


async def test_nodes_reach_the_cloud_through_a_proxy(check: Check) -> None:
    leads_to = dict.fromkeys((FOS, CI, PUSH), "127.0.0.1")
    async with cloud() as services, bad_proxy("open", leads_to=leads_to) as proxy:
        settings = ProxySettings("http", proxy.host, proxy.port)
        report = await check(services.urls, {"ucm1": services.way(proxy=settings)})
    assert report["ok"], failing(report)
    assert proxy.tunnels == 3


@pytest.mark.req("TRB-17", "CLOUD-12")
async def test_own_address_on_the_block_list_is_a_step_of_its_own(check: Check) -> None:
    blocked = answer(403, b'{"error": "AddressBlocked"}')
    async with cloud(push=blocked, fos=blocked) as services:
        report = await check(services.urls, {"ucm1": services.way()})
    assert failing(report) == [("ucm1", FOS, "block list"), ("ucm1", PUSH, "block list")]


async def test_push_rest_in_trouble_or_of_another_kind_is_told(check: Check) -> None:
    for status, step in ((503, "http"), (200, "push rest answer"), (401, "token")):
        async with cloud(push=answer(status)) as services:
            report = await check(services.urls, {"ucm1": services.way()})
        assert failing(report) == [("ucm1", PUSH, step)]


@pytest.mark.req("CLOUD-07", "TRB-20")
async def test_node_without_a_token_is_told_why_and_before_onboarding_none_is_missed(
    check: Check,
) -> None:
    async with cloud(push=answer(401)) as services:
        refused = TokenNow(status=400, reason="invalid_grant")
        ways = {
            "ucm1": services.way(token=refused),
            "ucm2": services.way(token=TokenNow(reason="no answer")),
            "ucm3": services.way(token=NONE_WANTED),
        }
        report = await check(services.urls, ways)
    assert failing(report) == [("ucm1", CI, "token"), ("ucm2", CI, "token")]
    actions = [it["action"] for it in report["checks"] if not it["ok"]]
    assert "repair-token" in actions[0]
    assert "repair-token" not in actions[1]


@pytest.mark.req("NET-06")
async def test_port_between_the_nodes_is_tried_in_both_directions(check: Check) -> None:
    async with cloud() as services:
        listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))
            places = {
                "ucm1": ("127.0.0.1", port),
                "ucm2": ("127.0.0.1", closed.getsockname()[1]),
            }
            ways = {"ucm1": services.way(), "ucm2": services.way()}
            report = await check(services.urls, ways, places)
        await listener.aclose()
    assert failing(report) == [("ucm1", "ucm2", "port"), ("ucm2", "ucm2", "port")]
    tried = [(it["node"], it["target"]) for it in report["checks"] if "port" in it["use"]]
    nodes = ("ucm1", "ucm2")
    assert tried == [(node, other) for node in nodes for other in nodes]


async def test_node_out_of_service_is_named(check: Check) -> None:
    async with cloud() as services:
        report = await check(services.urls, {"ucm1": services.way(), "ucm2": None})
    assert failing(report) == [("ucm2", "", "node")]


async def test_access_token_is_in_no_report(check: Check) -> None:
    async with cloud(push=answer(401)) as services:
        report = await check(services.urls, {"ucm1": services.way()})
    assert "access-token" not in json.dumps(report)


@pytest.mark.req("CLOUD-12", "TRB-16", "NET-05", "NET-09")
async def test_people_read_a_table_then_each_cause_once_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    stranger = CertificateAuthority("firewall").server_context((PUSH,))
    async with cloud(push_tls=stranger) as services:
        ways: dict[str, NodeWay | None] = {"ucm1": services.way(), "ucm2": services.way()}
        async with ops(tmp_path, urls=services.urls, ways=ways) as rig:
            monkeypatch.setenv("CALLCTL_STATE", str(rig.state.path))
            assert await to_thread.run_sync(run_command, ["cloud", "check"]) == 1
            one_host = ["utils", "network", "connectivity", CI, "--node", "ucm2"]
            assert await to_thread.run_sync(run_command, one_host) == 0
    out = capfd.readouterr().out
    assert "FIRST FAILING STEP" in out
    assert out.count("ucm1, ucm2 to push.example: ") == 1
    assert out.count("Exclude push.example from TLS decryption") == 1
    assert "30 minutes" in out
    assert "Apple" in out
    assert f"{CI} [tokens (CI)]: ok" in out
