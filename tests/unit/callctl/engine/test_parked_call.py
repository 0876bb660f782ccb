"""A call to a sleeping phone, message by message (CALL-01 to CALL-21)."""

from __future__ import annotations

import pytest

from callctl.model.build import desk_phone, iphone, make_cluster
from callctl.model.service_parameter import ServiceParameters
from callctl.push.events import Outcome
from callctl.push.kind import PushKind
from helpers.engine_rig import EngineRig, Sent, iphone_binding
from sipstack.message.message import Request, Response

CALLER = "192.0.2.50:5060"
PHONE = "192.0.2.60:40000"

INVITE = """
INVITE sip:2001@lab.example SIP/2.0
Via: SIP/2.0/UDP 192.0.2.50:5060;branch=z9hG4bKcall1
Max-Forwards: 70
From: "Desk" <sip:1001@lab.example>;tag=a1
To: <sip:2001@lab.example>
Call-ID: call-1@192.0.2.50
CSeq: 1 INVITE
Contact: <sip:1001@192.0.2.50:5060>
Content-Length: 0

"""

CANCEL = INVITE.replace("INVITE sip", "CANCEL sip").replace("1 INVITE", "1 CANCEL")


def register(connection_port: int, branch: str, expires: int = 600, cseq: int = 1) -> str:
    return f"""
REGISTER sip:lab.example SIP/2.0
Via: SIP/2.0/TCP 192.0.2.60:{connection_port};branch=z9hG4bK{branch}
Max-Forwards: 70
From: <sip:2001@lab.example>;tag=p1
To: <sip:2001@lab.example>
Call-ID: reg-{branch}
CSeq: {cseq} REGISTER
Contact: <sip:2001@192.0.2.60:{connection_port};transport=tcp>;+sip.instance="<urn:uuid:1>"
Expires: {expires}
Content-Length: 0

"""


@pytest.fixture
def rig() -> EngineRig:
    cluster = make_cluster(
        devices=[desk_phone("1001"), iphone("2001")],
        parameters=ServiceParameters(authentication="none"),
    )
    rig = EngineRig(cluster)
    rig.sign_in(iphone_binding(cluster.devices["TCT2001"]))
    return rig


def statuses(sent: list[Sent]) -> list[int]:
    return [s.message.status for s in sent if isinstance(s.message, Response)]


def requests(sent: list[Sent], method: str) -> list[Sent]:
    return [s for s in sent if isinstance(s.message, Request) and s.message.method == method]


@pytest.mark.req("CALL-04", "CALL-05", "CALL-06", "CALL-07", "CALL-08", "CALL-19", "SHL-02")
def test_nobody_wakes_so_it_rings_at_5_s_and_ends_480_at_13_s_with_one_missed_push(
    rig: EngineRig,
) -> None:
    first = rig.feed("ucm1", INVITE, rig.flow("ucm1", CALLER))
    assert statuses(first) == [100]
    assert [p.kind for p in rig.pushes] == [PushKind.INCOMING]
    assert statuses(rig.run_to(4999)) == []
    assert statuses(rig.run_to(5000)) == [180]
    assert statuses(rig.run_to(12999)) == []
    end = rig.run_to(13000)
    assert statuses(end) == [480]
    assert 'Q.850;cause=20;text="Subscriber absent"' in (
        end[0].message.headers.first("reason") or ""
    )
    assert [p.kind for p in rig.pushes] == [PushKind.INCOMING, PushKind.MISSED]
    assert rig.pushes[0].call_uuid == rig.pushes[1].call_uuid
    # The phone comes too late: no INVITE for it (CALL-10).
    late = rig.feed(
        "ucm2", register(40000, "late"), rig.flow("ucm2", PHONE, transport="TCP", connection=7)
    )
    assert requests(late, "INVITE") == []
    ack = INVITE.replace("INVITE sip", "ACK sip").replace("1 INVITE", "1 ACK")
    rig.feed(
        "ucm1",
        ack.replace("To: <sip:2001@lab.example>", f"To: {end[0].message.headers.first('to')}"),
        rig.flow("ucm1", CALLER),
    )
    rig.run_to(60_000)
    for intent in rig.pushes:
        rig.outcome(intent, Outcome.ACCEPTED)
    assert not any(rig.counts().values()), rig.counts()


