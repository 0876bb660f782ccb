"""TLS 1.3 of the openssl program is opened: every suite, updates of keys, early data."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest
from anyio.abc import ByteReceiveStream, ByteSendStream, Process, SocketAttribute, SocketStream

from callctl.io.pki import CertificateAuthority
from helpers.packets import NODE6, PHONE6, Conversation, octets_of, read_packets
from helpers.sip_text import INVITE, OPTIONS, octets, request, response
from interop.drivers.program import running, until

pytestmark = [pytest.mark.anyio, pytest.mark.needs("openssl")]

HOST = "127.0.0.1"
LIMIT_S = 20.0
ONE = octets(OPTIONS)
TWO = octets(INVITE)
OK = response(request(OPTIONS), 200).to_bytes()


@dataclass(slots=True)
class Line:
    """What went over connections through a relay, as TCP packets of a capture."""

    port: int
    talks: list[Conversation] = field(default_factory=list)


@asynccontextmanager
async def relay(target: int) -> AsyncGenerator[Line]:
    """A port that leads to another one."""
    async with (
        await anyio.create_tcp_listener(local_host=HOST, local_port=0) as listener,
        anyio.create_task_group() as tasks,
    ):
        line = Line(listener.extra(SocketAttribute.local_port))

        async def serve(client: SocketStream) -> None:
            talk = Conversation() if not line.talks else Conversation(PHONE6, NODE6)
            line.talks.append(talk.opened())
            async with (
                client,
                await anyio.connect_tcp(HOST, target) as server,
                anyio.create_task_group() as pumps,
            ):
                pumps.start_soon(pump, client, server, talk, True)
                pumps.start_soon(pump, server, client, talk, False)

        tasks.start_soon(listener.serve, serve)
        yield line
        tasks.cancel_scope.cancel()


async def pump(
    source: ByteReceiveStream, target: ByteSendStream, talk: Conversation, by_client: bool
) -> None:
    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):  # one end, and so both
        async for data in source:
            (talk.sent if by_client else talk.answered)(data)
            await target.send(data)
        await target.aclose()


@dataclass(slots=True)
class Program:
    """An openssl that takes what to say, and commands, on its standard input."""

    process: Process
    log: Path

    async def say(self, data: bytes) -> None:
        assert self.process.stdin is not None
        await self.process.stdin.send(data)

    async def has(self, data: bytes) -> None:
        """Waits until it has shown that."""
        assert await until(lambda: data in self.log.read_bytes(), LIMIT_S), self.log.read_bytes()


@asynccontextmanager
async def openssl(log: Path, *command: str) -> AsyncGenerator[Program]:
    async with running(["openssl", *command], log, console=True) as process:
        yield Program(process, log)


@asynccontextmanager
async def server(directory: Path, *options: str) -> AsyncGenerator[tuple[Program, Line]]:
    """One that listens behind a relay."""
    pem = directory / "server.pem"
    pem.write_bytes(b"".join(CertificateAuthority().issue()))
    command = ["s_server", "-accept", f"{HOST}:0", "-cert", str(pem), "-key", str(pem), "-tls1_3"]
    async with openssl(directory / "server.log", *command, *options) as program:
        await program.has(b"ACCEPT ")
        port = int(program.log.read_text().split("ACCEPT ")[1].split()[0].rpartition(":")[2])
        async with relay(port) as line:
            yield program, line


def client_of(line: Line, directory: Path) -> list[str]:
    keys = directory / "client.keys"
    return ["s_client", "-connect", f"{HOST}:{line.port}", "-keylogfile", str(keys)]


@pytest.mark.parametrize(
    "suite",
    ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"],
)
async def test_every_suite_is_opened_before_and_after_updates_of_keys(
    suite: str, tmp_path: Path
) -> None:
    async with server(tmp_path, "-ciphersuites", suite) as (far, line):
        command = client_of(line, tmp_path)
        async with openssl(tmp_path / "client.log", *command) as near:
            await near.has(b"Verify return code")
            await near.say(ONE)
            await far.has(ONE)
            await near.say(b"K\n")  # updates its keys, and asks the other side to do so
            await near.has(b"KEYUPDATE")
            await near.say(TWO)
            await far.has(TWO)
            await far.say(OK)
            await near.has(OK)
            told = len(line.talks[0].packets)
            await far.say(b"k\n")  # it shows nothing of its own update
            assert await until(lambda: len(line.talks[0].packets) > told, LIMIT_S)
            await far.say(TWO)
            await near.has(TWO)
    assert suite in (tmp_path / "client.log").read_text()
    result = read_packets(line.talks[0].packets, (tmp_path / "client.keys").read_bytes())
    assert octets_of(result.messages) == [ONE, TWO, OK, TWO]
    assert result.problems == ()


async def test_messages_after_early_data_are_read(tmp_path: Path) -> None:
    session, early = tmp_path / "session", tmp_path / "early"
    early.write_bytes(TWO)
    async with server(tmp_path, "-early_data") as (far, line):
        command = client_of(line, tmp_path)
        async with openssl(tmp_path / "first.log", *command, "-sess_out", str(session)) as near:
            await near.has(b"Verify return code")
            await far.say(OK)
            await near.has(OK)
            await near.say(b"Q\n")
            await near.process.wait()
        resumed = ["-sess_in", str(session), "-early_data", str(early)]
        async with openssl(tmp_path / "second.log", *command, *resumed) as near:
            await near.has(b"Early data was accepted")
            await near.say(ONE)
            await far.has(ONE)
    packets = [packet for talk in line.talks for packet in talk.packets]
    result = read_packets(packets, (tmp_path / "client.keys").read_bytes())
    assert TWO in (tmp_path / "server.log").read_bytes()
    assert octets_of(result.messages) == [OK, ONE]
    assert [problem.split(": ", 2)[2] for problem in result.problems] == [
        "early data of TLS is left out"
    ] * 2  # its message, and its end
