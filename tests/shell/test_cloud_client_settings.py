"""What the Push REST client refuses to be set up with."""

from __future__ import annotations

import ssl

import pytest

from callctl.io.http_pool import PoolSettings
from callctl.io.push_rest_client import PushRestClient
from sipstack.io.clock import MonotonicClock


@pytest.mark.req("SEC-04")
def test_client_takes_no_url_without_tls_unless_told_that_it_is_insecure() -> None:
    def client(insecure: bool, url: str = "http://127.0.0.1:9/") -> PushRestClient:
        settings = PoolSettings(url, insecure=insecure)
        return PushRestClient(settings, None, MonotonicClock(), lambda _: None)

    with pytest.raises(ValueError, match="only https"):
        client(False)
    assert client(True)
    blind = ssl.create_default_context()
    blind.check_hostname = False
    blind.verify_mode = ssl.CERT_NONE
    with pytest.raises(ValueError, match="verifies"):
        PushRestClient(PoolSettings("https://h/"), blind, MonotonicClock(), lambda _: None)


@pytest.mark.req("CPNS-09")
def test_client_keeps_idle_connections_for_half_an_hour_at_least() -> None:
    settings = PoolSettings("http://127.0.0.1:9/", insecure=True, idle_s=1_799)
    with pytest.raises(ValueError, match="1800 s at least"):
        PushRestClient(settings, None, MonotonicClock(), lambda _: None)
