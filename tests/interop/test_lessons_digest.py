"""What real clients taught about digest; see test_lessons.py for the list."""

from __future__ import annotations

import pytest

from helpers.engine_rig import EngineRig, authorization
from interop.literal import CALLER, NODE, answer, forwarded, invite, register, rig_of, send, text
from sipstack.digest.challenge import parse_challenges
from sipstack.digest.compute import ha1, response_of
from sipstack.message.message import Response


@pytest.fixture
def guarded() -> EngineRig:
    return rig_of()


@pytest.mark.parametrize("message", [text("REGISTER", "sip:lab.example"), invite()])
def test_1_there_is_one_challenge_in_one_line_md5_with_qop_auth(
    guarded: EngineRig, message: str
) -> None:
    refused = answer(send(guarded, message))
    lines = refused.headers.all("www-authenticate") + refused.headers.all("proxy-authenticate")
    assert len(lines) == 1
    (challenge,) = parse_challenges(lines[0])
    assert (challenge.algorithm, challenge.qop) == ("MD5", ("auth",))


def test_2_linphone_counts_on_and_calls_with_the_nonce_of_its_register_unasked(
    guarded: EngineRig,
) -> None:
    challenge = register(guarded, user="1001", peer=CALLER)
    line = authorization(challenge, "REGISTER", "sip:lab.example", "1001", "pw1001", nc=1)
    assert register(guarded, line, user="1001", peer=CALLER).status == 200
    for count in (2, 4):  # a lost request leaves a gap
        line = authorization(
            challenge, "INVITE", "sip:2001@lab.example", "1001", "pw1001", nc=count
        )
        line = line.replace("Authorization: ", "Proxy-Authorization:  ")  # with two blanks
        statuses = [
            s.message.status for s in send(guarded, invite(line)) if isinstance(s.message, Response)
        ]
        assert 407 not in statuses, count
    again = authorization(challenge, "INVITE", "sip:2001@lab.example", "1001", "pw1001", nc=2)
    again = again.replace("Authorization: ", "Proxy-Authorization: ")
    assert answer(send(guarded, invite(again))).status == 407


def credentials(challenge: Response, **spelling: str | None) -> str:
    """An Authorization as somebody writes it: parameters by name, None leaves one out."""
    value = challenge.headers.first("www-authenticate") or ""
    nonce = value.split('nonce="')[1].split('"')[0]
    uri = spelling.pop("uri", None) or "sip:lab.example"
    modern = "qop" not in spelling or spelling["qop"] is not None
    proof = response_of(
        ha1("2001", "lab.example", spelling.pop("password", None) or "pw2001", "MD5"),
        "REGISTER",
        uri,
        nonce,
        qop="auth" if modern else None,
        nc="00000001" if modern else None,
        cnonce="c" if modern else None,
        algorithm="MD5",
    )
    shown: dict[str, str | None] = {
        "username": '"2001"',
        "realm": '"lab.example"',
        "nonce": f'"{nonce}"',
        "uri": f'"{uri}"',
        "response": f'"{proof}"',
        "algorithm": "MD5",
        "qop": "auth",
        "nc": "00000001",
        "cnonce": '"c"',
        **spelling,
    }
    parts = ", ".join(f"{name}={value}" for name, value in shown.items() if value is not None)
    return f"Authorization: Digest {parts}"


@pytest.mark.parametrize(
    "spelling",
    [
        pytest.param({"algorithm": None}, id="baresip-without-algorithm"),
        pytest.param({"algorithm": '"MD5"'}, id="PySIPio-quotes-algorithm"),
        pytest.param({"uri": f"sip:{NODE}:5060:5060"}, id="PySIPio-uri-with-two-ports"),
        pytest.param({"uri": f"sip:{NODE}:5060"}, id="sipp-uri-of-the-server"),
        pytest.param({"qop": None, "nc": None, "cnonce": None}, id="PySIPio-ignores-qop"),
        pytest.param({"qop": '"auth"', "nc": '"00000001"'}, id="quoted-qop-and-nc"),
    ],
)
def test_2_credentials_are_taken_as_clients_write_them(
    guarded: EngineRig, spelling: dict[str, str | None]
) -> None:
    challenge = register(guarded)
    assert register(guarded, credentials(challenge, **spelling)).status == 200


def test_2_svcrack_with_qop_but_neither_count_nor_cnonce_is_challenged_again(
    guarded: EngineRig,
) -> None:
    challenge = register(guarded)
    line = credentials(challenge, password="guess", nc=None, cnonce=None)
    assert register(guarded, line).status == 401


def test_3_challenge_of_calls_can_be_401_and_its_answer_goes_no_further() -> None:
    rig = rig_of(invite_challenge_code=401)
    challenge = register(rig)
    line = authorization(challenge, "REGISTER", "sip:lab.example", "2001", "pw2001")
    assert register(rig, line).status == 200
    challenge = answer(send(rig, invite()))
    assert challenge.status == 401
    assert not challenge.headers.has("proxy-authenticate")
    line = authorization(challenge, "INVITE", "sip:2001@lab.example", "1001", "pw1001")
    assert line.startswith("Authorization:")
    (copy,) = forwarded(send(rig, invite(line)))
    assert not copy.headers.has("authorization")
