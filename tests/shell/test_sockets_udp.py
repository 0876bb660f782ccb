"""UDP over loopback."""

from __future__ import annotations

import asyncio
import socket

import pytest

from helpers.loops import on_each_loop, party
from helpers.sip_text import OPTIONS, octets
from sipstack.errors import LocalProtocolError
from sipstack.io.endpoint import Listener
from sipstack.transport.flow import BytesReceived, Flow, Send, TransportEvent

pytestmark = [pytest.mark.anyio, on_each_loop]
MESSAGE = octets(OPTIONS)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_datagrams_go_both_ways_between_two_parties(host: str) -> None:
    async with party(Listener("UDP", host)) as alice, party(Listener("UDP", host)) as bob:
        to_bob = alice.endpoint.flow_to("UDP", host, bob.endpoint.listeners[0].port)
        alice.endpoint.perform(Send(to_bob, MESSAGE))
        await bob.until(lambda: len(bob.events) == 1)
        (event,) = bob.received
        local, remote = bob.endpoint.listeners[0], alice.endpoint.listeners[0]
        assert event == BytesReceived(
            Flow("UDP", local.host, local.port, remote.host, remote.port), MESSAGE
        )
        bob.endpoint.perform(Send(event.flow, b"back"))
        await alice.until(lambda: alice.octets() == b"back")
        assert alice.received[0].flow == to_bob


async def test_a_burst_is_read_whole() -> None:
    async with party(Listener("UDP", "127.0.0.1")) as bob:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            address = ("127.0.0.1", bob.endpoint.listeners[0].port)
            for number in range(200):
                sock.sendto(b"%d" % number, address)
            await bob.until(lambda: len(bob.events) == 200)
        assert [event.data for event in bob.received] == [b"%d" % n for n in range(200)]


async def test_largest_datagram_passes() -> None:
    async with (
        party(Listener("UDP", "127.0.0.1")) as alice,
        party(Listener("UDP", "127.0.0.1")) as bob,
    ):
        flow = alice.endpoint.flow_to("UDP", "127.0.0.1", bob.endpoint.listeners[0].port)
        alice.endpoint.perform(Send(flow, b"x" * 65_507))
        await bob.until(lambda: len(bob.octets()) == 65_507)


async def test_what_cannot_be_sent_is_counted_and_harms_nothing() -> None:
    async with party(Listener("UDP", "127.0.0.1")) as alice:
        endpoint = alice.endpoint
        endpoint.perform(Send(endpoint.flow_to("UDP", "127.0.0.1", 9), b"x" * 70_000))
        endpoint.perform(Send(endpoint.flow_to("UDP", "127.0.0.1", 0), b"x"))
        itself = endpoint.flow_to("UDP", "127.0.0.1", endpoint.listeners[0].port)
        endpoint.perform(Send(itself, MESSAGE))
        await alice.until(lambda: alice.octets() == MESSAGE)
        assert endpoint.counts()["datagrams_not_sent"] == 2


async def test_failure_over_one_datagram_does_not_cost_the_next() -> None:
    async with party(Listener("UDP", "127.0.0.1")) as bob:
        failures: list[object] = []

        def fail_once(event: TransportEvent) -> None:
            if len(bob.events) == 1:
                raise RuntimeError("a bug above")

        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: failures.append(context["exception"]))
        bob.act = fail_once
        itself = bob.endpoint.flow_to("UDP", "127.0.0.1", bob.endpoint.listeners[0].port)
        for _ in range(3):
            bob.endpoint.perform(Send(itself, MESSAGE))
        await bob.until(lambda: len(bob.events) == 3)
        assert [str(failure) for failure in failures] == ["a bug above"]


async def test_address_in_use_is_told_and_nothing_stays_bound() -> None:
    async with party(Listener("UDP", "127.0.0.1")) as bob:
        taken = bob.endpoint.listeners[0].port
        with pytest.raises(OSError, match="in use"):
            async with party(Listener("TCP", "127.0.0.1"), Listener("UDP", "127.0.0.1", taken)):
                raise AssertionError("has started")


async def test_tcp_only_party_has_no_udp_socket() -> None:
    async with party(Listener("TCP", "127.0.0.1")) as bob:
        with pytest.raises(LocalProtocolError):
            bob.endpoint.perform(Send(Flow("UDP", "127.0.0.1", 5060, "127.0.0.1", 9), MESSAGE))
        with pytest.raises(LocalProtocolError):
            bob.endpoint.flow_to("UDP", "127.0.0.1", 9)
