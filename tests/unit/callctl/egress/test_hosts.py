"""Which hosts may be reached (P8)."""

from __future__ import annotations

import pytest

from callctl.egress.hosts import AllowedHosts, is_public


def test_only_configured_hosts_are_reached_at_their_ports() -> None:
    hosts = AllowedHosts(
        ["https://push.example.com/v1", "http://ci.example.com:8080", "fos.example"]
    )
    assert hosts.allows("push.example.com", 443)
    assert not hosts.allows("push.example.com", 8443)
    assert hosts.allows("PUSH.example.com", 443)
    assert hosts.allows("ci.example.com", 8080)
    assert hosts.allows("fos.example", 1)
    assert not hosts.allows("169.254.169.254", 80)
    assert not hosts.allows("example.com", 443)
    hosts.add("https://later.example.com:444")
    assert hosts.allows("later.example.com", 444)


def test_public_name_does_not_lead_into_the_own_network() -> None:
    hosts = AllowedHosts(
        ["push.example.com", "relay.example.com", "https://127.0.0.1:4443", "localhost"],
        internal=["Relay.example.com"],
    )
    assert hosts.leads_to("push.example.com", "8.8.8.8")
    assert not hosts.leads_to("push.example.com", "10.1.2.3")
    assert hosts.leads_to("relay.example.com", "10.1.2.3")
    assert hosts.leads_to("127.0.0.1", "127.0.0.1")
    assert hosts.leads_to("localhost", "::1")


def test_without_a_list_every_host_is_reached() -> None:
    hosts = AllowedHosts(None)
    assert hosts.allows("anything.example", 1)
    assert hosts.leads_to("anything.example", "10.1.2.3")


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "192.168.1.1",
        "172.16.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "fe80::1",
        "fd00::1",
        "::ffff:10.0.0.1",
        "ff0e::1",
    ],
)
def test_addresses_of_own_networks_are_not_public(address: str) -> None:
    assert not is_public(address)


def test_url_without_host_is_refused() -> None:
    with pytest.raises(ValueError, match="no host"):
        AllowedHosts(["https://"])
