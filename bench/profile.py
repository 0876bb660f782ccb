"""Where the time of an operation goes, by part of the program, without sockets.

    python -m bench.profile

One engine is fed literal messages; cProfile counts the time spent in the functions of each package.
Profiling itself makes small functions look dearer than they are: read the shares, not the sums.
"""

from __future__ import annotations

import cProfile
import gc
import pstats
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Final

from bench.place import DOMAIN, user
from callctl.engine.engine import Engine
from callctl.model.build import make_cluster, softphone
from callctl.model.service_parameter import ServiceParameters
from sipstack.io.entropy import OsEntropy
from sipstack.message.message import Request, Response
from sipstack.message.parser import parse_message
from sipstack.message.response import respond
from sipstack.timing import MS, Instant
from sipstack.transport.flow import BytesReceived, Flow, Send

USERS: Final = 2_000
CALLER: Final = Flow("UDP", "192.0.2.1", 5060, "192.0.2.50", 5070)
CALLEE: Final = Flow("UDP", "192.0.2.1", 5060, "192.0.2.50", 5080)
PARTS: Final = (
    "sipstack/message",
    "sipstack/transaction",
    "sipstack/transport",
    "sipstack",
    "callctl/registration",
    "callctl/call",
    "callctl/engine",
    "callctl",
)
SDP: Final = (
    "v=0\r\no=- 1 1 IN IP4 192.0.2.50\r\ns=-\r\nc=IN IP4 192.0.2.50\r\nt=0 0\r\n"
    "m=audio 6000 RTP/AVP 0\r\n"
)


class Bench:
    """One engine, its clock, and the two parties around it."""

    def __init__(self) -> None:
        cluster = make_cluster(
            nodes=("ucm1",),
            domain=DOMAIN,
            devices=[softphone(user(number)) for number in range(USERS)],
            parameters=ServiceParameters(authentication="none"),
        )
        self._engine = Engine(cluster, "ucm1", OsEntropy(), key=bytes(32))
        self._now = 0
        self._round = 0
        self._engine.start(Instant(0))

    def feed(self, flow: Flow, data: bytes) -> list[Send]:
        self._now += MS
        actions = self._engine.receive(BytesReceived(flow, data), Instant(self._now))
        return [action for action in actions if isinstance(action, Send)]

    def registers(self) -> None:
        """Every user registers, or refreshes."""
        self._round += 1
        for number in range(USERS):
            (answer,) = self.feed(CALLER, _register(number, self._round))
            assert answer.data.startswith(b"SIP/2.0 200"), answer.data

    def calls(self) -> None:
        """Every user is called: INVITE, 180, 200, ACK, BYE, 200."""
        self._round += 1
        for number in range(USERS):
            self._call(number, f"{self._round}-{number}")

    def _call(self, number: int, name: str) -> None:
        sent = self.feed(CALLER, _invite(number, name))
        invite = _request(next(send.data for send in sent if send.flow == CALLEE))
        self.feed(CALLEE, _answer(invite, 180))
        ok = parse_message(self.feed(CALLEE, _answer(invite, 200))[-1].data)
        assert isinstance(ok, Response)
        self.feed(CALLER, _in_dialog("ACK", 1, number, name, ok))
        (bye,) = self.feed(CALLER, _in_dialog("BYE", 2, number, name, ok))
        (done,) = self.feed(CALLEE, respond(_request(bye.data), 200).to_bytes())
        assert done.data.startswith(b"SIP/2.0 200"), done.data


def _register(number: int, turn: int) -> bytes:
    return (
        f"REGISTER sip:{DOMAIN} SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP 192.0.2.50:5070;branch=z9hG4bKr{turn}-{number}\r\n"
        f"From: <sip:{user(number)}@{DOMAIN}>;tag=1\r\nTo: <sip:{user(number)}@{DOMAIN}>\r\n"
        f"Call-ID: r{number}\r\nCSeq: {turn} REGISTER\r\n"
        f"Contact: <sip:{user(number)}@192.0.2.50:5080>\r\n"
        "Max-Forwards: 70\r\nExpires: 3600\r\nContent-Length: 0\r\n\r\n"
    ).encode()


def _invite(number: int, name: str) -> bytes:
    return (
        f"INVITE sip:{user(number)}@{DOMAIN} SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP 192.0.2.50:5070;branch=z9hG4bKi{name}\r\n"
        f"From: <sip:{user(0)}@{DOMAIN}>;tag=a{name}\r\nTo: <sip:{user(number)}@{DOMAIN}>\r\n"
        f"Call-ID: c{name}\r\nCSeq: 1 INVITE\r\nContact: <sip:{user(0)}@192.0.2.50:5070>\r\n"
        f"Max-Forwards: 70\r\nContent-Type: application/sdp\r\nContent-Length: {len(SDP)}\r\n\r\n"
        f"{SDP}"
    ).encode()


def _answer(invite: Request, status: int) -> bytes:
    headers = [("Record-Route", str(route)) for route in invite.record_routes]
    headers.append(("Contact", "<sip:callee@192.0.2.50:5080>"))
    return respond(invite, status, to_tag="b", headers=tuple(headers)).to_bytes()


def _in_dialog(method: str, cseq: int, number: int, name: str, ok: Response) -> bytes:
    routes = "".join(f"Route: {route}\r\n" for route in reversed(ok.record_routes))
    return (
        f"{method} sip:callee@192.0.2.50:5080 SIP/2.0\r\n"
        f"Via: SIP/2.0/UDP 192.0.2.50:5070;branch=z9hG4bK{method}{name}\r\n{routes}"
        f"From: <sip:{user(0)}@{DOMAIN}>;tag=a{name}\r\n"
        f"To: <sip:{user(number)}@{DOMAIN}>;tag=b\r\n"
        f"Call-ID: c{name}\r\nCSeq: {cseq} {method}\r\nMax-Forwards: 70\r\n"
        "Content-Length: 0\r\n\r\n"
    ).encode()


def _request(data: bytes) -> Request:
    message = parse_message(data)
    assert isinstance(message, Request)
    return message


def report(title: str, work: Callable[[], None]) -> None:
    """CPU time of one operation, and the share of each part in a profiled run."""
    work()
    started = time.process_time()
    work()
    each_us = (time.process_time() - started) / USERS * 1e6
    profile = cProfile.Profile()
    profile.runcall(work)
    shares: dict[str, float] = defaultdict(float)
    stats = pstats.Stats(profile)
    for (file, _, _), (_, _, own, _, _) in stats.stats.items():  # type: ignore[attr-defined]
        shares[next((part for part in PARTS if f"/{part}/" in file), "Python itself")] += own
    total = sum(shares.values())
    print(f"{title}: {each_us:.0f} us, the senders' own share included")
    for part, own in sorted(shares.items(), key=lambda item: -item[1]):
        print(f"  {own / total:5.0%}  {part}")


def main() -> None:
    bench = Bench()
    gc.collect()
    gc.freeze()
    gc.disable()
    report("REGISTER (refresh)", bench.registers)
    report("proxied call", bench.calls)


if __name__ == "__main__":
    main()
