"""Names, clocks and addresses for tests of the way to a cloud."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import anyio.lowlevel

from callctl.model.cloud import ProxySettings
from callctl.model.user import Secret
from helpers.bad_proxy import PASSWORD, USER
from sipstack.timing import Instant

PROXY_NAME = "proxy.test"


@dataclass(slots=True)
class Names:
    """What the DNS says at the moment, and what it was asked; an OSError stands for no answer."""

    addresses: dict[str, tuple[str, ...] | OSError] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def __call__(self, name: str) -> tuple[str, ...]:
        self.asked.append(name)
        await anyio.lowlevel.checkpoint()  # the DNS does not answer at once either
        found = self.addresses.get(name, ())
        if isinstance(found, OSError):
            raise found
        return found


@dataclass(slots=True)
class HandClock:
    """Stands still unless it is put forward."""

    now: int = 0

    def __call__(self) -> Instant:
        return Instant(self.now)


def settings_for(
    port: int, *, scheme: str = "http", host: str = PROXY_NAME, password: str = PASSWORD
) -> ProxySettings:
    """The proxy of a test, with the credentials it asks for."""
    return ProxySettings(scheme, host, port, USER, Secret(password))


@contextmanager
def black_hole(host: str, port: int) -> Iterator[None]:
    """An address at which no connection is ever taken, nor refused."""
    with socket.create_server((host, port), backlog=0) as deaf:
        fillers = [socket.socket() for _ in range(3)]  # a full accept queue drops further SYNs
        try:
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(deaf.getsockname())
            yield
        finally:
            for filler in fillers:
                filler.close()
