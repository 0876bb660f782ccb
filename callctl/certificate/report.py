"""What `callctl certificate check` says: roots, ends, and the own certificates of a deployment.

Source: CERT-01, CERT-06 to CERT-12, ONB-03 (certificate presence).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from callctl.certificate.certificate import DAY_S, Certificate
from callctl.certificate.cloud_roots import PURPOSE
from callctl.certificate.expiry import step_of
from callctl.certificate.local_push_certificate import local_push_warnings
from callctl.certificate.own_certificates import SystemCertificates, mra_gaps
from callctl.certificate.trust_store import TrustStore


class Verdict(Enum):
    """How one line of the report ends."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was looked at."""

    verdict: Verdict
    subject: str
    finding: str
    action: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class LocalPushServer:
    """The certificate of port 9560 as a cluster file names it."""

    certificate: Certificate
    public_ca: bool = True


@dataclass(frozen=True, slots=True)
class OwnCertificates:
    """The own certificates that a cluster file names; nothing if it names none."""

    mra: tuple[SystemCertificates, ...] = ()
    local_push: LocalPushServer | None = None


def report(
    store: TrustStore,
    own: OwnCertificates,
    unix_s: float,
    *,
    servers: Mapping[str, Certificate] | None = None,
    insecure: bool = False,
) -> tuple[Line, ...]:
    """All lines, the worst not first: in the order in which an administrator works.

    `servers`: certificates that nodes show, by a name for people.
    """
    return (
        *_verification(insecure=insecure),
        *_roots(store, unix_s),
        *_ends(store, servers or {}, unix_s),
        *_mra(own, unix_s),
        *_local_push(own, unix_s),
    )


def _verification(*, insecure: bool) -> Iterator[Line]:
    if insecure:
        yield Line(
            Verdict.FAILED,
            "TLS verification",
            "is off: whoever answers is taken for the cloud",
            "take insecure_skip_tls_verification out of the cluster file",
        )


def _roots(store: TrustStore, unix_s: float) -> Iterator[Line]:
    missing = store.missing_roots(unix_s)
    for root in store.roots.roots:
        entry = store.get(root.fingerprint)
        if root in missing:
            state = "is not there" if entry is None else "has expired"
            yield Line(
                Verdict.FAILED,
                f"{root.service.label} root",
                f"{root.name} {state} in {PURPOSE}",
                f"upload the certificate with the fingerprint {root.fingerprint}",
                "CERT-01, Table H1",
            )
        elif entry is not None:
            found = f"{root.name} is in {PURPOSE} ({entry.origin.value})"
            yield Line(Verdict.OK, f"{root.service.label} root", found, source="CERT-01, Table H1")


def _ends(store: TrustStore, servers: Mapping[str, Certificate], unix_s: float) -> Iterator[Line]:
    places = ((each, f"{PURPOSE}: {each.common_name}") for each in store.certificates)
    for certificate, place in (*places, *((each, name) for name, each in servers.items())):
        step = step_of(certificate, unix_s)
        if step == 0:
            yield Line(Verdict.FAILED, place, "has expired", "renew or remove it")
        elif step is not None:
            days = int((certificate.not_after_s - unix_s) // DAY_S)
            left = "less than a day" if days < 1 else f"{days} days" if days > 1 else "a day"
            yield Line(Verdict.WARNING, place, f"ends in {left}", "renew it")


def _mra(own: OwnCertificates, unix_s: float) -> Iterator[Line]:
    if not own.mra:
        return
    gaps = mra_gaps(own.mra, unix_s)
    for gap in gaps:
        verdict = Verdict.FAILED if gap.serious else Verdict.WARNING
        yield Line(verdict, f"MRA: {gap.system.value}", gap.problem, gap.action, gap.source)
    if not any(gap.serious for gap in gaps):
        names = ", ".join(map(str, own.mra))
        yield Line(Verdict.OK, "MRA", f"{names} trust one another", source="CERT-06, MRA-07")


def _local_push(own: OwnCertificates, unix_s: float) -> Iterator[Line]:
    if own.local_push is None:
        return
    given = own.local_push
    warnings = local_push_warnings(given.certificate, unix_s, public_ca=given.public_ca)
    for it in warnings:
        yield Line(Verdict.WARNING, "local push", it.problem, it.expected, it.source)
    if not warnings:
        yield Line(Verdict.OK, "local push", "its certificate suits iOS", source="CERT-10")
