"""Notes for a capture from elsewhere: who is under test, who is outside, and a cluster that fits.

What it finds out is a beginning: it is written to be read and mended by somebody who knows more.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, Final

from callctl.capture.captured import CapturedMessage, CaptureRead
from callctl.capture.packet import Address
from callctl.model.values import is_dn
from callctl.replay.from_capture import EPHEMERAL_MIN, Inside
from callctl.replay.notes_schema import INSERTED, NotesFile, RegisteredEntry
from callctl.replay.rewrite import username_of
from callctl.replay.roles import roles_of, under_test
from sipstack.errors import SipSyntaxError
from sipstack.message.message import Message, Request
from sipstack.message.parser import parse_message

BETWEEN: Final = Address("192.0.2.1", 5060)
"""Where the engine stands that is put between parties (RFC 5737)."""

DOMAIN: Final = "replay.example"
PASSWORD: Final = "replay"
FIRST_NODE: Final = "ucm1"
NAME_MAX: Final = 40  # characters of a user that are part of the names of others

_UNNAMED: Final = re.compile(r"^[^A-Za-z0-9]+|[^\w.-]", re.ASCII)


class NothingToPlay(Exception):
    """The capture has no request that could be played. One line."""


@dataclass(slots=True)
class Learned:
    """Notes, and the tree of the cluster file that goes with them."""

    file: NotesFile
    cluster: dict[str, Any]


@dataclass(slots=True)
class _Party:
    address: Address
    transport: str
    users: list[str] = field(default_factory=list)  # that it registers
    called: list[str] = field(default_factory=list)  # that it is asked for
    calls: bool = False


def learn(read: CaptureRead, capture: str, sut: Sequence[str] = ()) -> Learned:
    """`capture`: its file, as the notes are to name it. `sut`: addresses under test, with or
    without port; without any they are found out. Raises: NothingToPlay.
    """
    places = list(sut) or [role.place for role in under_test(roles_of(read.messages))]
    return _Learning(read.messages, capture, places).learned()


class _Learning:
    def __init__(
        self, messages: Sequence[CapturedMessage], capture: str, places: list[str]
    ) -> None:
        self._capture = capture
        self._nodes = {f"ucm{at}": [place] for at, place in enumerate(places, start=1)}
        self._inside = Inside(self._nodes)
        self._listeners: dict[str, dict[str, None]] = {name: {} for name in self._nodes}
        self._parties: dict[Address, _Party] = {}
        self._domains: dict[str, None] = {}
        self._owners: dict[str, str] = {}  # user name of a digest, by user of the AOR
        self._challenged = False
        self._requests = 0
        for captured in messages:
            self._take(captured)

    def learned(self) -> Learned:
        if not self._requests:
            raise NothingToPlay("no request in it could be played")
        file = NotesFile(
            capture=self._capture,
            sut=self._nodes or {INSERTED: [f"{BETWEEN.host}:{BETWEEN.port}"]},
            registered=self._registered(),
        )
        return Learned(file, self._cluster())

    def _take(self, captured: CapturedMessage) -> None:
        try:
            message = parse_message(captured.octets)
            _ = message.cseq, message.call_id
        except SipSyntaxError:
            return
        way = captured.transport
        source = self._inside.node(captured.source, way)
        target = self._inside.node(captured.target, way)
        if source is not None and target is not None:
            return
        if source is None and target is None and self._nodes:
            return
        for node, address in ((source, captured.source), (target, captured.target)):
            if node is not None and address.port < EPHEMERAL_MIN:
                self._listeners[node].setdefault(f"{captured.transport} {address.port}")
        asks = self._party(captured.source, captured.transport) if source is None else None
        asked = self._party(captured.target, captured.transport) if target is None else None
        if isinstance(message, Request):
            self._requests += 1
            self._request(message, asks, asked)
        elif message.status in (401, 407) and source is not None:
            self._challenged = True

    def _party(self, address: Address, transport: str) -> _Party:
        return self._parties.setdefault(address, _Party(address, transport))

    def _request(self, request: Request, asks: _Party | None, asked: _Party | None) -> None:
        if request.method == "REGISTER" and asks is not None:
            user = _user(request)
            self._domains.setdefault(request.to.uri.host_port()[0])
            if user is not None and is_dn(user):
                _add(asks.users, user)
                self._owners[user] = username_of(request) or self._owners.get(user, user)
            return
        if request.to_tag is not None or request.method not in ("INVITE", "MESSAGE", "SUBSCRIBE"):
            return
        if asks is not None:
            asks.calls = True
        host = request.uri.host_port()[0] if request.uri.is_sip else ""
        if host and not _is_numeric(host):
            self._domains.setdefault(host)
        user = _user(request)
        if asked is not None and user is not None and is_dn(user):
            _add(asked.called, user)

    def _registered(self) -> list[RegisteredEntry]:
        """Those who are called without a REGISTER in the capture."""
        known = {user for party in self._parties.values() for user in party.users}
        found = []
        for party in self._parties.values():
            host = f"[{party.address.host}]" if ":" in party.address.host else party.address.host
            for user in party.called:
                if user not in known:
                    known.add(user)
                    found.append(RegisteredEntry(line=user, at=f"{host}:{party.address.port}"))
        return found

    def _cluster(self) -> dict[str, Any]:
        users = [user for party in self._parties.values() for user in party.users]
        users += [entry.line for entry in self._registered()]
        names = _names(users)
        owners = {user: self._owners.get(user, names[user]) for user in users}
        nodes: dict[str, Any] = {}
        for name, places in self._nodes.items():
            host = places[0].rpartition(":")[0] if places[0].count(":") == 1 else places[0]
            listeners = [
                f"{transport.lower()}:{host}:{port}"
                for transport, port in (it.split() for it in self._listeners[name])
            ]
            nodes[name] = {"listeners": listeners}
        if not nodes:
            ways = dict.fromkeys(party.transport for party in self._parties.values())
            port = BETWEEN.port
            listeners = [f"{way.lower()}:{BETWEEN.host}:{port}" for way in ways]
            nodes[FIRST_NODE] = {"listeners": listeners}
        digest = self._challenged and bool(self._owners)
        tree: dict[str, Any] = {
            "id": "learned",
            "domain": next(iter(self._domains), DOMAIN),
            "nodes": nodes,
            "cm_groups": {"default": list(nodes)[:3]},
            "device_pools": {"default": {"cm_group": "default"}},
            "users": {owners[it]: {"password": PASSWORD} for it in users},
            "lines": {user: {} for user in users},
            "devices": {
                f"SEP{names[user]}": {"lines": [user], "owner": owners[user]} for user in users
            },
            "service_parameters": {"authentication": "digest" if digest else "none"},
        }
        trunks = {
            f"peer{at}": {
                "destinations": [_destination(party)],
                "options_ping_s": 0,
            }
            for at, party in enumerate(self._parties.values(), start=1)
            if party.calls and not party.users and party.transport in ("UDP", "TCP", "TLS")
        }
        return tree | ({"trunks": trunks} if trunks else {})


def _names(users: Iterable[str]) -> dict[str, str]:
    """A name for each that can be part of one in a cluster file: +4930 is 4930."""
    names: dict[str, str] = {}
    for user in dict.fromkeys(users):
        name = stem = _UNNAMED.sub("", user)[:NAME_MAX] or "x"
        number = 1
        while name in names.values():
            number += 1
            name = f"{stem}-{number}"
        names[user] = name
    return names


def _user(message: Message) -> str | None:
    """Of a REGISTER who registers, of other requests who is asked for."""
    if isinstance(message, Request) and message.method != "REGISTER":
        uri = message.uri
    else:
        uri = message.to.uri
    return uri.user_unescaped if uri.is_sip else None


def _is_numeric(host: str) -> bool:
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def _destination(party: _Party) -> str:
    host, port = party.address
    bracketed = f"[{host}]" if ":" in host else host
    return f"{party.transport.lower()}:{bracketed}:{port}"


def _add(to: list[str], what: str) -> None:
    if what not in to:
        to.append(what)
