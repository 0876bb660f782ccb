"""MRA: CUCM, IM&P and Expressway-C have to trust one another, and local push its iPhones."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest

from callctl.certificate.certificate import Certificate
from callctl.certificate.local_push_certificate import local_push_warnings
from callctl.certificate.own_certificates import (
    Gap,
    System,
    SystemCertificates,
    Use,
    mra_gaps,
    refreshed,
)
from callctl.certificate.report import LocalPushServer, OwnCertificates, Verdict, report
from callctl.certificate.trust_store import TrustStore
from helpers.certificates import BORN_S, Made, made
from helpers.table_h1 import GO_DADDY_PEM, IDENTRUST_PEM

ROOT: Final = made("corporate root")
OTHER: Final = made("other root")
AUTHZ: Final = made("authz", ca=False).certificate


def leaf(name: str, by: Made | None = ROOT, **more: float) -> tuple[Certificate, ...]:
    return (made(name, by, ca=False, **more).certificate,)  # type: ignore[arg-type]


def cucm(by: Made | None = ROOT, *trusts: Made) -> SystemCertificates:
    shown = {Use.TOMCAT: leaf("ucm tomcat", by), Use.CALLMANAGER: leaf("ucm callmanager", by)}
    return SystemCertificates(System.CUCM, shown, _all(trusts or (ROOT,)), AUTHZ)


def imp(by: Made | None = ROOT, *trusts: Made) -> SystemCertificates:
    shown = {Use.TOMCAT: leaf("imp tomcat", by)}
    return SystemCertificates(System.IM_AND_PRESENCE, shown, _all(trusts or (ROOT,)))


def expressway(by: Made | None = ROOT, *trusts: Made) -> SystemCertificates:
    shown = {Use.SERVER: leaf("expc", by)}
    return SystemCertificates(System.EXPRESSWAY_C, shown, _all(trusts or (ROOT,)), AUTHZ)


def _all(made_ones: tuple[Made, ...]) -> tuple[Certificate, ...]:
    return tuple(each.certificate for each in made_ones)


def told(*systems: SystemCertificates, serious: bool = True) -> list[tuple[str, str, str]]:
    gaps: tuple[Gap, ...] = mra_gaps(systems, BORN_S)
    return [(it.system.value, it.problem, it.source) for it in gaps if it.serious is serious]


@pytest.mark.req("CERT-06", "CERT-07", "MRA-07")
def test_one_ca_whose_root_is_everywhere_leaves_nothing_to_say() -> None:
    assert mra_gaps((cucm(), imp(), expressway()), BORN_S) == ()


@pytest.mark.req("CERT-06", "CERT-08", "MRA-07")
def test_different_cas_work_if_each_root_is_on_each_system_and_one_is_recommended() -> None:
    both = (ROOT, OTHER)
    systems = (cucm(ROOT, *both), imp(ROOT, *both), expressway(OTHER, *both))
    assert told(*systems) == []
    ((_, problem, source),) = told(*systems, serious=False)
    assert source == "CERT-06"
    assert problem == "certificates come from 2 CAs: CN=corporate root; CN=other root"


@pytest.mark.req("CERT-08", "MRA-07")
@pytest.mark.parametrize("lacking", list(System))
def test_root_of_another_ca_that_is_missing_somewhere_is_named_with_its_place(
    lacking: System,
) -> None:
    systems = [cucm(ROOT, ROOT, OTHER), imp(ROOT, ROOT, OTHER), expressway(OTHER, ROOT, OTHER)]
    lost = ROOT if lacking is System.EXPRESSWAY_C else OTHER
    index = list(System).index(lacking)
    fewer = tuple(each for each in systems[index].trusts if each != lost.certificate)
    systems[index] = replace(systems[index], trusts=fewer)
    gaps = told(*systems)
    root = lost.certificate.subject
    owners = ("CUCM", "IM&P") if lacking is System.EXPRESSWAY_C else ("Expressway-C",)
    assert gaps == [
        (lacking.value, f"{lacking.value} lacks the root chain {root} of {owner}", "CERT-08")
        for owner in owners
    ]


@pytest.mark.req("CERT-07")
def test_system_without_any_root_is_told_to_install_the_root_chain() -> None:
    bare = replace(imp(), trusts=())
    assert told(cucm(), bare, expressway()) == [
        ("IM&P", f"IM&P lacks the root chain CN=corporate root of {of}", "CERT-07")
        for of in ("CUCM", "Expressway-C")
    ]


@pytest.mark.req("CERT-07")
def test_certificate_that_nobody_has_had_signed_is_missed() -> None:
    bare = replace(cucm(), shown={Use.TOMCAT: leaf("ucm tomcat")})
    assert told(bare, imp(), expressway()) == [
        ("CUCM", "CUCM has no Cisco CallManager certificate", "CERT-07")
    ]


@pytest.mark.req("CERT-09", "MRA-07")
def test_self_signed_certificates_have_to_be_on_expressway_c() -> None:
    own = cucm(None), imp(None)
    assert told(*own, expressway()) == [
        ("Expressway-C", f"Expressway-C lacks the self-signed {use} certificate of {of}", "CERT-09")
        for of, use in (("CUCM", "Cisco Tomcat"), ("CUCM", "Cisco CallManager"))
    ] + [
        (
            "Expressway-C",
            "Expressway-C lacks the self-signed Cisco Tomcat certificate of IM&P",
            "CERT-09",
        )
    ]
    uploaded = tuple(chain[0] for each in own for chain in each.shown.values())
    assert told(*own, replace(expressway(), trusts=uploaded)) == []


@pytest.mark.req("CERT-09")
def test_self_signed_certificate_of_the_same_name_and_another_key_does_not_do() -> None:
    own = cucm(None)
    imposters = (*leaf("ucm tomcat", None), *leaf("ucm callmanager", None))
    assert len(told(own, replace(expressway(), trusts=imposters))) == 2


@pytest.mark.req("CERT-09")
def test_expressway_c_itself_may_not_be_self_signed() -> None:
    assert ("Expressway-C", "CERT-09") in [
        (system, source) for system, _, source in told(cucm(), expressway(None))
    ]


def test_root_of_the_same_name_and_another_key_does_not_do() -> None:
    imposter = made("corporate root")
    assert told(cucm(), expressway(ROOT, imposter)) == [
        ("Expressway-C", "Expressway-C lacks the root chain CN=corporate root of CUCM", "CERT-08")
    ]


def test_intermediate_counts_wherever_it_is_sent_or_kept() -> None:
    between = made("issuing CA", ROOT)
    kept = replace(cucm(between), trusts=(ROOT.certificate, between.certificate))
    with_it = expressway(ROOT, ROOT, between)
    assert told(kept, with_it) == []
    sent = {use: (*chain, between.certificate) for use, chain in kept.shown.items()}
    assert told(replace(kept, shown=sent), expressway()) == []
    lacking = told(kept, expressway(ROOT, OTHER))
    assert lacking == [
        ("Expressway-C", "Expressway-C lacks the root chain CN=corporate root of CUCM", "CERT-08")
    ]


def test_certificates_that_are_out_of_date_are_named() -> None:
    old = replace(imp(), shown={Use.TOMCAT: leaf("imp tomcat", days=0.5)})
    early = replace(expressway(), shown={Use.SERVER: leaf("expc", begins=2)})
    assert told(cucm(), old, early) == [
        ("IM&P", "the Cisco Tomcat certificate of IM&P has expired", "Table H2"),
        (
            "Expressway-C",
            "the server certificate of Expressway-C is not valid yet",
            "Table H2",
        ),
    ]


@pytest.mark.req("CERT-13")
def test_refreshing_the_servers_brings_the_authz_certificate_to_expressway_c() -> None:
    publisher = cucm()
    fresh = replace(expressway(), authz=None)
    stale = replace(expressway(), authz=made("authz", ca=False).certificate)
    for state, before in (("no", fresh), ("an old", stale)):
        assert told(publisher, imp(), before) == [
            (
                "Expressway-C",
                f"Expressway-C has {state} Authz certificate of the CUCM publisher",
                "CERT-13, MRA-04",
            )
        ]
        assert told(publisher, imp(), refreshed(before, publisher)) == []


@pytest.mark.req("CERT-10", "CERT-12")
def test_local_push_warns_of_self_signed_and_of_397_days() -> None:
    def problems(days: float, by: Made | None) -> list[str]:
        shown = made("lpns", by, ca=False, days=days, hosts=("ucm1.example.com",)).certificate
        return [it.problem for it in local_push_warnings(shown, BORN_S)]

    assert problems(396.99, ROOT) == []
    assert problems(397, ROOT) == ["the certificate for local push is valid for 397 days"]
    assert problems(30, None) == [
        "the certificate for local push is self-signed, which is not recommended"
    ]
    assert len(problems(800, None)) == 2


@pytest.mark.req("CERT-11")
def test_local_push_with_a_private_ca_says_where_its_root_has_to_be() -> None:
    shown = made("lpns", ROOT, ca=False, days=90, hosts=("ucm1.example.com",)).certificate
    (warning,) = local_push_warnings(shown, BORN_S, public_ca=False)
    assert "CN=corporate root" in warning.problem
    assert warning.expected == "that CA in the trust store of each iOS device"
    weak = made("lpns", ROOT, ca=False, days=90, rsa_bits=1024).certificate
    sources = {it.source for it in local_push_warnings(weak, BORN_S, public_ca=False)}
    assert sources == {"CERT-11"}
    assert len(local_push_warnings(weak, BORN_S, public_ca=False)) == 3


def test_report_goes_from_the_cloud_to_local_push() -> None:
    store = TrustStore()
    own = OwnCertificates(
        (cucm(), imp(), expressway()),
        LocalPushServer(made("lpns", ROOT, ca=False, days=90, hosts=("h",)).certificate),
    )
    lines = report(store, own, BORN_S, insecure=True)
    assert [line.verdict.value for line in lines] == ["failed"] * 3 + ["ok", "ok"]
    store.upload(IDENTRUST_PEM + GO_DADDY_PEM, BORN_S)
    store.upload(made("ends soon", days=10).pem, BORN_S)
    server = made("node", ROOT, ca=False, days=1.5).certificate
    lines = report(store, OwnCertificates(), BORN_S, servers={"SIP at ucm1": server})
    assert [(line.verdict, line.finding) for line in lines] == [
        (Verdict.OK, "IdenTrust Commercial Root CA 1 is in tomcat-trust (uploaded)"),
        (Verdict.OK, "Go Daddy Class 2 Certification Authority is in tomcat-trust (uploaded)"),
        (Verdict.WARNING, "ends in 9 days"),
        (Verdict.WARNING, "ends in less than a day"),
    ]
