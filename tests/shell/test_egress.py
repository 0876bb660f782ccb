"""The way out, direct and through proxies good and bad, over sockets and on both loops."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from typing import get_args

import anyio
import pytest

import callctl.io.tunnel as tunnel
from callctl.cloud.http import HttpAnswer
from callctl.egress.failure import STEPS, ExchangeFailed, NoOtherAddress, Step
from callctl.io import client_tls, dial
from callctl.io.egress import Egress
from callctl.io.pki import CertificateAuthority
from helpers.bad_proxy import BadProxy, Manner, bad_proxy
from helpers.https_service import OK, SILENCE, HttpsService, https_service
from helpers.loops import on_each_loop
from helpers.node_rig import eventually
from helpers.ways import PROXY_NAME, HandClock, Names, black_hole, settings_for
from sipstack.timing import SECOND

pytestmark = [pytest.mark.anyio, on_each_loop]

SERVICE = "push.test"
LEADS_TO = {SERVICE: "127.0.0.1"}
CLOUDS = CertificateAuthority("clouds")
PROXIES = CertificateAuthority("proxies")
HOUR = 3_600 * SECOND


class Quiet(asyncio.Protocol):
    """Says nothing."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def close(self) -> None:
        self.transport.close()


def server(name: str = SERVICE) -> ssl.SSLContext:
    return CLOUDS.server_context((name,))


def egress_for(
    proxy: BadProxy, names: Names, *, scheme: str = "http", password: str = "cello"
) -> Egress:
    names.addresses.setdefault(PROXY_NAME, (proxy.host,))
    return Egress(
        settings_for(proxy.port, scheme=scheme, password=password),
        CLOUDS.client_context(),
        HandClock(),
        proxy_tls=PROXIES.client_context(),
        resolve=names,
    )


async def ask(egress: Egress, service: HttpsService, host: str = SERVICE) -> HttpAnswer:
    return await egress.exchange(f"https://{host}:{service.port}/path", timeout_s=10)


async def failure_of(egress: Egress, service: HttpsService, host: str = SERVICE) -> ExchangeFailed:
    with pytest.raises(ExchangeFailed) as failure:
        await ask(egress, service, host)
    assert "cello" not in str(failure.value)
    return failure.value


@pytest.mark.req("PROXY-01", "PROXY-02", "PROXY-04", "OP-54", "CLOUD-14")
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("manner", ["open", "digest", "digest and hangs up"])
async def test_exchange_goes_through_a_proxy_of_either_kind(scheme: str, manner: Manner) -> None:
    """The name of the service is resolved by the proxy alone; the body is more than one record."""
    body = b"x" * 300_000
    reply = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    tls = PROXIES.server_context((PROXY_NAME,)) if scheme == "https" else None
    async with (
        https_service(server(), reply) as service,
        bad_proxy(manner, tls=tls, leads_to=LEADS_TO) as proxy,
    ):
        names = Names()
        egress = egress_for(proxy, names, scheme=scheme)
        for _ in range(2):
            answer = await ask(egress, service)
            assert (answer.status, answer.body) == (200, body)
        assert names.asked == [PROXY_NAME]
        assert proxy.tunnels == 2
        # Challenged once: the second tunnel was answered for unasked.
        assert len(proxy.asked) == (2 if manner == "open" else 3)
        assert proxy.connections == (3 if manner == "digest and hangs up" else 2)
        assert f"CONNECT {SERVICE}:{service.port} HTTP/1.1\r\n" in proxy.asked[0]
        assert service.requests[0].startswith(b"GET /path HTTP/1.1\r\nHost: push.test:")


