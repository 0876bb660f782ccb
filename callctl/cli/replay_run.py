"""`callctl replay run`: plays captures, and tells what is not as it was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from time import monotonic_ns
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from callctl.cli.errors import Usage

if TYPE_CHECKING:
    from callctl.cli.replay_play import Manner
    from callctl.replay.report import Report


def run(
    *paths: Path,
    json: Annotated[bool, Parameter(negative="", help="Print JSON, for scripts.")] = False,
    junit: Annotated[
        Path | None, Parameter(help="Also write JUnit XML: one test case for each capture.")
    ] = None,
    html: Annotated[
        Path | None, Parameter(help="Also write a page with the ladders and both messages of each.")
    ] = None,
    messages: Annotated[
        bool, Parameter(negative="", help="Show both messages of each difference.")
    ] = False,
    seed: Annotated[int, Parameter(help="Of what the nodes draw by chance.")] = 1,
    jobs: Annotated[int, Parameter(help="Play so many captures at a time.")] = 1,
    fail_fast: Annotated[
        bool, Parameter(negative="", help="End after the first capture that is not the same.")
    ] = False,
    live: Annotated[
        str | None,
        Parameter(
            help="HOST:PORT of a server to ask instead, in real time; ;transport=tcp behind it "
            "takes another transport than the capture."
        ),
    ] = None,
    sut: Annotated[
        list[str] | None,
        Parameter(
            help="NODE=ADDRESS in the capture, in place of what the notes say; ADDRESS alone if "
            "there is one node. May come again.",
            negative="",
        ),
    ] = None,
    tolerance: Annotated[
        float | None, Parameter(help="Seconds a message may be off, in place of the notes'.")
    ] = None,
    truncated: Annotated[
        bool, Parameter(negative="", help="Play what there is of a capture that is cut short.")
    ] = False,
) -> int:
    """Play captures as those outside did, and tell what is not as it was.

    Exits with 0 if all is the same, 1 if not, 2 if a capture could not be played.

    Parameters
    ----------
    paths
        A capture, its notes (NAME.notes.yaml), or a folder with any number of them.
    """
    from callctl.cli.replay_paths import all_notes
    from callctl.cli.replay_play import reports

    if not paths:
        raise Usage("a capture, its notes or a folder is needed")
    manner = _manner(seed, live, sut or [], tolerance, truncated=truncated)
    if jobs < 1 or (jobs > 1 and live is not None):
        raise Usage("--jobs is at least 1, and 1 with --live: a server has one clock")
    notes = all_notes(paths)
    began = monotonic_ns()
    told: list[Report] = []
    playing = reports(notes, manner, jobs)
    for report in _watched(playing, len(notes)):
        told.append(report)
        if fail_fast and not report.same:
            break
    playing.close()
    _write(told, junit, html)
    _tell(told, len(notes), json=json, messages=messages, took_ns=monotonic_ns() - began)
    return max(report.exit_code for report in told)


def _manner(
    seed: int, live: str | None, sut: list[str], tolerance: float | None, *, truncated: bool
) -> Manner:
    from pydantic import TypeAdapter, ValidationError

    from callctl.cli.replay_play import Manner
    from callctl.replay.notes_schema import PlaceText, Seconds

    places: dict[str, list[str]] = {}
    try:
        for text in sut:
            node, _, place = text.rpartition("=")
            places.setdefault(node, []).append(TypeAdapter(PlaceText).validate_python(place))
    except ValidationError as error:
        raise Usage(f"--sut {text}: NODE=ADDRESS or NODE=ADDRESS:PORT is needed") from error
    try:
        TypeAdapter(Seconds).validate_python(tolerance or 0)
    except ValidationError as error:
        raise Usage(f"--tolerance {tolerance:g}: seconds are needed, 0 or more") from error
    if live is None:
        return Manner(seed, tolerance, places, None, truncated)
    from callctl.cli.replay_live import where

    return Manner(seed, tolerance, places, where(live), truncated)


def _watched(playing: Iterator[Report], count: int) -> Iterator[Report]:
    """With a bar on stderr, if somebody looks and there is something to wait for."""
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    console = Console(stderr=True)
    if count < 2 or not console.is_terminal:
        yield from playing
        return
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    # Without a thread of its own: processes are forked while it is up.
    with Progress(*columns, console=console, transient=True, auto_refresh=False) as progress:
        bar = progress.add_task("", total=count)
        progress.refresh()
        for report in playing:
            wrong = "" if report.same else f"[red]{escape(report.name)}: {report.verdict}"
            progress.update(bar, advance=1, description=wrong or None, refresh=True)
            yield report


def _write(reports: list[Report], junit: Path | None, html: Path | None) -> None:
    from datetime import UTC, datetime
    from importlib.metadata import version

    now = datetime.now(UTC)
    files: dict[Path, bytes] = {}
    if junit is not None:
        from callctl.replay.report_junit import report_junit

        files[junit] = report_junit(reports, began_at=now.strftime("%Y-%m-%dT%H:%M:%S"))
    if html is not None:
        from callctl.replay.report_html import report_html

        made = f"callctl {version('callctl')}, {now:%Y-%m-%d %H:%M} UTC"
        files[html] = report_html(reports, made=made).encode()
    for path, octets in files.items():
        try:
            path.write_bytes(octets)
        except OSError as error:
            raise Usage(f"{path} cannot be written: {error.strerror}") from error


def _tell(reports: list[Report], count: int, *, json: bool, messages: bool, took_ns: int) -> None:
    from callctl.cli.output import print_error, print_json
    from callctl.cli.replay_text import console_for_report, print_report, print_summary

    if json:
        from callctl.replay.report_json import report_json

        print_json(report_json(reports))
    elif count > 1:
        left_out = count - len(reports)
        print_summary(console_for_report(), reports, left_out=left_out, real_ns=took_ns)
    elif reports[0].played:
        print_report(console_for_report(), reports[0], messages=messages)
    else:
        for problem in reports[0].problems:
            print_error(problem)
