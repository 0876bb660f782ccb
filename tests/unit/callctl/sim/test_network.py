"""Datagrams and streams in virtual time, with all that can befall them."""

from __future__ import annotations

from random import Random

from callctl.sim.glance import Glance
from callctl.sim.network import CONNECT_NS, SILENCE_NS, Network, Sockets
from callctl.sim.party import Party, Role
from callctl.sim.weather import STILL, Weather
from callctl.sim.world import World
from sipstack.timing import MS, SECOND, Instant
from sipstack.transport.flow import BytesReceived, Flow, FlowClosed, Send, TransportEvent

A, B = "192.0.2.1", "198.51.100.1"


class Silent:
    """A watcher that does not care."""

    def sent(self, sockets: Sockets, flow: Flow, data: bytes) -> Glance | None:
        return None

    def received(self, sockets: Sockets, flow: Flow, glance: Glance | None) -> None:
        pass

    def closed(self, sockets: Sockets, flow: Flow, reason: str) -> None:
        pass


class Pair:
    """Two parties on a network, and what each of them got."""

    def __init__(self, weather: Weather = STILL) -> None:
        self.world = World()
        self.network = Network(self.world, Random(1), Silent())
        self.network.weather = weather
        self.got: dict[str, list[TransportEvent]] = {A: [], B: []}
        self.a, self.b = self._party(A), self._party(B)

    def _party(self, host: str) -> Sockets:
        party = Party(host, Role.AGENT, self.world, self.network)
        ports = (("UDP", 5060), ("TCP", 5060))
        sockets = Sockets(party, host, ports, self.got[host].append)
        self.network.start(sockets)
        return sockets

    def send(self, data: bytes, transport: str = "TCP", connection: int = 0) -> None:
        flow = Flow(transport, A, 5060, B, 5060, connection)
        self.network.send(self.a, Send(flow, data))

    def answer(self, data: bytes) -> None:
        event = self.got[B][-1]
        assert isinstance(event, BytesReceived)
        self.network.send(self.b, Send(event.flow, data))

    def run(self, seconds: float = 1) -> None:
        self.world.run_to(Instant(self.world.now + round(seconds * SECOND)))

    def data(self, host: str) -> list[bytes]:
        return [event.data for event in self.got[host] if isinstance(event, BytesReceived)]

    def ends(self, host: str) -> list[str]:
        return [event.reason for event in self.got[host] if isinstance(event, FlowClosed)]


def test_datagram_arrives_with_its_flow_turned_round() -> None:
    pair = Pair()
    pair.send(b"x", "UDP")
    pair.run()
    assert pair.got[B] == [BytesReceived(Flow("UDP", B, 5060, A, 5060), b"x")]


def test_bad_weather_loses_doubles_and_reorders_datagrams() -> None:
    weather = Weather(loss=300, duplicates=200, delay_max_ns=100 * MS)
    pair = Pair(weather)
    sent = [bytes([number]) for number in range(200)]
    for data in sent:
        pair.send(data, "UDP")
    pair.run()
    got = pair.data(B)
    assert 100 < len(set(got)) < 180
    assert len(got) > len(set(got))
    assert got != sorted(got)


def test_stream_keeps_the_order_and_loses_nothing_in_bad_weather() -> None:
    pair = Pair(Weather(loss=300, duplicates=200, delay_max_ns=100 * MS))
    for number in range(100):
        pair.send(b"%03d" % number)
    pair.run(60)
    assert b"".join(pair.data(B)) == b"".join(b"%03d" % number for number in range(100))


def test_stream_is_answered_over_the_connection_that_was_dialled() -> None:
    pair = Pair()
    pair.send(b"one")
    pair.run()
    pair.answer(b"two")
    pair.run()
    assert pair.got[A] == [BytesReceived(Flow("TCP", A, 5060, B, 5060, 1), b"two")]
    pair.send(b"three", connection=1)
    pair.send(b"four")
    pair.run()
    flows = {event.flow for event in pair.got[B] if isinstance(event, BytesReceived)}
    assert len(flows) == 1


def test_connection_to_nobody_is_refused_and_to_a_host_without_power_runs_out_of_time() -> None:
    pair = Pair()
    pair.network.crash(pair.b)
    pair.send(b"x")
    pair.run()
    assert pair.ends(A) == ["connection refused"]
    pair.network.power_off(pair.b)
    pair.send(b"x")
    pair.run((CONNECT_NS - 1) / SECOND)
    assert pair.ends(A) == ["connection refused"]
    pair.run(1)
    assert pair.ends(A) == ["connection refused", "connect timeout"]


def test_close_is_seen_by_the_peer_behind_what_was_sent_before() -> None:
    pair = Pair(Weather(delay_max_ns=50 * MS))
    pair.send(b"last")
    pair.run()
    pair.send(b"words")
    flow = Flow("TCP", A, 5060, B, 5060, 1)
    pair.network.close(pair.a, flow)
    pair.run()
    assert b"".join(pair.data(B)) == b"lastwords"
    assert pair.ends(B) == ["closed by peer"]
    # For the connection, and for the flow without a number that was sent over it.
    assert pair.got[A] == [
        FlowClosed(flow, "closed by us"),
        FlowClosed(flow._replace(connection=0), "closed by us"),
    ]


def test_crash_closes_the_streams_and_a_new_process_counts_from_one_again() -> None:
    pair = Pair()
    pair.send(b"x")
    pair.run()
    pair.network.crash(pair.b)
    pair.run()
    assert "closed by peer" in pair.ends(A)
    pair.network.start(pair.b)
    pair.send(b"y")
    pair.run()
    assert pair.data(B) == [b"x", b"y"]
    flows = [event.flow for event in pair.got[B] if isinstance(event, BytesReceived)]
    assert [flow.connection for flow in flows] == [1, 1]


def test_stream_to_a_host_that_lost_power_falls_silent_and_then_ends() -> None:
    pair = Pair()
    pair.send(b"x")
    pair.run()
    pair.network.power_off(pair.b)
    pair.run(60)
    assert pair.ends(A) == []  # nobody has noticed
    pair.send(b"y")
    pair.run(SILENCE_NS / SECOND)
    assert set(pair.ends(A)) == {"timed out"}


def test_data_for_a_process_that_was_replaced_meanwhile_is_answered_by_a_reset() -> None:
    pair = Pair()
    pair.send(b"x")
    pair.run()
    pair.network.power_off(pair.b)
    pair.network.start(pair.b)
    pair.send(b"y")
    pair.run()
    assert set(pair.ends(A)) == {"connection reset by peer"}
    assert pair.data(B) == [b"x"]


def test_cut_link_holds_streams_and_loses_datagrams_until_it_is_mended() -> None:
    pair = Pair()
    pair.send(b"x")
    pair.run()
    pair.network.cut(A, B)
    pair.send(b"stream")
    pair.send(b"datagram", "UDP")
    pair.run(5)
    assert pair.data(B) == [b"x"]
    pair.network.heal()
    pair.run()
    assert pair.data(B) == [b"x", b"stream"]
    assert pair.ends(A) == []
