"""The one way from a node to the clouds: direct or through the proxy, to configured hosts only.

Source: section 28 of the catalogue, OP-35, OP-54, OP-55.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, TypeAlias, TypeVar

import anyio

from callctl.cloud.http import HeaderList, HttpAnswer
from callctl.egress.connect_handshake import (
    ConnectHandshake,
    OpenAgain,
    TunnelOpened,
    TunnelRefused,
)
from callctl.egress.failure import ExchangeFailed, NoOtherAddress
from callctl.egress.hosts import AllowedHosts
from callctl.egress.proxy_addresses import ProxyAddresses, in_turn
from callctl.egress.proxy_auth import ProxyAuthentication
from callctl.io.dial import (
    Place,
    Service,
    connect,
    converse,
    dial_places,
    not_found,
    places_of,
    service_at,
    tcp_failed,
    tls_failed,
)
from callctl.io.http_exchange import one_exchange, request_at
from callctl.io.name_lookup import is_numeric_host, look_up
from callctl.io.tunnel import ANSWER_TIMEOUT_S, Tunnel, refused, through
from callctl.model.cloud import ProxySettings
from sipstack.entropy import Entropy
from sipstack.io.entropy import OsEntropy
from sipstack.timing import Instant

EXCHANGE_TIMEOUT_S: Final = 15.0
ANSWER_MAX: Final = 1_048_576  # octets of an answer's body: a bundle of certificates is large

Clock: TypeAlias = Callable[[], Instant]
Resolve: TypeAlias = Callable[[str], Awaitable[tuple[str, ...]]]
"""The addresses of a name, in the order of the answer; () if there is no such name.

