"""The store `tomcat-trust` of a cluster: whom CUCM and IM&P trust at TLS.

Source: CERT-01, CERT-02, CERT-04, CERT-07, CERT-08.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from callctl.certificate.certificate import (
    Certificate,
    CertificateSyntaxError,
    parse_certificates,
)
from callctl.certificate.cloud_roots import TABLE_H1, CloudRoot, CloudRoots, CloudService
from callctl.certificate.fingerprint import Fingerprint

STORE_MAX: Final = 500  # certificates


class Origin(Enum):
    """How a certificate came into the store."""

    IMAGE = "image"  # with the installation, Cisco-managed (CERT-03)
    UPLOADED = "uploaded"  # by the administrator (CERT-04)
    FETCHED = "fetched"  # by the system, for a new requirement of the cloud (OP-50)


@dataclass(frozen=True, slots=True)
class Trusted:
    """One entry of the store."""

    certificate: Certificate
    origin: Origin
    added_at_s: int  # unix time


@dataclass(frozen=True, slots=True)
class Added:
    """What became of an upload."""

    added: tuple[Certificate, ...]
    present: tuple[Certificate, ...] = ()  # were there before, and stay as they were
    remarks: tuple[str, ...] = ()  # what works and yet should be known


class UploadRefused(ValueError):
    """An upload from which nothing was taken; says what is wrong with each part of it."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class TrustStore:
    """Certificates by fingerprint, in the order in which they came."""

    def __init__(self, roots: CloudRoots = TABLE_H1, entries: Iterable[Trusted] = ()) -> None:
        """`entries`: from a store that was kept; they were checked when they came in."""
        self.roots = roots
        self._entries = {entry.certificate.fingerprint: entry for entry in entries}

    @property
    def entries(self) -> tuple[Trusted, ...]:
        """All of it."""
        return tuple(self._entries.values())

    @property
    def certificates(self) -> tuple[Certificate, ...]:
        """What TLS is to trust."""
        return tuple(entry.certificate for entry in self._entries.values())

    def get(self, fingerprint: Fingerprint) -> Trusted | None:
        """The entry with this fingerprint."""
        return self._entries.get(fingerprint)

    def missing_roots(self, unix_s: float) -> tuple[CloudRoot, ...]:
        """The rows of Table H1 that are not there, or are past their end."""
        alive = (each.fingerprint for each in self.certificates if not each.expired(unix_s))
        return self.roots.missing(alive)

    def upload(
        self,
        data: bytes,
        unix_s: int,
        *,
        origin: Origin = Origin.UPLOADED,
        for_service: CloudService | None = None,
    ) -> Added:
        """Take the certificates of a file, PEM or DER: all of them or, if one is wrong, none.

        `for_service`: the upload is meant as the root of this cloud service and has to be it.
        Raises: UploadRefused.
        """
        try:
            given = parse_certificates(data)
        except CertificateSyntaxError as error:
            raise UploadRefused((str(error),)) from error
        return self.add(given, unix_s, origin=origin, for_service=for_service)

    def add(
        self,
        given: Iterable[Certificate],
        unix_s: int,
        *,
        origin: Origin = Origin.UPLOADED,
        for_service: CloudService | None = None,
    ) -> Added:
        """As `upload`, for certificates that are parsed already. Raises: UploadRefused."""
        distinct = tuple(dict.fromkeys(given))
        problems = [problem for each in distinct if (problem := self._problem(each, unix_s))]
        if for_service is not None and not problems:
            problems += self._not_for(for_service, distinct)
        fresh = tuple(each for each in distinct if each.fingerprint not in self._entries)
        if not problems and len(self._entries) + len(fresh) > STORE_MAX:
            problems.append(f"the store is full: it takes {STORE_MAX} certificates")
        if problems:
            raise UploadRefused(tuple(problems))
        for each in fresh:
            self._entries[each.fingerprint] = Trusted(each, origin, unix_s)
        present = tuple(each for each in distinct if each not in fresh)
        return Added(fresh, present, tuple(self._remarks(fresh, unix_s)))

    def remove(self, fingerprint: Fingerprint) -> Trusted | None:
        """Take one out; None if it is not there."""
        return self._entries.pop(fingerprint, None)

    def restore(self, entries: Iterable[Trusted]) -> None:
        """Hold what it held before a change that could not be kept."""
        self._entries = {entry.certificate.fingerprint: entry for entry in entries}

    def _problem(self, given: Certificate, unix_s: int) -> str:
        name = given.subject
        for root in self.roots.named(name):
            pinned = [each.fingerprint for each in self.roots.for_service(root.service)]
            if given.fingerprint not in pinned:
                return wrong_fingerprint(given, root)
        if not given.is_ca:
            return f"{name} is not a certificate authority"
        if given.expired(unix_s):
            return f"{name} has expired"
        if given.weak:
            return f"{name}: {given.weak}"
        return ""

    def _not_for(self, service: CloudService, given: tuple[Certificate, ...]) -> list[str]:
        wanted = self.roots.for_service(service)
        if any(each.fingerprint == root.fingerprint for each in given for root in wanted):
            return []
        return [wrong_fingerprint(each, root) for root in wanted for each in given]

    def _remarks(self, fresh: tuple[Certificate, ...], unix_s: int) -> Iterable[str]:
        known = self.certificates
        for each in fresh:
            if each.not_yet_valid(unix_s):
                yield f"{each.subject} is not valid yet"
            if not each.self_signed and not any(
                other.issued(each) for other in known if other != each
            ):
                yield f"{each.subject} is an intermediate; its issuer {each.issuer} is not here"


def wrong_fingerprint(given: Certificate, root: CloudRoot) -> str:
    """Both fingerprints, for who has to compare them (CERT-02)."""
    return (
        f"{given.subject} is not {root.issuer} of Table H1: "
        f"its SHA-256 fingerprint is {given.fingerprint}, expected {root.fingerprint}"
    )
