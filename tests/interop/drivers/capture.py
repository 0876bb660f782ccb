"""Packets on loopback, and what tshark makes of them: a second opinion on our SIP."""

from __future__ import annotations

import re
import signal
from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple
from xml.etree import ElementTree

import anyio
from anyio.abc import Process

from interop.drivers.program import running, until
from plugins.real_client import find_program

SETTLE_LIMIT_S: Final = 5.0  # for the last packets to reach the file
COUNTS: Final = re.compile(
    r"(\d+) packets? captured[,\n] *(\d+) packets? received by filter[,\n] *"
    r"(\d+) packets? dropped by kernel"
)
MALFORMED_GROUP: Final = 0x7000000  # of tshark's expert items, most of them only warnings


@dataclass(frozen=True, slots=True)
class Rung:
    """One SIP message of a capture."""

    at_s: float  # since the first packet
    source: tuple[str, int]
    target: tuple[str, int]
    what: str  # "INVITE", or "180" for a response
    cseq: str  # "1 INVITE"
    call_id: str
    agent: str = ""  # its User-Agent or Server


@dataclass(frozen=True, slots=True)
class Tls:
    """Ports on which SIP is inside TLS, and what opens it."""

    ports: Collection[int]
    keylog: Path  # NSS key log (SSLKEYLOGFILE)


@asynccontextmanager
async def capturing(
    path: Path, ports: Collection[int], hosts: Collection[str] = ("127.0.0.1",)
) -> AsyncGenerator[None]:
    """Captures what these UDP and TCP ports of loopback say while the body runs.

    `hosts`: one end of each packet has one of these addresses.
    """
    log = path.with_suffix(".log")
    log.write_text("")
    any_port = " or ".join(f"port {port}" for port in ports)
    any_host = " or ".join(f"host {host}" for host in hosts)
    wanted = f"({any_port}) and ({any_host})"
    # Without --immediate-mode the last second is lost; with it each packet takes a slot of the
    # snapshot length in the buffer, and the usual 2 MiB lose packets of a burst.
    command = ["tcpdump", "-i", "lo", "-n", "-U", "-s", "65535", "-B", "32768", "--immediate-mode"]
    async with running([*command, "-Z", "root", "-w", str(path), wanted], log) as process:
        if not await until(lambda: "listening on" in log.read_text(), within_s=10):
            raise TimeoutError(f"tcpdump does not start: {log.read_text()}")
        before = await _asked(process, log)
        yield
        with anyio.move_on_after(SETTLE_LIMIT_S):
            while not _has_written_all(before, await _asked(process, log)):
                pass  # it took its time to answer
    if _told(log)[-1].dropped != before.dropped:
        raise RuntimeError(f"the capture is not whole: {log.read_text()}")


class _Counts(NamedTuple):
    """What tcpdump has counted. Until its filter is in place it hears, and may lose, everything
    that is said on loopback, so that only differences tell."""

    captured: int
    received: int
    dropped: int


def _told(log: Path) -> list[_Counts]:
    """All that it said so far."""
    return [_Counts(*map(int, counts)) for counts in COUNTS.findall(log.read_text())]


async def _asked(process: Process, log: Path) -> _Counts:
    """What it says now. Raises: TimeoutError"""
    said = len(_told(log))
    process.send_signal(signal.SIGUSR1)
    if not await until(lambda: len(_told(log)) > said, within_s=10):
        raise TimeoutError("tcpdump does not say what it has counted")
    return _told(log)[-1]


def _has_written_all(before: _Counts, now: _Counts) -> bool:
    """The filter counts a packet of loopback twice, as it leaves and as it comes; one is
    captured."""
    return 2 * (now.captured - before.captured) == now.received - before.received


async def complaints(path: Path, ports: Collection[int], tls: Tls | None = None) -> list[str]:
    """What tshark calls malformed, one line each; empty for a clean capture."""
    wrong = f"_ws.malformed or (sip and _ws.expert.group == {MALFORMED_GROUP})"
    fields = ("frame.number", "_ws.col.Info", "_ws.expert.message")
    names = [part for name in fields for part in ("-e", name)]
    output = await _tshark(path, ports, tls, "-Y", wrong, "-T", "fields", *names)
    return output.splitlines()


async def ladder(path: Path, ports: Collection[int], tls: Tls | None = None) -> list[Rung]:
    """Every SIP message, in order; several in one segment are told apart."""
    output = await _tshark(path, ports, tls, "-Y", "sip", "-T", "pdml")
    return rungs_of(output)


def rungs_of(pdml: str) -> list[Rung]:
    """The messages of tshark's PDML."""
    rungs: list[Rung] = []
    for packet in ElementTree.fromstring(pdml).iter("packet"):
        at_s = float(_show(packet, "frame.time_relative") or 0)
        source, target = (
            (_show(packet, f"ip.{end}"), int(_port(packet, f"{end}port"))) for end in ("src", "dst")
        )
        for message in packet.findall("proto[@name='sip']"):
            what = _show(message, "sip.Method") or ""
            if status := _show(message, "sip.Status-Code"):
                what = status
            cseq, call_id = _show(message, "sip.CSeq"), _show(message, "sip.Call-ID")
            agent = _show(message, "sip.User-Agent") or _show(message, "sip.Server")
            rungs.append(Rung(at_s, source, target, what, cseq, call_id, agent))
    return rungs


def draw(rungs: list[Rung]) -> str:
    """A ladder as text, one line a message, for the message of a failed assertion."""
    return "\n".join(
        f"{rung.at_s:8.3f} {rung.source[1]:>5} -> {rung.target[1]:>5} {rung.what:9} {rung.cseq}"
        for rung in rungs
    )


def _port(packet: ElementTree.Element, end: str) -> str:
    return _show(packet, f"udp.{end}") or _show(packet, f"tcp.{end}")


def _show(element: ElementTree.Element, field: str) -> str:
    found = element.find(f".//field[@name='{field}']")
    return "" if found is None else found.get("show", "")


async def _tshark(path: Path, ports: Collection[int], tls: Tls | None, *options: str) -> str:
    tshark = find_program("tshark")
    assert tshark is not None, "tshark is not installed: mark the test with needs(...)"
    command = [tshark, "-n", "-r", str(path), *options]
    for port in ports:
        command += ["-d", f"udp.port=={port},sip", "-d", f"tcp.port=={port},sip"]
    if tls:
        command += ["-o", f"tls.keylog_file:{tls.keylog}"]
        for port in tls.ports:
            command += ["-d", f"tcp.port=={port},tls", "-d", f"tls.port=={port},sip"]
    result = await anyio.run_process(command)
    return result.stdout.decode()