@pytest.mark.req("CALL-11", "SHL-01", "CALL-10")
def test_caller_gives_up_at_3_s_gets_487_at_once_and_the_phone_one_missed_push(
    rig: EngineRig,
) -> None:
    rig.feed("ucm1", INVITE, rig.flow("ucm1", CALLER))
    rig.run_to(3000)
    gone = rig.feed("ucm1", CANCEL, rig.flow("ucm1", CALLER))
    assert statuses(gone) == [200, 487]
    assert [p.kind for p in rig.pushes] == [PushKind.INCOMING, PushKind.MISSED]
    late = rig.feed(
        "ucm1", register(40000, "late"), rig.flow("ucm1", PHONE, transport="TCP", connection=7)
    )
    assert statuses(late) == [200]
    assert requests(late, "INVITE") == []
    assert statuses(rig.feed("ucm1", CANCEL, rig.flow("ucm1", CALLER))) == [200]


@pytest.mark.req("CALL-01", "CALL-02", "CALL-21", "REG-02", "REG-11", "CMG-05")
def test_parked_invite_goes_to_the_phone_after_the_200_to_its_register_at_another_node(
    rig: EngineRig,
) -> None:
    rig.feed("ucm1", INVITE, rig.flow("ucm1", CALLER))
    assert rig.pushes[0].content.active_node is not None
    assert rig.pushes[0].content.active_node.fqdn == "ucm1.lab.example"
    rig.run_to(1000)
    phone = rig.flow("ucm3", PHONE, transport="TCP", connection=7)
    sent = rig.feed("ucm3", register(40000, "wake"), phone)
    to_phone = [s for s in sent if s.flow == phone]
    assert [type(s.message) for s in to_phone] == [Response, Request]
    invite = to_phone[1].message
    assert isinstance(invite, Request)
    assert invite.uri_text == "sip:2001@192.0.2.60:40000;transport=tcp"
    assert invite.headers.first("x-push-call-uuid") == rig.pushes[0].call_uuid
    assert len(invite.vias) == 3
    assert len(invite.record_routes) >= 2
    assert not invite.headers.has("route")
    answer = respond_to(invite, 180)
    back = rig.feed_bytes("ucm3", answer, phone)
    assert [
        (s.flow.remote_host, s.message.status) for s in back if isinstance(s.message, Response)
    ][-1] == ("192.0.2.50", 180)
    ok = rig.feed_bytes("ucm3", respond_to(invite, 200), phone)
    final = ok[-1].message
    assert isinstance(final, Response)
    assert final.status == 200
    # ACK and BYE both ways follow the Record-Route.
    routes = [str(r) for r in reversed(final.record_routes)]
    ack = in_dialog("ACK", 1, final, routes)
    acked = rig.feed("ucm1", ack, rig.flow("ucm1", CALLER))
    assert [s.flow for s in requests(acked, "ACK")][-1] == phone
    bye = rig.feed("ucm1", in_dialog("BYE", 2, final, routes), rig.flow("ucm1", CALLER))
    last = requests(bye, "BYE")[-1]
    assert last.flow == phone
    assert isinstance(last.message, Request)
    done = rig.feed_bytes("ucm3", respond_to(last.message, 200, tagged=False), phone)
    assert (done[-1].flow.remote_host, statuses(done)[-1]) == ("192.0.2.50", 200)
    assert [p.kind for p in rig.pushes] == [PushKind.INCOMING]
    rig.outcome(rig.pushes[0], Outcome.ACCEPTED)
    rig.run_to(120_000)
    assert not any(rig.counts().values()), rig.counts()


def respond_to(request: Request, status: int, *, tagged: bool = True) -> bytes:
    from sipstack.message.response import respond

    headers = [("Record-Route", str(r)) for r in request.record_routes]
    headers.append(("Contact", "<sip:2001@192.0.2.60:40000;transport=tcp>"))
    return respond(
        request, status, to_tag="p2" if tagged else None, headers=tuple(headers)
    ).to_bytes()


def in_dialog(method: str, cseq: int, answer: Response, routes: list[str]) -> str:
    lines = [
        f"{method} sip:2001@192.0.2.60:40000;transport=tcp SIP/2.0",
        f"Via: SIP/2.0/UDP 192.0.2.50:5060;branch=z9hG4bK{method}{cseq}",
        "Max-Forwards: 70",
        *(f"Route: {route}" for route in routes),
        f"From: {answer.headers.first('from')}",
        f"To: {answer.headers.first('to')}",
        f"Call-ID: {answer.call_id}",
        f"CSeq: {cseq} {method}",
        "Content-Length: 0",
    ]
    return "\n".join(lines)
