"""What a failed TLS handshake meant, and a look at the certificates that were shown in it.

Source: NET-04; research/reliability 5.2 P7, 6.I 91.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Sequence
from typing import Any, Final

import anyio

from callctl.certificate.certificate import (
    Certificate,
    CertificateSyntaxError,
    parse_certificate,
)
from callctl.certificate.cloud_roots import TABLE_H1, CloudRoots
from callctl.certificate.tls_failure import TlsFailure, TlsProblem, failure_of, problem_of

LOOK_TIMEOUT_S: Final = 5.0
_ENCODING_DER: Final = 2  # of `_ssl.Certificate.public_bytes`


def why_tls_failed(
    error: BaseException,
    host: str,
    shown: Sequence[Certificate] = (),
    *,
    cloud: bool = False,
    roots: CloudRoots = TABLE_H1,
) -> TlsFailure:
    """The failure that `error` reports, or what caused it; else as `failure_of`."""
    return failure_of(_problem(error), host, shown, cloud=cloud, roots=roots)


async def chain_shown(
    host: str,
    port: int,
    *,
    server_name: str | None = None,
    sock: socket.socket | None = None,
    timeout_s: float = LOOK_TIMEOUT_S,
) -> tuple[Certificate, ...]:
    """What a server shows, its own certificate first; () if it shows nothing that can be read.

    The handshake is not verified, and not an octet is sent after it. `sock`: a connection that is
    open already, as through a proxy; it is closed.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    loop = asyncio.get_running_loop()
    where: dict[str, Any] = {"sock": sock} if sock is not None else {"host": host, "port": port}
    try:
        with anyio.fail_after(timeout_s):
            transport, _ = await loop.create_connection(
                asyncio.Protocol, ssl=context, server_hostname=server_name or host, **where
            )
    except (OSError, TimeoutError):
        if sock is not None:
            sock.close()
        return ()
    try:
        return tuple(_parsed(transport.get_extra_info("ssl_object")))
    finally:
        transport.abort()


def _parsed(tls: ssl.SSLObject) -> list[Certificate]:
    found: list[Certificate] = []
    for der in _chain(tls):
        try:
            found.append(parse_certificate(der))
        except CertificateSyntaxError:
            break
    return found


def _chain(tls: ssl.SSLObject) -> list[bytes]:
    """The chain; where Python does not give it (before 3.13), the server's own certificate."""
    whole = getattr(tls, "get_unverified_chain", None)
    if whole is not None:
        return list(whole())
    inner = getattr(getattr(tls, "_sslobj", None), "get_unverified_chain", None)
    if inner is not None:
        return [each.public_bytes(_ENCODING_DER) for each in inner() or ()]
    own = tls.getpeercert(binary_form=True)
    return [own] if own else []


def _problem(error: BaseException) -> TlsProblem:
    while not isinstance(error, ssl.SSLError) and error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, ssl.SSLCertVerificationError):
        return problem_of(error.verify_code, "")
    if isinstance(error, ssl.SSLError):
        return problem_of(None, error.reason or "")
    return TlsProblem.BROKEN_OFF
