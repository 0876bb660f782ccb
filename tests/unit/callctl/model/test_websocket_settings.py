"""Listeners for browsers, and the web pages that may use them, in a cluster file."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from callctl.model.cluster import Cluster
from callctl.model.node import Listener
from sipstack.transport.websocket import OriginPolicy

Load = Callable[[str], Cluster]
Findings = Callable[[str], list[tuple[int | None, str, str]]]

HEAD = """\
id: test
domain: lab.example
nodes:
  ucm1: {listeners: [ws:127.0.0.1:8080, "wss:[::1]:8443", udp:127.0.0.1:5060]}
cm_groups: {all: [ucm1]}
device_pools: {office: {cm_group: all}}
"""


def test_node_listens_for_browsers_and_is_dialled_where_it_can_be(load: Load) -> None:
    node = load(HEAD).nodes["ucm1"]
    assert node.listener("WS") == Listener("WS", "127.0.0.1", 8080)
    assert str(node.listener("WSS")) == "wss:[::1]:8443"
    assert node.dialled == Listener("UDP", "127.0.0.1", 5060)


def test_node_for_browsers_only_is_a_mistake(findings: Findings) -> None:
    text = HEAD.replace(", udp:127.0.0.1:5060", "")
    assert findings(text) == [(4, "nodes.ucm1.listeners", "are for browsers only")]


def test_websocket_and_tcp_cannot_share_a_port(findings: Findings) -> None:
    text = HEAD.replace("udp:127.0.0.1:5060", "udp:127.0.0.1:5060, tcp:127.0.0.1:8080")
    ((line, key, problem),) = findings(text)
    assert (line, key) == (4, "nodes.ucm1.listeners[3]")
    assert "is taken by ucm1 (ws:127.0.0.1:8080)" in problem


def test_no_page_may_connect_unless_the_file_says_so(load: Load) -> None:
    assert load(HEAD).websocket == OriginPolicy((), required=False)
    origins = "[https://Phone.Example, http://127.0.0.1:*, 'https://[::1]:8443', any]"
    text = HEAD + f"websocket: {{origins: {origins}, origin_required: true}}\n"
    assert load(text).websocket == OriginPolicy(
        ("https://phone.example", "http://127.0.0.1:*", "https://[::1]:8443", "any"), required=True
    )


@pytest.mark.parametrize(
    "origin",
    [
        "phone.example",
        "ftp://phone.example",
        "https://",
        "https://phone.example/",
        "https://phone.example/page",
        "https://user@phone.example",
        "https://phone.example:0",
        "https://phone.example:x",
        "https://*.example",
        "https://phone.example:*:*",
        "*",
        "null",
    ],
)
def test_what_is_no_origin_is_a_mistake(findings: Findings, origin: str) -> None:
    text = HEAD + f"websocket:\n  origins: ['{origin}']\n"
    ((line, key, problem),) = findings(text)
    assert (line, key) == (8, "websocket.origins[0]")
    assert problem == f"{origin!r} is not an origin"
