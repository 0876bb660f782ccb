"""Own certificates of a deployment with MRA: do CUCM, IM&P and Expressway-C trust one another?

A checker over given certificates. Source: CERT-06 to CERT-09, CERT-13, Table H2; MRA-04, MRA-07.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from itertools import permutations
from typing import Final

from callctl.certificate.certificate import Certificate
from callctl.certificate.cloud_roots import PURPOSE

CHAIN_MAX: Final = 10  # certificates between a server and its root


class System(Enum):
    """Who shows certificates (Table H2)."""

    CUCM = "CUCM"
    IM_AND_PRESENCE = "IM&P"
    EXPRESSWAY_C = "Expressway-C"


class Use(Enum):
    """What a certificate is shown for."""

    TOMCAT = "Cisco Tomcat"
    CALLMANAGER = "Cisco CallManager"
    SERVER = "server"  # of Expressway-C


USES: Final[Mapping[System, tuple[Use, ...]]] = {
    System.CUCM: (Use.TOMCAT, Use.CALLMANAGER),
    System.IM_AND_PRESENCE: (Use.TOMCAT,),
    System.EXPRESSWAY_C: (Use.SERVER,),
}
"""The rows of Table H2 that MRA needs."""


@dataclass(frozen=True, slots=True)
class SystemCertificates:
    """What one system shows, and whom it trusts."""

    system: System
    shown: Mapping[Use, tuple[Certificate, ...]] = field(default_factory=dict)
    """Of each use the certificate, then those between it and its root as far as it sends them."""
    trusts: tuple[Certificate, ...] = ()  # CUCM and IM&P: tomcat-trust
    authz: Certificate | None = None  # CUCM: its own; Expressway-C: the one it has fetched

    def __str__(self) -> str:
        return self.system.value


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that keeps MRA from working, or that should be otherwise."""

    system: System  # where it is to be put right
    problem: str
    action: str
    source: str  # "CERT-08"
    serious: bool = True  # False: it works, and is not recommended


def mra_gaps(systems: tuple[SystemCertificates, ...], unix_s: float) -> tuple[Gap, ...]:
    """All that is missing among the systems of a deployment; IM&P may be absent."""
    return (
        *(gap for each in systems for gap in _own(each, unix_s)),
        *(gap for of, by in permutations(systems, 2) for gap in _untrusted(of, by)),
        *_authz(systems),
        *_one_ca(systems),
    )


def refreshed(expressway: SystemCertificates, publisher: SystemCertificates) -> SystemCertificates:
    """Expressway-C after its CUCM servers were refreshed: it has their Authz (CERT-13)."""
    return replace(expressway, authz=publisher.authz)


def _own(of: SystemCertificates, unix_s: float) -> Iterator[Gap]:
    for use in USES[of.system]:
        chain = of.shown.get(use)
        if not chain:
            yield Gap(
                of.system,
                f"{of} has no {use.value} certificate",
                f"make a CSR for {use.value} on {of}, have it signed and upload it",
                "CERT-07",
            )
            continue
        own = chain[0]
        if own.expired(unix_s) or own.not_yet_valid(unix_s):
            when = "has expired" if own.expired(unix_s) else "is not valid yet"
            problem = f"the {use.value} certificate of {of} {when}"
            yield Gap(of.system, problem, f"renew it on {of}", "Table H2")
        if own.self_signed and of.system is System.EXPRESSWAY_C:
            yield Gap(
                of.system,
                "the certificate of Expressway-C is self-signed, which only CUCM and IM&P may be",
                "have it signed by a CA, best the one of CUCM and IM&P",
                "CERT-09",
            )


def _untrusted(of: SystemCertificates, by: SystemCertificates) -> Iterator[Gap]:
    """What `by` lacks to trust what `of` shows."""
    to_expressway = by.system is System.EXPRESSWAY_C
    told: set[str] = set()  # one missing root may stand behind several certificates
    for use in USES[of.system]:
        chain = of.shown.get(use, ())
        if not chain or _trusted(chain, by.trusts):
            continue
        if chain[0].self_signed:
            if to_expressway:
                yield Gap(
                    by.system,
                    f"Expressway-C lacks the self-signed {use.value} certificate of {of}",
                    f"upload the {use.value} certificate of {of} to Expressway-C",
                    "CERT-09",
                )
            continue
        root = _top(chain, (*by.trusts, *of.trusts)).issuer
        if root not in told:
            told.add(root)
            where = "the trusted CAs" if to_expressway else PURPOSE
            yield Gap(
                by.system,
                f"{by} lacks the root chain {root} of {of}",
                f"upload the CA root chain to {where} of {by}",
                "CERT-08" if _has_a_root(by) else "CERT-07",
            )


def _trusted(chain: tuple[Certificate, ...], trusts: tuple[Certificate, ...]) -> bool:
    """Whether `chain` ends, by signatures, at something self-signed among `trusts`."""
    if chain[0].self_signed:
        return chain[0] in trusts
    top = _top(chain, trusts)
    return any(root.self_signed and root.issued(top) for root in trusts)


def _top(chain: tuple[Certificate, ...], more: tuple[Certificate, ...]) -> Certificate:
    """The last certificate before the root, as far as the intermediates at hand lead."""
    at_hand = [each for each in (*chain[1:], *more) if not each.self_signed]
    top = chain[0]
    for _ in range(CHAIN_MAX):
        above = next((each for each in at_hand if each.issued(top)), None)
        if above is None:
            break
        at_hand.remove(above)
        top = above
    return top


def _has_a_root(of: SystemCertificates) -> bool:
    return any(each.is_ca and each.self_signed for each in of.trusts)


def _authz(systems: tuple[SystemCertificates, ...]) -> Iterator[Gap]:
    by_system = {each.system: each for each in systems}
    cucm, expressway = by_system.get(System.CUCM), by_system.get(System.EXPRESSWAY_C)
    if cucm is None or expressway is None or cucm.authz is None:
        return
    if expressway.authz != cucm.authz:
        state = "an old" if expressway.authz else "no"
        yield Gap(
            System.EXPRESSWAY_C,
            f"Expressway-C has {state} Authz certificate of the CUCM publisher",
            "refresh the CUCM servers on Expressway-C (Configuration, Unified Communications, "
            "Unified CM servers), then restart it",
            "CERT-13, MRA-04",
        )


def _one_ca(systems: tuple[SystemCertificates, ...]) -> Iterator[Gap]:
    tops = {
        _top(chain, each.trusts).issuer: each
        for each in systems
        for chain in each.shown.values()
        if chain and not chain[0].self_signed
    }
    if len(tops) > 1:
        yield Gap(
            System.CUCM,
            f"certificates come from {len(tops)} CAs: {'; '.join(sorted(tops))}",
            "the same CA for CUCM, IM&P and Expressway-C is recommended",
            "CERT-06",
            serious=False,
        )
