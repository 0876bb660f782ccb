"""TLS of a client on top of any transport: of a socket, or of a tunnel that may be TLS itself.

A loop can do that, too. But of a handshake that is given up, asyncio's own may leave the transport
open if it had not begun, and uvloop's if its first octets found the connection gone; and asyncio's
of Python 3.11 falls over a certificate that it does not trust inside TLS: an error of its own
making hides the one that was to be told. Source: OP-54, CPNS-08.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

import anyio

CHUNK: Final = 65_536
TLS_TIMEOUT_S: Final = 5.0

P = TypeVar("P", bound=asyncio.BaseProtocol)


async def over_tls(
    below: asyncio.Transport, make: Callable[[], P], tls: ssl.SSLContext, host: str
) -> P:
    """A protocol on TLS on an open transport that nobody reads; it is closed if that fails.

    Raises: OSError, SSLError (which is one), TimeoutError, or ValueError for what is no name.
    """
    try:
        if below.is_closing():
            raise ConnectionResetError("closed before the TLS handshake")
        stream = ClientTls(tls, host)
        below.set_protocol(stream)
        stream.connection_made(below)
        below.resume_reading()
        with anyio.fail_after(TLS_TIMEOUT_S):
            await stream.agreed()
        protocol = make()
        stream.attach(cast(asyncio.Protocol, protocol))
    except BaseException:
        below.abort()
        raise
    return protocol


class ClientTls(asyncio.Protocol):
    """A protocol to what is below, a transport to what is above."""

    def __init__(self, tls: ssl.SSLContext, host: str) -> None:
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = tls.wrap_bio(self._in, self._out, server_hostname=host)
        self._below: asyncio.Transport | None = None
        self._above: asyncio.Protocol | None = None
        self._agreed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._closed = False  # nothing is read or written any more
        self._paused = False  # what is above wants to read nothing for now
        self._lost = False

    async def agreed(self) -> None:
        """Wait until both sides are. Raises: SSLError, ConnectionResetError"""
        await self._agreed

    def attach(self, protocol: asyncio.Protocol) -> None:
        """Put the service's protocol on top. Raises: ConnectionResetError"""
        if self._closed or self._lost:
            raise ConnectionResetError("closed")
        self._above = protocol
        protocol.connection_made(ClientTlsTransport(self))
        self._read()

    # From below.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._below = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        self._shake_hands()

    def data_received(self, data: bytes) -> None:
        self._in.write(data)
        if not self._agreed.done():
            self._shake_hands()
        if self._above is not None:
            self._read()

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed = self._lost = True
        if not self._agreed.done():
            self._agreed.set_exception(ConnectionResetError("closed during the TLS handshake"))
        above, self._above = self._above, None
        if above is not None:
            above.connection_lost(exc)

    def pause_writing(self) -> None:
        if self._above is not None:
            self._above.pause_writing()

    def resume_writing(self) -> None:
        if self._above is not None:
            self._above.resume_writing()

    # From above.

    @property
    def below(self) -> asyncio.Transport:
        """The connection it stands on."""
        assert self._below is not None
        return self._below

    @property
    def is_closed(self) -> bool:
        """True if nothing is written any more."""
        return self._closed

    @property
    def above(self) -> asyncio.Protocol | None:
        """The protocol on top."""
        return self._above

    @above.setter
    def above(self, protocol: asyncio.Protocol) -> None:
        self._above = protocol

    @property
    def is_paused(self) -> bool:
        """True if what is above reads nothing for now."""
        return self._paused

    def pause_reading(self) -> None:
        """Keep what comes."""
        self._paused = True
        self.below.pause_reading()

    def resume_reading(self) -> None:
        """Read on, with what was kept first."""
        self._paused = False
        self.below.resume_reading()
        asyncio.get_running_loop().call_soon(self._read)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypt and send."""
        if self._closed or not data:
            return
        try:
            self._tls.write(data)
        except ssl.SSLError:
            self.abort()
            return
        self._flush()

    def close(self) -> None:
        """Say goodbye, then close."""
        if self._closed:
            return
        self._closed = True
        with contextlib.suppress(ssl.SSLError):  # for the goodbye of the other side nobody waits
            self._tls.unwrap()
        self._flush()
        self.below.close()

    def abort(self) -> None:
        """Close at once."""
        self._closed = True
        self.below.abort()

    def extra(self, name: str, default: Any) -> Any:  # noqa: ANN401  (as asyncio has it)
        """What asyncio's transports tell of themselves."""
        if name == "ssl_object":
            return self._tls
        return self.below.get_extra_info(name, default)

    def _shake_hands(self) -> None:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
        except ssl.SSLError as error:
            self._flush()  # the alert
            self._closed = True
            self._agreed.set_exception(error)
        else:
            self._flush()
            self._agreed.set_result(None)

    def _read(self) -> None:
        while not self._closed and not self._paused and self._above is not None:
            try:
                data = self._tls.read(CHUNK)
            except ssl.SSLWantReadError:
                break
            except ssl.SSLError:  # its goodbye is among these
                self.abort()
                return
            if not data:
                self.abort()
                return
            self._above.data_received(data)
        self._flush()  # a change of keys is answered

    def _flush(self) -> None:
        data = self._out.read()
        if data and not self._lost:
            self.below.write(data)


class ClientTlsTransport(asyncio.Transport):
    """What the service's protocol holds of it."""

    def __init__(self, tls: ClientTls) -> None:
        super().__init__()
        self._tls = tls

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # noqa: ANN401
        return self._tls.extra(name, default)

    def get_protocol(self) -> asyncio.BaseProtocol:
        assert self._tls.above is not None
        return self._tls.above

    def is_closing(self) -> bool:
        return self._tls.is_closed

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._tls.write(data)

    def close(self) -> None:
        self._tls.close()

    def abort(self) -> None:
        self._tls.abort()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._tls.above = cast(asyncio.Protocol, protocol)

    def is_reading(self) -> bool:
        return not self._tls.is_paused

    def pause_reading(self) -> None:
        self._tls.pause_reading()

    def resume_reading(self) -> None:
        self._tls.resume_reading()

    def get_write_buffer_size(self) -> int:
        return self._tls.below.get_write_buffer_size()
