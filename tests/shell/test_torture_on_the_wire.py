"""All 49 messages of RFC 4475 and the 12 of RFC 5118, sent to a running node over UDP and TCP."""

from __future__ import annotations

import pytest
from anyio.to_thread import run_sync

from helpers.node_rig import running
from helpers.shared import find_shared, shared_dir
from torture import wire
from torture.rfc4475 import CASES, FORWARD, NOTHING, Case

pytestmark = pytest.mark.anyio

OPTIONS = (
    b"OPTIONS sip:127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.2:5060;branch=z9hG4bKalive\r\n"
    b"Max-Forwards: 70\r\nFrom: <sip:a@example.com>;tag=1\r\nTo: <sip:127.0.0.1>\r\n"
    b"Call-ID: alive\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
)

OVER_TCP: dict[str, tuple[int | str, ...]] = {
    "clerr": (NOTHING,),  # the rest of the body may still come: closed at the read deadline
    "baddn": (NOTHING,),  # lacks the empty line that ends the header: as clerr
    "inv2543": (400,),  # no Content-Length: over a stream nobody can tell where its body ends
    "mcl01": (400,),
    "ncl": (400,),
}


def message(name: str) -> bytes:
    return (shared_dir("torture/rfc4475") / f"{name}.dat").read_bytes()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("transport", ["UDP", "TCP"])
async def test_torture_message_gets_its_answer_and_the_node_lives(
    case: Case, transport: str
) -> None:
    data = message(case.name)
    whom = wire.addressee(data)
    authentication = "digest" if case.name == "regaut01" else "none"
    cluster = wire.cluster_for(whom, authentication=authentication)
    expected = OVER_TCP.get(case.name, case.wire) if transport == "TCP" else case.wire
    callee = wire.Callee()
    try:
        async with running(cluster) as shell:
            if FORWARD in expected and authentication == "none":
                await run_sync(callee.register, shell, whom)
            silent = NOTHING in expected or FORWARD in expected
            wait_s = wire.QUIET_S if silent else wire.ANSWER_S
            if transport == "UDP":
                status = await run_sync(wire.ask_over_udp, shell, data, wait_s)
            else:
                status, _ = await run_sync(wire.ask_over_tcp, shell, data, wait_s)
            outcome: int | str = NOTHING if status is None else status
            wait_s = wire.ANSWER_S if expected == (FORWARD,) else wire.QUIET_S
            if FORWARD in expected and await run_sync(callee.first_request, wait_s) is not None:
                outcome = FORWARD
            assert outcome in expected, (outcome, expected)
            assert await run_sync(wire.ask_over_udp, shell, OPTIONS) == 200
    finally:
        callee.close()


def ipv6_messages() -> dict[str, bytes]:
    shared = find_shared()
    if shared is None:
        return {}
    paths = sorted((shared / "torture/siprustserver/ipv6").iterdir())
    return {path.stem: path.read_bytes() for path in paths}


@pytest.mark.parametrize(("name", "data"), ipv6_messages().items(), ids=list(ipv6_messages()))
@pytest.mark.parametrize("transport", ["UDP", "TCP"])
async def test_ipv6_message_is_served_or_refused_as_rfc_5118_asks(
    name: str, data: bytes, transport: str
) -> None:
    async with running(wire.cluster_for(wire.addressee(data))) as shell:
        if transport == "UDP":
            status = await run_sync(wire.ask_over_udp, shell, data)
        else:
            status, _ = await run_sync(wire.ask_over_tcp, shell, data)
        if name == "v42_ipv6NoBrackets":
            assert status == 400
        else:
            assert status in (200, 404, 480, 481)
        assert await run_sync(wire.ask_over_udp, shell, OPTIONS) == 200
