"""One direction of a TLS connection: records in, what is inside out."""

from __future__ import annotations

from typing import Final

from callctl.capture.captured import Frame
from callctl.capture.limits import TLS_WAITING_MAX
from callctl.capture.tls.hello import TLS_1_3
from callctl.capture.tls.opener import Opener, Opener13, Unreadable
from callctl.capture.tls.session import Session
from callctl.capture.way import Content, Other, Way

CHANGE_CIPHER_SPEC: Final = 20
HANDSHAKE: Final = 22
APPLICATION_DATA: Final = 23
RECORDS: Final = range(20, 25)
RECORD_OCTETS_MAX: Final = (1 << 14) + 2_048

CLIENT_HELLO: Final = 1
SERVER_HELLO: Final = 2
FINISHED: Final = 20
KEY_UPDATE: Final = 24
HANDSHAKE_OCTETS_MAX: Final = 1 << 18


class TlsStream:
    """The records of one direction, from the first on."""

    __slots__ = (
        "_buffer",
        "_changed",
        "_client",
        "_handshake",
        "_inside",
        "_opened",
        "_opener",
        "_session",
        "_way",
    )

    def __init__(self, way: Way, session: Session, inside: Content) -> None:
        """`inside` takes the application data."""
        way.secure = True
        session.streams.append(self)
        self._way = way
        self._session = session
        self._inside = inside
        self._buffer = bytearray()
        self._handshake = bytearray()  # of a handshake message that is not whole
        self._client: bool | None = None  # who this is: known from the hello
        self._opener: Opener | None = None  # None as long as records are in the clear
        self._changed = False  # TLS 1.2: what follows is not in the clear
        self._opened = False  # some record was

    @property
    def held(self) -> int:
        return len(self._buffer) + len(self._handshake) + self._inside.held

    def feed(self, data: bytes, frame: Frame) -> Content:
        self._buffer += data
        self._go_on(frame)
        return Other() if self._session.unread else self

    def resume(self, frame: Frame) -> None:
        """What waited for the hello of the other can be read."""
        self._go_on(frame)

    def gap(self, frame: Frame) -> None:
        why = "the rest of this TLS connection cannot be read" if self._opened else ""
        self._session.give_up(why, self._way, frame.number)

    def end(self) -> None:
        if not self._session.ready:
            self._session.give_up("", self._way, 0)
        self._inside.end()

    def _go_on(self, frame: Frame) -> None:
        try:
            while not self._session.unread and self._take(frame):
                pass
        except Unreadable as error:
            self._session.give_up(str(error), self._way, frame.number)

    def _take(self, frame: Frame) -> bool:
        """Takes one record. Returns: whether one was there, and could be read already."""
        buffer = self._buffer
        if len(buffer) < 5:
            return False
        kind = buffer[0]
        end = 5 + int.from_bytes(buffer[3:5])
        if kind not in RECORDS or buffer[1] != 3 or end > 5 + RECORD_OCTETS_MAX:
            raise Unreadable("no TLS record where one is due")
        if len(buffer) < end:
            return False
        session = self._session
        plain = kind == HANDSHAKE and (not self._changed or _is_hello(buffer, end))
        if not session.ready and kind in (HANDSHAKE, APPLICATION_DATA) and not plain:
            if self._client is None or len(buffer) > TLS_WAITING_MAX:
                raise Unreadable
            return False
        self._way.tally.pieces += 1
        header, body = bytes(buffer[:5]), bytes(buffer[5:end])
        del buffer[:end]
        if session.version == TLS_1_3:
            if kind == APPLICATION_DATA:
                self._open(header, body, frame)
            elif kind == HANDSHAKE:
                self._handshake_octets(body, frame)
        elif session.ready and self._changed:
            self._open(header, body, frame)
        elif kind == CHANGE_CIPHER_SPEC:
            self._changed = True  # in TLS 1.3 it means nothing
        else:
            self._record(kind, body, frame)
        return True

    def _open(self, header: bytes, body: bytes, frame: Frame) -> None:
        if self._opener is None:
            if self._client is None:
                raise Unreadable
            self._opener = self._session.opener(client=self._client, handshake=True)
        try:
            record = self._opener.open(header, body)
        except Unreadable:
            if not (self._client and self._session.early_data) or self._opened:
                raise
            self._way.tell("early data of TLS is left out", frame.number)
            return
        self._opened = True
        self._record(record.kind, record.octets, frame)

    def _record(self, kind: int, octets: bytes, frame: Frame) -> None:
        """A record that is in the clear, or was opened."""
        if kind == APPLICATION_DATA and octets:
            if self._opener is None:
                raise Unreadable
            self._inside = self._inside.feed(octets, frame)
        elif kind == HANDSHAKE:
            self._handshake_octets(octets, frame)

    def _handshake_octets(self, octets: bytes, frame: Frame) -> None:
        buffer = self._handshake
        buffer += octets
        while len(buffer) >= 4:
            end = 4 + int.from_bytes(buffer[1:4])
            if end > HANDSHAKE_OCTETS_MAX:
                raise Unreadable("a TLS handshake message is too long")
            if len(buffer) < end:
                return
            kind, message = buffer[0], bytes(buffer[4:end])
            del buffer[:end]
            self._handshake_message(kind, message, frame)

    def _handshake_message(self, kind: int, message: bytes, frame: Frame) -> None:
        opener = self._opener
        if kind == CLIENT_HELLO:
            self._client = True
            self._session.client_hello(message, self, frame)
        elif kind == SERVER_HELLO:
            self._client = False
            self._session.server_hello(message, self, frame)
        elif isinstance(opener, Opener13):
            if kind == KEY_UPDATE:
                self._opener = opener.updated()
            elif kind == FINISHED and opener.of_handshake:
                assert self._client is not None
                self._opener = self._session.opener(client=self._client, handshake=False)


def _is_hello(buffer: bytearray, end: int) -> bool:
    """Whether this handshake record holds a hello in the clear: the second, if there are two.

    Otherwise, after a change of ciphers, what it holds is sealed.
    """
    size = max(end - 9, 0).to_bytes(3)
    return bytes(buffer[5:9]) in (b"\x01" + size, b"\x02" + size)
