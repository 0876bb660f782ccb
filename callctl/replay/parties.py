"""Who is where in a capture, as the REGISTERs in it tell."""

from __future__ import annotations

from collections.abc import Iterable

from callctl.capture.captured import CapturedMessage
from callctl.model.cluster import Cluster
from sipstack.errors import SipSyntaxError
from sipstack.message.message import Request
from sipstack.message.parser import parse_message


def parties_of(messages: Iterable[CapturedMessage], cluster: Cluster) -> dict[str, list[str]]:
    """Addresses, with ports, of each device that registers; those of shared lines by their line."""
    found: dict[str, list[str]] = {}
    for captured in messages:
        if not captured.octets.startswith(b"REGISTER "):
            continue
        try:
            message = parse_message(captured.octets)
            user = message.to.uri.user_unescaped
        except SipSyntaxError:
            continue
        if not isinstance(message, Request) or user is None:
            continue
        devices = cluster.devices_of_line.get(user, ())
        name = devices[0].name if len(devices) == 1 else user
        host, port = captured.source
        place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        if place not in found.setdefault(name, []):
            found[name].append(place)
    return found
