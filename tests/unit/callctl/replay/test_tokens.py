"""Push tokens of captures that are kept."""

from __future__ import annotations

from callctl.replay.anonymise import Anonymiser
from callctl.replay.tokens import Tokens

ONE, OTHER = b"0123456789abcdef" * 4, b"fedcba9876543210" * 4
REGISTER = (
    b"REGISTER sip:lab.example SIP/2.0\r\n"
    b"Contact: <sip:1@192.0.2.9;pn-provider=apns;pn-prid=%s;pn-param=TEAM.example.app.voip>\r\n"
    b'Authorization: Digest username="1", nonce="abc", response="0badcafe"\r\n\r\n'
)


def prid(octets: bytes) -> bytes:
    return octets.partition(b"pn-prid=")[2].partition(b";")[0]


def test_token_is_another_of_the_same_length_and_always_the_same_one() -> None:
    tokens = Tokens()
    made = tokens.shown(REGISTER % ONE, "TCT1")
    assert len(made) == len(REGISTER % ONE)
    assert ONE not in made
    assert prid(tokens.shown(REGISTER % ONE, "TCT2")) == prid(made)
    assert prid(Tokens().shown(REGISTER % ONE, "TCT1")) == prid(made)
    assert prid(tokens.shown(REGISTER % OTHER, "TCT1")) != prid(made)


def test_digests_are_masked_and_the_name_of_the_app_stays() -> None:
    made = Tokens().shown(REGISTER % ONE, "TCT1")
    assert b'nonce="xxx", response="xxxxxxxx"' in made
    assert b"pn-param=TEAM.example.app.voip" in made


def test_client_with_two_tokens_still_says_which_is_which() -> None:
    both = ONE + b":voip&" + OTHER + b":remote"
    parts = prid(Tokens().shown(REGISTER % both, "TCT1")).split(b"&")
    assert [part.partition(b":")[2] for part in parts] == [b"voip", b"remote"]
    assert prid(Tokens().shown(REGISTER % ONE, "TCT1")) == parts[0].partition(b":")[0]


def test_masked_tokens_of_two_parties_are_two() -> None:
    tokens, masked = Tokens(), REGISTER % (b"x" * 64)
    one, other = (prid(tokens.shown(masked, party)) for party in ("TCT1", "TCT2"))
    assert one != other
    assert len(one) == len(other) == 64
    assert prid(tokens.shown(masked, "TCT1")) == one


def test_what_was_masked_is_no_name_that_stands_for_anything() -> None:
    anonymiser = Anonymiser(bytes(32))
    anonymiser.learn(REGISTER % (b"x" * 64))
    assert not any(set(name) == {"x"} for name in anonymiser.names.given)
    assert b"x" * 64 in anonymiser.anonymised(REGISTER % (b"x" * 64))


def test_token_that_is_no_ascii_is_masked() -> None:
    made = Tokens().shown(REGISTER % "tökén".encode(), "TCT1")
    assert prid(made) == b"x" * 7
