"""What a failed TLS handshake meant, and a look at the certificates that were shown in it.

Source: NET-04; research/reliability 5.2 P7, 6.I 91.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Sequence
from typing import Final, Protocol, cast

import anyio

from callctl.certificate.certificate import (
    Certificate,
    CertificateSyntaxError,
    parse_certificate,
)
from callctl.certificate.cloud_roots import TABLE_H1, CloudRoots
from callctl.certificate.tls_failure import TlsFailure, TlsProblem, failure_of, problem_of
from callctl.io.dial import P, Service

LOOK_TIMEOUT_S: Final = 2.0
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


class Dial(Protocol):
    """A way to a service: `Egress.dial`."""

    async def __call__(self, service: Service, make: Callable[[], P]) -> P:
        """Raises: OSError, TimeoutError."""


async def chain_shown(
    dial: Dial, host: str, port: int, *, timeout_s: float = LOOK_TIMEOUT_S
) -> tuple[Certificate, ...]:
    """What a server shows, its own certificate first; () if it shows nothing that can be read.

    The handshake is not verified, and not an octet is sent after it.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with anyio.fail_after(timeout_s):
            look = await dial(Service(host, port, "", "", context), _Look)
    except (OSError, TimeoutError, ValueError):
        return ()
    return look.chain


class _Look(asyncio.Protocol):
    """Hangs up as soon as it has seen."""

    chain: tuple[Certificate, ...] = ()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.chain = tuple(_parsed(transport.get_extra_info("ssl_object")))
        cast(asyncio.Transport, transport).abort()


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
