"""baresip 1.0, headless: its configuration, and control over its JSON socket (ctrl_tcp).

Its traps: it needs `poll_method select` without a terminal, and an audio source of 48 kHz with two
channels, or it rings and then silently fails to answer. Its Contact user carries a suffix that
changes with each start. It starts every transaction unauthenticated.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import anyio
from anyio.abc import SocketStream

from interop.drivers.program import free_port, running
from interop.drivers.sipp import Account

HOST: Final = "127.0.0.1"
MODULES: Final = Path("/usr/lib/baresip/modules")
START_LIMIT_S: Final = 30.0

Transport = Literal["udp", "tcp", "tls"]
Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Settings:
    """How one baresip behaves."""

    account: Account
    registrar: tuple[str, int]
    transport: Transport = "udp"
    answers: bool = False  # every call, at once; else `accept` does
    registers: bool = True
    outbound: bool = False  # RFC 5626: one flow, keep-alive; else calls come to its listener
    register_every_s: int = 60
    authority: Path | None = None  # PEM of whom to trust, with TLS
    certificate: Path | None = None  # PEM of its own certificate and key, with TLS
    contacts: tuple[str, ...] = field(default=())  # needed to send a MESSAGE


class Baresip:
    """A running baresip. Its events are kept until a `wait_for` takes them."""

    def __init__(self, control: SocketStream, port: int, log: Path) -> None:
        self.port = port  # of SIP over UDP and TCP; TLS is one above
        self.log = log  # with --trace of SIP
        self.events: list[Event] = []
        self._answers: list[Event] = []
        self._control = control
        self._frames = Netstrings()

    async def dial(self, uri: str) -> None:
        await self.command("dial", uri)

    async def accept(self) -> None:
        await self.command("accept")

    async def hang_up(self) -> None:
        await self.command("hangup")

    async def command(self, name: str, parameters: str = "", within_s: float = 5.0) -> str:
        """Runs a command of its menu; its printed answer.

        Raises: TimeoutError; RuntimeError when baresip refuses.
        """
        text = json.dumps({"command": name, "params": parameters, "token": name})
        await self._control.send(b"%d:%s," % (len(text.encode()), text.encode()))
        with anyio.move_on_after(within_s):
            while not self._answers:
                await self._receive()
            answer = self._answers.pop(0)
            if not answer.get("ok"):
                raise RuntimeError(f"baresip refuses {name} {parameters}: {answer}")
            return str(answer.get("data", ""))
        raise TimeoutError(f"baresip does not answer {name}")

    async def wait_for(self, kind: str, within_s: float = 10.0) -> Event:
        """The next event of that type; earlier ones are dropped.

        REGISTER_OK, REGISTER_FAIL, CALL_INCOMING, CALL_RINGING, CALL_ESTABLISHED, CALL_CLOSED
        (its `param` has the reason), ... Raises: TimeoutError, with the events there were.
        """
        waited: list[str] = []
        with anyio.move_on_after(within_s):
            while True:
                while self.events:
                    event = self.events.pop(0)
                    if event["type"] == kind:
                        return event
                    waited.append(f"{event['type']} {event.get('param', '')}")
                await self._receive()
        raise TimeoutError(f"no {kind} from baresip within {within_s} s; only {waited}")

    async def _receive(self) -> None:
        for frame in self._frames.feed(await self._control.receive()):
            message: Event = json.loads(frame)
            (self.events if message.get("event") else self._answers).append(message)


class Netstrings:
    """Frames `LENGTH:OCTETS,` out of a stream."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> list[bytes]:
        self._buffer += data
        frames: list[bytes] = []
        while b":" in self._buffer:
            length, _, rest = self._buffer.partition(b":")
            end = int(length)
            if len(rest) <= end:
                break
            frames.append(rest[:end])
            self._buffer = rest[end + 1 :]
        return frames


@asynccontextmanager
async def baresip(directory: Path, settings: Settings) -> AsyncGenerator[Baresip]:
    """Starts one, with its files in `directory`; it unregisters and ends on leaving."""
    port, control_port = free_port(), free_port()
    _write_files(directory, settings, port, control_port)
    log = directory / "baresip.log"
    async with running(["baresip", "-f", str(directory), "-s"], log):
        with anyio.fail_after(START_LIMIT_S):
            control = await _connect(control_port)
        async with control:
            client = Baresip(control, port, log)
            # Not by the accounts file: it would have registered before anybody hears the event.
            await client.command("uanew", _account(settings))
            if settings.registers:
                await client.wait_for("REGISTER_OK")
            yield client


async def _connect(port: int) -> SocketStream:
    while True:
        try:
            return await anyio.connect_tcp(HOST, port)
        except OSError:
            await anyio.sleep(0.05)


def _write_files(directory: Path, settings: Settings, port: int, control_port: int) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "config").write_text(_config(settings, directory, port, control_port))
    (directory / "accounts").write_text("# The account is made over the control socket.\n")
    (directory / "contacts").write_text("".join(f"{line}\n" for line in settings.contacts))


def _account(settings: Settings) -> str:
    account = settings.account
    host, port = settings.registrar
    server = f"sip:{host}:{port};transport={settings.transport}"
    parameters = [
        f"auth_user={account.user}",
        f"auth_pass={account.password}",
        f"regint={settings.register_every_s if settings.registers else 0}",
        f'outbound="{server}"',
        f"answermode={'auto' if settings.answers else 'manual'}",
    ]
    if settings.outbound:
        parameters.append("sipnat=outbound")
    aor = f"sip:{account.user}@{account.domain};transport={settings.transport}"
    return f'"{account.user}" <{aor}>;{";".join(parameters)}'


def _config(settings: Settings, directory: Path, port: int, control_port: int) -> str:
    lines = [
        "poll_method select",
        f"sip_listen {HOST}:{port}",
        f"net_interface {HOST}",
        "call_local_timeout 120",
        "call_max_calls 4",
        f"audio_path {directory}",
        "audio_source ausine,440",
        "audio_player aubridge,nil",
        "audio_alert aubridge,nil",
        *(f"{side}_channels 2" for side in ("ausrc", "auplay")),
        *(f"{side}_srate 48000" for side in ("ausrc", "auplay")),
        f"module_path {MODULES}",
        *(f"module {name}.so" for name in ("g711", "aubridge", "ausine", "stun")),
        *(f"module_tmp {name}.so" for name in ("uuid", "account")),
        *(f"module_app {name}.so" for name in ("contact", "menu", "ctrl_tcp")),
        f"ctrl_tcp_listen {HOST}:{control_port}",
        "menu_bell no",
    ]
    if settings.authority:
        lines.append(f"sip_cafile {settings.authority}")
    if settings.certificate:
        lines.append(f"sip_certificate {settings.certificate}")
    return "".join(f"{line}\n" for line in lines)