@pytest.mark.req("OP-54", "PROXY-11")
@pytest.mark.parametrize(
    ("manner", "step", "words"),
    [
        ("407 for ever", "proxy authentication", "refused the user name or password"),
        ("stale for ever", "proxy authentication", "asks for ever"),
        ("hangs up", "proxy", "without an answer"),
        ("half an answer", "proxy", "without an answer"),
        ("garbage", "proxy", "speaks no HTTP"),
        ("html", "proxy", "speaks no HTTP"),
        ("502", "proxy", "answered 502"),
        ("403", "proxy", "answered 403"),
        ("redirects", "proxy", "answered 302"),
        ("early octets", "proxy", "before the tunnel was used"),
        ("opens and hangs up", "tls", "ended during the TLS handshake"),
        ("silent", "proxy", "no answer within 0.3 s"),
    ],
)
async def test_proxy_that_misbehaves_fails_the_exchange_with_its_step_and_nothing_passes(
    manner: Manner, step: Step, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callctl.io.egress.ANSWER_TIMEOUT_S", 0.3)
    monkeypatch.setattr(tunnel, "ANSWER_TIMEOUT_S", 0.3)
    async with (
        https_service(server()) as service,
        bad_proxy(manner, leads_to=LEADS_TO) as proxy,
    ):
        failure = await failure_of(egress_for(proxy, Names()), service)
        assert (failure.step, failure.at_proxy) == (step, step != "tls")
        assert words in failure.detail
        assert service.connections == 0
        if manner == "407 for ever":
            assert len(proxy.asked) == 2  # with the wrong answer once, or accounts get locked


async def test_slow_proxy_is_waited_for() -> None:
    async with (
        https_service(server()) as service,
        bad_proxy("digest", leads_to=LEADS_TO, delay_s=0.2) as proxy,
    ):
        assert (await ask(egress_for(proxy, Names()), service)).status == 200


@pytest.mark.req("PROXY-05", "OP-35")
@pytest.mark.parametrize(
    ("first", "goes_on"),
    [
        ("refuses", True),
        ("502", True),
        ("garbage", True),
        ("hangs up", True),
        ("opens and hangs up", True),
        ("403", False),
        ("407 for ever", False),
    ],
)
async def test_next_address_is_tried_unless_the_first_has_refused(
    first: str, goes_on: bool
) -> None:
    async with (
        https_service(server()) as service,
        bad_proxy("open", host="127.0.0.3", leads_to=LEADS_TO) as second,
        anyio.create_task_group() as tasks,
    ):
        names = Names({PROXY_NAME: ("127.0.0.2", "127.0.0.3")})
        egress = egress_for(second, names)
        if first == "refuses":
            assert (await ask(egress, service)).status == 200
        else:
            async with bad_proxy(first, host="127.0.0.2", port=second.port) as bad:  # type: ignore[arg-type]
                if goes_on:
                    assert (await ask(egress, service)).status == 200
                else:
                    assert (await failure_of(egress, service)).at_proxy
                assert bad.connections == 1
        assert second.tunnels == (1 if goes_on else 0)
        tasks.cancel_scope.cancel()


@pytest.mark.req("PROXY-05", "OP-35")
async def test_address_that_keeps_silent_is_given_two_seconds() -> None:
    async with (
        https_service(server()) as service,
        bad_proxy("open", host="127.0.0.3", leads_to=LEADS_TO) as second,
    ):
        egress = egress_for(second, Names({PROXY_NAME: ("127.0.0.2", "127.0.0.3")}))
        with black_hole("127.0.0.2", second.port):
            began = time.monotonic()
            assert (await ask(egress, service)).status == 200
            assert 2.0 <= time.monotonic() - began < 4.0


async def test_no_address_takes_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dial, "CONNECT_TIMEOUT_S", 0.1)
    async with https_service(server()) as service, bad_proxy() as proxy:
        egress = egress_for(proxy, Names({PROXY_NAME: ("127.0.0.2", "127.0.0.3")}))
        with black_hole("127.0.0.3", proxy.port):
            failure = await failure_of(egress, service)
        assert (failure.step, failure.at_proxy) == ("tcp", True)
        assert "127.0.0.3" in failure.detail
        assert "within 0.1 s" in failure.detail


