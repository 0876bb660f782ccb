"""The little of STUN that SIP keep-alives need: a Binding request and its answer.

Clients with `outbound` send Binding requests to the SIP port over UDP and take silence for a dead
flow (RFC 5626 §4.4.2, §8). Source: RFC 5389 §6, §7.3, §15; RFC 8489 keeps all of it.
"""

from __future__ import annotations

from ipaddress import ip_address
from struct import Struct
from typing import Final

from sipstack.transport.flow import Flow

MAGIC_COOKIE: Final = 0x2112A442
COOKIE: Final = MAGIC_COOKIE.to_bytes(4)
HEADER: Final = Struct("!HHI12s")  # type, length of what follows, magic cookie, transaction id

BINDING_REQUEST: Final = 0x0001
BINDING_SUCCESS: Final = 0x0101
BINDING_ERROR: Final = 0x0111
XOR_MAPPED_ADDRESS: Final = 0x0020
ERROR_CODE: Final = 0x0009
UNKNOWN_ATTRIBUTES: Final = 0x000A

# Attributes from 0x0000 to 0x7FFF must be understood. These are, or may be ignored because we ask
# for no credentials: USERNAME, MESSAGE-INTEGRITY, REALM, NONCE, MESSAGE-INTEGRITY-SHA256, PRIORITY,
# USE-CANDIDATE. CHANGE-REQUEST (RFC 5780) is not: to ignore it would be a wrong answer.
UNDERSTOOD: Final = frozenset({0x0006, 0x0008, 0x0014, 0x0015, 0x001C, 0x0024, 0x0025})


def is_stun(data: bytes) -> bool:
    """True for a STUN message: two zero bits, a length that fits, the magic cookie."""
    if len(data) < 20 or data[0] > 3:
        return False
    length = int.from_bytes(data[2:4])
    return data[4:8] == COOKIE and length % 4 == 0 and length == len(data) - 20


def answer(data: bytes, flow: Flow) -> bytes | None:
    """What to send back over `flow` for the STUN message `data`; None if it is no request."""
    kind, _, _, transaction = HEADER.unpack_from(data)
    if kind != BINDING_REQUEST:
        return None
    unknown = _unknown_attributes(data)
    if unknown is None:
        return None
    if unknown:
        code = _attribute(ERROR_CODE, b"\0\0\x04\x14Unknown Attribute")  # class 4, number 20
        listed = b"".join(number.to_bytes(2) for number in unknown)
        return _message(BINDING_ERROR, transaction, code + _attribute(UNKNOWN_ATTRIBUTES, listed))
    mapped = _xor_mapped_address(flow, transaction)
    return _message(BINDING_SUCCESS, transaction, _attribute(XOR_MAPPED_ADDRESS, mapped))


def binding_request(transaction: bytes) -> bytes:
    """A Binding request; `transaction` is 12 octets of chance."""
    return _message(BINDING_REQUEST, transaction, b"")


def _unknown_attributes(data: bytes) -> list[int] | None:
    """Attributes that must be understood but are not; None if attributes do not fit the length."""
    unknown = []
    at = 20
    while at < len(data):
        number = int.from_bytes(data[at : at + 2])
        length = int.from_bytes(data[at + 2 : at + 4])
        at += 4 + length + -length % 4
        if at > len(data):
            return None
        if number < 0x8000 and number not in UNDERSTOOD:
            unknown.append(number)
    return unknown


def _xor_mapped_address(flow: Flow, transaction: bytes) -> bytes:
    """RFC 5389 §15.2."""
    address = ip_address(flow.remote_host.partition("%")[0])
    key = COOKIE + transaction
    octets = bytes(a ^ b for a, b in zip(address.packed, key, strict=False))
    family = 1 if address.version == 4 else 2
    port = flow.remote_port ^ (MAGIC_COOKIE >> 16)
    return bytes((0, family)) + port.to_bytes(2) + octets


def _attribute(number: int, value: bytes) -> bytes:
    return number.to_bytes(2) + len(value).to_bytes(2) + value + bytes(-len(value) % 4)


def _message(kind: int, transaction: bytes, attributes: bytes) -> bytes:
    return HEADER.pack(kind, len(attributes), MAGIC_COOKIE, transaction) + attributes
