"""DNS for locate(): dnspython below, a cache by TTL above, the hosts file and numbers first."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import dns.asyncresolver
import dns.exception
import dns.resolver
from dns.name import Name
from dns.rdata import Rdata
from dns.rdtypes.IN.A import A
from dns.rdtypes.IN.AAAA import AAAA
from dns.rdtypes.IN.NAPTR import NAPTR
from dns.rdtypes.IN.SRV import SRV

from sipstack.entropy import Entropy
from sipstack.message.uri import Uri
from sipstack.timing import SECOND, Instant
from sipstack.transport.locate import (
    Family,
    LookupsNeeded,
    Naptr,
    Query,
    Record,
    Srv,
    Target,
    is_numeric,
    locate,
)

HOSTS_FILE: Final = Path("/etc/hosts")
LIFETIME_S: Final = 3.0  # of one question, over all name servers and repeats
ENTRIES_MAX: Final = 8_192
POSITIVE_TTL_MAX_S: Final = 86_400
NEGATIVE_TTL_MAX_S: Final = 60  # a domain that was just set up should not stay unknown for long
FAILURE_TTL_S: Final = 5  # between two attempts at a name whose servers do not answer


class NameUnresolved(OSError):
    """No name server gave an answer, not even that there is no such name."""


class Resolver:
    """Finds the targets of a URI. Many may ask at once; a question under way is asked only once."""

    def __init__(
        self,
        clock: Callable[[], Instant],
        *,
        nameservers: Sequence[str] = (),
        port: int = 53,
        hosts_file: Path | None = HOSTS_FILE,
    ) -> None:
        """`nameservers` are numeric; if there are none, those of the operating system are used.

        Raises: OSError if the hosts file is there but cannot be read.
        """
        self._clock = clock
        self._nameservers = list(nameservers)
        self._port = port
        self._hosts = _read_hosts(hosts_file) if hosts_file and hosts_file.exists() else {}
        self._cache: dict[Query, tuple[Instant, tuple[Record, ...] | None]] = {}  # None: failed
        self._asking: dict[Query, asyncio.Task[tuple[Record, ...]]] = {}
        self._dns: dns.asyncresolver.Resolver | None = None

    async def locate(
        self,
        uri: Uri,
        entropy: Entropy,
        *,
        transports: Sequence[str] = ("UDP", "TCP", "TLS"),
        families: Sequence[Family] = ("A", "AAAA"),
    ) -> tuple[Target, ...]:
        """The targets of a URI, in the order in which to try them; () if there is none.

        Raises: NameUnresolved
        """
        answers: dict[Query, tuple[Record, ...]] = {}
        while True:
            found = locate(uri, answers, entropy, transports=transports, families=families)
            if not isinstance(found, LookupsNeeded):
                return found
            results = await asyncio.gather(*(self.answer(query) for query in found.queries))
            answers.update(zip(found.queries, results, strict=True))

    async def answer(self, query: Query) -> tuple[Record, ...]:
        """The records of one name, () if there are none.

        Raises: NameUnresolved
        """
        own = self._own_answer(query)
        if own is not None:
            return own
        kept = self._cache.get(query)
        if kept is not None and self._clock() < kept[0]:
            if kept[1] is None:
                raise NameUnresolved(f"{query.name}: no answer a moment ago")
            return kept[1]
        task = self._asking.get(query)
        if task is None:
            task = self._asking[query] = asyncio.create_task(self._ask(query))
            task.add_done_callback(lambda _: self._asking.pop(query, None))
        # One who gives up must not take the answer from the others.
        return await asyncio.shield(task)

    async def aclose(self) -> None:
        """Give up all questions under way."""
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _own_answer(self, query: Query) -> tuple[Record, ...] | None:
        """The answer to what no name server is asked: numbers, and names of the hosts file."""
        if is_numeric(query.name):
            fits = query.kind == ("AAAA" if ":" in query.name else "A")
            return (query.name,) if fits else ()
        name = query.name
        if query.kind == "SRV":
            name = name.partition("._udp.")[2] or name.partition("._tcp.")[2]
        addresses = self._hosts.get(name)
        if addresses is None:
            return None
        if query.kind not in ("A", "AAAA"):
            return ()
        return tuple(a for a in addresses if (":" in a) == (query.kind == "AAAA"))

    async def _ask(self, query: Query) -> tuple[Record, ...]:
        records: tuple[Record, ...]
        try:
            found = await self._resolver().resolve(
                query.name + ".",
                query.kind,
                search=False,
                raise_on_no_answer=False,
                lifetime=LIFETIME_S,
            )
        except dns.resolver.NXDOMAIN as error:
            answers = error.kwargs["responses"].values()
            ttls_s = [answer.resolve_chaining().minimum_ttl for answer in answers]
            ttl_s, records = min([*ttls_s, NEGATIVE_TTL_MAX_S]), ()
        except (dns.resolver.NoNameservers, dns.exception.Timeout, OSError) as error:
            self._keep(query, None, FAILURE_TTL_S)
            raise NameUnresolved(f"{query.name}: {error}") from error
        except dns.exception.DNSException:
            # Not a name that DNS can hold (a label is too long, ...): there are no records of it.
            ttl_s, records = NEGATIVE_TTL_MAX_S, ()
        else:
            records = tuple([_record(data) for data in found.rrset or ()])
            longest_s = POSITIVE_TTL_MAX_S if records else NEGATIVE_TTL_MAX_S
            ttl_s = min(found.chaining_result.minimum_ttl, longest_s)
        self._keep(query, records, ttl_s)
        return records

    def _keep(self, query: Query, records: tuple[Record, ...] | None, ttl_s: int) -> None:
        self._cache.pop(query, None)
        if len(self._cache) >= ENTRIES_MAX:
            del self._cache[next(iter(self._cache))]
        self._cache[query] = Instant(self._clock() + ttl_s * SECOND), records

    def _resolver(self) -> dns.asyncresolver.Resolver:
        if self._dns is None:
            self._dns = dns.asyncresolver.Resolver(configure=not self._nameservers)
            if self._nameservers:
                self._dns.nameservers = self._nameservers
                self._dns.port = self._port
        return self._dns


def _record(data: Rdata) -> Record:
    """One record as locate() wants it."""
    if isinstance(data, SRV):
        return Srv(data.priority, data.weight, data.port, _name(data.target))
    if isinstance(data, NAPTR):
        flags, service = (text.decode("ascii", "replace") for text in (data.flags, data.service))
        return Naptr(data.order, data.preference, flags, service, _name(data.replacement))
    assert isinstance(data, (A, AAAA))
    return str(data.address)


def _name(name: Name) -> str:
    return name.to_text(omit_final_dot=True).lower().removesuffix(".")


def _read_hosts(path: Path) -> dict[str, tuple[str, ...]]:
    hosts: dict[str, tuple[str, ...]] = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        if is_numeric(address):
            for name in names:
                hosts[name.lower()] = (*hosts.get(name.lower(), ()), address)
    return hosts
