"""The addresses of a name as its name servers give them: A and AAAA, in the order of the answer.

The operating system's own look-up would sort them, and it does not say when they were asked for.
Source: PROXY-04, OP-55, NET-03.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from sipstack.io.clock import MonotonicClock
from sipstack.io.resolver import HOSTS_FILE, Resolver
from sipstack.transport.locate import Query, Record, is_numeric


def is_numeric_host(host: str) -> bool:
    """True for an IPv4 or IPv6 address."""
    return is_numeric(host)


async def look_up(
    name: str,
    *,
    nameservers: Sequence[str] = (),
    port: int = 53,
    hosts_file: Path | None = HOSTS_FILE,
) -> tuple[str, ...]:
    """Ask now, whatever was answered before; () if there is no such name.

    Raises: OSError if no name server answers either question.
    """
    # A resolver of its own: the one of calls keeps answers as long as their records say.
    resolver = Resolver(MonotonicClock(), nameservers=nameservers, port=port, hosts_file=hosts_file)
    plain = name.removesuffix(".").lower()
    try:
        found = await asyncio.gather(
            resolver.answer(Query(plain, "A")),
            resolver.answer(Query(plain, "AAAA")),
            return_exceptions=True,
        )
    finally:
        await resolver.aclose()
    addresses: list[Record] = []
    for records in found:
        if not isinstance(records, BaseException):
            addresses += records
    failed = next((each for each in found if isinstance(each, BaseException)), None)
    if failed is not None and not addresses:
        raise failed
    return tuple(str(each) for each in addresses)
