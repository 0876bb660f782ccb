"""Linphone 5.1 as linphone-daemon, headless: its configuration, and control over its console.

It needs neither a display nor a sound card (it sends silence). Its folder of data must exist, or
the core never starts; each one has a home of its own, or messages that the last could not deliver
(its answers to instant messages) are sent by the next. It calls itself "Unknown" in User-Agent. Of
a TLS server it checks the authority; its TLS library knows no certificates for addresses, so not
the name.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal
from uuid import NAMESPACE_OID, uuid5

import anyio

from interop.drivers.console import Console
from interop.drivers.program import POLL_S, free_port, running, until
from interop.drivers.sipp import Account

HOST: Final = "127.0.0.1"
PROMPT: Final = "daemon-linphone>"
LISTENING: Final = {"udp": "sip_port", "tcp": "sip_tcp_port", "tls": "sip_tls_port"}
START_LIMIT_S: Final = 30.0
UNREACHABLE_S: Final = 10.0

Transport = Literal["udp", "tcp", "tls"]


@dataclass(frozen=True, slots=True)
class Settings:
    """How one Linphone behaves."""

    account: Account
    registrar: tuple[str, int]
    transport: Transport = "udp"
    answers: bool = False  # every call, at once; else `answer` does
    push: str = ""  # parameters of its Contact URI: "pn-provider=apns;pn-param=...;pn-prid=..."
    reliable_ringing: bool = False  # RFC 3262, where the caller supports it
    expires_s: int = 600
    authority: Path | None = None  # PEM of whom to trust, with TLS

    @property
    def instance(self) -> str:
        """Its +sip.instance, the same in each of its lives."""
        return f"urn:uuid:{uuid5(NAMESPACE_OID, f'linphone {self.account.user}')}"


class Linphone:
    """A running Linphone."""

    def __init__(self, console: Console, directory: Path) -> None:
        self._console = console
        self._trace = directory / "trace.log"
        self._heard = len(console.printed)  # of what it tells of its calls
        self._call = ""  # id of the one that it told of last

    @property
    def trace(self) -> str:
        """What it notes, with every SIP message in full."""
        return self._trace.read_text(errors="replace") if self._trace.exists() else ""

    async def command(self, line: str) -> str:
        """What it answers to a command. Raises: RuntimeError when it refuses."""
        before = len(self._console.printed)
        await self._console.enter(line)
        answer = await self._console.wait_for(PROMPT, after=before)
        if "Status: Ok" not in answer:
            raise RuntimeError(f"linphone refuses {line}: {answer}")
        return answer.removesuffix(PROMPT)

    async def registration(self, state: str = "Ok", within_s: float = UNREACHABLE_S) -> None:
        """Wait until its registration is in that state: Progress, Ok, Failed.

        Raises: TimeoutError.
        """
        said = ""
        with anyio.move_on_after(within_s):
            while True:
                said = await self.command("register-status 1")
                if f"State: LinphoneRegistration{state}\n" in said:
                    return
                await anyio.sleep(POLL_S)
        raise TimeoutError(f"linphone is not registered ({state}) within {within_s} s: {said}")

    async def call(self, state: str, within_s: float = UNREACHABLE_S) -> None:
        """Wait until a call comes into that state; earlier changes are dropped.

        IncomingReceived, OutgoingRinging, StreamsRunning, Paused, PausedByRemote, Error,
        Released, ... Raises: TimeoutError.
        """
        event = f"Event: LinphoneCall{state}\n(?:.*\n)*?Id: [0-9]+\n"
        told = await self._console.wait_for(event, after=self._heard, within_s=within_s)
        self._heard += len(told)
        self._call = told.split()[-1]

    async def dial(self, uri: str) -> None:
        await self.command(f"call {uri}")

    async def answer(self) -> None:
        await self.command(f"answer {self._call}")

    async def hang_up(self) -> None:
        await self.command(f"terminate {self._call}")

    async def hold(self) -> None:
        await self.command(f"call-pause {self._call}")

    async def resume(self) -> None:
        await self.command(f"call-resume {self._call}")

    async def message(self, uri: str, text: str) -> None:
        await self.command(f"message {uri} {text}")

    async def unregister(self) -> None:
        """Forget its account: a REGISTER with expires 0 leaves."""
        await self.command("unregister 1")

    async def noted(self, text: str, within_s: float = UNREACHABLE_S) -> None:
        """Wait until `text` is in its trace. Raises: TimeoutError."""
        if not await until(lambda: text in self.trace, within_s):
            raise TimeoutError(f"no {text!r} in the trace of linphone within {within_s} s")

    async def kill(self) -> None:
        """End it without a word, as an operating system ends an app that it suspends."""
        await self._console.kill()


@asynccontextmanager
async def linphone(directory: Path, settings: Settings) -> AsyncGenerator[Linphone]:
    """Starts one, with its files in `directory`, where it is at home; on leaving it unregisters
    and ends, if it was not killed. Starting it there again is its next life.
    """
    home = directory / "home"
    for folder in (".local/share/linphone", ".config/linphone"):
        (home / folder).mkdir(parents=True, exist_ok=True)
    configuration = directory / "linphonerc"
    configuration.write_text(_configuration(settings))
    command = ["linphone-daemon", "--config", str(configuration), "--disable-stats-events"]
    command += ["--log", str(directory / "trace.log")]
    if settings.answers:
        command.append("--auto-answer")
    at_home = {
        "HOME": str(home),
        "XDG_DATA_HOME": str(home / ".local/share"),
        "XDG_CONFIG_HOME": str(home / ".config"),
    }
    log = directory / "console.log"
    before = len(log.read_text(errors="replace")) if log.exists() else 0
    async with running(command, log, env=at_home, console=True) as process:
        console = Console(process, log)
        await console.wait_for(PROMPT, after=before, within_s=START_LIMIT_S)
        yield Linphone(console, directory)
        await console.leave("quit")


def _configuration(settings: Settings) -> str:
    account, transport = settings.account, settings.transport
    host, port = settings.registrar
    server = f"<sip:{host}:{port};transport={transport}"
    ports = dict.fromkeys(LISTENING.values(), 0) | {LISTENING[transport]: free_port()}
    sections: dict[str, dict[str, object]] = {
        "sip": {
            **ports,
            "bind_address": HOST,
            "default_proxy": 0,
            "guess_hostname": 0,
            "contact": f"sip:{account.user}@{HOST}",
            "register_only_when_network_is_up": 0,
            "root_ca": settings.authority or "",
            "verify_server_certs": 1,
            "verify_server_cn": 0,
            "media_encryption": "none",
            "use_ipv6": 0,
            "use_rfc2833": 1,
            "100rel_support_level": int(settings.reliable_ringing),
        },
        "net": {"mtu": 1300, "force_ice_disablement": 1},
        "rtp": {"audio_rtp_port": free_port(), "bind_address": HOST},
        "sound": {"playback_dev_id": "", "capture_dev_id": "", "echocancellation": 0},
        "proxy_0": {
            "reg_proxy": f"{server}>",
            "reg_route": f"{server};lr>",
            "reg_identity": f'"{account.user}" <sip:{account.user}@{account.domain}>',
            "reg_expires": settings.expires_s,
            "reg_sendregister": 1,
            "publish": 0,
            "avpf": 0,
            "quality_reporting_enabled": 0,
            "realm": account.domain,
            "contact_uri_parameters": settings.push,
        },
        "auth_info_0": {
            "username": account.user,
            "userid": account.user,
            "passwd": account.password,
            "realm": account.domain,
            "domain": account.domain,
        },
        "misc": {
            "uuid": settings.instance.removeprefix("urn:uuid:"),
            "file_transfer_server_url": "",
            "log_collection_upload_server_url": "",
            "version_check_url_root": "",
            "config-uri": "",
        },
    }
    return "\n".join(
        f"[{name}]\n" + "".join(f"{key}={value}\n" for key, value in values.items())
        for name, values in sections.items()
    )
