"""The signed bundle of FOS: believed only with everything right."""

from __future__ import annotations

import base64
import json
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from callctl.certificate.cloud_roots import CloudService
from callctl.certificate.trust_bundle import (
    BUNDLE_MAX,
    BundleRefused,
    BundleRules,
    SigningKey,
    open_bundle,
    sign_bundle,
)
from helpers.certificates import BORN_S, made

CI: Final = made("ci root").certificate
FOS: Final = made("fos root").certificate
ROOTS: Final = ((CloudService.CI, CI), (CloudService.FOS, FOS))
PINNED: Final = frozenset({CI.fingerprint, FOS.fingerprint})
EDWARDS: Final = ed25519.Ed25519PrivateKey.generate()
CURVE: Final = ec.generate_private_key(ec.SECP256R1())
RULES: Final = BundleRules({"ed": EDWARDS.public_key(), "ec": CURVE.public_key()}, PINNED, 4)


def bundle(
    key: SigningKey = EDWARDS,
    key_id: str = "ed",
    roots: Any = ROOTS,  # noqa: ANN401
    sequence: int = 5,
    issued: int = 0,
    expires: int = 60,
) -> bytes:
    return sign_bundle(
        key,
        key_id,
        roots,
        sequence=sequence,
        issued_at_s=BORN_S + issued,
        expires_at_s=BORN_S + expires,
    )


def refusal(data: bytes, rules: BundleRules = RULES) -> str:
    with pytest.raises(BundleRefused) as caught:
        open_bundle(data, rules, BORN_S)
    return str(caught.value)


def changed(data: bytes, part: str, value: str) -> bytes:
    """The bundle with another text in one of its three parts."""
    return json.dumps(json.loads(data) | {part: value}).encode()


def b64(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize(("key", "key_id"), [(EDWARDS, "ed"), (CURVE, "ec")])
def test_bundle_of_a_pinned_signer_with_pinned_roots_is_believed(
    key: SigningKey, key_id: str
) -> None:
    opened = open_bundle(bundle(key, key_id), RULES, BORN_S)
    assert opened.roots == ROOTS
    assert (opened.sequence, opened.expires_at_s) == (5, BORN_S + 60)


@pytest.mark.req("CERT-03")
def test_root_that_is_not_pinned_is_refused_though_the_signature_is_right() -> None:
    stranger = made("stranger").certificate
    roots = (*ROOTS, (CloudService.CI, stranger))
    why = refusal(bundle(roots=roots))
    assert str(stranger.fingerprint) in why
    assert "pinned list" in why


def test_nothing_of_an_unsigned_bundle_is_believed() -> None:
    right = bundle()
    evil = ec.generate_private_key(ec.SECP256R1())
    assert "not pinned" in refusal(bundle(evil, "evil"))
    assert "signature" in refusal(bundle(evil, "ec"))
    assert "signature" in refusal(bundle(evil, "ed"))  # the other algorithm under a pinned id
    assert "signature" in refusal(changed(right, "payload", b64({"sequence": 9})))
    assert "signature" in refusal(changed(right, "signature", ""))
    assert "signature" in refusal(changed(bundle(CURVE, "ec"), "signature", "AAAA"))
    none = b64({"alg": "none", "kid": "ed"})
    assert "signature" in refusal(changed(right, "protected", none))
    assert "signature" in refusal(changed(right, "protected", b64({"alg": "ES256", "kid": "ed"})))


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"issued": 301}, "issued in the future"),
        ({"expires": 0}, "it has expired"),
        ({"sequence": 3}, "number 3, older than number 4"),
        ({"roots": ()}, "0 roots"),
        ({"roots": ROOTS[:1]}, "it has no root for Cisco Webex"),
        ({"roots": ROOTS * 11}, "22 roots"),
    ],
)
def test_bundle_of_another_time_or_without_what_is_needed_is_refused(
    given: dict[str, Any], why: str
) -> None:
    assert why in refusal(bundle(**given))


def test_same_bundle_may_come_every_day() -> None:
    assert open_bundle(bundle(sequence=4), RULES, BORN_S).sequence == 4


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b'{"protected": 1, "payload": "", "signature": ""}',
        changed(bundle(), "protected", "?"),
        changed(bundle(), "protected", "ä"),
        changed(bundle(), "protected", b64([])),
        changed(bundle(), "signature", "A"),
        b"x" * (BUNDLE_MAX + 1),
        b"[" * 100_000,
    ],
)
def test_what_is_no_bundle_is_refused(data: bytes) -> None:
    assert refusal(data)


@pytest.mark.parametrize(
    "payload",
    [
        {"sequence": "5"},
        {"sequence": 5, "issued_at": 0, "expires_at": 9, "roots": [{"service": "x"}]},
        {
            "sequence": 5,
            "issued_at": 0,
            "expires_at": 9,
            "roots": [{"service": "ci", "certificate": "!"}],
        },
        {
            "sequence": 5,
            "issued_at": 0,
            "expires_at": 9,
            "roots": [{"service": "ci", "certificate": "AAAA"}],
        },
    ],
)
def test_what_a_pinned_signer_has_signed_by_mistake_is_refused(payload: object) -> None:
    protected, text = b64({"alg": "EdDSA", "kid": "ed"}), b64(payload)
    signature = EDWARDS.sign(f"{protected}.{text}".encode())
    word = base64.urlsafe_b64encode(signature).rstrip(b"=").decode()
    data = json.dumps({"protected": protected, "payload": text, "signature": word}).encode()
    assert "signed, but not a trust bundle" in refusal(data)
