"""What the hostile tests say to a node: whole messages, of which each test changes a part.

The caller is 1001 at 192.0.2.50, the called phone 2001 at 192.0.2.60; both speak UDP unless said.
"""

from __future__ import annotations

from itertools import count
from typing import Final

from callctl.model.build import desk_phone, iphone, make_cluster, softphone
from callctl.model.service_parameter import ServiceParameters
from helpers.engine_rig import EngineRig, Sent, authorization, iphone_binding
from sipstack.message.message import Request, Response
from sipstack.message.response import respond
from sipstack.timing import MS
from sipstack.transport.flow import Flow

CALLER: Final = "192.0.2.50:5060"
CALLEE: Final = "192.0.2.60:5060"
FROM: Final = "<sip:1001@lab.example>;tag=a1"
SLEEPER: Final = "sip:3001@lab.example"

_numbers = count(1)


def message(
    method: str,
    uri: str = "sip:2001@lab.example",
    *headers: str,
    peer: str = CALLER,
    transport: str = "UDP",
    branch: str = "",
    from_: str = FROM,
    to: str = "<sip:2001@lab.example>",
    call_id: str = "call-1",
    cseq: int = 1,
    hops: int = 70,
) -> str:
    """A request as text, its lines apart by LF; `headers` stand above Content-Length."""
    lines = (
        f"{method} {uri} SIP/2.0",
        f"Via: SIP/2.0/{transport} {peer};branch=z9hG4bK{branch or next(_numbers)}",
        f"Max-Forwards: {hops}",
        f"From: {from_}",
        f"To: {to}",
        f"Call-ID: {call_id}",
        f"CSeq: {cseq} {method}",
        f"Contact: <sip:1001@{peer}>",
        *headers,
        "Content-Length: 0",
    )
    return "\n".join(lines)


def register_text(
    user: str,
    *headers: str,
    peer: str = CALLEE,
    transport: str = "UDP",
    cseq: int = 0,
    call_id: str = "",
    branch: str = "",
) -> str:
    """A REGISTER as text; `headers` are its Contact and what else it brings."""
    number = next(_numbers)
    lines = (
        "REGISTER sip:lab.example SIP/2.0",
        f"Via: SIP/2.0/{transport} {peer};branch=z9hG4bK{branch or f'r{number}'}",
        "Max-Forwards: 70",
        f"From: <sip:{user}@lab.example>;tag=p1",
        f"To: <sip:{user}@lab.example>",
        f"Call-ID: {call_id or f'reg-{user}'}",
        f"CSeq: {cseq or number} REGISTER",
        *headers,
        "Content-Length: 0",
    )
    return "\n".join(lines)


def in_dialog(method: str, cseq: int, final: Response, *headers: str, uri: str = "") -> str:
    """A request of the caller in the dialog that `final` has made: its Route set and its tags."""
    target = uri or str(final.contacts[0].uri)
    routes = [f"Route: {route}" for route in reversed(final.record_routes)]
    to = final.headers.first("to") or ""
    return message(method, target, *routes, *headers, to=to, cseq=cseq)


def from_callee(method: str, cseq: int, final: Response, *headers: str, uri: str = "") -> str:
    """A request of the called phone in the same dialog."""
    routes = [f"Route: {route}" for route in final.record_routes]
    return message(
        method,
        uri or f"sip:1001@{CALLER}",
        *routes,
        *headers,
        peer=CALLEE,
        from_=final.headers.first("to") or "",
        to=final.headers.first("from") or "",
        cseq=cseq,
    )


def cancel_of(invite: str) -> str:
    """The CANCEL that belongs to an INVITE."""
    return invite.replace("INVITE sip", "CANCEL sip").replace("1 INVITE", "1 CANCEL")


