"""Which hosts a node may speak to: those configured, whatever an answer names (P8)."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

_LOCALHOST = "localhost"


class AllowedHosts:
    """Hosts by name, with their port where they were given as a URL; all hosts if `places` is None.

    A public name must not lead into the own network, unless it is listed as internal.
    """

    def __init__(self, places: Iterable[str] | None, internal: Iterable[str] = ()) -> None:
        self._any = places is None
        self._ports: dict[str, set[int] | None] = {}  # None: every port
        self._internal = {host.lower() for host in internal}
        for place in places or ():
            self.add(place)

    def add(self, place: str) -> None:
        """Allow one more, a URL or the name of a host.

        Raises: ValueError for a URL without host.
        """
        if "://" not in place:
            self._ports[place.lower()] = None
            return
        parts = urlsplit(place)
        if parts.hostname is None:
            raise ValueError(f"{place}: no host")
        port = parts.port or (443 if parts.scheme == "https" else 80)
        ports = self._ports.setdefault(parts.hostname, set())
        if ports is not None:
            ports.add(port)

    def allows(self, host: str, port: int) -> bool:
        """True if the service may be reached at all."""
        if self._any:
            return True
        if host.lower() not in self._ports:
            return False
        ports = self._ports[host.lower()]
        return ports is None or port in ports

    def leads_to(self, host: str, address: str) -> bool:
        """True if `host`, which is allowed, may be found at `address`."""
        if self._any or host.lower() in self._internal:
            return True
        if host.lower() == _LOCALHOST or _is_numeric(host):
            return True  # whoever configured it has said what it is
        return is_public(address)


def is_public(address: str) -> bool:
    """False for loopback, link-local, private and other addresses that no cloud is found at."""
    parsed = ip_address(address)
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped
    return parsed.is_global and not parsed.is_multicast


def _is_numeric(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
