"""Reads the certificates that a cluster file names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from callctl.certificate.certificate import (
    UPLOAD_MAX,
    Certificate,
    CertificateSyntaxError,
    parse_certificates,
)
from callctl.certificate.cloud_roots import TABLE_H1, CloudRoots, CloudService
from callctl.certificate.fingerprint import Fingerprint
from callctl.certificate.own_certificates import System, SystemCertificates, Use
from callctl.certificate.report import LocalPushServer, OwnCertificates
from callctl.certificate.trust_bundle import SignerKey
from callctl.model.certificate_files import CertificateFiles, SystemFiles

_SHOWN: Final = {
    System.CUCM: {Use.TOMCAT: "tomcat", Use.CALLMANAGER: "callmanager"},
    System.IM_AND_PRESENCE: {Use.TOMCAT: "tomcat"},
    System.EXPRESSWAY_C: {Use.SERVER: "server"},
}


class CertificateFileError(ValueError):
    """A file that the cluster file names cannot be used. The text names the file."""


def read_certificates(file: Path) -> tuple[Certificate, ...]:
    """All certificates of one file. Raises: CertificateFileError."""
    try:
        with file.open("rb") as stream:
            data = stream.read(UPLOAD_MAX + 1)
        return parse_certificates(data)
    except OSError as error:
        raise CertificateFileError(f"{file}: {error.strerror or error}") from error
    except CertificateSyntaxError as error:
        raise CertificateFileError(f"{file}: {error}") from error


def cloud_roots(files: CertificateFiles, base: CloudRoots = TABLE_H1) -> CloudRoots:
    """Table H1, or the roots of emulators, with what the cluster file pins beside them.

    Raises: CertificateFileError for what is no fingerprint.
    """
    try:
        return base.with_fingerprints(
            (CloudService(service), Fingerprint.parse(text), needed)
            for service, text, needed in files.roots
        )
    except ValueError as error:
        raise CertificateFileError(f"certificates.roots: {error}") from error


def image_roots(
    files: CertificateFiles, roots: CloudRoots
) -> tuple[tuple[CloudService, Certificate], ...]:
    """The cloud roots of the installation image. Raises: CertificateFileError."""
    found = []
    for file in files.image:
        for certificate in read_certificates(file):
            root = roots.of(certificate.fingerprint)
            if root is None:
                raise CertificateFileError(f"{file}: {certificate} is no cloud root")
            found.append((root.service, certificate))
    return tuple(found)


def bundle_signers(files: CertificateFiles) -> Mapping[str, SignerKey]:
    """The pinned keys of trust bundles. Raises: CertificateFileError."""
    return {key_id: _signer(file) for key_id, file in files.bundle_signers.items()}


def own_certificates(files: CertificateFiles) -> OwnCertificates:
    """What the checks of MRA and local push look at. Raises: CertificateFileError."""
    systems = (
        (System.CUCM, files.cucm),
        (System.IM_AND_PRESENCE, files.im_and_presence),
        (System.EXPRESSWAY_C, files.expressway),
    )
    mra = tuple(_system(system, given) for system, given in systems if given is not None)
    local_push = None
    if files.local_push is not None:
        shown = read_certificates(files.local_push)[0]
        local_push = LocalPushServer(shown, files.local_push_public_ca)
    return OwnCertificates(mra, local_push)


def _system(system: System, given: SystemFiles) -> SystemCertificates:
    named = {use: getattr(given, key) for use, key in _SHOWN[system].items()}
    return SystemCertificates(
        system,
        {use: read_certificates(file) for use, file in named.items() if file is not None},
        _all(given.trusts),
        None if given.authz is None else read_certificates(given.authz)[0],
    )


def _all(files: Iterable[Path]) -> tuple[Certificate, ...]:
    return tuple(each for file in files for each in read_certificates(file))


def _signer(file: Path) -> SignerKey:
    try:
        key = load_pem_public_key(file.read_bytes())
    except OSError as error:
        raise CertificateFileError(f"{file}: {error.strerror or error}") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CertificateFileError(f"{file}: not a public key in PEM") from error
    if isinstance(key, Ed25519PublicKey):
        return key
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return key
    raise CertificateFileError(f"{file}: the key has to be Ed25519 or P-256")
