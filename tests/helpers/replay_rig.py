"""Reports of stories that are played after a change of the capture, the notes or the cluster."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Final

from callctl.model.cluster import Cluster
from callctl.replay.gather import Parties, Seen, gathered
from callctl.replay.judge import judge
from callctl.replay.ladder import Row
from callctl.replay.notes import Notes
from callctl.replay.notes_schema import AcceptEntry, DifferenceKind, NotesFile
from callctl.replay.outcome import Outcome, places_of
from callctl.replay.recording import Recording, title_of
from callctl.replay.report import Report, report_of
from callctl.replay.script import script_of
from callctl.replay.virtual import VirtualStage
from helpers.replayed import recorded, with_parameters
from sipstack.message.parser import parse_message

Change = Callable[[Seen, str], tuple[Seen, ...]]
"""What stands in a capture in place of a message; it is told the title of it as well."""


def reported(
    name: str,
    *,
    capture: Recording | None = None,
    file: NotesFile | None = None,
    cluster: Cluster | None = None,
) -> Report:
    """A story played and judged."""
    story = recorded(name)
    given = file or story.file
    paths = (Path(f"{name}.notes.yaml"), Path(f"{name}.pcapng"))
    notes = Notes(paths[0], given, paths[1], cluster or story.cluster)
    script = script_of(capture or story.recording(), given)
    played = VirtualStage(notes, script).run()
    nodes = notes.cluster.nodes
    hosts = {it.host: node for node in nodes for it in nodes[node].listeners}
    outcome = Outcome(
        name, *paths, given, script, played, judge(script, played, given), hosts, real_ns=40_000_000
    )
    return report_of(outcome, places_of(notes))


def edited(name: str, change: Change) -> Recording:
    """The capture of a story with another content; its frames are numbered from 1."""
    story = recorded(name)
    kept: list[Seen] = []
    for seen in story.seen:
        for changed in change(seen, title_of(parse_message(seen.octets))):
            kept.append(changed._replace(frame=len(kept) + 1))
    return gathered(kept, story.ends, Parties(story.file.parties), began_at=0)


def texted(invite: Seen, call: bytes) -> Seen:
    """A MESSAGE in a call of its own, made of an INVITE."""
    octets = invite.octets.replace(b"INVITE", b"MESSAGE").replace(b"z9hG4bK", b"z9hG4bK-" + call)
    return invite._replace(octets=octets.replace(b"Call-ID: ", b"Call-ID: " + call))


def row(report: Report, title: str, party: str) -> Row:
    """The first of this title; what is new is found by what it is now."""
    return next(it for it in report.rows if (it.title or it.title_now, it.party) == (title, party))


# What is played often, once.

NAME: Final = "<script>alert(1)</script>\N{RIGHT-TO-LEFT OVERRIDE}"
"""Of a caller who tries to be more than a name."""


@cache
def same() -> Report:
    """All is as it was."""
    return reported("ios_13", capture=edited("ios_13", lambda seen, _: (seen,)))


@cache
def late() -> Report:
    """Ringing comes 2 s later."""
    return reported("nobody_wakes", cluster=with_parameters("nobody_wakes", ring_back_s=7))


@cache
def missing() -> Report:
    """In the capture the phone gets a text before it is called."""

    def change(seen: Seen, title: str) -> tuple[Seen, ...]:
        called = title == "INVITE" and not seen.inward
        return (texted(seen, b"one"), seen) if called else (seen,)

    return reported("ios_13", capture=edited("ios_13", change))


@cache
def unexpected() -> Report:
    """The capture lacks a CANCEL that the engine sends."""

    def change(seen: Seen, title: str) -> tuple[Seen, ...]:
        return () if title in ("CANCEL", "200 (CANCEL)") else (seen,)

    return reported("second_mobile_answers", capture=edited("second_mobile_answers", change))


@cache
def status() -> Report:
    """The capture ends in 486, the engine in 480."""

    def change(seen: Seen, title: str) -> tuple[Seen, ...]:
        if title != "480 (INVITE)":
            return (seen,)
        _, _, rest = seen.octets.partition(b"\r\n")
        return (seen._replace(octets=b"SIP/2.0 486 Busy Here\r\n" + rest),)

    return reported("nobody_wakes", capture=edited("nobody_wakes", change))


@cache
def unsaid() -> Report:
    """A call to a trunk that the cluster no longer has: nobody there can answer."""
    return reported("trunk", cluster=replace(recorded("trunk").cluster, route_patterns=()))


def renamed() -> Recording:
    """`ios_13` with another name of its caller."""
    return edited("ios_13", _renamed)


def _renamed(seen: Seen, title: str) -> tuple[Seen, ...]:
    if title != "INVITE" or seen.inward:
        return (seen,)
    return (seen._replace(octets=seen.octets.replace(b'"Front Desk"', f'"{NAME}"'.encode())),)


@cache
def header() -> Report:
    """In the capture the caller has a name that tries to be more than that."""
    return reported("ios_13", capture=renamed())


@cache
def accepted() -> Report:
    """The same, and the notes say why; they also accept what does not come."""
    entries = [
        AcceptEntry(difference=DifferenceKind.HEADER, header=header, reason="renamed since")
        for header in ("from", "p-asserted-identity")
    ]
    late = AcceptEntry(difference=DifferenceKind.LATE, message="180 (INVITE)", reason="slow phones")
    file = recorded("ios_13").file.model_copy(update={"accept": [*entries, late]})
    return reported("ios_13", file=file, capture=renamed())


DIFFERENT: Final = (late, missing, unexpected, status, unsaid, header)
