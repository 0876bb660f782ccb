"""What a scenario put on the wire: captured, judged by tshark, and kept if that is wanted."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from shutil import copyfile
from textwrap import fill
from typing import Final

import anyio

from callctl.io.pki import CertificateAuthority
from callctl.model.build import password_of
from callctl.model.dump import cluster_text
from callctl.replay.notes import CLUSTER_SUFFIX, SUFFIX, Notes, notes_text
from interop.drivers.capture import Rung, Tls, draw
from plugins.real_client import find_program

Address = tuple[str, int]

CLIENTS: Final = "127.0.0.1"  # the address of all clients
AGENTS: Final = {
    "sipp": "SIPp",
    "baresip": "baresip",
    "callctl-phone": "simulated phone",
    "Unknown": "Linphone",
    "Twinkle": "Twinkle",
    "sippy-b2bua": "sippy",
}
"""Who sends which User-Agent, up to its first blank."""


class OpenAuthority(CertificateAuthority):
    """An authority whose TLS connections can be read with the key log, for captures."""

    def __init__(self, keylog: Path) -> None:
        super().__init__()
        self._keylog = str(keylog)

    def server_context(
        self, names: tuple[str, ...] = (), alpn: tuple[str, ...] = ("http/1.1",)
    ) -> ssl.SSLContext:
        context = super().server_context(names, alpn)
        context.keylog_filename = self._keylog
        return context

    def client_context(self, alpn: tuple[str, ...] = ()) -> ssl.SSLContext:
        context = super().client_context(alpn)
        context.keylog_filename = self._keylog
        return context


@dataclass(slots=True)
class Film:
    """One scenario. `rungs` are there once it is over."""

    name: str  # of its file
    shows: str  # in a sentence or two
    nodes: Mapping[Address, str]
    rungs: list[Rung] = field(default_factory=list)

    def heard(self, what: str, method: str = "") -> Rung:
        """The first request of that method, or status to that method, that a node received."""
        return self._first(what, method, lambda rung: rung.target in self.nodes)

    def said(self, what: str, method: str = "") -> Rung:
        """The first one that a node sent to a client."""
        return self._first(what, method, self._to_client)

    def times_said(self, what: str) -> int:
        """How many requests of that method, or such statuses, clients got."""
        return sum(rung.what == what and self._to_client(rung) for rung in self.rungs)

    def _to_client(self, rung: Rung) -> bool:
        return rung.source in self.nodes and rung.target not in self.nodes

    def _first(self, what: str, method: str, fits: Callable[[Rung], bool]) -> Rung:
        for rung in self.rungs:
            if rung.what == what and method in rung.cseq and fits(rung):
                return rung
        raise AssertionError(f"no {what} {method} in {self.name}:\n{draw(self.rungs)}")


async def keep(film: Film, played: Notes, archive: Path, tls: Tls) -> Path:
    """Put a capture, what it takes to play it and a page about it into `archive`.

    If it has TLS, the secrets to open it are inside. Returns: the notes.
    """
    capture = played.capture
    secrets = secrets_of(capture, tls)
    if secrets:
        kept = archive / f"{film.name}.pcapng"
        keys = capture.with_suffix(".keys")
        keys.write_text(secrets)
        editcap = find_program("editcap")
        assert editcap is not None, "editcap comes with tshark"
        inject = ["--inject-secrets", f"tls,{keys}"]
        await anyio.run_process([editcap, *inject, str(capture), str(kept)])
    else:
        kept = archive / f"{film.name}.pcap"
        copyfile(capture, kept)
    kept.with_suffix(".md").write_text(page(film, kept.name))
    text = cluster_text(played.cluster, password_of)
    (archive / f"{film.name}{CLUSTER_SUFFIX}").write_text(text)
    notes = archive / f"{film.name}{SUFFIX}"
    notes.write_text(notes_text(played.file.model_copy(update={"key_log": None})))
    return notes


def secrets_of(capture: Path, tls: Tls) -> str:
    """The lines of the key log that are about connections of this capture."""
    if not tls.keylog.exists():
        return ""
    octets = capture.read_bytes()
    lines = tls.keylog.read_text().splitlines(keepends=True)
    return "".join(
        line for line in lines if line[0] != "#" and bytes.fromhex(line.split()[1]) in octets
    )


def who_is_who(rungs: Collection[Rung], nodes: Mapping[Address, str]) -> dict[Address, str]:
    """A name for each address of a capture: of a node, or by what it calls itself."""
    hosts = {host: name for (host, _), name in nodes.items()}
    names = dict(nodes)
    for rung in rungs:
        for end in (rung.source, rung.target):
            if end[0] in hosts and end[0] != CLIENTS:
                names[end] = hosts[end[0]]  # a port that a node dialled from
        agent = rung.agent.partition(" ")[0].partition("/")[0]
        if rung.source not in names and agent in AGENTS:
            names[rung.source] = AGENTS[agent]
    return names


def page(film: Film, file: str) -> str:
    """A capture, told to people."""
    names = who_is_who(film.rungs, film.nodes)
    seen = {end for rung in film.rungs for end in (rung.source, rung.target)}
    people = "\n".join(
        f"| `{host}:{port}` | {names.get((host, port), 'a client')} |"
        for host, port in sorted(seen)
    )
    steps = "\n".join(
        f"{rung.at_s:8.3f}  {names.get(rung.source, '?'):>15} -> "
        f"{names.get(rung.target, '?'):15} {_words(rung)}"
        for rung in film.rungs
    )
    story, opens = fill(film.shows, WIDTH), f"\n\n{TLS_OPENS}" if file.endswith("ng") else ""
    return PAGE.format(file=file, shows=story, opens=opens, people=people, steps=steps)


def _words(rung: Rung) -> str:
    return f"{rung.what} ({rung.cseq.partition(' ')[2]})" if rung.what.isdigit() else rung.what


PAGE: Final = """# {file}

{shows}

**Origin.** Recorded on loopback by `python -m pytest tests/interop --record-pcaps`: nodes of
callctl, its simulated phone and real clients. The pushes went to emulated clouds and are not in
it, but in the notes. Names, numbers and passwords are those of the tests: nobody's personal
data.{opens}

| address | who |
|---|---|
{people}

```
{steps}
```
"""
ORIGIN: Final = "Recorded on loopback by the tests with real clients: nobody's personal data."
TLS_OPENS: Final = "The secrets of its TLS are in the file, so that the SIP inside can be read."
WIDTH: Final = 100
