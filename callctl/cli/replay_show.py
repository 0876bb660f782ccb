"""`callctl replay show`: what a capture holds, and who would be under test."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from callctl.cli.output import print_error, print_json, print_line

if TYPE_CHECKING:
    from callctl.capture.captured import CaptureRead
    from callctl.replay.notes import Notes


def show(
    capture: Path,
    *,
    json: Annotated[bool, Parameter(negative="", help="Print JSON, for scripts.")] = False,
) -> int:
    """Tell what a capture holds and who would be under test, without playing it.

    Exits with 2 if the capture or its notes cannot be read; what was read before is told.

    Parameters
    ----------
    capture
        The capture, or its notes. Without notes, who is under test is found out.
    """
    from callctl.capture.captured import CaptureError
    from callctl.cli.replay_paths import notes_beside
    from callctl.errors import ConfigError
    from callctl.replay.notes import read_notes

    beside = notes_beside(capture)
    try:
        notes = read_notes(beside) if beside.is_file() else None
        read, error = _read(capture, notes)
    except ConfigError as mistakes:
        for finding in mistakes.findings:
            print_error(str(finding))
        return 2
    except CaptureError as unreadable:
        print_error(str(unreadable))
        return 2
    report = _report(capture, read, notes)
    if json:
        print_json(report)
    else:
        _print(report)
    if error:
        print_error(error)
    return 2 if error else 0


def _read(capture: Path, notes: Notes | None) -> tuple[CaptureRead, str]:
    """Also what is wrong with a capture of which a part could be read. Raises: CaptureError."""
    from callctl.capture.captured import CaptureError
    from callctl.capture.read import read_capture
    from callctl.replay.replay import read

    try:
        return (read_capture(capture) if notes is None else read(notes)), ""
    except CaptureError as error:
        if error.read is None:
            raise
        return error.read, str(error)


def _report(capture: Path, read: CaptureRead, notes: Notes | None) -> dict[str, Any]:
    counts = read.counts
    times = [message.at_ns for message in read.messages]
    transports: dict[str, int] = {}
    for message in read.messages:
        transports[message.transport] = transports.get(message.transport, 0) + 1
    report: dict[str, Any] = {
        "capture": str(capture if notes is None else notes.capture),
        "notes": None if notes is None else str(notes.path),
        "title": "" if notes is None else notes.file.title,
        "packets": counts.packets,
        "messages": counts.messages,
        "transports": transports,
        "seconds": (max(times) - min(times)) / 1e9 if times else 0.0,
        "connections": len(read.streams),
        "ignored": {kind.value: count for kind, count in counts.ignored.items()},
        "problems": list(read.problems),
    }
    return report | (_guessed(read) if notes is None else _noted(read, notes))


def _noted(read: CaptureRead, notes: Notes) -> dict[str, Any]:
    """Who is who as the notes have it."""
    from callctl.replay.from_capture import recording_of
    from callctl.replay.outcome import places_of, speakers_of

    recording = recording_of(read, notes)
    speakers = speakers_of(recording, places_of(notes))
    return {
        "left_out": dict(recording.left_out),
        "roles": [
            {
                "name": it.name,
                "side": it.side.value,
                "places": list(it.places),
                "messages": it.messages,
                "because": "",
            }
            for it in speakers
        ],
    }


def _guessed(read: CaptureRead) -> dict[str, Any]:
    """Who is who as it looks."""
    from callctl.replay.outcome import Side
    from callctl.replay.roles import roles_of, under_test

    roles = roles_of(read.messages)
    tested = under_test(roles)
    return {
        "left_out": {},
        "roles": [
            {
                "name": role.place,
                "side": (Side.TESTED if role in tested else Side.OUTSIDE).value,
                "places": [role.place],
                "messages": role.sent + role.received,
                "because": ", ".join(role.why),
            }
            for role in (*tested, *(role for role in roles if role not in tested))
        ],
    }


def _print(report: dict[str, Any]) -> None:
    from callctl.replay.outcome import Side
    from callctl.replay.report import counted

    tested = Side.TESTED.value
    print_line((report["capture"], "bold"), f"  {report['title']}".rstrip())
    held = [
        counted(report["messages"], "SIP message"),
        counted(report["packets"], "packet"),
        counted(report["connections"], "connection"),
        f"{report['seconds']:.1f} s",
    ]
    ways = ", ".join(f"{count} {way}" for way, count in report["transports"].items())
    print_line(", ".join(held), f": {ways}" if ways else "")
    width = max((len(role["name"]) for role in report["roles"]), default=0)
    for side in dict.fromkeys(role["side"] for role in report["roles"]):
        found = (
            ", as it looks: there are no notes" if side == tested and not report["notes"] else ""
        )
        print_line("\n", (side, "bold"), found)
        for role in report["roles"]:
            if role["side"] == side:
                places = " ".join(it for it in role["places"] if it != role["name"])
                why = role["because"] or places
                count = counted(role["messages"], "message")
                print_line(f"  {role['name']:<{width}}  {count:>12}  {why}".rstrip())
    _print_counts("left out", report["left_out"])
    _print_counts("no SIP", report["ignored"])
    for problem in report["problems"]:
        print_line(("problem", "yellow"), f"  {problem}")


def _print_counts(label: str, counts: Mapping[str, int]) -> None:
    if counts:
        print_line(f"\n{label}: " + ", ".join(f"{count} {what}" for what, count in counts.items()))
