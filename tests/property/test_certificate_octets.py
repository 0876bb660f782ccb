"""Whatever is uploaded or offered as a certificate: a certificate comes out, or a refusal."""

from __future__ import annotations

import random
from contextlib import suppress
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from callctl.certificate.certificate import CertificateSyntaxError, parse_certificates
from callctl.certificate.trust_bundle import BundleRefused, BundleRules, open_bundle
from callctl.certificate.trust_store import TrustStore, UploadRefused
from helpers.certificates import BORN_S, made
from helpers.table_h1 import GO_DADDY_PEM, IDENTRUST_PEM

ROOT: Final = made("root", hosts=("a.example.com",))
LEAF: Final = made("leaf", ROOT, ca=False, hosts=("b.example.com",))
SEEDS: Final = tuple(
    parsed.der
    for pem in (ROOT.pem, LEAF.pem, IDENTRUST_PEM, GO_DADDY_PEM)
    for parsed in parse_certificates(pem)
)
SIGNED: Final = tuple(each.certificate.x509().tbs_certificate_bytes for each in (ROOT, LEAF))


@given(st.binary(max_size=2_000))
@settings(max_examples=300, deadline=None)
def test_octets_are_no_certificate_and_break_nothing(data: bytes) -> None:
    with suppress(CertificateSyntaxError):
        parse_certificates(data)
    with suppress(UploadRefused):
        TrustStore().upload(data, BORN_S)
    with suppress(BundleRefused):
        open_bundle(data, BundleRules({}, frozenset()), BORN_S)


@given(st.text(max_size=200), st.text(alphabet="ABC/+=\n ", max_size=200))
@settings(max_examples=200, deadline=None)
def test_text_between_pem_lines_breaks_nothing(label: str, text: str) -> None:
    block = f"-----BEGIN {label}-----\n{text}\n-----END {label}-----\n"
    pem = f"-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n"
    for data in (block, pem, block + pem):
        with suppress(UploadRefused):
            TrustStore().upload(data.encode("utf-8", "surrogatepass"), BORN_S)


def test_mutated_certificates_are_taken_or_refused_and_what_is_taken_can_be_told(
    seed: int, fuzz_inputs: int
) -> None:
    chance = random.Random(seed)
    taken = refused = 0
    for _ in range(fuzz_inputs // 8):
        der = bytearray(chance.choice(SEEDS))
        for _ in range(chance.randint(1, 3)):
            match chance.randrange(4):
                case 0:
                    der[chance.randrange(len(der))] = chance.randrange(256)
                case 1:
                    at = chance.randrange(len(der))
                    del der[at : at + chance.randint(1, 4)]
                case 2:
                    der.insert(chance.randrange(len(der)), chance.randrange(256))
                case _:
                    at = chance.randrange(len(der))
                    der[at] ^= 1 << chance.randrange(8)
        store = TrustStore()
        try:
            (parsed,) = parse_certificates(bytes(der))
        except CertificateSyntaxError:
            refused += 1
            continue
        taken += 1
        assert parse_certificates(parsed.pem.encode()) == (parsed,)
        assert str(parsed).isprintable()
        if ROOT.certificate.issued(parsed):
            assert parsed.x509().tbs_certificate_bytes in SIGNED
        with suppress(UploadRefused):
            store.upload(bytes(der), BORN_S)
    # A mutation that is always refused tests nothing behind the parser.
    assert taken > 10
    assert refused > 10
