"""RFC 3263 §4.1 and §4.2, RFC 2782."""

from __future__ import annotations

from collections import Counter
from itertools import count

import pytest

from sipstack.message.uri import Uri
from sipstack.transport.locate import LookupsNeeded, Naptr, Query, Record, Srv, Target, locate


class Always:
    """Entropy that always draws the same number, or the largest there is if that is smaller."""

    def __init__(self, number: int = 0) -> None:
        self.number = number

    def octets(self, count: int) -> bytes:
        return bytes(count)

    def below(self, limit: int) -> int:
        return min(self.number, limit - 1)


class Counting(Always):
    """Entropy that draws 0, 1, 2 ... in turn: evenly spread."""

    def __init__(self) -> None:
        self._next = count()

    def below(self, limit: int) -> int:
        return next(self._next) % limit


A1, A2, A6 = "192.0.2.1", "192.0.2.2", "2001:db8::1"
ZONE: dict[Query, tuple[Record, ...]] = {
    Query("example.com", "NAPTR"): (
        Naptr(90, 50, "s", "SIP+D2T", "_sip._tcp.example.com"),
        Naptr(50, 50, "s", "SIPS+D2T", "_sips._tcp.example.com"),
        Naptr(100, 50, "s", "SIP+D2U", "_sip._udp.example.com"),
        Naptr(1, 1, "u", "E2U+sip", ""),
    ),
    Query("_sips._tcp.example.com", "SRV"): (Srv(0, 1, 5061, "one.example.com"),),
    Query("_sip._tcp.example.com", "SRV"): (Srv(0, 1, 5070, "two.example.com"),),
    Query("_sip._udp.example.com", "SRV"): (
        Srv(2, 1, 5060, "two.example.com"),
        Srv(1, 1, 5080, "one.example.com"),
    ),
    Query("one.example.com", "A"): (A1,),
    Query("one.example.com", "AAAA"): (A6,),
    Query("two.example.com", "A"): (A2,),
}


def targets(uri: str, zone: dict[Query, tuple[Record, ...]] | None = None, **how: object) -> object:
    """The result once every question has been answered out of `zone`."""
    known: dict[Query, tuple[Record, ...]] = {}
    for _ in range(5):
        found = locate(Uri.parse(uri), known, Always(), **how)  # type: ignore[arg-type]
        if not isinstance(found, LookupsNeeded):
            return found
        known |= {query: (ZONE if zone is None else zone).get(query, ()) for query in found.queries}
    raise AssertionError("asks for ever")


@pytest.mark.parametrize(
    ("uri", "target"),
    [
        ("sip:192.0.2.7", Target("UDP", "192.0.2.7", 5060)),
        ("sip:192.0.2.7:5080", Target("UDP", "192.0.2.7", 5080)),
        ("sip:[2001:DB8::7]:5080;transport=tcp", Target("TCP", "2001:db8::7", 5080)),
        ("sip:192.0.2.7;transport=TLS", Target("TLS", "192.0.2.7", 5061)),
        ("sips:192.0.2.7", Target("TLS", "192.0.2.7", 5061)),
        ("sips:192.0.2.7;transport=tcp", Target("TLS", "192.0.2.7", 5061)),
        ("sip:example.com;maddr=192.0.2.9", Target("UDP", "192.0.2.9", 5060)),
    ],
)
def test_numeric_hosts_need_no_lookup(uri: str, target: Target) -> None:
    assert locate(Uri.parse(uri), {}, Always()) == (target,)


def test_a_port_skips_naptr_and_srv() -> None:
    found = locate(Uri.parse("sip:one.example.com:5080"), {}, Always())
    assert found == LookupsNeeded((Query("one.example.com", "A"), Query("one.example.com", "AAAA")))
    assert targets("sip:one.example.com:5080") == (
        Target("UDP", A1, 5080),
        Target("UDP", A6, 5080),
    )


def test_a_transport_skips_naptr() -> None:
    found = locate(Uri.parse("sip:Example.COM;transport=tcp"), {}, Always())
    assert found == LookupsNeeded((Query("_sip._tcp.example.com", "SRV"),))
    assert targets("sip:Example.COM;transport=tcp") == (Target("TCP", A2, 5070),)


