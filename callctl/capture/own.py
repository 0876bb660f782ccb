"""What `Capture` writes that only looks like packets: notes, and what was in TLS or WebSocket."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from callctl.capture.capture import (
    NOTICE,
    NOWHERE,
    NOWHERE_V6,
    PLAIN_PORT,
    SYSLOG,
    TLS_PORT,
)
from callctl.capture.captured import CapturedMessage, CapturedNote, Frame
from callctl.capture.packet import Address
from callctl.capture.pcapng import Direction

SYSLOG_PORTS: Final = SYSLOG.to_bytes(2) * 2
_NOTICE: Final = NOTICE.encode()
_CARRIED: Final = re.compile(r"carried over (TLS|WS|WSS), port ([0-9]{1,5}), shown as TCP")


def picture_of(comments: tuple[str, ...]) -> str:
    """The comment that says over what a message really went; "" if there is none."""
    return next((comment for comment in comments if _CARRIED.fullmatch(comment)), "")


def restored(message: CapturedMessage) -> CapturedMessage:
    """The same message with the transport and ports it really had.

    Of the far end only 5060 can be wrong: it stands for 5061, where it is TLS.
    """
    comment = picture_of(message.comments)
    found = _CARRIED.fullmatch(comment)
    if found is None:
        return message
    transport, port = found[1], int(found[2])
    source, target = message.source, message.target
    if message.direction is Direction.SENT:
        source, target = Address(source.host, port), _far(target, transport)
    elif message.direction is Direction.RECEIVED:
        source, target = _far(source, transport), Address(target.host, port)
    return replace(
        message,
        transport=transport,
        source=source,
        target=target,
        comments=tuple(other for other in message.comments if other != comment),
    )


def note(frame: Frame, source: str, target: str, data: bytes) -> CapturedNote | None:
    """The note in a datagram between the ports of syslog; None if it is not one of ours."""
    if not frame.comments or not data.startswith(_NOTICE):
        return None
    return CapturedNote(
        number=frame.number,
        at_ns=frame.at_ns,
        interface=frame.interface.name,
        source=_somewhere(source),
        target=_somewhere(target),
        text=frame.comments[0],
    )


def _far(address: Address, transport: str) -> Address:
    stands_for = transport == "TLS" and address.port == PLAIN_PORT
    return Address(address.host, TLS_PORT) if stands_for else address


def _somewhere(address: str) -> str | None:
    return None if address in (NOWHERE, NOWHERE_V6) else address
