"""The resolver against a small DNS server on loopback."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from helpers.loops import on_each_loop
from sipstack.io.entropy import OsEntropy
from sipstack.io.resolver import FAILURE_TTL_S, NameUnresolved, Resolver
from sipstack.message.uri import Uri
from sipstack.timing import SECOND, Instant
from sipstack.transport.locate import Query, Target

pytestmark = [pytest.mark.anyio, on_each_loop]

ZONE = {
    ("example.com.", "NAPTR"): (30, ['10 10 "s" "SIP+D2T" "" _sip._tcp.example.com.']),
    ("_sip._tcp.example.com.", "SRV"): (30, ["1 1 5070 One.Example.COM."]),
    ("one.example.com.", "A"): (30, ["192.0.2.1"]),
    ("one.example.com.", "AAAA"): (30, ["2001:db8::1"]),
    ("broken.example.com.", "A"): (30, []),
}
SOA = ("example.com.", 5, "IN", "SOA", "ns.example.com. root.example.com. 1 7200 900 1209600 5")


class DnsServer(asyncio.DatagramProtocol):
    """Answers out of ZONE and counts what it is asked."""

    def __init__(self) -> None:
        self.asked: Counter[tuple[str, str]] = Counter()
        self.answers = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        name, kind = question.name.to_text().lower(), question.rdtype.name
        self.asked[name, kind] += 1
        if not self.answers:
            return
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        ttl, records = ZONE.get((name, kind), (0, []))
        if name == "broken.example.com.":
            response.set_rcode(dns.rcode.SERVFAIL)
        elif records:
            response.answer.append(dns.rrset.from_text(question.name, ttl, "IN", kind, *records))
        else:
            if not any(known == name for known, _ in ZONE):
                response.set_rcode(dns.rcode.NXDOMAIN)
            response.authority.append(dns.rrset.from_text(*SOA))
        self.transport.sendto(response.to_wire(), addr)  # type: ignore[attr-defined]


class Now:
    """A clock that stands where it is put."""

    def __init__(self) -> None:
        self.instant = Instant(0)

    def __call__(self) -> Instant:
        return self.instant

    def set_s(self, seconds: float) -> None:
        self.instant = Instant(int(seconds * SECOND))


@asynccontextmanager
async def resolving(
    clock: Now, hosts_file: Path | None = None
) -> AsyncIterator[tuple[Resolver, DnsServer]]:
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(DnsServer, local_addr=("127.0.0.1", 0))
    port = transport.get_extra_info("sockname")[1]
    resolver = Resolver(clock, nameservers=["127.0.0.1"], port=port, hosts_file=hosts_file)
    try:
        yield resolver, server
    finally:
        await resolver.aclose()
        transport.close()


async def test_domain_leads_to_its_targets_over_naptr_srv_and_addresses() -> None:
    async with resolving(Now()) as (resolver, _):
        found = await resolver.locate(Uri.parse("sip:bob@example.com"), OsEntropy())
        assert found == (Target("TCP", "192.0.2.1", 5070), Target("TCP", "2001:db8::1", 5070))


async def test_answers_are_kept_for_their_time_and_no_longer() -> None:
    clock = Now()
    query = Query("one.example.com", "A")
    async with resolving(clock) as (resolver, server):
        for seconds, asked in ((0, 1), (29.9, 1), (30, 2)):
            clock.set_s(seconds)
            assert await resolver.answer(query) == ("192.0.2.1",)
            assert server.asked["one.example.com.", "A"] == asked


@pytest.mark.parametrize("name", ["nowhere.example.com", "example.com"])
async def test_that_there_is_nothing_is_kept_too(name: str) -> None:
    clock = Now()
    async with resolving(clock) as (resolver, server):
        for seconds, asked in ((0, 1), (4.9, 1), (5, 2)):
            clock.set_s(seconds)
            assert await resolver.answer(Query(name, "A")) == ()
            assert server.asked[f"{name}.", "A"] == asked


async def test_question_under_way_is_asked_once_for_all() -> None:
    async with resolving(Now()) as (resolver, server):
        query = Query("one.example.com", "A")
        impatient = asyncio.create_task(resolver.answer(query))
        others = [asyncio.create_task(resolver.answer(query)) for _ in range(20)]
        await asyncio.sleep(0)
        impatient.cancel()
        assert set(await asyncio.gather(*others)) == {("192.0.2.1",)}
        assert server.asked["one.example.com.", "A"] == 1


async def test_failure_of_the_servers_is_an_error_and_kept_for_a_moment() -> None:
    clock = Now()
    async with resolving(clock) as (resolver, server):
        query = Query("broken.example.com", "A")
        with pytest.raises(NameUnresolved):
            await resolver.answer(query)
        asked = server.asked["broken.example.com.", "A"]
        with pytest.raises(NameUnresolved, match="a moment ago"):
            await resolver.answer(query)
        assert server.asked["broken.example.com.", "A"] == asked
        clock.set_s(FAILURE_TTL_S)
        with pytest.raises(NameUnresolved):
            await resolver.answer(query)
        assert server.asked["broken.example.com.", "A"] > asked


async def test_hosts_file_and_numbers_come_before_any_server(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 localhost # me\n192.0.2.9 PBX pbx.lan\n::1 localhost\nnonsense\n")
    async with resolving(Now(), hosts) as (resolver, server):
        for uri, target in (
            ("sip:pbx.lan", Target("UDP", "192.0.2.9", 5060)),
            ("sip:pbx;transport=tcp", Target("TCP", "192.0.2.9", 5060)),
            ("sip:192.0.2.7", Target("UDP", "192.0.2.7", 5060)),
        ):
            assert await resolver.locate(Uri.parse(uri), OsEntropy()) == (target,)
        assert await resolver.answer(Query("localhost", "AAAA")) == ("::1",)
        assert not server.asked


async def test_name_that_dns_cannot_hold_does_not_exist() -> None:
    async with resolving(Now()) as (resolver, server):
        assert await resolver.answer(Query("x" * 64 + ".example.com", "A")) == ()
        assert not server.asked


async def test_close_gives_up_what_is_under_way() -> None:
    async with resolving(Now()) as (resolver, server):
        server.answers = False
        waiting = asyncio.create_task(resolver.answer(Query("one.example.com", "A")))
        await asyncio.sleep(0.02)
        await resolver.aclose()
        with pytest.raises(asyncio.CancelledError):
            await waiting
