"""Opening a connection for HTTP: each address of the host in turn, TLS that verifies it."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias, TypeVar, cast
from urllib.parse import urlsplit

import anyio

from callctl.egress.failure import ExchangeFailed, Step
from callctl.io.client_tls import TLS_TIMEOUT_S, over_tls
from callctl.push.events import LostReason

CONNECT_TIMEOUT_S: Final = 2.0  # for each address, PROXY-05, OP-35
KEEP_ALIVE_PROBE_S: Final = 60  # TCP keep-alive, so that a NAT on the way remembers the connection

P = TypeVar("P", bound=asyncio.BaseProtocol)

Place: TypeAlias = tuple[str, int]
"""A numeric address and a port."""


@dataclass(frozen=True, slots=True)
class Service:
    """Where a service is reached."""

    host: str
    port: int
    authority: str  # as it stands in the request
    path: str
    tls: ssl.SSLContext | None  # None: in the clear


def service_at(url: str, tls: ssl.SSLContext | None, *, insecure: bool = False) -> Service:
    """Read the URL of a service.

    Raises: ValueError for one that is not https, and for a context that would take any certificate
    (SEC-04), unless that is allowed as insecure.
    """
    parts = urlsplit(url)
    host = parts.hostname
    if host is None:
        raise ValueError(f"{parts.scheme or 'what has no scheme'}: a URL without host")
    if parts.username is not None:
        raise ValueError("credentials have no place in the URL of a service")
    secure = parts.scheme == "https"
    if not secure and not (parts.scheme == "http" and insecure):
        raise ValueError(f"{host}: only https, or http with the option insecure")
    try:
        host.encode("idna")
    except UnicodeError:
        raise ValueError(f"{host[:80]!r} is not a host name") from None
    if secure and (tls is None or not (insecure or tls.verify_mode is ssl.CERT_REQUIRED)):
        raise ValueError("a TLS context that verifies the server is needed")
    port = parts.port or (443 if secure else 80)
    return Service(host, port, parts.netloc, parts.path, tls if secure else None)


async def places_of(service: Service) -> tuple[Place, ...]:
    """Where the operating system says that the host is, asked anew each time.

    Raises: OSError if it knows no such host.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(service.host, service.port, type=socket.SOCK_STREAM)
    places: list[Place] = []
    for _, _, _, _, address in found:  # host, port and, for IPv6, flow and scope
        scope = f"%{address[3]}" if len(address) == 4 and address[3] else ""
        places.append((f"{address[0]}{scope}", int(address[1])))
    return tuple(places)


async def connect(place: Place) -> socket.socket:
    """A TCP connection. Raises: OSError, TimeoutError"""
    address, port = place
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    # The protocol is named so that the loop turns Nagle off: it would hold back the second half of
    # a request until the first is acknowledged, 40 ms later.
    plain = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        plain.setblocking(False)
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if hasattr(socket, "TCP_KEEPIDLE"):
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEP_ALIVE_PROBE_S)
        with anyio.fail_after(CONNECT_TIMEOUT_S):
            await asyncio.get_running_loop().sock_connect(plain, (address, port))
    except BaseException:
        plain.close()
        raise
    return plain


async def converse(
    plain: socket.socket, make: Callable[[], P], tls: ssl.SSLContext | None, host: str
) -> P:
    """A protocol on an open connection, over TLS if there is a context; the socket is taken over.

    Raises: OSError, SSLError (which is one) or TimeoutError.
    """
    loop = asyncio.get_running_loop()
    if tls is None:
        return (await loop.create_connection(make, sock=plain))[1]
    below, _ = await loop.create_connection(_Unread, sock=plain)
    return await over_tls(below, make, tls, host)


class _Unread(asyncio.Protocol):
    """Stands on a connection until TLS does."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).pause_reading()


async def dial(service: Service, make: Callable[[], P]) -> P:
    """Connect without a proxy: each address is tried for its time.

    Raises: ExchangeFailed (an OSError) of the last address.
    """
    try:
        places = await places_of(service)
    except OSError as error:
        raise not_found(service.host, error) from error
    return await dial_places(places, service, make)


async def dial_places(places: tuple[Place, ...], service: Service, make: Callable[[], P]) -> P:
    """Connect to the first of `places` that lets itself be connected to.

    Raises: ExchangeFailed of the last.
    """
    failure = ExchangeFailed("dns", f"{service.host} has no address")
    for place in places:
        try:
            plain = await connect(place)
        except (OSError, TimeoutError) as error:
            failure = tcp_failed(service.host, service.port, error)
            continue
        try:
            return await converse(plain, make, service.tls, service.host)
        except (OSError, TimeoutError) as error:
            failure = tls_failed(service.host, error)
    raise failure


def not_found(host: str, error: OSError, *, at_proxy: bool = False) -> ExchangeFailed:
    """The name could not be resolved."""
    return _failed("dns", f"{host}: {error.strerror or error}", error, at_proxy)


def tcp_failed(host: str, port: int, error: Exception, *, at_proxy: bool = False) -> ExchangeFailed:
    """What a failure of `connect` means."""
    why = f"no connection within {CONNECT_TIMEOUT_S:g} s"
    if isinstance(error, OSError) and not isinstance(error, TimeoutError):
        why = error.strerror or str(error)
    return _failed("tcp", f"{host} port {port}: {why}", error, at_proxy)


def tls_failed(host: str, error: Exception, *, at_proxy: bool = False) -> ExchangeFailed:
    """What a failure of a TLS handshake means."""
    if isinstance(error, ssl.SSLCertVerificationError):
        why = error.verify_message or str(error)
        return _failed("certificate", f"{host}: {why}", error, at_proxy)
    why = "the connection ended during the TLS handshake"
    if isinstance(error, ssl.SSLError):
        why = error.reason or str(error)
    elif isinstance(error, TimeoutError):
        why = f"no TLS within {TLS_TIMEOUT_S:g} s"
    return _failed("tls", f"{host}: {why}", error, at_proxy)


def _failed(step: Step, detail: str, error: Exception, at_proxy: bool) -> ExchangeFailed:
    failure = ExchangeFailed(step, detail, at_proxy=at_proxy)
    failure.__cause__ = error  # what OpenSSL said of a certificate may be asked for
    return failure


def why_not(error: Exception) -> LostReason:
    """What a failure of `dial` means for who waits for the connection."""
    if not isinstance(error, ExchangeFailed):
        return "tls" if isinstance(error, ssl.SSLError | ssl.CertificateError) else "connect"
    if error.at_proxy:
        return "proxy"
    return "tls" if error.step in ("tls", "certificate") else "connect"
