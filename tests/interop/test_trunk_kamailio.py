"""Kamailio as the telephone network behind a trunk: calls out, calls in, and a peer that dies."""

from __future__ import annotations

import gc
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import anyio
import pytest

from callctl.io.cluster_shell import ClusterShell
from callctl.io.parties import Parties
from callctl.model.build import PUSH_ON, iphone, make_cluster, make_node, softphone
from callctl.model.line import Line
from callctl.model.trunk import RoutePattern, SipTrunk, TrunkCredentials, TrunkDestination
from callctl.model.user import Secret
from callctl.phone.event import CallEnded
from callctl.phone.phone_event import CallShown
from interop.drivers.kamailio import PASSWORD, USER, Network, telephone_network
from interop.drivers.program import free_port
from interop.drivers.sipp import Account, Sipp
from interop.film import OpenAuthority
from interop.lab import (
    CALLER,
    CALLER_NAME,
    QUICK,
    SLEEPER,
    STANDARD_PORT,
    Lab,
    Site,
    eventually,
    keylog_of,
)

pytestmark = [pytest.mark.anyio, pytest.mark.needs("sipp", "kamailio", "tshark", "capture")]

HOST = "127.0.0.1"
OUTSIDE = Account("+4930444001", "unused", "pstn.example")
DIALLED = "004930777001"


@dataclass(slots=True)
class TrunkLab:
    """A cluster with a trunk of two destinations, and where the peer's subscriber listens."""

    lab: Lab
    peers: tuple[int, int]  # ports of the two
    subscriber: int

    @property
    def shell(self) -> ClusterShell:
        return self.lab.shell

    def peer(self, index: int) -> Network:
        """One of the two, ready to be started."""
        node = self.lab.server("UDP")
        return Network(self.peers[index], node, (HOST, self.subscriber))

    async def in_service(self, *expected: bool) -> None:
        """Wait until the node has asked the destinations and found them in service, or not."""
        await eventually(lambda: self._states() == list(expected), lambda: {"is": self._states()})

    def _states(self) -> list[bool]:
        states = self.shell.nodes[0].engine.trunks.states()
        return [state.in_service for state in states if state.sent]

    def stories(self) -> list[list[str]]:
        """The steps of each call."""
        return [[step.code for step in record.steps] for record in self.shell.records()]


@asynccontextmanager
async def trunk_lab(site: Site, *, transport: str = "UDP") -> AsyncGenerator[TrunkLab]:
    """ucm1, the caller's device, the iPhone, and a trunk that takes what is dialled with 00."""
    peers, subscriber = (free_port(), free_port()), free_port()
    trunk = SipTrunk(
        "pstn",
        tuple(TrunkDestination(transport, HOST, port) for port in peers),
        options_ping_s=60,  # asked at the start, and then not again while a test runs
        try_s=3,  # a busy machine may take a second to answer
        outbound=TrunkCredentials(USER, Secret(PASSWORD)),
    )
    cluster = make_cluster(
        nodes=[make_node("ucm1", 1, host=site.host(1), port=STANDARD_PORT)],
        devices=[softphone(CALLER), iphone(SLEEPER)],
        lines=[Line(CALLER, CALLER_NAME)],
        cloud=PUSH_ON,
        parameters=QUICK,
        trunks=[trunk],
        route_patterns=[RoutePattern("00!", ("pstn",), strip=2, prefix="+")],
    )
    shell = ClusterShell(site.with_free_ports(cluster))
    shell.authority = OpenAuthority(keylog_of(site))
    parties = Parties(shell)
    async with anyio.create_task_group() as tasks:
        await tasks.start(shell.run)
        await tasks.start(parties.run)
        yield TrunkLab(Lab(site, shell, parties), peers, subscriber)
        tasks.cancel_scope.cancel()
    del shell, parties
    gc.collect()  # so that what was left open warns here, not in the next test


@pytest.mark.parametrize("transport", ["UDP", "TCP"])
async def test_a_call_goes_out_over_the_trunk_and_its_challenge_is_answered(
    transport: str, site: Site
) -> None:
    async with trunk_lab(site, transport=transport) as here:
        async with (
            telephone_network(here.peer(0), site.directory),
            Sipp(site.directory, (HOST, here.peers[0]), "udp").answering(
                port=here.subscriber
            ) as subscriber,
            here.lab.filmed(
                f"sipp-calls-out-over-trunk-{transport.lower()}",
                "A call over a trunk.",
                whole=transport == "UDP",
            ) as film,
        ):
            await here.in_service(True, False)
            sipp = Sipp(site.directory, here.lab.server("UDP"), "udp")
            called = await sipp.call(here.lab.account(), DIALLED)
            assert called.ok, (called.errors, called.messages)
            answered = await subscriber.ended(5)
        assert answered.ok, (answered.errors, answered.messages)
        invite = answered.messages
        assert "INVITE sip:+4930777001@127.0.0.1" in invite
        assert f'P-Asserted-Identity: "{CALLER_NAME}" <sip:{CALLER}@lab.example>' in invite
        assert PASSWORD not in invite
        assert "Proxy-Authorization" not in called.messages.partition("CSeq: 2")[0]
        # The peer's challenge was met by the node, not by the caller, who saw its own alone.
        assert film.times_said("407") == 1
        assert len(here.stories()) == 1


async def test_a_call_from_the_trunk_wakes_the_iphone_and_shows_who_the_network_says_it_is(
    site: Site,
) -> None:
    async with trunk_lab(site) as here:
        phone = await here.lab.sleeper(transport="TLS")
        async with telephone_network(here.peer(0), site.directory):
            sipp = Sipp(site.directory, (HOST, here.peers[0]), "udp")
            called = await sipp.call(OUTSIDE, SLEEPER)
            assert called.ok, (called.errors, called.messages)
            await phone.until(CallEnded)
            (shown,) = phone.all(CallShown)
            # Not OUTSIDE's own number: a subscriber may write anything into its From.
            assert shown.caller_number == here.peer(0).asserted
            here.lab.assert_clouds_know_nobody()
        await here.lab.at_rest(15)


async def test_a_subscriber_of_the_network_reaches_nobody_outside_through_us(site: Site) -> None:
    async with trunk_lab(site) as here, telephone_network(here.peer(0), site.directory):
        sipp = Sipp(site.directory, (HOST, here.peers[0]), "udp")
        called = await sipp.call(OUTSIDE, DIALLED)
        assert not called.ok
        assert "SIP/2.0 403" in called.messages
        assert here.stories() == []


async def test_when_the_first_peer_dies_calls_go_to_the_second_and_soon_at_once(
    site: Site,
) -> None:
    async with trunk_lab(site) as here, AsyncExitStack() as stack:
        second = telephone_network(here.peer(1), site.directory)
        await stack.enter_async_context(second)
        answering = Sipp(site.directory, (HOST, here.peers[1]), "udp").answering(
            calls=3, port=here.subscriber
        )
        subscriber = await stack.enter_async_context(answering)
        sipp = Sipp(site.directory, here.lab.server("UDP"), "udp")
        async with telephone_network(here.peer(0), site.directory):
            await here.in_service(True, True)
            assert (await sipp.call(here.lab.account(), DIALLED)).ok
        # Dead, and nobody has noticed yet.
        called = await sipp.call(here.lab.account(), DIALLED)
        assert called.ok, (called.errors, called.messages)
        await here.in_service(False, True)
        assert (await sipp.call(here.lab.account(), DIALLED)).ok
        assert (await subscriber.ended(5)).ok
        assert [story.count("trunk-failed") for story in here.stories()] == [0, 1, 0]