@pytest.mark.req("PROXY-07", "OP-55")
async def test_change_in_dns_is_followed_after_an_hour_and_at_once_when_settings_change() -> None:
    async with (
        https_service(server()) as service,
        bad_proxy("open", host="127.0.0.2", leads_to=LEADS_TO) as old,
        bad_proxy("open", host="127.0.0.3", port=old.port, leads_to=LEADS_TO) as new,
    ):
        names, clock = Names({PROXY_NAME: ("127.0.0.2",)}), HandClock()
        settings = settings_for(old.port)
        egress = Egress(settings, CLOUDS.client_context(), clock, resolve=names)
        await ask(egress, service)
        names.addresses[PROXY_NAME] = ("127.0.0.3",)
        clock.now = HOUR - 1
        await ask(egress, service)
        assert (old.tunnels, new.tunnels, len(names.asked)) == (2, 0, 1)
        clock.now = HOUR
        await ask(egress, service)
        assert (old.tunnels, new.tunnels, len(names.asked)) == (2, 1, 2)
        names.addresses[PROXY_NAME] = ("127.0.0.2",)
        egress.change(settings)
        await ask(egress, service)
        assert (old.tunnels, new.tunnels, len(names.asked)) == (3, 1, 3)


@pytest.mark.req("OP-55")
async def test_old_addresses_serve_on_while_the_dns_is_down() -> None:
    async with https_service(server()) as service, bad_proxy(leads_to=LEADS_TO) as proxy:
        names, clock = Names({PROXY_NAME: ("127.0.0.1",)}), HandClock()
        egress = Egress(settings_for(proxy.port), CLOUDS.client_context(), clock, resolve=names)
        await ask(egress, service)
        clock.now = HOUR
        names.addresses[PROXY_NAME] = OSError("no name server answers")
        assert (await ask(egress, service)).status == 200
        egress.change(egress.proxy)
        failure = await failure_of(egress, service)
        assert (failure.step, failure.at_proxy) == ("dns", True)
        assert "no name server answers" in failure.detail


@pytest.mark.req("PROXY-04", "PROXY-11")
async def test_name_of_the_proxy_that_does_not_exist_is_named() -> None:
    async with https_service(server()) as service, bad_proxy() as proxy:
        egress = egress_for(proxy, Names({PROXY_NAME: ()}))
        failure = await failure_of(egress, service)
        assert str(failure) == "dns: proxy.test: there is no such name"


async def test_many_at_once_ask_the_dns_once() -> None:
    async with https_service(server()) as service, bad_proxy(leads_to=LEADS_TO) as proxy:
        names = Names()
        egress = egress_for(proxy, names)
        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(ask, egress, service)
        assert names.asked == [PROXY_NAME]
        assert proxy.tunnels == 5


@pytest.mark.req("OP-54", "SEC-04")
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_name_of_the_service_is_verified_inside_the_tunnel(scheme: str) -> None:
    tls = PROXIES.server_context((PROXY_NAME,)) if scheme == "https" else None
    async with (
        https_service(server("another.test")) as service,
        bad_proxy(tls=tls, leads_to=LEADS_TO) as proxy,
    ):
        failure = await failure_of(egress_for(proxy, Names(), scheme=scheme), service)
        assert (failure.step, failure.at_proxy) == ("certificate", False)
        assert "mismatch" in failure.detail
        assert isinstance(failure.__cause__, ssl.SSLCertVerificationError)
        assert service.requests == []


@pytest.mark.req("OP-54", "SEC-04")
async def test_name_of_an_https_proxy_is_verified_before_it_is_spoken_to() -> None:
    tls = PROXIES.server_context(("another.test",))
    async with https_service(server()) as service, bad_proxy(tls=tls) as proxy:
        failure = await failure_of(egress_for(proxy, Names(), scheme="https"), service)
        assert (failure.step, failure.at_proxy) == ("certificate", True)
        assert proxy.asked == []


