"""What `callctl check` says of the certificates that a cluster file names.

Source: MRA-07, CERT-06 to CERT-13.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from callctl.certificate.local_push_certificate import local_push_warnings
from callctl.certificate.own_certificates import System, mra_gaps
from callctl.io.certificate_files import (
    CertificateFileError,
    bundle_signers,
    cloud_roots,
    image_roots,
    own_certificates,
    read_certificates,
)
from callctl.model.certificate_files import CertificateFiles
from callctl.model.consistency import Mistake

STORE: Final = ("certificates",)
DEPLOYMENT: Final = ("deployment", "certificates")
_KEYS: Final = {
    System.CUCM: "cucm",
    System.IM_AND_PRESENCE: "im_and_presence",
    System.EXPRESSWAY_C: "expressway",
}


def certificate_mistakes(files: CertificateFiles) -> Iterator[Mistake]:
    """Files that a cluster cannot start with."""
    try:
        image_roots(files, cloud_roots(files))
        bundle_signers(files)
        for file in files.tomcat_trust:
            read_certificates(file)
    except CertificateFileError as error:
        yield Mistake(STORE, str(error), "a file with certificates in PEM or DER")


def certificate_warnings(files: CertificateFiles, unix_s: float) -> Iterator[Mistake]:
    """What the checks of MRA and local push find, each at the key that it is about."""
    try:
        own = own_certificates(files)
    except CertificateFileError as error:
        yield Mistake(DEPLOYMENT, str(error), "a file with certificates in PEM or DER")
        return
    if own.mra:
        for gap in mra_gaps(own.mra, unix_s):
            place = (*DEPLOYMENT, _KEYS[gap.system])
            yield Mistake(place, gap.problem, f"{gap.action} ({gap.source})")
    if own.local_push is not None:
        shown = own.local_push
        place = (*DEPLOYMENT, "local_push")
        for it in local_push_warnings(shown.certificate, unix_s, public_ca=shown.public_ca):
            yield Mistake(place, it.problem, f"{it.expected} ({it.source})")