def world(authentication: str = "none") -> EngineRig:
    """Three nodes; softphones 1001, 2001, 2002, the desk phone 4001, the sleeping iPhone 3001."""
    cluster = make_cluster(
        devices=[
            softphone("1001"),
            softphone("2001"),
            softphone("2002"),
            desk_phone("4001"),
            iphone("3001"),
        ],
        parameters=ServiceParameters(authentication=authentication),  # type: ignore[arg-type]
    )
    rig = EngineRig(cluster)
    rig.sign_in(iphone_binding(cluster.devices["TCT3001"]))
    return rig


def pass_ms(rig: EngineRig, ms: float) -> list[Sent]:
    """Let time pass; what leaves meanwhile."""
    return rig.run_to(rig.now / MS + ms)


def send(rig: EngineRig, text: str, node: str = "ucm1", peer: str = CALLER) -> list[Sent]:
    """Give a message to a node in a datagram of `peer`."""
    return rig.feed(node, text, rig.flow(node, peer))


def register(
    rig: EngineRig,
    user: str = "2001",
    contact: str = "",
    *headers: str,
    peer: str = CALLEE,
    node: str = "ucm1",
) -> Response:
    """Register a contact from `peer`, with the user's password where one is asked for."""
    lines = (f"Contact: {contact or f'<sip:{user}@{peer}>'}", *headers)
    answer = _only_answer(send(rig, register_text(user, *lines, peer=peer), node, peer))
    if answer.status == 401:
        line = authorization(answer, "REGISTER", "sip:lab.example", user, f"pw{user}")
        text = register_text(user, *lines, line, peer=peer)
        answer = _only_answer(send(rig, text, node, peer))
    return answer


def _only_answer(sent: list[Sent]) -> Response:
    answers = [each.message for each in sent if isinstance(each.message, Response)]
    return answers[0]


def contacts_of(rig: EngineRig, user: str = "2001", node: str = "ucm1") -> list[str]:
    """Contact URIs that a node knows of a line."""
    return [binding.contact for binding in rig.engines[node].bindings.of_dn(user, rig.now)]


def phone_flow(rig: EngineRig, node: str, connection: int, peer: str = "192.0.2.60:40000") -> Flow:
    """A TCP connection of the iPhone 3001 to a node."""
    return rig.flow(node, peer, transport="TCP", connection=connection)


def wake(rig: EngineRig, node: str, connection: int) -> list[Sent]:
    """The iPhone 3001 registers over a connection of its own."""
    contact = 'Contact: <sip:3001@192.0.2.60:40000;transport=tcp>;+sip.instance="<urn:uuid:1>"'
    text = register_text("3001", contact, peer="192.0.2.60:40000", transport="TCP")
    return rig.feed(node, text, phone_flow(rig, node, connection))


def statuses(sent: list[Sent], to: str = "192.0.2.50") -> list[int]:
    """Status of each response that was sent to a host."""
    return [
        each.message.status
        for each in sent
        if isinstance(each.message, Response) and each.flow.remote_host == to
    ]


def requests(sent: list[Sent], method: str = "INVITE") -> list[Sent]:
    """Requests of a method that were sent."""
    return [
        each for each in sent if isinstance(each.message, Request) and each.message.method == method
    ]


def finals(sent: list[Sent]) -> list[Response]:
    """Responses that went to the caller and end a transaction."""
    return [
        each.message
        for each in sent
        if isinstance(each.message, Response)
        and each.message.status >= 200
        and each.flow.remote_host == "192.0.2.50"
    ]


def answer(
    rig: EngineRig,
    copy: Sent,
    status: int,
    *headers: tuple[str, str],
    tag: str = "b1",
    contact: str = f"<sip:2001@{CALLEE}>",
    body: bytes = b"",
) -> list[Sent]:
    """The phone answers a request that a node has sent to it."""
    asked = copy.message
    assert isinstance(asked, Request)
    echoed = [("Record-Route", str(route)) for route in asked.record_routes]
    fields = (*echoed, ("Contact", contact), *headers)
    to_tag = None if asked.to_tag is not None else tag
    response = respond(asked, status, to_tag=to_tag, headers=fields, body=body)
    return rig.feed_bytes(copy.node, response.to_bytes(), copy.flow)
