"""Opening a connection for HTTP: each address of the host in turn, TLS that verifies it."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar
from urllib.parse import urlsplit

import anyio

from callctl.push.events import LostReason

CONNECT_TIMEOUT_S: Final = 2.0  # for each address, OP-35
TLS_TIMEOUT_S: Final = 5.0
KEEP_ALIVE_PROBE_S: Final = 60  # TCP keep-alive, so that a NAT on the way remembers the connection

P = TypeVar("P", bound=asyncio.BaseProtocol)


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

    Raises: ValueError for one that is not https, unless http is allowed as insecure, and for a
    context that would take any certificate (SEC-04).
    """
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    if not secure and not (parts.scheme == "http" and insecure):
        raise ValueError(f"{url}: only https, or http with the option insecure")
    if parts.hostname is None:
        raise ValueError(f"{url}: no host")
    if secure and (tls is None or tls.verify_mode is not ssl.CERT_REQUIRED):
        raise ValueError("a TLS context that verifies the server is needed")
    port = parts.port or (443 if secure else 80)
    return Service(parts.hostname, port, parts.netloc, parts.path, tls if secure else None)


async def dial(service: Service, make: Callable[[], P]) -> P:
    """Connect: names are resolved anew each time, each address is tried for its time.

    Raises: OSError, SSLError (which is one) or TimeoutError of the last address.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(service.host, service.port, type=socket.SOCK_STREAM)
    failure: Exception = OSError("no address")
    for family, _, _, _, address in found:
        plain = socket.socket(family, socket.SOCK_STREAM)
        try:
            plain.setblocking(False)
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if hasattr(socket, "TCP_KEEPIDLE"):
                plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEP_ALIVE_PROBE_S)
            with anyio.fail_after(CONNECT_TIMEOUT_S):
                await loop.sock_connect(plain, address)
            with anyio.fail_after(TLS_TIMEOUT_S):
                _, protocol = await loop.create_connection(
                    make,
                    sock=plain,
                    ssl=service.tls,
                    server_hostname=service.host if service.tls else None,
                )
        except (OSError, TimeoutError) as error:
            plain.close()
            failure = error
        except BaseException:
            plain.close()
            raise
        else:
            return protocol
    raise failure


def why_not(error: Exception) -> LostReason:
    """What a failure of `dial` means for who waits for the connection."""
    return "tls" if isinstance(error, ssl.SSLError | ssl.CertificateError) else "connect"
