"""What the page about proxies promises is what the code does."""

from __future__ import annotations

from pathlib import Path

import pytest

from callctl.egress.failure import STEPS
from callctl.egress.proxy_addresses import LIFETIME_S
from callctl.io.dial import CONNECT_TIMEOUT_S, KEEP_ALIVE_PROBE_S, service_at
from callctl.io.http_pool import IDLE_MIN_S, PoolSettings
from callctl.io.pki import CertificateAuthority
from callctl.io.tunnel import ANSWER_TIMEOUT_S
from callctl.model.cloud import CloudSettings

PAGE = " ".join((Path(__file__).parents[4] / "docs" / "proxies.md").read_text().split())


@pytest.mark.req("PROXY-05", "PROXY-07", "NET-05")
def test_times_of_the_page_are_those_of_the_code() -> None:
    assert CONNECT_TIMEOUT_S == 2
    assert "takes no connection for 2 s" in PAGE
    assert ANSWER_TIMEOUT_S == 5
    assert "opens no tunnel within 5 s" in PAGE
    assert LIFETIME_S == 3_600
    assert "looked up once an hour" in PAGE
    assert PoolSettings("https://h/").idle_s == 3_600 >= IDLE_MIN_S == 30 * 60
    assert "keep idle connections for 30 minutes or more" in PAGE
    assert KEEP_ALIVE_PROBE_S == 60
    assert "probes them every 60 s" in PAGE
    assert PoolSettings("https://h/").remake_s == 60
    assert "tries again every 60 s" in PAGE


def test_every_step_that_can_fail_is_explained() -> None:
    for step in STEPS:
        assert f"`{step}`" in PAGE


@pytest.mark.req("NET-01", "NET-04", "CLOUD-14")
def test_hosts_of_the_page_are_the_defaults_and_are_reached_at_443() -> None:
    settings = CloudSettings()
    tls = CertificateAuthority().client_context()
    for host in settings.hosts:
        assert f"`{host}`" in PAGE
    for url in (settings.fos_url, settings.ci_url, settings.push_rest_url):
        service = service_at(url, tls)
        assert (service.host in settings.hosts, service.port) == (True, 443)
        assert service.tls is tls


@pytest.mark.req("PROXY-08", "PROXY-09")
def test_page_says_what_the_owner_of_the_proxy_has_to_set() -> None:
    assert "has to lead to the virtual IP address of the WSA" in PAGE
    assert "set a low failover time on the proxy" in PAGE
