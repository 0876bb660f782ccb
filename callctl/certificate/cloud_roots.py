"""The root certificates of the cloud connection, by their fingerprints.

Source: CERT-01, CERT-02, Table H1; CLOUD-01 for the hosts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from callctl.certificate.certificate import Certificate
from callctl.certificate.fingerprint import Fingerprint

PURPOSE: Final = "tomcat-trust"


class CloudService(Enum):
    """Whose certificate is signed below a root of Table H1."""

    CI = "ci"  # Common Identity, and Push REST with it
    FOS = "fos"  # Cisco Webex

    @property
    def label(self) -> str:
        """As the table has it."""
        return _LABELS[self]


_LABELS: Final = {
    CloudService.CI: "Common Identity (CI) service",
    CloudService.FOS: "Cisco Webex",
}


@dataclass(frozen=True, slots=True)
class CloudRoot:
    """One row of Table H1."""

    service: CloudService
    name: str  # for people
    subject: tuple[str, ...]  # attributes that its subject has: "O=IdenTrust"
    fingerprint: Fingerprint
    needed_for: str
    needed: bool = True  # False: accepted in the store and in bundles, and not missed

    @property
    def issuer(self) -> str:
        """The issuing CA, as the table has it."""
        return ", ".join(self.subject)

    def claimed_by(self, name: str) -> bool:
        """Whether a subject or issuer has all attributes of this root, in whatever order."""
        given = f", {name.casefold()}, "
        return bool(self.subject) and all(
            f", {each.casefold()}, " in given for each in self.subject
        )


IDENTRUST: Final = CloudRoot(
    CloudService.CI,
    "IdenTrust Commercial Root CA 1",
    ("O=IdenTrust", "CN=IdenTrust Commercial Root CA 1"),
    Fingerprint.parse(
        "5D 56 49 9B E4 D2 E0 8B CF CA D0 8A 3E 38 72 3D"
        " 50 50 3B DE 70 69 48 E4 2F 55 60 30 19 E5 28 AE"
    ),
    "machine tokens from CI, HTTPS to Push REST",
)
GO_DADDY: Final = CloudRoot(
    CloudService.FOS,
    "Go Daddy Class 2 Certification Authority",
    ("O=The Go Daddy Group, Inc.", "OU=Go Daddy Class 2 Certification Authority"),
    Fingerprint.parse(
        "C3 84 6B F2 4B 9E 93 CA 64 27 4C 0E C6 7C 1E CC"
        " 5E 02 4F FC AC D2 D7 40 19 35 0E 81 FE 54 6A E4"
    ),
    "FOS, which provisions the CI machine account",
)


@dataclass(frozen=True, slots=True)
class CloudRoots:
    """The roots that a cluster is to have for the cloud; its own if it uses emulators."""

    roots: tuple[CloudRoot, ...]

    @classmethod
    def emulated(cls, given: Iterable[tuple[CloudService, Certificate]]) -> CloudRoots:
        """The roots of emulated services, instead of Table H1."""
        return cls(
            tuple(
                CloudRoot(
                    service,
                    certificate.common_name,
                    tuple(certificate.subject.split(", ")),
                    certificate.fingerprint,
                    f"emulated {service.label}",
                )
                for service, certificate in given
            )
        )

    @property
    def fingerprints(self) -> frozenset[Fingerprint]:
        """Of all of them."""
        return frozenset(root.fingerprint for root in self.roots)

    @property
    def needed(self) -> frozenset[Fingerprint]:
        """What the cloud needs now, as far as is known without asking it."""
        return frozenset(root.fingerprint for root in self.roots if root.needed)

    def of(self, fingerprint: Fingerprint) -> CloudRoot | None:
        """The root with this fingerprint."""
        return next((root for root in self.roots if root.fingerprint == fingerprint), None)

    def for_service(self, service: CloudService) -> tuple[CloudRoot, ...]:
        """The roots of one service; more than one while a change of root is under way."""
        return tuple(root for root in self.roots if root.service is service)

    def named(self, name: str) -> tuple[CloudRoot, ...]:
        """The roots that a subject or issuer names."""
        return tuple(root for root in self.roots if root.claimed_by(name))

    def missing(self, present: Iterable[Fingerprint]) -> tuple[CloudRoot, ...]:
        """Those that are needed and not there."""
        there = frozenset(present)
        return tuple(root for root in self.roots if root.needed and root.fingerprint not in there)

    def with_fingerprints(
        self, pinned: Iterable[tuple[CloudService, Fingerprint, bool]]
    ) -> CloudRoots:
        """These and more: roots that a cluster file pins because the cloud changes its own.

        The third of each says whether it is needed now, instead of the others of its service.
        """
        more = tuple(
            CloudRoot(
                service,
                f"pinned for {service.label}",
                (),
                fingerprint,
                "a new requirement",
                needed,
            )
            for service, fingerprint, needed in pinned
            if self.of(fingerprint) is None
        )
        changed = {root.service for root in more if root.needed}
        kept = (
            replace(root, needed=False) if root.service in changed else root for root in self.roots
        )
        return CloudRoots((*kept, *more))


TABLE_H1: Final = CloudRoots((IDENTRUST, GO_DADDY))
