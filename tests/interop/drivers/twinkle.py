"""Twinkle 1.10 as twinkle-console, headless: its profile, and control over its console.

The console build reads no system settings: it always binds 0.0.0.0:5060 and RTP to 8000, so it
needs a network of its own (`own_network`) with the server on another port. Its Contact names no
port. It takes sound from ALSA, which gets a device that does nothing.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from interop.drivers.console import Console
from interop.drivers.program import running, until
from interop.drivers.sipp import Account

START_LIMIT_S: Final = 30.0
LIMIT_S: Final = 10.0
NO_SOUND: Final = "pcm.!default { type null }\nctl.!default { type null }\n"

Transport = Literal["udp", "tcp"]


@dataclass(frozen=True, slots=True)
class Settings:
    """How one Twinkle behaves."""

    account: Account
    registrar: tuple[str, int]
    transport: Transport = "udp"


class Twinkle:
    """A running Twinkle. It tells what happens in sentences."""

    def __init__(self, console: Console, trace: Path) -> None:
        self._console = console
        self._trace = trace  # with every SIP message
        self._heard = 0

    async def told(self, sentence: str, within_s: float = 10.0) -> None:
        """Wait until it says that; what it said before is dropped. Raises: TimeoutError."""
        said = await self._console.wait_for(sentence, after=self._heard, within_s=within_s)
        self._heard += len(said)

    async def dial(self, user: str) -> None:
        await self._console.enter(f"call {user}")

    async def answer(self) -> None:
        await self._console.enter("answer")

    async def hang_up(self) -> None:
        await self._console.enter("bye")

    async def hold(self) -> None:
        await self._invite_again("hold")

    async def retrieve(self) -> None:
        await self._invite_again("retrieve")

    async def hold_but_retrieve(self) -> None:
        """Cancel the hold: its answer may cross that."""
        await self._console.enter("hold")
        await self._console.enter("retrieve")

    async def _invite_again(self, command: str) -> None:
        """What follows at once would cancel it. Raises: TimeoutError."""
        before = self._acknowledged()
        await self._console.enter(command)
        if not await until(lambda: self._acknowledged() > before, LIMIT_S):
            raise TimeoutError(f"nobody agrees to {command}")

    def _acknowledged(self) -> int:
        return self._trace.read_text(errors="replace").count("\nACK sip:")


@asynccontextmanager
async def twinkle(directory: Path, settings: Settings) -> AsyncGenerator[Twinkle]:
    """Starts one at home in `directory`; the body begins when it is registered."""
    profiles = directory / ".twinkle"
    profiles.mkdir(parents=True)
    profile = f"{settings.account.user}.cfg"
    (profiles / profile).write_text(_profile(settings))
    (directory / ".asoundrc").write_text(NO_SOUND)
    log = directory / "console.log"
    at_home = {"HOME": str(directory)}
    async with running(["twinkle-console", profile], log, env=at_home, console=True) as process:
        console = Console(process, log)
        client = Twinkle(console, profiles / "twinkle.log")
        await client.told("registration succeeded", START_LIMIT_S)
        yield client
        await console.leave("quit")


def _profile(settings: Settings) -> str:
    account, (host, port) = settings.account, settings.registrar
    lines = {
        "user_name": account.user,
        "user_domain": account.domain,
        "user_display": account.user,
        "auth_realm": "",
        "auth_name": account.user,
        "auth_pass": account.password,
        "outbound_proxy": f"{host}:{port}",
        "registrar": f"{host}:{port}",
        "register_at_startup": "yes",
        "registration_time": "60",
        "sip_transport": settings.transport,
        "sip_transport_udp_threshold": "1300",
        "ext_100rel": "supported",
        "publish_presence_at_startup": "no",
    }
    return "".join(f"{name}={value}\n" for name, value in lines.items())
