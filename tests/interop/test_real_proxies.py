"""Through Squid and tinyproxy to a service behind TLS, on both loops."""

from __future__ import annotations

import anyio
import pytest

from callctl.egress.failure import ExchangeFailed
from callctl.io.egress import Egress
from callctl.io.http_pool import HttpPool, PoolSettings, Post
from callctl.io.pki import CertificateAuthority
from callctl.model.cloud import ProxySettings
from callctl.model.user import Secret
from helpers.https_service import https_service
from helpers.loops import on_each_loop
from helpers.node_rig import eventually
from helpers.proxies import HOST, PASSWORD, USER, squid, tinyproxy
from sipstack.io.clock import MonotonicClock

pytestmark = [pytest.mark.anyio, on_each_loop]


def settings(
    scheme: str, port: int, *, password: str = PASSWORD, basic: bool = False
) -> ProxySettings:
    return ProxySettings(scheme, HOST, port, USER, Secret(password), basic_over_http=basic)


@pytest.mark.needs("squid")
@pytest.mark.req("PROXY-01", "PROXY-02", "PROXY-03", "OP-54")
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("digest", [True, False], ids=["digest", "basic"])
async def test_exchanges_go_through_squid(scheme: str, digest: bool) -> None:
    """A request for each; the second answers unasked where the proxy wants Digest."""
    authority, clouds = CertificateAuthority(), CertificateAuthority()
    of_proxy = authority if scheme == "https" else None
    async with (
        https_service(clouds.server_context()) as service,
        squid(of_proxy, digest=digest) as proxy,
    ):
        egress = Egress(
            settings(scheme, proxy.port, basic=True),
            clouds.client_context(),
            MonotonicClock(),
            proxy_tls=authority.client_context(),
        )
        url = f"https://localhost:{service.port}/a?b=c"
        for _ in range(3):
            answer = await egress.exchange(url, method="POST", body=b"1234")
            assert (answer.status, answer.body) == (200, b"{}")
        assert [each.startswith(b"POST /a?b=c HTTP/1.1\r\n") for each in service.requests] == [
            True
        ] * 3
        wanted = [f"CONNECT localhost:{service.port} {USER}"] * 3
        await eventually(
            lambda: [each.partition(" ")[2] for each in proxy.requests()][1:] == wanted
        )
        assert proxy.requests()[0].startswith("TCP_DENIED/407")


@pytest.mark.needs("tinyproxy")
@pytest.mark.req("PROXY-02", "PROXY-03", "OP-54")
async def test_basic_through_tinyproxy_only_where_it_is_allowed_in_the_clear() -> None:
    clouds = CertificateAuthority()
    async with https_service(clouds.server_context()) as service, tinyproxy() as proxy:
        url = f"https://localhost:{service.port}/"
        clock, tls = MonotonicClock(), clouds.client_context()
        allowed = Egress(settings("http", proxy.port, basic=True), tls, clock)
        assert (await allowed.exchange(url)).status == 200
        with pytest.raises(ExchangeFailed, match=r"proxy authentication: .*basic_over_http"):
            await Egress(settings("http", proxy.port), tls, clock).exchange(url)
        assert service.connections == 1


@pytest.mark.needs("squid", "tinyproxy")
@pytest.mark.req("PROXY-03", "OP-54")
async def test_wrong_password_is_named_as_such_by_each() -> None:
    clouds = CertificateAuthority()
    async with (
        https_service(clouds.server_context()) as service,
        squid() as one,
        tinyproxy() as two,
    ):
        for port in (one.port, two.port):
            wrong = settings("http", port, password="wrong", basic=True)
            egress = Egress(wrong, clouds.client_context(), MonotonicClock())
            with pytest.raises(
                ExchangeFailed, match="refused the user name or password"
            ) as failure:
                await egress.exchange(f"https://localhost:{service.port}/")
            assert failure.value.step == "proxy authentication"
            assert "wrong" not in str(failure.value)
        assert service.connections == 0


@pytest.mark.needs("squid")
@pytest.mark.req("PROXY-02", "OP-54")
@pytest.mark.parametrize("trusted", ["neither", "the proxy"])
async def test_https_proxy_and_service_behind_it_each_have_to_prove_who_they_are(
    trusted: str,
) -> None:
    authority, clouds = CertificateAuthority(), CertificateAuthority("clouds")
    tls = authority.client_context() if trusted == "the proxy" else clouds.client_context()
    async with https_service(clouds.server_context()) as service, squid(authority) as proxy:
        egress = Egress(settings("https", proxy.port), tls, MonotonicClock())
        with pytest.raises(ExchangeFailed) as failure:
            await egress.exchange(f"https://localhost:{service.port}/")
        assert failure.value.step == "certificate"
        assert failure.value.at_proxy is (trusted == "neither")
        assert service.requests == []


@pytest.mark.needs("squid")
@pytest.mark.req("CPNS-07", "CPNS-08", "PROXY-01")
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_pushes_share_the_connections_that_squid_opened(scheme: str) -> None:
    authority = CertificateAuthority()
    of_proxy = authority if scheme == "https" else None
    answers: list[int] = []
    async with https_service(authority.server_context()) as service, squid(of_proxy) as proxy:
        tls, clock = authority.client_context(), MonotonicClock()
        pool = HttpPool(
            PoolSettings(f"https://localhost:{service.port}/push"),
            tls,
            clock,
            lambda key, answer: answers.append(answer.status),
            lambda key, reason: pytest.fail(f"{key}: {reason}"),
            egress=Egress(settings(scheme, proxy.port), tls, clock),
        )
        async with anyio.create_task_group() as tasks:
            await tasks.start(pool.run)
            for number in range(20):
                pool.post(Post(f"t{number}", b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n", None))
                await eventually(lambda: len(answers) > number)  # noqa: B023  (awaited here)
            assert pool.counts() == {"idle": 1, "busy": 0, "connecting": 0, "waiting": 0}
            tasks.cancel_scope.cancel()
        assert answers == [200] * 20
        assert service.connections == 1
