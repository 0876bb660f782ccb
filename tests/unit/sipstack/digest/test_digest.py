"""Digest authentication, both sides, against the examples of the standards and real phones."""

from __future__ import annotations

import pytest

from sipstack.digest import (
    Challenge,
    Credentials,
    answer,
    ha1,
    is_supported,
    parse_challenges,
    response_of,
)
from sipstack.errors import LocalProtocolError, SipSyntaxError

NONCE = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
CNONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_examples_of_rfc_7616(algorithm: str, response: str) -> None:
    secret = ha1("Mufasa", "http-auth@example.org", "Circle of Life", algorithm)
    assert response == response_of(
        secret,
        "GET",
        "/dir/index.html",
        NONCE,
        qop="auth",
        nc="00000001",
        cnonce=CNONCE,
        algorithm=algorithm,
    )


def test_the_example_of_rfc_2617_and_its_forms() -> None:
    secret = ha1("Mufasa", "testrealm@host.com", "Circle Of Life")
    nonce = "dcd98b7102dd2f0e8b11d0f600bfb0c093"
    assert secret == "939e7578ed9e3c518a452acee763bce9"
    assert response_of(
        secret, "GET", "/dir/index.html", nonce, qop="auth", nc="00000001", cnonce="0a4f113b"
    ) == "6629fae49393a05397450978507c4ef1"  # fmt: skip
    forms = {
        response_of(secret, "GET", "/dir/index.html", nonce, **form)
        for form in (
            {},
            {"qop": "auth", "nc": "1", "cnonce": "c"},
            {"qop": "auth-int", "nc": "1", "cnonce": "c", "body": b"x"},
            {"qop": "auth-int", "nc": "1", "cnonce": "c", "body": b"y"},
            {"qop": "auth", "nc": "1", "cnonce": "c", "algorithm": "MD5-sess"},
            {"qop": "auth", "nc": "1", "cnonce": "c", "algorithm": "SHA-512-256"},
        )
    }
    assert len(forms) == 6


def test_algorithms_are_known_in_any_case_and_others_are_our_fault() -> None:
    assert is_supported("md5")
    assert is_supported("SHA-512-256-sess")
    assert not is_supported("SHA-1")
    with pytest.raises(LocalProtocolError):
        ha1("a", "b", "c", "SHA-1")


def test_a_challenge_goes_out_and_comes_back() -> None:
    challenge = Challenge('ex"ample', "n,1", "SHA-256", ("auth", "auth-int"), "o", stale=True)
    assert challenge.header_value() == (
        'Digest realm="ex\\"ample", nonce="n,1", opaque="o", stale=true, algorithm=SHA-256, '
        'qop="auth,auth-int"'
    )
    assert parse_challenges(challenge.header_value()) == (challenge,)


def test_several_challenges_in_one_header_are_told_apart() -> None:
    found = parse_challenges(
        'Basic realm="b", Digest realm="a", nonce="1", qop="auth,auth-int", '
        'Bearer abc==, digest realm=a , nonce = "2", algorithm="SHA-256"'
    )
    assert found == (
        Challenge("a", "1", "MD5", ("auth", "auth-int")),
        Challenge("a", "2", "SHA-256", ()),
    )


@pytest.mark.parametrize(
    "text", ["Digest", 'Digest realm="a"', 'Digest nonce="a"', "Digest realm", 'Digest realm="a']
)
def test_challenges_that_lack_something_are_refused(text: str) -> None:
    with pytest.raises(SipSyntaxError):
        parse_challenges(text)


def test_an_answer_is_what_the_server_computes() -> None:
    for challenge in (
        Challenge("r", "n", opaque="o"),
        Challenge("r", "n", "SHA-256"),
        Challenge("r", "n", "MD5-sess", ()),
        Challenge("r", "n", qop=()),
    ):
        given = answer(challenge, "u", "p", "REGISTER", "sip:r", "cn", 2)
        read = Credentials.parse(given.header_value())
        assert read == given
        assert given.response == response_of(
            ha1("u", "r", "p", challenge.algorithm),
            "REGISTER",
            "sip:r",
            "n",
            qop=given.qop,
            nc=given.nc,
            cnonce=given.cnonce,
            algorithm=challenge.algorithm,
        )
        assert given.nc == ("00000002" if challenge.qop else None)


def test_credentials_of_phones_that_quote_what_they_should_not() -> None:
    read = Credentials.parse(
        'Digest username="1001", realm="r", nonce="n", uri="sip:127.0.0.1:5060:5060", '
        'response="ABCDEF", algorithm="MD5", qop="auth", nc="00000001", cnonce="c", x=y'
    )
    assert read is not None
    assert (read.algorithm, read.qop, read.nc, read.response) == (
        "MD5",
        "auth",
        "00000001",
        "abcdef",
    )


def test_credentials_without_algorithm_nc_and_cnonce() -> None:
    read = Credentials.parse(
        'Digest username="a,b", realm="r",nonce="n" ,uri="sip:r",response="0", qop=auth'
    )
    assert read is not None
    assert (read.username, read.algorithm, read.nc, read.cnonce) == ("a,b", None, None, None)


def test_another_scheme_is_no_digest() -> None:
    assert Credentials.parse("NoOneKnowsThisScheme opaque-data=here") is None
    assert Credentials.parse("Bearer eyJ.a.b==") is None


@pytest.mark.parametrize(
    "text",
    ["", ",", 'Digest a a="",real', 'username="a"', "Digest", 'Digest username="a"',
     'Digest username="a", username="b", realm="r", nonce="n", uri="u", response="0"',
     'Digest username="a", realm="r", nonce="n", uri="u", response="xyz"',
     'Digest username="a", realm="r", nonce="n", uri="u", response="0", nc=1',
     'Digest username="a, realm="r"', "Digest " + "a=b," * 1_000,
     'Digest realm="a", Digest realm="b"'],
)  # fmt: skip
def test_malformed_credentials_are_refused(text: str) -> None:
    with pytest.raises(SipSyntaxError) as caught:
        Credentials.parse(text)
    assert caught.value.status == 400
