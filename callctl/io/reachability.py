"""Tries every cloud host from every node, all at once, and the ports between the nodes.

Source: CLOUD-12, NET-01 to NET-06, TRB-16, TRB-17.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Protocol, TypeAlias
from urllib.parse import urlsplit

import anyio

from callctl.certificate.certificate import Certificate
from callctl.certificate.cloud_roots import TABLE_H1, CloudRoots
from callctl.cloud.http import HeaderList, HttpAnswer
from callctl.egress.failure import ExchangeFailed
from callctl.io.tls_failure import Dial, chain_shown, why_tls_failed
from callctl.serviceability.reachability import (
    Check,
    CloudHost,
    Fault,
    answer_fault,
    host_of,
    node_fault,
    port_fault,
    tls_fault,
    token_fault,
    way_failed,
)
from sipstack.timing import MS, Instant

EXCHANGE_S: Final = 7.0  # so that the whole check ends before the one who asked for it gives up
PORT_S: Final = 2.0
AT_ONCE_MAX: Final = 512  # a cluster of 21 nodes has as many

Clock: TypeAlias = Callable[[], Instant]
PortProbe: TypeAlias = Callable[[str, str, int], Awaitable[None]]
"""Connect from a node to a host and port, and hang up. Raises: OSError, TimeoutError."""


Work: TypeAlias = Callable[[], Awaitable[Check]]


class Exchange(Protocol):
    """One question and its answer over the node's own way to the cloud (`Egress.exchange`)."""

    async def __call__(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: HeaderList = (),
        body: bytes = b"",
        timeout_s: float = EXCHANGE_S,
    ) -> HttpAnswer:
        """Raises: ExchangeFailed."""


@dataclass(frozen=True, slots=True)
class TokenNow:
    """The access token that a node holds at the moment."""

    token: str | None = field(default=None, repr=False)
    wanted: bool = True  # False: not onboarded, or push is off
    status: int | None = None  # last answer of the token service, None if there was none
    reason: str = ""


@dataclass(frozen=True, slots=True)
class NodeWay:
    """What a check needs of a node that runs."""

    exchange: Exchange
    token: TokenNow
    dial: Dial  # to look at a certificate that was not taken


@dataclass(frozen=True, slots=True)
class CloudUrls:
    """Where the three services are asked, exactly: pushes go to the last one."""

    fos: str
    ci: str
    push_rest: str

    def of(self, host: CloudHost) -> str:
        """The URL to ask."""
        match host:
            case CloudHost.FOS:
                return self.fos
            case CloudHost.CI:
                return self.ci
            case CloudHost.PUSH_REST:
                return self.push_rest


async def connect(node: str, host: str, port: int) -> None:
    """A probe from this machine, whatever node it is for."""
    with anyio.fail_after(PORT_S):
        _, writer = await asyncio.open_connection(host, port)
    writer.transport.abort()


