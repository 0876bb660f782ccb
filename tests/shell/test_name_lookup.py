"""The look-up of the proxy's name against a small DNS server on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from callctl.io.name_lookup import look_up
from helpers.loops import on_each_loop

pytestmark = [pytest.mark.anyio, on_each_loop]

NAME = "proxy.example.com"
SOA = ("example.com.", 5, "IN", "SOA", "ns.example.com. root.example.com. 1 7200 900 1209600 5")


class DnsServer(asyncio.DatagramProtocol):
    """Answers with its records, in their order, or refuses a kind."""

    def __init__(self, **records: list[str]) -> None:
        self.records = records
        self.fails: set[str] = set()
        self.exists = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        question = query.question[0]
        kind = question.rdtype.name
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA
        if kind in self.fails:
            response.set_rcode(dns.rcode.SERVFAIL)
        elif not self.exists:
            response.set_rcode(dns.rcode.NXDOMAIN)
            response.authority.append(dns.rrset.from_text(*SOA))
        elif found := self.records.get(kind):
            for record in found:  # each a set of its own: dnspython shuffles what it writes as one
                response.answer.append(dns.rrset.from_text(question.name, 0, "IN", kind, record))
        else:
            response.authority.append(dns.rrset.from_text(*SOA))
        self.transport.sendto(response.to_wire(), addr)  # type: ignore[attr-defined]


@asynccontextmanager
async def dns_server(**records: list[str]) -> AsyncIterator[tuple[DnsServer, int]]:
    transport, server = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: DnsServer(**records), local_addr=("127.0.0.1", 0)
    )
    try:
        yield server, transport.get_extra_info("sockname")[1]
    finally:
        transport.close()


async def asked(port: int, name: str = NAME, hosts_file: Path | None = None) -> tuple[str, ...]:
    return await look_up(name, nameservers=("127.0.0.1",), port=port, hosts_file=hosts_file)


@pytest.mark.req("PROXY-04", "OP-55", "NET-03")
async def test_addresses_come_in_the_order_of_the_answer_and_anew_each_time() -> None:
    given = ["192.0.2.9", "192.0.2.1", "198.51.100.5"]
    async with dns_server(A=given, AAAA=["2001:db8::9", "2001:db8::1"]) as (server, port):
        assert await asked(port) == (*given, "2001:db8::9", "2001:db8::1")
        server.records = {"A": ["192.0.2.7"]}
        assert await asked(port, "PROXY.example.com.") == ("192.0.2.7",)


@pytest.mark.req("OP-55")
async def test_one_kind_of_address_is_enough() -> None:
    async with dns_server(AAAA=["2001:db8::1"]) as (server, port):
        server.fails = {"A"}
        assert await asked(port) == ("2001:db8::1",)


async def test_no_such_name_and_no_answer_are_two_things() -> None:
    async with dns_server() as (server, port):
        server.exists = False
        assert await asked(port) == ()
        server.fails = {"A", "AAAA"}
        with pytest.raises(OSError, match=NAME):
            await asked(port)


async def test_hosts_file_goes_before_the_dns(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text(f"127.0.0.2 {NAME}\n127.0.0.3 {NAME}\n")
    assert await asked(9, hosts_file=hosts) == ("127.0.0.2", "127.0.0.3")
