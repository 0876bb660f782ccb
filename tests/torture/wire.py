"""Torture messages against a running node: who they are for, sent over real sockets."""

from __future__ import annotations

import os
import re
import socket
from contextlib import closing
from dataclasses import replace
from typing import Final, NamedTuple

from callctl.io.cluster_shell import ClusterShell
from callctl.model.build import make_cluster, make_node, softphone
from callctl.model.cluster import Cluster
from callctl.model.service_parameter import ServiceParameters
from helpers.node_rig import NO_PUSH
from sipstack.errors import SipSyntaxError
from sipstack.message.message import Request
from sipstack.message.parser import parse_message

WORKER: Final = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
SENDER: Final = (
    f"127.0.0.{10 + WORKER}"  # a host of its own, so that it can have the port its Via names
)
CALLEE: Final = "127.0.0.3"
QUIET_S: Final = 0.4  # no answer within this is no answer, where none is expected
ANSWER_S: Final = 10.0  # for one that is expected, on a machine that may be busy
NODE_PORTS: Final = range(24_000 + 100 * WORKER, 24_100 + 100 * WORKER, 10)


class Addressee(NamedTuple):
    """Whom a message is for: the cluster that serves it has these names."""

    domain: str
    number: str
    route: str | None  # host of its first Route, if it has one


NOBODY: Final = ("example.com", "user", None)


def addressee(data: bytes) -> Addressee:
    """Whom a message is for, however broken the rest of it is."""
    message = _request_in(data)
    if message is None:
        return Addressee(*NOBODY)
    try:
        target = message.to.uri if message.method == "REGISTER" else message.uri
        domain = message.uri.host or target.host
        route = message.routes[0].uri.host if message.headers.has("route") else None
    except SipSyntaxError:
        return Addressee(*NOBODY)
    return Addressee(domain.strip("[]") or "example.com", target.user_unescaped or "user", route)


def _request_in(data: bytes) -> Request | None:
    try:
        message = parse_message(data)
    except SipSyntaxError as error:
        return error.request
    return message if isinstance(message, Request) else None


def cluster_for(whom: Addressee, *, authentication: str = "none") -> Cluster:
    """One node that serves the domain, knows the number, and has the name that Route asks for."""
    for port in NODE_PORTS:
        if _free("127.0.0.1", port):
            break
    node = make_node("ucm1", 1, host="127.0.0.1", port=port)
    if whom.route is not None and not whom.route[0].isdigit():
        node = replace(node, fqdn=whom.route)
    return make_cluster(
        nodes=[node],
        domain=whom.domain,
        devices=[softphone("owner", whom.number, name="CSFTORTURE")],
        cloud=NO_PUSH,
        parameters=ServiceParameters(
            authentication=authentication,  # type: ignore[arg-type]
            t1_ms=50,
            t2_ms=200,
            t4_ms=250,
        ),
    )


def _free(host: str, port: int) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with closing(socket.socket(socket.AF_INET, kind)) as probe:
            try:
                probe.bind((host, port))
            except OSError:
                return False
    return True


class Callee:
    """A phone that is registered and notes the first request it gets."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((CALLEE, 0))

    def register(self, shell: ClusterShell, whom: Addressee) -> None:
        domain, number = whom.domain, whom.number
        host, port = self._socket.getsockname()
        user = re.sub(rb"[^a-zA-Z0-9_.!~*'()&=+$,;?/%-]", _escape, number.encode()).decode()
        user = user.replace("%", "%25") if "%" in number else user
        lines = (
            f"REGISTER sip:{domain} SIP/2.0",
            f"Via: SIP/2.0/UDP {host}:{port};branch=z9hG4bKcallee",
            f"From: <sip:{user}@{domain}>;tag=1",
            f"To: <sip:{user}@{domain}>",
            "Call-ID: callee",
            "CSeq: 1 REGISTER",
            f"Contact: <sip:callee@{host}:{port}>",
            "Content-Length: 0",
            "\r\n",
        )
        listener = shell.cluster.nodes["ucm1"].listeners[0]
        self._socket.sendto("\r\n".join(lines).encode(), (listener.host, listener.port))
        self._socket.settimeout(ANSWER_S)
        answer = self._socket.recv(65_535)
        assert answer.startswith(b"SIP/2.0 200"), answer

    def first_request(self, wait_s: float) -> Request | None:
        self._socket.settimeout(wait_s)
        try:
            message = parse_message(self._socket.recv(65_535))
        except TimeoutError:
            return None
        assert isinstance(message, Request)
        return message

    def close(self) -> None:
        self._socket.close()


def _escape(match: re.Match[bytes]) -> bytes:
    return b"".join(b"%%%02X" % octet for octet in match[0])


def final_status(data: bytes) -> int | None:
    """Status of the first final response in what came back."""
    for match in re.finditer(rb"SIP/2\.0 (\d{3}) ", data):
        if int(match[1]) >= 200:
            return int(match[1])
    return None


def ask_over_udp(shell: ClusterShell, data: bytes, wait_s: float = ANSWER_S) -> int | None:
    """Send a datagram from the port that its Via names; the final status that comes back."""
    port = _sent_by_port(data)
    listener = shell.cluster.nodes["ucm1"].listeners[0]
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sender:
        sender.bind((SENDER, port))
        sender.settimeout(wait_s)
        sender.sendto(data, (listener.host, listener.port))
        got = b""
        try:
            while final_status(got) is None:
                got += sender.recv(65_535)
        except TimeoutError:
            pass
    return final_status(got)


def ask_over_tcp(
    shell: ClusterShell, data: bytes, wait_s: float = ANSWER_S
) -> tuple[int | None, bool]:
    """Send over a connection; the final status that comes back, and whether it was closed."""
    listener = shell.cluster.nodes["ucm1"].listeners[1]
    got, closed = b"", False
    with closing(socket.create_connection((listener.host, listener.port))) as sender:
        sender.settimeout(wait_s)
        sender.sendall(data)
        try:
            while True:
                piece = sender.recv(65_535)
                if not piece:
                    closed = True
                    break
                got += piece
                if final_status(got) is not None:
                    sender.settimeout(QUIET_S)  # for the close, which may not come
        except TimeoutError:
            pass
        except ConnectionResetError:
            closed = True
    return final_status(got), closed


def _sent_by_port(data: bytes) -> int:
    """Where the answer to a datagram goes: the port of sent-by, which is ours to listen on."""
    message = _request_in(data)
    try:
        via = message.top_via if message is not None else None
    except SipSyntaxError:
        via = None
    if via is None or via.rport is not None or not via.port:
        return 5060
    return via.port