def test_naptr_orders_transports_as_the_domain_wishes() -> None:
    assert targets("sip:example.com", families=("A",)) == (
        Target("TLS", A1, 5061),
        Target("TCP", A2, 5070),
        Target("UDP", A1, 5080),
        Target("UDP", A2, 5060),
    )


def test_transports_we_lack_are_passed_over() -> None:
    found = targets("sip:example.com", families=("A",), transports=("UDP",))
    assert found == (Target("UDP", A1, 5080), Target("UDP", A2, 5060))


def test_sips_never_leaves_tls() -> None:
    assert targets("sips:example.com", families=("A",)) == (Target("TLS", A1, 5061),)
    assert targets("sips:example.com", transports=("UDP", "TCP")) == ()


def test_without_naptr_each_transport_is_asked_for_by_srv() -> None:
    zone = {query: records for query, records in ZONE.items() if query.kind != "NAPTR"}
    found = targets("sip:example.com", zone, families=("A",), transports=("TCP", "UDP"))
    assert found == (
        Target("TCP", A2, 5070),
        Target("UDP", A1, 5080),
        Target("UDP", A2, 5060),
    )


def test_without_srv_the_host_itself_is_the_target() -> None:
    assert targets("sip:one.example.com", families=("AAAA", "A")) == (
        Target("UDP", A6, 5060),
        Target("UDP", A1, 5060),
    )


def test_a_domain_may_say_that_it_has_no_service() -> None:
    zone: dict[Query, tuple[Record, ...]] = {
        Query("_sip._tcp.example.com", "SRV"): (Srv(0, 0, 0, ""),),
        Query("example.com", "A"): (A1,),
    }
    assert targets("sip:example.com;transport=tcp", zone) == ()


def test_a_name_that_does_not_exist_has_no_target() -> None:
    assert targets("sip:nowhere.example.com") == ()


@pytest.mark.parametrize("uri", ["tel:+15551234", "sip:example.com;transport=sctp"])
def test_what_cannot_be_reached_has_no_target(uri: str) -> None:
    assert locate(Uri.parse(uri), {}, Always()) == ()


def test_weights_decide_how_often_a_server_comes_first() -> None:
    zone: dict[Query, tuple[Record, ...]] = {
        Query("_sip._udp.e", "SRV"): (
            Srv(0, 0, 1, "none.e"),
            Srv(0, 30, 2, "some.e"),
            Srv(0, 70, 3, "most.e"),
        ),
        Query("none.e", "A"): (A1,),
        Query("some.e", "A"): (A1,),
        Query("most.e", "A"): (A1,),
    }
    entropy = Counting()
    first: Counter[int] = Counter()
    for _ in range(1_000):
        found = locate(Uri.parse("sip:e;transport=udp"), zone, entropy, families=("A",))
        assert not isinstance(found, LookupsNeeded)
        assert sorted(target.port for target in found) == [1, 2, 3]
        first[found[0].port] += 1
    assert 0 < first[1] < 50
    assert 200 < first[2] < 400
    assert 600 < first[3] < 800


def test_the_same_chance_gives_the_same_order_whatever_order_the_records_came_in() -> None:
    records = tuple(Srv(0, weight, port, "one.example.com") for weight, port in ((1, 1), (5, 2)))
    uri = Uri.parse("sip:e;transport=udp")
    both = [
        locate(uri, ZONE | {Query("_sip._udp.e", "SRV"): answer}, Always(3), families=("A",))
        for answer in (records, records[::-1])
    ]
    assert both[0] == both[1]


def test_a_zone_full_of_records_gives_a_bounded_list() -> None:
    zone: dict[Query, tuple[Record, ...]] = {
        Query("_sip._udp.e", "SRV"): tuple(Srv(0, 0, n + 1, "h") for n in range(5_000)),
        Query("h", "A"): tuple(f"10.0.{n // 250}.{n % 250}" for n in range(5_000)),
    }
    found = locate(Uri.parse("sip:e;transport=udp"), zone, Always(), families=("A",))
    assert len(found) == 64 if isinstance(found, tuple) else False