async def test_https_settings_for_an_http_proxy_and_the_other_way_round(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(client_tls, "TLS_TIMEOUT_S", 0.3)
    async with https_service(server()) as service, bad_proxy("digest") as plain:
        failure = await failure_of(egress_for(plain, Names(), scheme="https"), service)
        assert (failure.step, failure.at_proxy) == ("tls", True)
    tls = PROXIES.server_context((PROXY_NAME,))
    async with https_service(server()) as service, bad_proxy("digest", tls=tls) as secured:
        failure = await failure_of(egress_for(secured, Names()), service)
        assert (failure.step, failure.at_proxy) == ("proxy", True)


@pytest.mark.req("PROXY-06")
async def test_way_that_was_used_is_left_out() -> None:
    names = Names({PROXY_NAME: ("127.0.0.2", "127.0.0.3")})
    async with (
        https_service(server()) as service,
        bad_proxy(host="127.0.0.2", leads_to=LEADS_TO) as one,
        bad_proxy(host="127.0.0.3", port=one.port, leads_to=LEADS_TO) as two,
    ):
        egress = egress_for(one, names)
        to = dial.service_at(f"https://{SERVICE}:{service.port}/", CLOUDS.client_context())
        for used, tunnels in (("127.0.0.2", (0, 1)), ("127.0.0.3", (1, 1)), (None, (2, 1))):
            protocol = await egress.dial(to, Quiet, used=used)
            assert (one.tunnels, two.tunnels) == tunnels
            protocol.close()
        names.addresses[PROXY_NAME] = ("127.0.0.2",)
        egress.change(egress.proxy)
        with pytest.raises(NoOtherAddress):
            await egress.dial(to, Quiet, used="127.0.0.2")
        with pytest.raises(NoOtherAddress):
            await Egress(None, None, HandClock()).dial(to, Quiet, used="127.0.0.1")


@pytest.mark.req("NET-05", "CPNS-09")
async def test_connections_are_probed_so_that_a_nat_remembers_them() -> None:
    async with https_service(server()) as service, bad_proxy(leads_to=LEADS_TO) as proxy:
        to = dial.service_at(f"https://{SERVICE}:{service.port}/", CLOUDS.client_context())
        names = Names({SERVICE: ("127.0.0.1",)})
        for egress in (egress_for(proxy, Names()), direct(names)):
            protocol = await egress.dial(to, Quiet)
            held = protocol.transport.get_extra_info("socket")
            assert held.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            assert held.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 60
            protocol.close()


# Without a proxy, and what is the same with one.


def direct(names: Names | None = None, **how: object) -> Egress:
    return Egress(None, CLOUDS.client_context(), HandClock(), resolve=names, **how)  # type: ignore[arg-type]


@pytest.mark.req("CLOUD-14", "PROXY-01")
async def test_without_a_proxy_each_address_of_the_service_is_tried() -> None:
    async with https_service(server()) as service:
        names = Names({SERVICE: ("127.0.0.9", "127.0.0.1")})
        assert (await ask(direct(names), service)).status == 200
        assert (await ask(direct(names), service)).status == 200
        assert names.asked == [SERVICE, SERVICE]  # anew each time
        assert (await ask(direct(), service, "localhost")).status == 200


async def test_each_failure_has_its_step() -> None:
    assert get_args(Step) == STEPS
    async with https_service(server()) as service, https_service(None) as plain:
        names = Names({SERVICE: ("127.0.0.1",), "down.test": OSError("no name server answers")})
        egress = direct(names)
        steps = {
            "dns": ("nowhere.test", service.port),
            "tcp": (SERVICE, 1),
            "tls": (SERVICE, plain.port),
            "certificate": ("wrong.test", service.port),
        }
        names.addresses["wrong.test"] = ("127.0.0.1",)
        for step, (host, port) in steps.items():
            with pytest.raises(ExchangeFailed) as failure:
                await egress.exchange(f"https://{host}:{port}/")
            assert (failure.value.step, failure.value.at_proxy) == (step, False)
            assert host in str(failure.value)
        with pytest.raises(ExchangeFailed, match=r"dns: down\.test: no name server answers"):
            await egress.exchange("https://down.test/")


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (b"SSH-2.0-what\r\n\r\n", "not HTTP, or too long"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + b"x" * 2000, "not HTTP, or too long"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n", "not HTTP, or too long"),
        (OK + OK, "not HTTP, or too long"),
    ],
)
async def test_answer_is_read_within_limits(reply: bytes, words: str) -> None:
    async with https_service(server(), reply) as service:
        egress = direct(Names({SERVICE: ("127.0.0.1",)}))
        with pytest.raises(ExchangeFailed, match=words) as failure:
            await egress.exchange(f"https://{SERVICE}:{service.port}/", answer_max=1_000)
        assert failure.value.step == "http"


