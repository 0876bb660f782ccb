"""The emulators of the Cisco cloud and of its partners: each by its own URL, all over TLS."""

from __future__ import annotations

import asyncio
import ssl
from urllib.parse import urlsplit

import anyio
import pytest

from callctl.cloud.reachability import BLOCK_LIST_PATH, PING_PATH
from callctl.io.egress import Egress
from callctl.io.emulators import PushCloud, PushCloudSettings
from callctl.io.h2_connection import ALPN
from callctl.io.pki import CertificateAuthority
from callctl.model.cloud import CloudSettings
from helpers.loops import on_each_loop
from sipstack.io.clock import MonotonicClock
from sipstack.io.entropy import OsEntropy

pytestmark = [pytest.mark.anyio, on_each_loop]

AUTHORITY = CertificateAuthority()


def base_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


async def tls_version(url: str, tls: ssl.SSLContext) -> str:
    """That of a connection to the service at `url`."""
    parts = urlsplit(url)
    _, writer = await asyncio.open_connection(parts.hostname, parts.port, ssl=tls)
    version: str = writer.get_extra_info("ssl_object").version()
    writer.close()
    return version


@pytest.mark.req("CLOUD-01")
async def test_fos_ci_push_rest_apns_and_fcm_are_there_and_speak_tls_only() -> None:
    assert CloudSettings().hosts == (
        "fos-a.wbx2.com",
        "idbroker.webex.com",
        "push.webexconnect.com",
    )
    settings = CloudSettings()
    for production in (settings.fos_url, settings.ci_url, settings.push_rest_url):
        parts = urlsplit(production)
        assert (parts.scheme, parts.port or 443) == ("https", 443)
    clock = MonotonicClock()
    cloud = PushCloud(PushCloudSettings(), clock, OsEntropy(), AUTHORITY)
    async with anyio.create_task_group() as tasks:
        await tasks.start(cloud.run)
        urls = (cloud.fos_url, cloud.ci_url, cloud.push_rest_url, cloud.apns_url, cloud.fcm_url)
        assert len({base_of(url) for url in urls}) == 5
        for url in urls:
            alpn = ALPN if url == cloud.apns_url else ()
            assert await tls_version(url, AUTHORITY.client_context(alpn)) in ("TLSv1.2", "TLSv1.3")
            parts = urlsplit(url)
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
            writer.write(b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
            assert b"HTTP/1.1 2" not in await reader.read(100)  # nothing is said in clear
            writer.close()
        tasks.cancel_scope.cancel()


async def test_ci_and_push_rest_say_that_they_are_there_and_shut_out_who_is_on_the_block_list() -> (
    None
):
    """CLOUD-12."""
    clock = MonotonicClock()
    cloud = PushCloud(PushCloudSettings(), clock, OsEntropy(), AUTHORITY)
    egress = Egress(None, AUTHORITY.client_context(), clock)
    async with anyio.create_task_group() as tasks:
        await tasks.start(cloud.run)
        block_list = cloud.cisco.ci.block_list
        services = ((base_of(cloud.ci_url), "CI"), (base_of(cloud.push_rest_url), "Push REST"))
        told = f"{services[0][0]}{BLOCK_LIST_PATH}"
        for url, name in services:
            assert (await egress.exchange(f"{url}{PING_PATH}")).json() == {"service": name}
        # Whoever says that he is somebody else is not believed.
        lie = (("x-peer-address", "198.51.100.7"),)
        asked = await egress.exchange(told, headers=lie)
        assert asked.json() == {"address": "127.0.0.1", "blocked": False}
        block_list.block("127.0.0.0/8")
        assert (await egress.exchange(told)).json()["blocked"] is True
        for url, _ in services:
            refused = await egress.exchange(f"{url}{PING_PATH}")
            assert (refused.status, refused.json()) == (403, {"error": "AddressBlocked"})
        push = await egress.exchange(cloud.push_rest_url, method="POST", body=b"{}")
        assert (push.status, push.json()["error"]) == (403, "AddressBlocked")
        tasks.cancel_scope.cancel()
