"""The seam to a server that runs: the same script, over sockets and in real time."""

from __future__ import annotations

import re
import socket
import ssl
from typing import Final, NamedTuple

from callctl.cli.errors import Refused, Usage
from callctl.io.phone_setup import NoSuchPhone, local_host
from callctl.io.process import run_loop
from callctl.io.replay_live import CannotPlay, Live, play_live
from callctl.io.replay_sockets import Target
from callctl.replay.from_capture import nodes_of, recording_of
from callctl.replay.judge import Verdict, judge
from callctl.replay.live import Played
from callctl.replay.notes import Notes
from callctl.replay.passwords import passwords_of
from callctl.replay.replay import read
from callctl.replay.script import Script, script_of
from sipstack.io.entropy import OsEntropy

TRANSPORTS: Final = ("UDP", "TCP", "TLS")

_WHERE: Final = re.compile(r"(?:\[([^\]]+)\]|([^:;\[\]]+)):(\d{1,5})(?:;transport=(\w+))?")


class Where(NamedTuple):
    """A server."""

    host: str
    port: int
    transport: str | None  # None: as in the capture

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        transport = f";transport={self.transport.lower()}" if self.transport else ""
        return f"{host}:{self.port}{transport}"


def where(text: str) -> Where:
    """HOST:PORT, with ;transport=tcp or not. Raises: Usage."""
    match = _WHERE.fullmatch(text)
    transport = (match[4] or "").upper() if match else ""
    if match is None or not 0 < int(match[3]) < 65_536 or transport not in ("", *TRANSPORTS):
        raise Usage(f"--live {text}: HOST:PORT is needed, or HOST:PORT;transport=udp, tcp or tls")
    return Where(match[1] or match[2], int(match[3]), transport or None)


def play_at(
    notes: Notes, server: Where, *, truncated: bool = False
) -> tuple[Script, Played, Verdict, dict[str, str]]:
    """Play and judge; also gives which node is at which address now.

    Raises: CaptureError; Refused if the server cannot be reached from here.
    """
    recording = recording_of(read(notes, truncated=truncated), notes)
    # Nobody sees the pushes of somebody else's server.
    script = script_of(recording, notes.file, pushes_seen=False)
    nodes = nodes_of(notes)
    target = _target(server)

    async def play() -> Live:
        return await play_live(
            script,
            notes.file,
            target,
            nodes,
            passwords_of(notes.cluster),
            OsEntropy(),
            domain=notes.cluster.domain,
        )

    try:
        live = run_loop(play)
    except OSError as error:
        raise Refused(f"{server}: {error.strerror or error}") from error
    except CannotPlay as error:
        raise Refused(f"{server}: {error}") from error
    for reason, count in live.lost.items():
        live.played.ignored[reason] = live.played.ignored.get(reason, 0) + count
    verdict = judge(
        script, live.played, notes.file, live.same, pushes_seen=False, inserted=notes.inserted
    )
    return script, live.played, verdict, {target.host: next(iter(nodes))} if len(nodes) == 1 else {}


def _target(server: Where) -> Target:
    try:
        host = str(socket.getaddrinfo(server.host, server.port)[0][4][0])
        local = local_host(host)
    except OSError as error:
        raise Refused(f"{server}: {error.strerror or error}") from error
    except NoSuchPhone as error:
        raise Refused(str(error)) from error
    # A server on a test bench has any certificate; the capture cannot say which is right.
    tls = ssl.create_default_context()
    tls.check_hostname = False
    tls.verify_mode = ssl.CERT_NONE
    return Target(host, server.port, server.transport, local, tls=tls)
