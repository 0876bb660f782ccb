"""The push service and the sleeping phones of the benchmark, in one process.

Takes `POST /push` over HTTP, and over HTTPS with --certificate, answers 200, and registers the user
whom the body names: a bare name, or JSON with `user` or `target`. The Contact is that of the callee
(a sipp), which then gets the INVITE. Each push goes to --log as "unix-time-ns peer-port user", so
that a capture, which cannot read TLS, knows which packet carried it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import ssl
import time
from pathlib import Path
from typing import Any, Final, TextIO, cast

from bench.place import (
    CALLEE_PORT,
    DEVICE_PORT,
    DOMAIN,
    HOST,
    SERVER_PORT,
    SINK_PORT,
    SINK_TLS_PORT,
)

ANSWER: Final = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
RESEND_S: Final = 0.5
SENDS_MAX: Final = 5

REGISTER: Final = (
    "REGISTER sip:{domain} SIP/2.0\r\n"
    "Via: SIP/2.0/UDP {host}:{port};rport;branch=z9hG4bKdevice{number}\r\n"
    "Max-Forwards: 70\r\n"
    "From: <sip:{user}@{domain}>;tag=device{number}\r\n"
    "To: <sip:{user}@{domain}>\r\n"
    "Call-ID: device{number}\r\n"
    "CSeq: 1 REGISTER\r\n"
    "Contact: <sip:{user}@{host}:{callee}>\r\n"
    "Expires: 3600\r\n"
    "User-Agent: callctl-bench\r\n"
    "Content-Length: 0\r\n\r\n"
)


class Phones(asyncio.DatagramProtocol):
    """Every sleeping phone: registers when woken, again each 0.5 s until the 200 is there."""

    def __init__(self) -> None:
        self._transport: asyncio.DatagramTransport | None = None
        self._number = 0
        self._waiting: set[bytes] = set()  # Call-IDs

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def wake(self, user: str) -> None:
        self._number += 1
        text = REGISTER.format(
            domain=DOMAIN,
            host=HOST,
            port=DEVICE_PORT,
            callee=CALLEE_PORT,
            number=self._number,
            user=user,
        )
        call_id = b"device%d" % self._number
        self._waiting.add(call_id)
        self._send(call_id, text.encode(), SENDS_MAX)

    def _send(self, call_id: bytes, message: bytes, sends_left: int) -> None:
        if call_id not in self._waiting or not sends_left or self._transport is None:
            self._waiting.discard(call_id)
            return
        self._transport.sendto(message, (HOST, SERVER_PORT))
        loop = asyncio.get_running_loop()
        loop.call_later(RESEND_S, self._send, call_id, message, sends_left - 1)

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        if data.startswith(b"SIP/2.0 200"):
            self._waiting.discard(data.partition(b"Call-ID: ")[2].partition(b"\r\n")[0])


class PushConnection(asyncio.Protocol):
    """HTTP/1.1 as far as a push needs it: POST with Content-Length, kept alive, 100-continue."""

    def __init__(self, phones: Phones, log: TextIO) -> None:
        self._phones = phones
        self._log = log
        self._buffer = b""
        self._continued = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._peer_port = transport.get_extra_info("peername")[1]

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while self._take_request():
            pass

    def _take_request(self) -> bool:
        head, blank, rest = self._buffer.partition(b"\r\n\r\n")
        if not blank:
            return False
        head = head.lower()
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
        if len(rest) < length:
            if b"expect: 100-continue" in head and not self._continued:
                self._continued = True
                self._transport.write(CONTINUE)
            return False
        self._continued = False
        body, self._buffer = rest[:length], rest[length:]
        user = user_of(body.decode())
        self._log.write(f"{time.time_ns()} {self._peer_port} {user}\n")
        self._transport.write(ANSWER)
        self._phones.wake(user)
        return True


def user_of(body: str) -> str:
    """The user a push is for."""
    if not body.startswith("{"):
        return body.strip()
    fields = json.loads(body)
    return str(fields["user"] if "user" in fields else fields["target"])


async def serve(arguments: argparse.Namespace) -> None:
    loop = asyncio.get_running_loop()
    phones = Phones()
    await loop.create_datagram_endpoint(lambda: phones, local_addr=(HOST, DEVICE_PORT))
    with arguments.log.open("a", buffering=1) as log:
        await loop.create_server(lambda: PushConnection(phones, log), HOST, SINK_PORT, backlog=1024)
        if arguments.certificate:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(arguments.certificate, arguments.key)
            await loop.create_server(
                lambda: PushConnection(phones, log), HOST, SINK_TLS_PORT, ssl=tls, backlog=1024
            )
        stop = asyncio.Event()
        loop.add_signal_handler(signal.SIGTERM, stop.set)
        await stop.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--certificate", type=Path)
    parser.add_argument("--key", type=Path)
    asyncio.run(serve(parser.parse_args()))
