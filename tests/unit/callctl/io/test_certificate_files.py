"""The certificates that a cluster file names, read from their files."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from callctl.certificate.cloud_roots import TABLE_H1, CloudRoots, CloudService
from callctl.certificate.own_certificates import mra_gaps
from callctl.io.certificate_check import certificate_mistakes, certificate_warnings
from callctl.io.certificate_files import (
    CertificateFileError,
    bundle_signers,
    cloud_roots,
    image_roots,
    own_certificates,
    read_certificates,
)
from callctl.model.certificate_files import NO_FILES, CertificateFiles, SystemFiles
from helpers.certificates import BORN_S, Made, made
from helpers.table_h1 import GO_DADDY_PEM, IDENTRUST_PEM

ROOT = made("root")


def kept(directory: Path, name: str, *given: Made | bytes) -> Path:
    file = directory / name
    file.write_bytes(b"".join(it if isinstance(it, bytes) else it.pem for it in given))
    return file


def test_file_that_names_nothing_has_nothing() -> None:
    assert own_certificates(NO_FILES).mra == ()
    assert cloud_roots(NO_FILES) == TABLE_H1
    assert image_roots(NO_FILES, TABLE_H1) == ()


@pytest.mark.req("MRA-07")
def test_deployment_is_checked_as_its_files_are(tmp_path: Path) -> None:
    trusts = (kept(tmp_path, "root.pem", ROOT),)
    authz = kept(tmp_path, "authz.pem", made("authz", ca=False))

    def leaf(name: str) -> Path:
        return kept(tmp_path, f"{name}.pem", made(name, ROOT, ca=False))

    cucm = SystemFiles(tomcat=leaf("t"), callmanager=leaf("c"), authz=authz, trusts=trusts)
    imp = SystemFiles(tomcat=leaf("i"), trusts=trusts)
    expressway = SystemFiles(server=leaf("e"), authz=authz, trusts=trusts)
    own = own_certificates(
        CertificateFiles(cucm=cucm, im_and_presence=imp, expressway=expressway, local_push=authz)
    )
    assert mra_gaps(own.mra, BORN_S) == ()
    assert own.local_push is not None
    untrusting = SystemFiles(server=leaf("e"), authz=authz)
    own = own_certificates(CertificateFiles(cucm=cucm, expressway=untrusting))
    assert [gap.source for gap in mra_gaps(own.mra, BORN_S)] == ["CERT-07"]


@pytest.mark.req("MRA-07", "CERT-09", "CERT-12")
def test_checker_warns_at_the_key_that_is_to_be_put_right(tmp_path: Path) -> None:
    def leaf(name: str) -> Path:
        return kept(tmp_path, f"{name}.pem", made(name, ca=False))

    trusts = (kept(tmp_path, "root.pem", ROOT),)
    server = kept(tmp_path, "e.pem", made("e", ROOT, ca=False))
    files = CertificateFiles(
        cucm=SystemFiles(tomcat=leaf("t"), callmanager=leaf("c"), trusts=trusts),
        expressway=SystemFiles(server=server, trusts=trusts),
        local_push=kept(tmp_path, "l.pem", made("l", ca=False, days=400, hosts=("h",))),
    )
    warnings = tuple(certificate_warnings(files, BORN_S))
    assert [(it.path, it.expected.rpartition(" (")[2]) for it in warnings] == [
        (("deployment", "certificates", "expressway"), "CERT-09)"),
        (("deployment", "certificates", "expressway"), "CERT-09)"),
        (("deployment", "certificates", "local_push"), "CERT-10, CERT-12)"),
        (("deployment", "certificates", "local_push"), "CERT-10, CERT-12)"),
    ]
    assert tuple(certificate_warnings(NO_FILES, BORN_S)) == ()


def test_checker_names_files_that_cannot_be_used(tmp_path: Path) -> None:
    gone = tmp_path / "gone.pem"
    for files, place in (
        (CertificateFiles(tomcat_trust=(gone,)), ("certificates",)),
        (CertificateFiles(image=(gone,)), ("certificates",)),
        (CertificateFiles(local_push=gone), ("deployment", "certificates")),
    ):
        (found,) = (*certificate_mistakes(files), *certificate_warnings(files, BORN_S))
        assert found.path == place
        assert str(gone) in found.problem
    # Without what it shall trust a cluster does not start; a check beside it just cannot be made.
    assert list(certificate_mistakes(CertificateFiles(local_push=gone))) == []


@pytest.mark.req("CERT-02", "CERT-03")
def test_image_takes_cloud_roots_alone(tmp_path: Path) -> None:
    both = kept(tmp_path, "image.pem", IDENTRUST_PEM, GO_DADDY_PEM)
    found = image_roots(CertificateFiles(image=(both,)), TABLE_H1)
    assert [service for service, _ in found] == [CloudService.CI, CloudService.FOS]
    other = kept(tmp_path, "other.pem", ROOT)
    with pytest.raises(CertificateFileError, match=r"other\.pem: .* is no cloud root"):
        image_roots(CertificateFiles(image=(other,)), TABLE_H1)
    pinned = CertificateFiles(
        image=(other,), roots=(("ci", str(ROOT.certificate.fingerprint), True),)
    )
    roots: CloudRoots = cloud_roots(pinned)
    assert image_roots(pinned, roots) == ((CloudService.CI, ROOT.certificate),)


@pytest.mark.parametrize("wrong", [("ci", "5D", True), ("push", "5D" * 32, True)])
def test_pin_that_is_none_is_named(wrong: tuple[str, str, bool]) -> None:
    with pytest.raises(CertificateFileError, match=r"certificates\.roots"):
        cloud_roots(CertificateFiles(roots=(wrong,)))


def test_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    for file, why in (
        (tmp_path / "none.pem", "No such file"),
        (tmp_path, "directory"),
        (kept(tmp_path, "empty.pem"), "it is empty"),
    ):
        with pytest.raises(CertificateFileError, match=why) as caught:
            read_certificates(file)
        assert str(file) in str(caught.value)


def test_signers_of_bundles_are_ed25519_or_p256(tmp_path: Path) -> None:
    def public(name: str, key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> Path:
        form = (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return kept(tmp_path, name, key.public_key().public_bytes(*form))

    edwards, curve = ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256R1())
    files = {"a": public("a.pem", edwards), "b": public("b.pem", curve)}
    assert set(bundle_signers(CertificateFiles(bundle_signers=files))) == {"a", "b"}
    long = rsa.generate_private_key(public_exponent=65_537, key_size=2048).public_key()
    text = long.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for wrong in (
        kept(tmp_path, "rsa.pem", text),
        public("p384.pem", ec.generate_private_key(ec.SECP384R1())),
        kept(tmp_path, "no.pem", b"?"),
        tmp_path / "none.pem",
    ):
        with pytest.raises(CertificateFileError, match=wrong.name):
            bundle_signers(CertificateFiles(bundle_signers={"a": wrong}))