Raises: OSError if no name server answers.
"""

P = TypeVar("P", bound=asyncio.BaseProtocol)


class Egress:
    """Connections and single exchanges, all by the same settings of proxy, trust and names.

    `allowed` are the URLs, or names of hosts, that may be reached; None for any. Of these, a name
    that leads to addresses which are not public needs to be in `internal`, unless it says so itself
    as a number or as localhost does (P8). Behind a proxy, addresses are the proxy's business.
    """

    def __init__(
        self,
        proxy: ProxySettings | None,
        tls: ssl.SSLContext | None,
        clock: Clock,
        *,
        entropy: Entropy | None = None,
        proxy_tls: ssl.SSLContext | None = None,
        resolve: Resolve | None = None,
        allowed: Iterable[str] | None = None,
        internal: Iterable[str] = (),
        insecure: bool = False,
    ) -> None:
        """`insecure` allows http, and a TLS context that verifies nobody."""
        self.tls = tls
        self.proxy_tls = proxy_tls
        self.insecure = insecure
        self.hosts = AllowedHosts(allowed, internal)
        self._clock = clock
        self._entropy = entropy or OsEntropy()
        self._resolve = resolve
        self._way: _Way | None = None
        self.change(proxy)

    @property
    def proxy(self) -> ProxySettings | None:
        """The proxy as set."""
        return None if self._way is None else self._way.proxy

    def change(self, proxy: ProxySettings | None) -> None:
        """Take other settings, or the same anew; connections that are open stay (OP-55)."""
        self._way = None if proxy is None else _Way(proxy, self._entropy)

    async def dial(self, service: Service, make: Callable[[], P], *, used: str | None = None) -> P:
        """Connect; `used` is the address of the proxy over which it was tried in vain (PROXY-06).

        Raises: ExchangeFailed; NoOtherAddress (which is one) if `used` is the only way there is.
        """
        if not self.hosts.allows(service.host, service.port):
            raise ExchangeFailed("not allowed", f"{service.host} is not a configured host")
        way = self._way  # as it is now: it may be changed meanwhile
        if way is not None:
            return await self._dial_through(way, service, make, used)
        if used is not None:
            raise NoOtherAddress
        return await dial_places(await self._places_of(service), service, make)

    async def exchange(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: HeaderList = (),
        body: bytes = b"",
        timeout_s: float = EXCHANGE_TIMEOUT_S,
        answer_max: int = ANSWER_MAX,
    ) -> HttpAnswer:
        """One request over a connection of its own. A redirection is an answer like any other.

        Raises: ExchangeFailed
        """
        try:
            service = service_at(url, self.tls, insecure=self.insecure)
            octets = request_at(url, service, method, headers, body)
        except ValueError as error:
            raise ExchangeFailed("not allowed", str(error)) from error
        try:
            with anyio.fail_after(timeout_s):
                return await one_exchange(
                    lambda make: self.dial(service, make), octets, service.host, answer_max
                )
        except TimeoutError as error:
            why = f"{service.host}: no answer within {timeout_s:g} s"
            raise ExchangeFailed("timeout", why) from error

    async def _places_of(self, service: Service) -> tuple[Place, ...]:
        try:
            if self._resolve is None or is_numeric_host(service.host):
                found = await places_of(service)
            else:
                found = tuple((each, service.port) for each in await self._resolve(service.host))
        except OSError as error:
            raise not_found(service.host, error) from error
        places = tuple(each for each in found if self.hosts.leads_to(service.host, each[0]))
        if found and not places:
            why = f"{service.host} has an internal address, and is not listed as internal"
            raise ExchangeFailed("not allowed", why)
        return places

    async def _dial_through(
        self, way: _Way, service: Service, make: Callable[[], P], used: str | None
    ) -> P:
        addresses = in_turn(await self._addresses_of(way), used)
        if not addresses:
            raise NoOtherAddress
        failure = ExchangeFailed("proxy", f"{way.proxy}: not tried", at_proxy=True)
        for address in addresses:
            try:
                tunnel = await self._tunnel(way, (address, way.proxy.port), service)
                return await through(tunnel, service, make)
            except _Unusable as why:
                failure = why.failure
                if why.final:
                    break
            except ExchangeFailed as why:  # behind the tunnel, where nothing was asked for yet
                failure = why
                if why.step == "certificate":
                    break
        raise failure

    async def _tunnel(self, way: _Way, place: Place, service: Service) -> Tunnel:
        """A tunnel to the service through one address of the proxy. Raises: _Unusable"""
        proxy = way.proxy
        host = f"[{service.host}]" if ":" in service.host else service.host
        handshake = ConnectHandshake(f"{host}:{service.port}", way.authentication)
        while True:
            tunnel = await self._connect(proxy, place, handshake)
            verdict: object = None
            try:
                verdict = await tunnel.verdict()
            except TimeoutError as error:
                why = f"{proxy}: no answer within {ANSWER_TIMEOUT_S:g} s"
                raise _Unusable(ExchangeFailed("proxy", why, at_proxy=True)) from error
            finally:
                if not isinstance(verdict, TunnelOpened):
                    tunnel.transport.abort()
            match verdict:
                case TunnelOpened():
                    return tunnel
                case TunnelRefused(final=final):
                    raise _Unusable(refused(verdict, str(proxy)), final=final)
                case OpenAgain():
                    continue

    async def _connect(
        self, proxy: ProxySettings, place: Place, handshake: ConnectHandshake
    ) -> Tunnel:
        """A connection to the proxy, TLS if it is an https proxy. Raises: _Unusable"""
        tls = (self.proxy_tls or self.tls) if proxy.scheme == "https" else None
        if proxy.scheme == "https" and tls is None:
            why = ExchangeFailed("tls", f"{proxy}: no TLS is set up", at_proxy=True)
            raise _Unusable(why, final=True)
        try:
            plain = await connect(place)
        except (OSError, TimeoutError) as error:
            raise _Unusable(tcp_failed(*place, error, at_proxy=True)) from error
        try:
            return await converse(plain, lambda: Tunnel(handshake), tls, proxy.host)
        except (OSError, TimeoutError, ValueError) as error:  # ValueError: not a name for TLS
            raise _Unusable(tls_failed(proxy.host, error, at_proxy=True)) from error

    async def _addresses_of(self, way: _Way) -> tuple[str, ...]:
        """The addresses of the proxy, asked for once in an hour (PROXY-07)."""
        host = way.proxy.host
        if is_numeric_host(host):
            return (host,)
        async with way.looking_up:
            known = way.addresses.known(self._clock())
            if known is not None:
                return known
            try:
                found = await (self._resolve or look_up)(host)
            except OSError as error:
                old = way.addresses.unanswered(self._clock())
                if not old:
                    raise not_found(host, error, at_proxy=True) from error
                return old
            addresses = way.addresses.answered(found, self._clock())
        if not addresses:
            why = f"{host}: there is no such name"
            raise ExchangeFailed("dns", why, at_proxy=True)
        return addresses


class _Way:
    """The proxy as it is set, and what is known of it: gone with the settings (OP-55)."""

    def __init__(self, proxy: ProxySettings, entropy: Entropy) -> None:
        self.proxy = proxy
        self.addresses = ProxyAddresses()
        self.authentication = ProxyAuthentication(proxy, entropy)
        self.looking_up = anyio.Lock()


class _Unusable(Exception):
    """No tunnel through one address of the proxy; `final` if the others are not worth a try."""

    def __init__(self, failure: ExchangeFailed, *, final: bool = False) -> None:
        super().__init__(str(failure))
        self.failure = failure
        self.final = final
