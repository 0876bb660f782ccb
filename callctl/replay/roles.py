"""Finds out which addresses of a capture are the system under test.

A server is registered at, it asks for credentials, it passes on what it got (the same call comes in
at one side and goes out at the other), and more than one other speaks to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from callctl.capture.captured import CapturedMessage
from callctl.capture.packet import Address
from sipstack.errors import SipSyntaxError
from sipstack.message.message import Request, Response
from sipstack.message.parser import parse_message

REGISTRAR: Final = 100
CHALLENGES: Final = 50
PASSES_ON: Final = 40
PEER: Final = 3
STANDARD_PORT: Final = 2


@dataclass(slots=True)
class Role:
    """One host of a capture, or one of its ports where the host speaks to itself."""

    place: str  # address, with its port where hosts have several parts in it
    score: int = 0
    why: list[str] = field(default_factory=list)
    sent: int = 0  # messages
    received: int = 0
    peers: set[str] = field(default_factory=set)
    ports: set[int] = field(default_factory=set)
    domains: set[str] = field(default_factory=set)  # that it is registered at for

    @property
    def because(self) -> str:
        """Why it is taken for a server."""
        return ", ".join(self.why) or "nothing speaks for it"


def roles_of(messages: Sequence[CapturedMessage]) -> list[Role]:
    """Every host, the likeliest server first."""
    return _Roles(messages).sorted()


def under_test(roles: Sequence[Role]) -> list[Role]:
    """What is taken for the system under test: the likeliest server, and the other registrars of
    its domains, which are nodes of one cluster. None where nothing tells servers from clients."""
    servers = [role for role in roles if role.why]
    if not servers:
        return []
    first = servers[0]
    return [first, *(role for role in servers[1:] if role.domains & first.domains)]


class _Roles:
    def __init__(self, messages: Sequence[CapturedMessage]) -> None:
        # On loopback everybody has the same address: there the port tells who it is.
        self._shared = {it.source.host for it in messages if it.source.host == it.target.host}
        self._roles: dict[str, Role] = {}
        self._asked: dict[str, list[tuple[Role, Role]]] = {}  # INVITEs by Call-ID
        for captured in messages:
            self._take(captured)
        for asked in self._asked.values():
            for _, target in asked:
                if any(target is source for source, _ in asked):
                    _add(target, PASSES_ON, "passes calls on")
        for role in self._roles.values():
            role.score += PEER * len(role.peers)
            role.score += STANDARD_PORT * bool(role.ports & {5060, 5061})

    def sorted(self) -> list[Role]:
        return sorted(self._roles.values(), key=lambda role: (-role.score, role.place))

    def _take(self, captured: CapturedMessage) -> None:
        source, target = self._role(captured.source), self._role(captured.target)
        source.sent += 1
        target.received += 1
        source.peers.add(target.place)
        target.peers.add(source.place)
        try:
            message = parse_message(captured.octets)
            if isinstance(message, Request):
                if message.method == "REGISTER":
                    target.domains.add(message.to.uri.host_port()[0])
                    _add(target, REGISTRAR, "is registered at")
                elif message.method == "INVITE" and message.to_tag is None:
                    self._asked.setdefault(message.call_id, []).append((source, target))
            elif isinstance(message, Response) and message.status in (401, 407):
                _add(source, CHALLENGES, "asks for credentials")
        except SipSyntaxError:
            return  # the count of its messages tells enough

    def _role(self, address: Address) -> Role:
        host = f"[{address.host}]" if ":" in address.host else address.host
        place = f"{host}:{address.port}" if address.host in self._shared else address.host
        role = self._roles.get(place)
        if role is None:
            role = self._roles[place] = Role(place)
        role.ports.add(address.port)
        return role


def _add(role: Role, score: int, why: str) -> None:
    if why not in role.why:
        role.why.append(why)
        role.score += score
