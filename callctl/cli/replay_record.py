"""`callctl replay record`: a capture with notes, of a running cluster or of a story."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from callctl.cli.client import HERE, AdminClient, Where
from callctl.cli.errors import Refused, Usage

if TYPE_CHECKING:
    from callctl.replay.write import Kept

NAME = "recording"
ORIGIN = "Recorded of a running cluster. Digests are masked, push tokens are others."


def record(
    into: Annotated[Path, Parameter(help="Directory for capture, notes and cluster.")],
    /,
    *,
    cluster: Annotated[
        bool, Parameter(negative="", help="Record the running cluster, and no stories.")
    ] = False,
    seconds: Annotated[
        float | None,
        Parameter(name="--for", help="With --cluster: end after so many seconds; else at Ctrl-C."),
    ] = None,
    name: Annotated[
        str, Parameter(help="With --cluster: what the files are called, before their endings.")
    ] = NAME,
    story: Annotated[
        tuple[str, ...],
        Parameter(
            help="Story to record, once for each; without any, all of them.",
            consume_multiple=False,
        ),
    ] = (),
    where: Where = HERE,
) -> int:
    """Write what nodes see and say, to be replayed: of a running cluster, or of stories."""
    if not cluster and (seconds is not None or name != NAME or where.url or where.json):
        raise Usage("--for, --name, --url and --json are for --cluster")
    if cluster and story:
        raise Usage("--cluster records no stories")
    if "/" in name or not name.strip("."):
        raise Usage(f"--name {name}: the name of a file is needed")
    return _record_cluster(into, name, seconds, where) if cluster else _record_stories(into, story)


def _record_stories(into: Path, names: tuple[str, ...]) -> int:
    from callctl.cli.output import print_line
    from callctl.replay.story import record_story
    from callctl.sim.stories import STORIES

    unknown = [name for name in names if name not in STORIES]
    if unknown:
        raise Usage(f"there is no story {unknown[0]!r}: {', '.join(STORIES)}")
    try:
        into.mkdir(parents=True, exist_ok=True)
        for name in names or STORIES:
            print_line(str(record_story(name).write(into)))
    except OSError as error:
        raise Usage(f"{error.filename or into}: {error.strerror or error}") from error
    return 0


def _record_cluster(into: Path, name: str, seconds: float | None, where: Where) -> int:
    from callctl.cli.output import print_json, print_line
    from callctl.replay.kept_trace import NothingSaid

    try:
        into.mkdir(parents=True, exist_ok=True)
        kept = _traced(AdminClient(where), seconds)
        path = kept.write(into, name)
    except NothingSaid as error:
        raise Refused(str(error)) from error
    except OSError as error:
        raise Usage(f"{error.filename or into}: {error.strerror or error}") from error
    if where.json:
        print_json({"notes": str(path), "messages": len(kept.seen)})
    else:
        print_line(f"{path}: {len(kept.seen)} messages; callctl replay run {path}")
    return 0


def _traced(client: AdminClient, seconds: float | None) -> Kept:
    from callctl.capture.captured import CaptureError
    from callctl.capture.read import read_capture
    from callctl.cli.output import print_error
    from callctl.model.load import load_cluster
    from callctl.replay.happened import Beginning, Happened
    from callctl.replay.kept_trace import kept_trace

    limit = {} if seconds is None else {"seconds": seconds}
    with TemporaryDirectory(prefix="callctl-") as directory:
        trace, file = Path(directory, "trace.pcapng"), Path(directory, "cluster.yaml")
        file.write_bytes(b"".join(client.stream("recording", "cluster")))
        pieces = client.stream("trace", mask_secrets=False, **limit)
        with trace.open("wb") as out:
            out.write(next(pieces))  # from here on nothing is missed
            begun = Beginning.model_validate(client.get("recording", "beginning"))
            until = "Ctrl-C" if seconds is None else f"{seconds:g} s, or Ctrl-C"
            print_error(f"recording until {until}")
            with suppress(KeyboardInterrupt):
                for piece in pieces:
                    out.write(piece)
        since = client.get("recording", "since", at_unix_ns=begun.at_unix_ns)
        try:
            read = read_capture(trace)
        except CaptureError as error:
            if error.read is None:
                raise Refused(str(error)) from error
            read = error.read  # Ctrl-C cut it within a packet
        cluster = load_cluster(file)
        title = f"Cluster {cluster.id}"
        return kept_trace(
            read, begun, Happened.model_validate(since), cluster, title=title, origin=ORIGIN
        )
