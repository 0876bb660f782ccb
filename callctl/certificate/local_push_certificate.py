"""The server certificate that iOS sees at port 9560, for local push.

Source: CERT-10 to CERT-12, Table H2, Table D row D12; Apple HT211025 and HT210176.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from callctl.certificate.certificate import Certificate

VALIDITY_DAYS: Final = 397  # the certificate has to be valid for less


@dataclass(frozen=True, slots=True)
class LocalPushWarning:
    """Why iOS may not take the certificate."""

    problem: str
    expected: str
    source: str


def local_push_warnings(
    shown: Certificate, unix_s: float, *, public_ca: bool = True
) -> tuple[LocalPushWarning, ...]:
    """What the configuration check says about it.

    `public_ca`: its CA is one that iOS knows by itself; of no meaning if it is self-signed.
    """
    return tuple(_warnings(shown, unix_s, public_ca=public_ca))


def _warnings(shown: Certificate, unix_s: float, *, public_ca: bool) -> Iterator[LocalPushWarning]:
    if shown.self_signed:
        yield LocalPushWarning(
            "the certificate for local push is self-signed, which is not recommended",
            "one of a public CA that meets the rules of iOS (HT211025)",
            "CERT-10, CERT-12",
        )
    elif not public_ca:
        yield LocalPushWarning(
            f"the certificate for local push is of a private CA, {shown.issuer}",
            "that CA in the trust store of each iOS device",
            "CERT-11",
        )
    if shown.validity_days >= VALIDITY_DAYS:
        yield LocalPushWarning(
            f"the certificate for local push is valid for {shown.validity_days:.0f} days",
            f"less than {VALIDITY_DAYS} days",
            "CERT-10, CERT-12",
        )
    if shown.expired(unix_s) or shown.not_yet_valid(unix_s):
        when = "has expired" if shown.expired(unix_s) else "is not valid yet"
        yield LocalPushWarning(f"the certificate for local push {when}", "a valid one", "CERT-10")
    if shown.weak:
        yield LocalPushWarning(
            f"the certificate for local push: {shown.weak}", "RSA 2048 or EC 256", "CERT-11"
        )
    if not shown.hosts:
        yield LocalPushWarning(
            "the certificate for local push names no host as alternative name",
            "the host that the app connects to",
            "CERT-11",
        )
    if not shown.server_auth:
        yield LocalPushWarning(
            "the certificate for local push is not for servers", "use serverAuth", "CERT-11"
        )
