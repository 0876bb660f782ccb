"""The trust store of a cluster: what it takes, what it refuses, and in which words."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives import serialization

from callctl.certificate.certificate import (
    IN_ONE_MAX,
    UPLOAD_MAX,
    CertificateSyntaxError,
    parse_certificate,
    parse_certificates,
    pem_bundle,
)
from callctl.certificate.cloud_roots import GO_DADDY, IDENTRUST, TABLE_H1, CloudRoots, CloudService
from callctl.certificate.fingerprint import Fingerprint
from callctl.certificate.trust_store import STORE_MAX, Origin, Trusted, TrustStore, UploadRefused
from helpers.certificates import BORN_S, Made, made
from helpers.table_h1 import GO_DADDY_PEM, IDENTRUST_PEM

ROOT = made("lab root")
FALSE_IDENTRUST = made((("O", "IdenTrust"), ("CN", "IdenTrust Commercial Root CA 1")))


def refusal(store: TrustStore, data: bytes, service: CloudService | None = None) -> str:
    """Why an upload is not taken; nothing of it is in the store then."""
    before = store.entries
    with pytest.raises(UploadRefused) as caught:
        store.upload(data, BORN_S, for_service=service)
    assert store.entries == before
    return str(caught.value)


@pytest.mark.req("CERT-01", "CERT-02", "CERT-04")
def test_roots_of_table_h1_are_known_by_their_fingerprints_and_missed_until_both_are_there() -> (
    None
):
    store = TrustStore()
    assert store.missing_roots(BORN_S) == (IDENTRUST, GO_DADDY)
    added = store.upload(IDENTRUST_PEM, BORN_S, for_service=CloudService.CI)
    assert [each.fingerprint for each in added.added] == [IDENTRUST.fingerprint]
    assert store.missing_roots(BORN_S) == (GO_DADDY,)
    store.upload(GO_DADDY_PEM, BORN_S, for_service=CloudService.FOS)
    assert store.missing_roots(BORN_S) == ()
    assert [entry.origin for entry in store.entries] == [Origin.UPLOADED] * 2


def test_root_that_is_past_its_end_is_missing_though_it_is_there() -> None:
    store = TrustStore()
    store.upload(IDENTRUST_PEM + GO_DADDY_PEM, BORN_S)
    ends = max(each.not_after_s for each in store.certificates)
    assert store.missing_roots(ends + 1) == (IDENTRUST, GO_DADDY)


@pytest.mark.req("CERT-02")
def test_certificate_that_calls_itself_a_cloud_root_is_refused_with_both_fingerprints() -> None:
    why = refusal(TrustStore(), FALSE_IDENTRUST.pem)
    assert str(FALSE_IDENTRUST.certificate.fingerprint) in why
    assert str(IDENTRUST.fingerprint) in why
    assert "Table H1" in why


@pytest.mark.req("CERT-02")
@pytest.mark.parametrize("service", list(CloudService))
def test_upload_meant_as_the_root_of_a_service_has_to_be_it(service: CloudService) -> None:
    (wanted,) = TABLE_H1.for_service(service)
    other = GO_DADDY_PEM if service is CloudService.CI else IDENTRUST_PEM
    for data in (ROOT.pem, other):
        why = refusal(TrustStore(), data, service)
        assert str(wanted.fingerprint) in why
        assert str(parse_certificates(data)[0].fingerprint) in why


@pytest.mark.req("CERT-07", "CERT-08")
def test_other_authorities_are_taken_as_what_they_are() -> None:
    store = TrustStore()
    other = made("other root")
    assert store.upload(ROOT.pem + other.pem, BORN_S).added == (
        ROOT.certificate,
        other.certificate,
    )
    assert store.missing_roots(BORN_S) == (IDENTRUST, GO_DADDY)


def test_der_is_taken_as_well_as_pem() -> None:
    store = TrustStore()
    assert store.upload(ROOT.certificate.der, BORN_S).added == (ROOT.certificate,)
    assert store.get(ROOT.certificate.fingerprint) == Trusted(
        ROOT.certificate, Origin.UPLOADED, BORN_S
    )


def test_certificate_that_is_there_is_said_to_be_and_keeps_its_origin() -> None:
    store = TrustStore()
    store.upload(ROOT.pem, BORN_S, origin=Origin.IMAGE)
    again = store.upload(ROOT.pem * 3, BORN_S + 5)
    assert (again.added, again.present) == ((), (ROOT.certificate,))
    assert store.entries == (Trusted(ROOT.certificate, Origin.IMAGE, BORN_S),)


def test_one_wrong_certificate_keeps_the_others_of_its_file_out() -> None:
    leaf = made("a server", ROOT, ca=False)
    why = refusal(TrustStore(), ROOT.pem + leaf.pem + FALSE_IDENTRUST.pem)
    assert "CN=a server is not a certificate authority" in why
    assert str(IDENTRUST.fingerprint) in why
    assert "lab root" not in why


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (made("old", days=0.5), "CN=old has expired"),
        (made("leaf", ca=False), "CN=leaf is not a certificate authority"),
        (made("silent", ca=None), "CN=silent is not a certificate authority"),
        (made("weak", rsa_bits=1024), "RSA of 1024 bits is too short"),
    ],
    ids=lambda value: "" if isinstance(value, str) else value.certificate.common_name,
)
def test_certificate_that_tls_could_not_work_with_is_refused(given: Made, why: str) -> None:
    assert why in refusal(TrustStore(), given.pem)


def test_private_key_in_an_upload_is_refused_and_not_repeated() -> None:
    key = ROOT.key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    for data in (key, ROOT.pem + key, key + ROOT.pem):
        why = refusal(TrustStore(), data)
        assert "private key" in why
        assert key.split(b"\n")[1].decode()[:12] not in why


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "it is empty"),
        (b" \n", "it is empty"),
        (b"hello", "not a certificate"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n", "a PEM block has no end"),
        (
            b"-----BEGIN CERTIFICATE-----\n????\n-----END CERTIFICATE-----\n",
            "PEM block 1: not a certificate",
        ),
        (ROOT.pem + b"-----BEGIN X509 CRL-----\nAA==\n-----END X509 CRL-----\n", "is a x509 crl"),
        (ROOT.certificate.der + b"\0", "not a certificate"),
        (ROOT.pem * (IN_ONE_MAX + 1), f"{IN_ONE_MAX} at most"),
        (b"x" * (UPLOAD_MAX + 1), f"{UPLOAD_MAX} at most"),
    ],
)
def test_what_is_no_certificate_is_refused_with_its_place(data: bytes, why: str) -> None:
    assert why in refusal(TrustStore(), data)


def test_text_around_pem_blocks_is_passed_over() -> None:
    data = b"# our root\r\n" + ROOT.pem.replace(b"\n", b"\r\n") + b"\r\nbye"
    assert parse_certificates(data) == (ROOT.certificate,)


def test_what_was_removed_is_trusted_no_longer() -> None:
    store = TrustStore()
    store.upload(ROOT.pem, BORN_S)
    removed = store.remove(ROOT.certificate.fingerprint)
    assert removed is not None
    assert removed.certificate == ROOT.certificate
    assert store.certificates == ()
    assert store.remove(ROOT.certificate.fingerprint) is None


def test_remarks_name_what_works_and_should_be_known() -> None:
    store = TrustStore()
    early = made("early", begins=3)
    between = made("between", ROOT)
    added = store.upload(early.pem + between.pem, BORN_S)
    assert added.remarks == (
        "CN=early is not valid yet",
        "CN=between is an intermediate; its issuer CN=lab root is not here",
    )
    store.remove(between.certificate.fingerprint)
    assert store.upload(ROOT.pem + between.pem, BORN_S).remarks == ()


def test_store_has_a_limit() -> None:
    # One certificate under many fingerprints: as many keys would take their time.
    many = (
        replace(ROOT.certificate, fingerprint=Fingerprint(number.to_bytes(32)))
        for number in range(STORE_MAX)
    )
    store = TrustStore(entries=[Trusted(each, Origin.UPLOADED, BORN_S) for each in many])
    assert "the store is full" in refusal(store, ROOT.pem)


@pytest.mark.req("CERT-02")
def test_emulated_roots_stand_in_for_those_of_the_table() -> None:
    emulated = CloudRoots.emulated([(CloudService.CI, ROOT.certificate)])
    store = TrustStore(emulated)
    assert [root.name for root in store.missing_roots(BORN_S)] == ["lab root"]
    assert str(ROOT.certificate.fingerprint) in refusal(store, made("lab root").pem)
    store.upload(ROOT.pem, BORN_S, for_service=CloudService.CI)
    assert store.missing_roots(BORN_S) == ()


@pytest.mark.parametrize("needed", [False, True])
def test_root_that_is_pinned_beside_the_table_is_accepted_and_missed_if_it_is_needed(
    needed: bool,
) -> None:
    roots = TABLE_H1.with_fingerprints([(CloudService.CI, ROOT.certificate.fingerprint, needed)])
    store = TrustStore(roots)
    store.upload(GO_DADDY_PEM + (IDENTRUST_PEM if needed else b""), BORN_S)
    wanted = ROOT.certificate if needed else parse_certificates(IDENTRUST_PEM)[0]
    assert [root.fingerprint for root in store.missing_roots(BORN_S)] == [wanted.fingerprint]
    store.upload(ROOT.pem, BORN_S, for_service=CloudService.CI)
    assert (store.missing_roots(BORN_S) == ()) is needed
    assert "Table H1" in refusal(store, FALSE_IDENTRUST.pem)


def test_names_in_a_certificate_stay_on_one_line() -> None:
    assert "\n" not in made("a\nb\x1b[31m").certificate.subject
    assert made("a\nb").certificate.subject == "CN=a?b"


@pytest.mark.parametrize("text", ["", "5D", "G" * 64, "5D:56" * 40, "5" * 65, "٣" * 64])
def test_what_is_no_fingerprint_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a SHA-256 fingerprint"):
        Fingerprint.parse(text)


def test_fingerprint_is_read_in_every_usual_form() -> None:
    one = IDENTRUST.fingerprint
    for text in (str(one), str(one).lower(), one.word, str(one).replace(":", " ")):
        assert Fingerprint.parse(text) == one
    assert str(one).startswith("5D:56:49:9B:")


def test_certificate_that_breaks_a_rule_of_form_is_read_without_a_warning() -> None:
    """Found by mutation: a country of 24 letters. The root of Table H1 itself has the serial 0."""
    (root,) = parse_certificates(GO_DADDY_PEM)
    organisation, country = b"\x06\x03\x55\x04\x0a", b"\x06\x03\x55\x04\x06"
    odd = parse_certificate(root.der.replace(organisation, country))
    assert odd.subject.startswith("C=US, C=The Go Daddy Group")


def test_bundle_of_text_holds_every_certificate() -> None:
    other = made("other").certificate
    text = pem_bundle([ROOT.certificate, other])
    assert parse_certificates(text.encode()) == (ROOT.certificate, other)


def test_der_with_a_tail_is_not_a_certificate() -> None:
    with pytest.raises(CertificateSyntaxError):
        parse_certificate(ROOT.certificate.der + b"tail")
