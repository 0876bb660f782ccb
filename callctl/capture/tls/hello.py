"""What a capture needs of the two hellos (RFC 5246 §7.4.1, RFC 8446 §4.1)."""

from __future__ import annotations

from typing import Final, NamedTuple

from callctl.capture.tls.opener import Unreadable

TLS_1_2: Final = 0x0303
TLS_1_3: Final = 0x0304

ENCRYPT_THEN_MAC: Final = 22
EARLY_DATA: Final = 42
SUPPORTED_VERSIONS: Final = 43

RETRY: Final = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
"""The random of a HelloRetryRequest, which is no hello yet (RFC 8446 §4.1.3)."""


class ClientHello(NamedTuple):
    random: bytes
    early_data: bool  # comes before the answer of the server


class ServerHello(NamedTuple):
    random: bytes
    version: int
    suite: int
    compressed: bool
    encrypt_then_mac: bool  # RFC 7366


def read_client_hello(octets: bytes) -> ClientHello:
    """Raises: Unreadable."""
    at = _after(octets, 34, 1)  # session id
    at = _after(octets, at, 2)  # cipher suites
    at = _after(octets, at, 1)  # compression methods
    return ClientHello(octets[2:34], EARLY_DATA in _extensions(octets, at))


def read_server_hello(octets: bytes) -> ServerHello:
    """Raises: Unreadable."""
    at = _after(octets, 34, 1)  # session id
    if len(octets) < at + 3:
        raise Unreadable("a TLS hello is malformed")
    extensions = _extensions(octets, at + 3)
    version = extensions.get(SUPPORTED_VERSIONS, octets[:2])
    return ServerHello(
        random=octets[2:34],
        version=int.from_bytes(version),
        suite=int.from_bytes(octets[at : at + 2]),
        compressed=octets[at + 2] != 0,
        encrypt_then_mac=ENCRYPT_THEN_MAC in extensions,
    )


def _after(octets: bytes, at: int, length_octets: int) -> int:
    """Where a part ends that begins with its own length."""
    start = at + length_octets
    end = start + int.from_bytes(octets[at:start])
    if end > len(octets):
        raise Unreadable("a TLS hello is malformed")
    return end


def _extensions(octets: bytes, at: int) -> dict[int, bytes]:
    found = {}
    at += 2  # their length: they end with the hello
    while at + 4 <= len(octets):
        end = _after(octets, at + 2, 2)
        found[int.from_bytes(octets[at : at + 2])] = octets[at + 4 : end]
        at = end
    return found