async def test_service_that_keeps_silent_runs_into_the_time_of_the_exchange() -> None:
    async with https_service(server(), SILENCE) as service:
        egress = direct(Names({SERVICE: ("127.0.0.1",)}))
        with pytest.raises(ExchangeFailed, match=r"no answer within 0\.2 s") as failure:
            await egress.exchange(f"https://{SERVICE}:{service.port}/", timeout_s=0.2)
        assert failure.value.step == "timeout"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_redirection_is_an_answer_and_not_followed(status: int) -> None:
    """P8; 92 of the list of hostile cases."""
    async with https_service(server()) as elsewhere:
        location = f"Location: https://{SERVICE}:{elsewhere.port}/\r\n"
        reply = f"HTTP/1.1 {status} There\r\n{location}Content-Length: 0\r\n\r\n".encode()
        async with https_service(server(), reply) as service:
            answer = await ask(direct(Names({SERVICE: ("127.0.0.1",)})), service)
            assert answer.status == status
        assert elsewhere.connections == 0


async def test_only_configured_hosts_are_reached() -> None:
    """P8."""
    names = Names({SERVICE: ("127.0.0.1",), "other.test": ("127.0.0.1",)})
    async with https_service(server()) as service:
        url = f"https://{SERVICE}:{service.port}/"
        egress = direct(names, allowed=[url], internal=[SERVICE])
        assert (await egress.exchange(url)).status == 200
        for refused in (
            f"https://other.test:{service.port}/",
            f"https://{SERVICE}:1/",
            f"http://{SERVICE}:{service.port}/",
            "https://169.254.169.254/latest/meta-data",
            "file:///etc/passwd",
            "https://",
            "https://[::1/",
            f"https://{SERVICE}:{service.port}/a b",
            f"https://user:pass@{SERVICE}:{service.port}/",
            "http://user:pass@elsewhere.test/",
            f"https://{'a' * 64}.test/",
            "https://.test/",
            f"https://{SERVICE}:99999/",
        ):
            with pytest.raises(ExchangeFailed) as failure:
                await egress.exchange(refused)
            assert failure.value.step == "not allowed", refused
            assert "pass@" not in str(failure.value)
        with pytest.raises(ExchangeFailed, match="header"):
            await egress.exchange(url, headers=(("x", "a\r\nb: c"),))
        assert names.asked == [SERVICE]
        # A public name does not lead into the own network.
        with pytest.raises(ExchangeFailed, match="internal address"):
            await direct(names, allowed=[url]).exchange(url)
        assert service.connections == 1


async def test_settings_may_change_while_a_connection_is_being_made() -> None:
    """It is made by the old ones; what they found out is not kept for the new ones."""
    async with (
        https_service(server()) as service,
        bad_proxy("digest", leads_to=LEADS_TO, delay_s=0.2) as proxy,
        anyio.create_task_group() as tasks,
    ):
        names = Names()
        egress = egress_for(proxy, names)
        answers: list[int] = []

        async def keep() -> None:
            answers.append((await ask(egress, service)).status)

        tasks.start_soon(keep)
        await eventually(lambda: len(proxy.asked) == 1)
        egress.change(None)
        await eventually(lambda: answers == [200])
        assert proxy.tunnels == 1
        assert egress.proxy is None