class CloudCheck:
    """Checks a cluster as it is when asked."""

    def __init__(
        self,
        urls: Callable[[], CloudUrls],
        ways: Callable[[], Mapping[str, NodeWay | None]],
        clock: Clock,
        *,
        push_ports: Callable[[], Mapping[str, tuple[str, int]]] = dict,
        roots: CloudRoots = TABLE_H1,
        probe: PortProbe = connect,
    ) -> None:
        """`ways` by node, None for one that is down; `push_ports`: where each push service is.

        `roots`: whose certificates the cloud has, so that those of anybody else are told apart.
        """
        self._urls = urls
        self._ways = ways
        self._clock = clock
        self._push_ports = push_ports
        self._roots = roots
        self._probe = probe

    async def run(
        self, *, nodes: Sequence[str] | None = None, hosts: Sequence[str] | None = None
    ) -> list[Check]:
        """Every check, or those from `nodes` and to `hosts`; by node, in the order of Table E."""
        urls = self._urls()
        found: dict[tuple[int, int], Check] = {}
        limit = anyio.CapacityLimiter(AT_ONCE_MAX)

        async def keep(place: tuple[int, int], work: Work) -> None:
            async with limit:
                found[place] = await work()

        async with anyio.create_task_group() as tasks:
            for row, (node, way) in enumerate(self._ways().items()):
                if nodes is not None and node not in nodes:
                    continue
                if way is None:
                    found[row, 0] = _failed(node, "", "", node_fault())
                    continue
                for column, work in enumerate(self._of_node(node, way, urls, hosts)):
                    tasks.start_soon(keep, (row, column), work)
        return [found[place] for place in sorted(found)]

    def hosts(self) -> tuple[str, ...]:
        """The cloud hosts that are tried."""
        urls = self._urls()
        return tuple(host_of(urls.of(host)) for host in CloudHost)

    def _of_node(
        self, node: str, way: NodeWay, urls: CloudUrls, hosts: Sequence[str] | None
    ) -> list[Work]:
        works: list[Work] = [
            partial(self._ask, node, way, host, urls.of(host))
            for host in CloudHost
            if hosts is None or host_of(urls.of(host)) in hosts
        ]
        if hosts is None:
            if way.token.wanted:
                works.append(partial(self._token, node, way.token, host_of(urls.ci)))
            works += [
                partial(self._port, node, other, *place)
                for other, place in self._push_ports().items()
                if self._ways().get(other) is not None
            ]
        return works

    async def _ask(self, node: str, way: NodeWay, host: CloudHost, url: str) -> Check:
        target, began = host_of(url), self._clock()
        pushes = host is CloudHost.PUSH_REST
        headers: HeaderList = (("Accept", "application/json"),)
        if pushes:
            headers += (("Content-Type", "application/json"),)
            if way.token.token is not None:
                headers += (("Authorization", f"Bearer {way.token.token}"),)
        try:
            answer = await way.exchange(
                url,
                method="POST" if pushes else "GET",
                headers=headers,
                body=b"{}" if pushes else b"",
                timeout_s=EXCHANGE_S,
            )
        except ExchangeFailed as error:
            took_ms = self._since(began)
            return _failed(node, target, host.value, await self._why(way, url, error), took_ms)
        has_token = way.token.token is not None
        wrong = answer_fault(host, answer.status, answer.body, with_token=has_token)
        if wrong is not None:
            return _failed(node, target, host.value, wrong, self._since(began))
        return Check(node, target, host.value, ok=True, took_ms=self._since(began))

    async def _why(self, way: NodeWay, url: str, error: ExchangeFailed) -> Fault:
        """What a failure means; at a certificate that was not taken it looks a second time."""
        if error.at_proxy or not isinstance(error.__cause__, ssl.SSLError):
            return way_failed(error.step, error.detail, at_proxy=error.at_proxy)
        host = host_of(url)
        shown: tuple[Certificate, ...] = ()
        if error.step == "certificate":
            shown = await chain_shown(way.dial, host, urlsplit(url).port or 443)
        found = why_tls_failed(error, host, shown, cloud=True, roots=self._roots)
        return tls_fault(error.step, found.sentence, found.action)

    async def _token(self, node: str, now: TokenNow, target: str) -> Check:
        use = "access token"
        if now.token is not None:
            return Check(node, target, use, ok=True)
        return _failed(node, target, use, token_fault(now.status, now.reason or "none was given"))

    async def _port(self, node: str, other: str, host: str, port: int) -> Check:
        use, began = f"push service, port {port}", self._clock()
        try:
            await self._probe(node, host, port)
        except (OSError, TimeoutError) as error:
            detail = getattr(error, "strerror", None) or str(error) or "no answer in time"
            return _failed(node, other, use, port_fault(port, detail), self._since(began))
        return Check(node, other, use, ok=True, took_ms=self._since(began))

    def _since(self, began: Instant) -> float:
        return (self._clock() - began) / MS


def _failed(node: str, target: str, use: str, fault: Fault, took_ms: float | None = None) -> Check:
    return Check(node, target, use, False, fault.step, fault.cause, fault.action, took_ms)
