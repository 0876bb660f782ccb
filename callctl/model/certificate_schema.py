"""The parts of the cluster file that name certificates (see `schema`)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import AfterValidator, Field

from callctl.model.certificate_files import CertificateFiles, SystemFiles
from callctl.model.entry import Entry
from callctl.model.values import FilePath, Kind, Name, quoted, wrong

_FINGERPRINT: Final = re.compile(r"[0-9A-F]{2}(?::?[0-9A-F]{2}){31}", re.ASCII)


def _fingerprint(text: str) -> str:
    plain = text.replace(" ", "").upper()
    if _FINGERPRINT.fullmatch(plain) is None:
        expected = "64 hexadecimal digits, as openssl x509 -fingerprint -sha256 prints them"
        raise wrong(f"{quoted(text)} is not a SHA-256 fingerprint", expected)
    return plain


FingerprintText: TypeAlias = Annotated[
    str, Kind("SHA-256 fingerprint"), AfterValidator(_fingerprint)
]


class RootEntry(Entry):
    """A root certificate that a cloud service needs beside, or instead of, that of Table H1."""

    service: Literal["ci", "fos"] = Field(
        description="`ci`: Common Identity and Push REST; `fos`: Cisco Webex."
    )
    fingerprint: FingerprintText = Field(description="SHA-256, of the root certificate.")
    needed: bool = Field(
        default=False,
        description="The service needs it now, instead of that of Table H1. Else it is accepted, "
        "also in a trust bundle, and not missed.",
    )


class CertificatesEntry(Entry):
    """The trust store `tomcat-trust` of the cluster."""

    image: list[FilePath] = Field(
        default=[],
        description="Root certificates of the cloud that the installation brings along: installed "
        "when Tomcat restarts after the first Save, if Cisco manages the certificates (CERT-03).",
    )
    tomcat_trust: list[FilePath] = Field(
        default=[],
        description="Certificates to trust, PEM or DER, as if they were uploaded at each start.",
    )
    roots: list[RootEntry] = Field(
        default=[], description="Cloud roots to accept beside those of Table H1 (CERT-02)."
    )
    bundle_signers: dict[Name, FilePath] = Field(
        default={},
        description="Public keys in PEM (Ed25519 or P-256), by key id, whose trust bundles are "
        "believed (OP-50). Not needed with the emulator.",
    )


class SystemCertificatesEntry(Entry):
    """The certificates of one system, for the check of MRA (Table H2)."""

    tomcat: FilePath | None = Field(
        default=None,
        description="CUCM and IM&P: the certificate for Cisco Tomcat, then its intermediates.",
    )
    callmanager: FilePath | None = Field(
        default=None, description="CUCM: the one for Cisco CallManager."
    )
    server: FilePath | None = Field(default=None, description="Expressway-C: its own.")
    authz: FilePath | None = Field(
        default=None,
        description="CUCM: that of the publisher; Expressway-C: the one it has fetched (CERT-13).",
    )
    trusts: list[FilePath] = Field(default=[], description="Files with all that it trusts.")

    def record(self, directory: Path) -> SystemFiles:
        """With paths as they are from `directory`."""
        return SystemFiles(
            _file(directory, self.tomcat),
            _file(directory, self.callmanager),
            _file(directory, self.server),
            _file(directory, self.authz),
            tuple(directory / name for name in self.trusts),
        )


class DeploymentCertificatesEntry(Entry):
    """Certificates that `callctl check` and `callctl certificate check` compare (CERT-06)."""

    cucm: SystemCertificatesEntry | None = Field(default=None, description="Those of CUCM.")
    im_and_presence: SystemCertificatesEntry | None = Field(
        default=None, description="Those of IM and Presence, if there is any."
    )
    expressway: SystemCertificatesEntry | None = Field(
        default=None, description="Those of Expressway-C."
    )
    local_push: FilePath | None = Field(
        default=None, description="What iOS is shown at port 9560 (CERT-10)."
    )
    local_push_ca: Literal["public", "private"] = Field(
        default="public", description="Whether iOS knows its CA by itself (CERT-11)."
    )


def certificate_files(
    store: CertificatesEntry, deployment: DeploymentCertificatesEntry | None, directory: Path
) -> CertificateFiles:
    """The record of both parts; `directory` is that of the cluster file."""
    given = deployment or DeploymentCertificatesEntry()
    return CertificateFiles(
        tuple(directory / name for name in store.image),
        tuple(directory / name for name in store.tomcat_trust),
        tuple((root.service, root.fingerprint, root.needed) for root in store.roots),
        {key_id: directory / name for key_id, name in store.bundle_signers.items()},
        _system(directory, given.cucm),
        _system(directory, given.im_and_presence),
        _system(directory, given.expressway),
        _file(directory, given.local_push),
        given.local_push_ca == "public",
    )


def _system(directory: Path, entry: SystemCertificatesEntry | None) -> SystemFiles | None:
    return None if entry is None else entry.record(directory)


def _file(directory: Path, name: str | None) -> Path | None:
    return None if name is None else directory / name
