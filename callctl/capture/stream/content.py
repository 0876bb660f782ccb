"""Finds out what the octets of one direction of a connection are: by what they hold."""

from __future__ import annotations

import re
from typing import Final

from callctl.capture.captured import Frame
from callctl.capture.stream.sip_stream import SipStream
from callctl.capture.stream.websocket_stream import Handshake
from callctl.capture.tls.session import Session
from callctl.capture.tls.tls_stream import TlsStream
from callctl.capture.way import Content, Way

# Methods of HTTP that SIP does not have. The others are told apart by what follows them.
_HTTP: Final = re.compile(rb"(?:GET|HEAD|POST|PUT|PATCH|DELETE|CONNECT) |HTTP/1\.")
_HTTP_OCTETS: Final = 8  # that tell HTTP
_TLS: Final = re.compile(rb"[\x14-\x18]\x03[\x00-\x04]")
_TLS_OCTETS: Final = 3


class Undecided:
    """The first octets of one direction."""

    __slots__ = ("_buffer", "_session", "_way")

    def __init__(self, way: Way, session: Session | None) -> None:
        """`session` is that of both directions; None inside TLS."""
        self._way = way
        self._session = session
        self._buffer = b""

    @property
    def held(self) -> int:
        return len(self._buffer)

    def feed(self, data: bytes, frame: Frame) -> Content:
        octets = self._buffer + data
        if self._session is not None and octets[0] in range(0x14, 0x19):
            if len(octets) < _TLS_OCTETS:
                self._buffer = octets
                return self
            if _TLS.match(octets):
                inside = Undecided(self._way, None)
                return TlsStream(self._way, self._session, inside).feed(octets, frame)
        elif octets[0] in b"GHPDC" and len(octets) < _HTTP_OCTETS:
            self._buffer = octets
            return self
        if _HTTP.match(octets):
            return Handshake(self._way).feed(octets, frame)
        return SipStream(self._way).feed(octets, frame)

    def gap(self, frame: Frame) -> None:
        self._buffer = b""

    def end(self) -> None:
        """Too few octets to tell what they are."""
