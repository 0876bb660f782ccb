"""What a cloud service says to one who only wants to know whether it can be reached (CLOUD-12)."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final, TypeAlias

from callctl.cloud.http import HttpAnswer, HttpRequest, json_answer

PING_PATH: Final = "/ping"
BLOCK_LIST_PATH: Final = "/block-list"
BLOCKED: Final = "AddressBlocked"
"""Why a service refuses a request with 403 that comes from an address on the block list."""

PEER_ADDRESS: Final = "x-peer-address"
"""Header in which a shell tells a core who asks; one that comes from outside is not passed on."""

Network: TypeAlias = IPv4Network | IPv6Network


def ping_answer(service: str) -> HttpAnswer:
    """The service is there."""
    return json_answer(200, {"service": service})


class BlockList:
    """Addresses that the cloud does not speak with, but to tell them so."""

    __slots__ = ("_networks",)

    def __init__(self) -> None:
        self._networks: list[Network] = []

    def block(self, network: str) -> None:
        """Put an address or a network ("192.0.2.0/24") on the list. Raises: ValueError."""
        self._networks.append(ip_network(network))

    def clear(self) -> None:
        """Block nobody."""
        self._networks.clear()

    def has(self, address: str | None) -> bool:
        """True if `address` is on the list."""
        try:
            asked = None if address is None else ip_address(address.partition("%")[0])
        except ValueError:
            return False
        return asked is not None and any(asked in network for network in self._networks)

    def refuses(self, request: HttpRequest) -> bool:
        """True if it comes from an address on the list."""
        return bool(self._networks) and self.has(request.header(PEER_ADDRESS))

    def answer(self, request: HttpRequest) -> HttpAnswer:
        """Whether the address that asks, or that of the proxy it asks through, is on the list."""
        address = request.header(PEER_ADDRESS)
        if address is None:
            return json_answer(501, {"error": "unknown_address"})
        return json_answer(200, {"address": address, "blocked": self.has(address)})
