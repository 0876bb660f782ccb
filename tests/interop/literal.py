"""Messages in the spelling of real clients, given to one node in virtual time."""

from __future__ import annotations

from callctl.model.build import make_cluster, softphone
from callctl.model.service_parameter import ServiceParameters
from helpers.engine_rig import EngineRig, Sent
from sipstack.message.message import Request, Response

CALLER = "192.0.2.50:5060"
CALLEE = "192.0.2.60:5060"
NODE = "192.0.2.1"

_numbers = iter(range(1, 10_000))


def rig_of(**parameters: object) -> EngineRig:
    """One node with two softphones, and service parameters by name."""
    return EngineRig(
        make_cluster(
            nodes=["ucm1"],
            devices=[softphone("1001"), softphone("2001")],
            parameters=ServiceParameters(**parameters),  # type: ignore[arg-type]
        )
    )


def text(
    method: str,
    uri: str,
    *headers: str,
    user: str = "1001",
    to: str = "",
    peer: str = CALLER,
    cseq: int = 0,
    via: str = "",
    call_id: str = "",
) -> str:
    """A request as most clients write it; `headers` come before its end, as they are."""
    number = next(_numbers)
    lines = (
        f"{method} {uri} SIP/2.0",
        f"Via: {via or f'SIP/2.0/UDP {peer};rport;branch=z9hG4bK{number}'}",
        "Max-Forwards: 70",
        f"From: <sip:{user}@lab.example>;tag=f{user}",
        f"To: {to or f'<sip:{user}@lab.example>'}",
        f"Call-ID: {call_id or f'{method}-{user}'}",
        f"CSeq: {cseq or number} {method}",
        *headers,
    )
    return "\n".join(lines)


def invite(*headers: str, uri: str = "sip:2001@lab.example", user: str = "1001") -> str:
    """A call without a body."""
    contact = f"Contact: <sip:{user}@{CALLER}>"
    return text("INVITE", uri, contact, *headers, user=user, to=f"<{uri}>", call_id="call")


def send(rig: EngineRig, message: str, peer: str = CALLER) -> list[Sent]:
    """Give a message to the node; what leaves because of it."""
    return rig.feed("ucm1", message, rig.flow("ucm1", peer))


def answer(sent: list[Sent]) -> Response:
    """The first thing that left, which is an answer."""
    message = sent[0].message
    assert isinstance(message, Response)
    return message


def forwarded(sent: list[Sent], method: str = "INVITE") -> list[Request]:
    """The requests among what left."""
    return [
        each.message
        for each in sent
        if isinstance(each.message, Request) and each.message.method == method
    ]


def register(rig: EngineRig, *headers: str, user: str = "2001", peer: str = CALLEE) -> Response:
    """Register, with the plainest Contact if `headers` has none; the answer."""
    contact = () if any(h.startswith("Contact") for h in headers) else (contact_of(user, peer),)
    message = text("REGISTER", "sip:lab.example", *contact, *headers, user=user, peer=peer)
    return answer(send(rig, message, peer))


def contact_of(user: str, peer: str) -> str:
    """The plainest Contact line."""
    return f"Contact: <sip:{user}@{peer}>"
