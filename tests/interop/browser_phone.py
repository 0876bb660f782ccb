"""A softphone in a page of headless Chromium: JsSIP or SIP.js, with a fake microphone.

What the phone says to the node is read off its WebSocket, frame by frame.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, TypeAlias

import anyio
from playwright.async_api import Browser, Page, WebSocket, async_playwright

from plugins.real_client import WEB_PHONES, find_program

Library: TypeAlias = Literal["jssip", "sipjs"]
LIBRARIES: Final[tuple[Library, ...]] = ("jssip", "sipjs")

SOURCES: Final = Path(__file__).parent / "browser"
WITHIN_S: Final = 10.0
POLL_S: Final = 0.02

SWITCHES: Final = (
    "--no-sandbox",  # root has none
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--allow-loopback-in-peer-connection",
    "--disable-features=WebRtcHideLocalIpsWithMdns",
)


@dataclass(frozen=True, slots=True)
class WebSettings:
    """How one phone registers."""

    library: Library
    server: str  # "ws://127.0.0.1:8080"
    user: str
    password: str
    domain: str
    instance: str | None = None  # a UUID; without one JsSIP makes its own, SIP.js does without
    push_params: str = ""  # "pn-provider=...;pn-param=...;pn-prid=..." for its Contact URI
    keep_alive_s: int = 0  # SIP.js only
    host: str = "localhost"  # that the page comes from; loopback, or there is no microphone


@dataclass(frozen=True, slots=True)
class Media:
    """What went over the peer connection so far."""

    packets_received: int
    bytes_received: int
    packets_sent: int
    bytes_sent: int
    direction: str  # "sendrecv", "sendonly", ...: what offer and answer agreed on


@dataclass
class WebPhone:
    """One page. What the phone tells is kept, and so is each SIP message."""

    page: Page
    settings: WebSettings
    heard: list[tuple[str, str]] = field(default_factory=list)  # what, detail
    sent: list[str] = field(default_factory=list)
    received: list[str] = field(default_factory=list)

    async def start(self) -> None:
        """Connect and register."""
        settings = self.settings
        await self.page.evaluate(
            "settings => void window.phone.start(settings)",
            {
                "server": settings.server,
                "domain": settings.domain,
                "user": settings.user,
                "password": settings.password,
                "instance": settings.instance,
                "pushParams": settings.push_params or None,
                "keepAlive": settings.keep_alive_s,
            },
        )

    async def call(self, number: str) -> None:
        target = f"sip:{number}@{self.settings.domain}"
        await self.page.evaluate("target => void window.phone.call(target)", target)

    async def hang_up(self) -> None:
        await self.page.evaluate("() => void window.phone.hangUp()")

    async def hold(self) -> None:
        """Put the other side on hold, and wait for its answer."""
        await self.page.evaluate("() => window.phone.hold()")

    async def resume(self) -> None:
        await self.page.evaluate("() => window.phone.resume()")

    async def unregister(self) -> None:
        await self.page.evaluate("() => void window.phone.unregister()")

    async def media(self) -> Media:
        counted = await self.page.evaluate("() => window.phone.media()")
        return Media(
            counted["packetsReceived"],
            counted["bytesReceived"],
            counted["packetsSent"],
            counted["bytesSent"],
            counted["direction"],
        )

    async def until(self, what: str, *, within_s: float = WITHIN_S) -> str:
        """Wait until the phone has told `what`. Returns: its detail."""

        def details() -> list[str]:
            return [detail for told, detail in self.heard if told == what]

        await self._until(lambda: bool(details()), lambda: f"no {what}: {self.heard}", within_s)
        return details()[0]

    async def until_received(self, start: str, *, within_s: float = WITHIN_S) -> str:
        """Wait for a SIP message that begins like this. Returns: the first."""

        def found() -> list[str]:
            return [text for text in self.received if text.startswith(start)]

        await self._until(lambda: bool(found()), lambda: f"no {start}", within_s)
        return found()[0]

    async def until_direction(self, direction: str) -> None:
        """Wait until media goes that way."""
        with anyio.move_on_after(WITHIN_S):
            while (found := (await self.media()).direction) != direction:  # noqa: ASYNC110
                await anyio.sleep(POLL_S)
            return
        raise AssertionError(f"media is {found}, not {direction}")

    async def until_media_flows(self, *, packets: int = 25) -> Media:
        """Wait until so many more packets went each way: 25 are half a second of audio."""
        before = last = await self.media()
        with anyio.move_on_after(WITHIN_S):
            while (
                last.packets_received - before.packets_received < packets
                or last.packets_sent - before.packets_sent < packets
                or last.bytes_received == before.bytes_received
            ):
                await anyio.sleep(POLL_S)
                last = await self.media()
            return last
        raise AssertionError(f"media does not flow: {before}, {last}")

    async def close(self) -> None:
        """Close the page without a word to anybody: the phone is asleep."""
        await self.page.close()

    async def _until(
        self, condition: Callable[[], bool], otherwise: Callable[[], str], within_s: float
    ) -> None:
        with anyio.move_on_after(within_s):
            while not condition():  # noqa: ASYNC110 (pages call back, but in no order of ours)
                await anyio.sleep(POLL_S)
            return
        raise AssertionError(f"within {within_s} s: {self.settings.user}: {otherwise()}")

    def _hear(self, what: str, detail: str) -> None:
        self.heard.append((what, detail))

    def _watch(self, websocket: WebSocket) -> None:
        websocket.on("framesent", lambda data: self.sent.append(_text(data)))
        websocket.on("framereceived", lambda data: self.received.append(_text(data)))


class Chromium:
    """One browser for many phones, each in a profile of its own."""

    def __init__(self, browser: Browser, port: int) -> None:
        """`port`: where the pages are served."""
        self._browser = browser
        self._port = port

    @asynccontextmanager
    async def phone(
        self, settings: WebSettings, *, starts: bool = True
    ) -> AsyncGenerator[WebPhone]:
        """An open page with a phone; `starts` false leaves it to the test to let it register."""
        context = await self._browser.new_context(ignore_https_errors=True)
        try:
            page = await context.new_page()
            phone = WebPhone(page, settings)
            page.on("websocket", phone._watch)
            await page.expose_function("told", phone._hear)
            await page.goto(f"http://{settings.host}:{self._port}/{settings.library}")
            await page.wait_for_function("window.phone")
            if starts:
                await phone.start()
            yield phone
        finally:
            with anyio.CancelScope(shield=True):
                await context.close()


@asynccontextmanager
async def chromium(directory: Path) -> AsyncGenerator[Chromium]:
    """A headless browser; the scripts of its pages are bundled into `directory`."""
    program = find_program("chromium")
    assert program is not None, "chromium is not installed: mark the test with needs(...)"
    await bundle(directory)
    async with serving(directory) as port, async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=program, headless=True, args=list(SWITCHES)
        )
        try:
            yield Chromium(browser, port)
        finally:
            with anyio.CancelScope(shield=True):
                await browser.close()


@asynccontextmanager
async def serving(directory: Path) -> AsyncGenerator[int]:
    """A web server on loopback with a page for each bundle, `/jssip` and `/sipjs`. Yields: port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        name = request.split()[1].decode().removeprefix("/")
        status, body = "404 Not Found", b""
        if name in LIBRARIES:
            script = (directory / f"{name}_phone.js").read_text()
            status, body = "200 OK", f"<!doctype html><script>{script}</script>".encode()
        head = f"HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {len(body)}\r\n"
        writer.write(f"{head}Connection: close\r\n\r\n".encode() + body)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


async def bundle(directory: Path) -> None:
    """One script for each phone, with its library inside."""
    modules = WEB_PHONES / "node_modules"
    sources = [str(SOURCES / f"{library}_phone.js") for library in LIBRARIES]
    await anyio.run_process(
        [
            str(modules / ".bin" / "esbuild"),
            *sources,
            "--bundle",
            "--minify",
            "--charset=ascii",
            "--log-level=warning",
            f"--outdir={directory}",
        ],
        env={**os.environ, "NODE_PATH": str(modules)},
    )


def _text(data: str | bytes) -> str:
    return data if isinstance(data, str) else data.decode("utf-8", "replace")
