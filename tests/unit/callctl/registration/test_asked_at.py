"""A binding knows when its phone first asked for it: the time that authentication took is told."""

from __future__ import annotations

from callctl.model.build import iphone, make_cluster, password_of
from helpers.engine_rig import EngineRig, authorization
from sipstack.message.message import Response
from sipstack.timing import MS, SECOND

REGISTER = """
REGISTER sip:lab.example SIP/2.0
Via: SIP/2.0/TCP 192.0.2.60:40000;branch=z9hG4bKreg{cseq};rport
Max-Forwards: 70
From: <sip:2001@lab.example>;tag=r1
To: <sip:2001@lab.example>
Call-ID: reg-1@192.0.2.60
CSeq: {cseq} REGISTER
Contact: <sip:2001@192.0.2.60:40000;transport=tcp>
{more}Content-Length: 0

"""


def register(rig: EngineRig, cseq: int, line: str = "") -> Response:
    flow = rig.flow("ucm1", "192.0.2.60:40000", transport="TCP", connection=7)
    text = REGISTER.format(cseq=cseq, more=line and f"{line}\n")
    (sent,) = rig.feed("ucm1", text, flow)
    assert isinstance(sent.message, Response)
    return sent.message


def asked_at_ms(rig: EngineRig) -> float:
    (binding,) = rig.engines["ucm1"].bindings
    return binding.asked_at / MS


def test_phone_that_was_challenged_asked_with_its_first_request() -> None:
    rig = EngineRig(make_cluster(devices=[iphone("2001")]))
    rig.run_to(1_000)
    challenge = register(rig, 1)
    rig.run_to(1_250)
    line = authorization(challenge, "REGISTER", "sip:lab.example", "2001", password_of("2001"))
    assert register(rig, 2, line).status == 200
    assert asked_at_ms(rig) == 1_000
    (binding,) = rig.engines["ucm1"].bindings
    assert binding.stamp[0] == 1_250 * MS


def test_phone_that_uses_its_nonce_again_asked_with_this_request() -> None:
    rig = EngineRig(make_cluster(devices=[iphone("2001")]))
    challenge = register(rig, 1)
    for nc, at_ms in ((1, 100), (2, 30_000)):
        rig.run_to(at_ms)
        line = authorization(
            challenge, "REGISTER", "sip:lab.example", "2001", password_of("2001"), nc=nc
        )
        assert register(rig, nc + 1, line).status == 200
    assert asked_at_ms(rig) == 30 * SECOND / MS
