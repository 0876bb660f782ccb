"""Where a SIP URI leads: RFC 3263 as a pure function over the DNS answers known so far.

The caller looks up what is still missing and asks again, until there are targets:

    found = locate(uri, answers, entropy)
    while isinstance(found, LookupsNeeded):
        answers = answers | look_up(found.queries)
        found = locate(uri, answers, entropy)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from itertools import groupby
from typing import Final, Literal, NamedTuple, TypeAlias

from sipstack.entropy import Entropy
from sipstack.message.uri import Uri

SERVICES: Final = {"UDP": "_sip._udp", "TCP": "_sip._tcp", "TLS": "_sips._tcp"}
NAPTR_SERVICES: Final = {"SIP+D2U": "UDP", "SIP+D2T": "TCP", "SIPS+D2T": "TLS"}
DEFAULT_PORTS: Final = {"UDP": 5060, "TCP": 5060, "TLS": 5061}
RECORDS_MAX: Final = 32  # of one answer; a stranger's zone must not make us work for long
TARGETS_MAX: Final = 64

Family: TypeAlias = Literal["A", "AAAA"]


class Query(NamedTuple):
    """One DNS question."""

    name: str  # lower-case, without the final dot
    kind: Literal["A", "AAAA", "SRV", "NAPTR"]


class Naptr(NamedTuple):
    """A NAPTR record (RFC 3403 §4.1). `replacement` is lower-case, without the final dot."""

    order: int
    preference: int
    flags: str
    service: str
    replacement: str


class Srv(NamedTuple):
    """An SRV record (RFC 2782). `target` is lower-case, without the final dot; "" for "none"."""

    priority: int
    weight: int
    port: int
    target: str


Record: TypeAlias = str | Srv | Naptr  # a str is the numeric address of an A or AAAA record
Answers: TypeAlias = Mapping[Query, tuple[Record, ...]]
"""What is known; the empty tuple says that there is no such record."""


class Target(NamedTuple):
    """One place to send a request to."""

    transport: str  # "UDP", "TCP" or "TLS"
    host: str  # numeric, IPv6 without brackets
    port: int


@dataclass(frozen=True, slots=True)
class LookupsNeeded:
    """These questions must be answered before more can be said. They can be asked at once."""

    queries: tuple[Query, ...]


def locate(
    uri: Uri,
    answers: Answers,
    entropy: Entropy,
    *,
    transports: Sequence[str] = ("UDP", "TCP", "TLS"),
    families: Sequence[Family] = ("A", "AAAA"),
) -> tuple[Target, ...] | LookupsNeeded:
    """The targets of a sip or sips URI, in the order in which to try them; () if there is none.

    Args:
        transports: those that can be used, the preferred one first.
        families: of addresses that can be reached, the preferred one first.
    Source: RFC 3263 §4.1, §4.2. `maddr` names the host in place of the host (RFC 3261 §19.1.1).
    """
    search = _Search(answers, entropy, families)
    targets = _targets(uri, search, tuple(transports))
    if search.missing:
        return LookupsNeeded(tuple(search.missing))
    return tuple(dict.fromkeys(targets))[:TARGETS_MAX]


def _targets(uri: Uri, search: _Search, transports: tuple[str, ...]) -> list[Target]:
    secure = uri.scheme == "sips"
    if secure:
        transports = tuple(transport for transport in transports if transport == "TLS")
    wanted = _wanted_transport(uri)
    if wanted is not None:
        transports = tuple(transport for transport in transports if transport == wanted)
    if not transports or not uri.is_sip:
        return []
    host = (uri.params.get("maddr") or uri.host).strip("[]").lower().removesuffix(".")
    port = uri.port
    plain = wanted or ("TLS" if secure else "UDP")
    if plain not in transports:
        plain = transports[0]
    numeric = is_numeric(host)
    if numeric or port is not None:
        port = port or DEFAULT_PORTS[plain]
        if numeric:
            return [Target(plain, host, port)]
        return search.addresses(plain, host, port)
    services = search.services(host, transports) if wanted is None else []
    if not services:
        services = [(transport, f"{SERVICES[transport]}.{host}") for transport in transports]
    if search.missing:
        return []
    named = [(transport, search.servers(name)) for transport, name in services]
    if search.missing:
        return []
    if not any(servers for _, servers in named):
        return search.addresses(plain, host, DEFAULT_PORTS[plain])
    return [
        target
        for transport, servers in named
        for server in servers
        if server.target
        for target in search.addresses(transport, server.target, server.port)
    ]


def _wanted_transport(uri: Uri) -> str | None:
    """The transport that the URI itself names; over TCP a sips URI means TLS (RFC 3261 §26.2.2)."""
    named = uri.params.get("transport")
    if not named:
        return None
    named = named.upper()
    return "TLS" if named == "TCP" and uri.scheme == "sips" else named


class _Search:
    """Reads answers, and notes which are missing."""

    def __init__(self, answers: Answers, entropy: Entropy, families: Sequence[Family]) -> None:
        self._answers = answers
        self._entropy = entropy
        self._families = families
        self.missing: dict[Query, None] = {}  # an ordered set

    def services(self, host: str, transports: tuple[str, ...]) -> list[tuple[str, str]]:
        """(transport, name of its SRV records) by NAPTR, in the order of the domain's wish."""
        records = [
            record
            for record in self._records(Query(host, "NAPTR"))
            if isinstance(record, Naptr) and record.flags.lower() == "s" and record.replacement
        ]
        ordered = sorted(records, key=lambda record: (record.order, record.preference, record))
        found = [(NAPTR_SERVICES.get(record.service.upper()), record) for record in ordered]
        return [
            (transport, record.replacement)
            for transport, record in found
            if transport is not None and transport in transports
        ]

    def servers(self, name: str) -> list[Srv]:
        """SRV records in the order of trial, drawn by weight (RFC 2782)."""
        found = [r for r in self._records(Query(name, "SRV")) if isinstance(r, Srv)]
        ordered: list[Srv] = []
        for _, group in groupby(sorted(found), key=lambda record: record.priority):
            waiting = list(group)  # sorted, so those of weight 0 come first as they must
            while len(waiting) > 1:
                drawn = self._entropy.below(sum(record.weight for record in waiting) + 1)
                index = _index_of_weight(waiting, drawn)
                ordered.append(waiting.pop(index))
            ordered += waiting
        return ordered

    def addresses(self, transport: str, host: str, port: int) -> list[Target]:
        """Every address of a host, the preferred family first."""
        return [
            Target(transport, record, port)
            for family in self._families
            for record in self._records(Query(host, family))
            if isinstance(record, str)
        ]

    def _records(self, query: Query) -> tuple[Record, ...]:
        known = self._answers.get(query)
        if known is None:
            self.missing[query] = None
            return ()
        return known[:RECORDS_MAX]


def _index_of_weight(records: list[Srv], drawn: int) -> int:
    """The first record whose running sum of weights reaches `drawn`."""
    running = 0
    for index, record in enumerate(records):
        running += record.weight
        if running >= drawn:
            return index
    raise AssertionError((drawn, running))


def is_numeric(host: str) -> bool:
    """True for an IPv4 or IPv6 address, the latter without brackets."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
