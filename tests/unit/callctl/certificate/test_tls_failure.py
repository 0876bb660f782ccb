"""Why TLS failed, in words: what OpenSSL says, and what it means for a cloud host."""

from __future__ import annotations

from typing import Final

import pytest

from callctl.certificate.tls_failure import TlsProblem, failure_of, problem_of
from helpers.certificates import made

HOST: Final = "idbroker.webex.com"
IDENTRUST: Final = made((("O", "IdenTrust"), ("CN", "IdenTrust Commercial Root CA 1")))
BETWEEN: Final = made("HydrantID Server CA O1", IDENTRUST)
INSPECTION: Final = made((("O", "Firewall Vendor"), ("CN", "Inspection CA")))
LEAF: Final = made(HOST, BETWEEN, ca=False, hosts=(HOST,)).certificate
OPENED: Final = made(HOST, INSPECTION, ca=False, hosts=(HOST,)).certificate


@pytest.mark.parametrize("code", range(1, 100))
def test_every_code_of_a_verification_is_a_problem_of_the_certificate(code: int) -> None:
    assert problem_of(code, "").is_certificate


@pytest.mark.parametrize("reason", ["", "WRONG_VERSION_NUMBER", "SOMETHING_NEW", "HTTP_REQUEST"])
def test_other_failures_are_not(reason: str) -> None:
    assert not problem_of(None, reason).is_certificate


@pytest.mark.req("NET-04")
def test_issuer_that_table_h1_does_not_know_means_that_a_firewall_decrypts() -> None:
    for shown in ([OPENED], [OPENED, INSPECTION.certificate]):
        found = failure_of(TlsProblem.UNKNOWN_AUTHORITY, HOST, shown, cloud=True)
        assert found.problem is TlsProblem.INTERCEPTED
        assert found.sentence == (
            "TLS with idbroker.webex.com is intercepted: its certificate is of "
            "O=Firewall Vendor, CN=Inspection CA, which is no CA of Table H1"
        )
        assert found.action == (
            "exclude idbroker.webex.com from TLS decryption on the firewall (NET-04)"
        )


@pytest.mark.req("CERT-01")
def test_chain_that_ends_below_a_root_of_table_h1_means_that_the_root_is_missing() -> None:
    shown = [LEAF, BETWEEN.certificate]
    found = failure_of(TlsProblem.UNKNOWN_AUTHORITY, HOST, shown, cloud=True)
    assert found.problem is TlsProblem.ROOT_MISSING
    assert "CERT-01" in found.action


def test_other_hosts_are_not_suspected_and_neither_is_what_nobody_looked_at() -> None:
    for shown, cloud in (([OPENED], False), ([], True)):
        found = failure_of(TlsProblem.UNKNOWN_AUTHORITY, HOST, shown, cloud=cloud)
        assert found.problem is TlsProblem.UNKNOWN_AUTHORITY
    found = failure_of(TlsProblem.EXPIRED, HOST, [OPENED], cloud=True)
    assert found.problem is TlsProblem.EXPIRED
    assert "(issuer O=Firewall Vendor, CN=Inspection CA)" in found.sentence


@pytest.mark.parametrize("problem", list(TlsProblem))
def test_every_problem_has_a_sentence_and_something_to_do(problem: TlsProblem) -> None:
    found = failure_of(problem, HOST)
    assert HOST in found.sentence
    assert found.action
    assert "{" not in found.sentence + found.action
