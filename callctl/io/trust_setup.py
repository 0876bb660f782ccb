"""The trust of a cluster, made from its file and its state directory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from callctl.certificate.certificate import Certificate
from callctl.certificate.cisco_managed import CiscoManaged
from callctl.certificate.cloud_roots import TABLE_H1, CloudRoots, CloudService
from callctl.certificate.report import OwnCertificates
from callctl.certificate.trust_bundle import BundleRules, SignerKey
from callctl.certificate.trust_store import TrustStore, UploadRefused
from callctl.io.certificate_files import (
    CertificateFileError,
    bundle_signers,
    cloud_roots,
    image_roots,
    own_certificates,
)
from callctl.io.trust import Trust
from callctl.io.trust_files import TrustFiles
from callctl.model.certificate_files import CertificateFiles


@dataclass(frozen=True, slots=True)
class TrustSetup:
    """What a publisher starts with."""

    trust: Trust
    managed: CiscoManaged
    own: OwnCertificates


def set_up_trust(
    files: CertificateFiles,
    state: Path | None,
    unix_s_at_zero: float,
    *,
    insecure_skip_tls_verification: bool = False,
    emulated: Iterable[tuple[CloudService, Certificate]] = (),
    signers: Mapping[str, SignerKey] | None = None,
) -> TrustSetup:
    """Read the store that was kept, and what the cluster file names.

    `emulated`: roots of emulators, which last for one run: they stand in for Table H1 and for the
    installation image, and nothing is kept. `signers`: of trust bundles, beside those of the file.
    Raises: CertificateFileError; TrustFilesError and other OSErrors of the store that was kept.
    """
    stand_ins = tuple(emulated)
    roots = cloud_roots(files, CloudRoots.emulated(stand_ins) if stand_ins else TABLE_H1)
    kept = None if state is None or stand_ins else TrustFiles(state)
    trust = Trust(
        TrustStore(roots, () if kept is None else kept.load()),
        kept,
        insecure_skip_tls_verification=insecure_skip_tls_verification,
    )
    for file in files.tomcat_trust:
        try:
            trust.upload(file.read_bytes())
        except UploadRefused as error:
            raise CertificateFileError(f"{file}: {error}") from error
        except OSError as error:
            raise CertificateFileError(f"{file}: {error.strerror or error}") from error
    rules = BundleRules(
        {**bundle_signers(files), **(signers or {})},
        roots.fingerprints,
        0 if kept is None else kept.sequence(),
    )
    image = stand_ins or image_roots(files, roots)
    managed = CiscoManaged(roots.needed, image, rules, unix_s_at_zero)
    return TrustSetup(trust, managed, own_certificates(files))
