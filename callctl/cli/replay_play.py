"""Plays captures, in this process or in several, and gives what is to be told of each."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import monotonic_ns
from traceback import format_exception
from typing import TYPE_CHECKING

from callctl.capture.captured import CaptureError
from callctl.cli.errors import Refused
from callctl.errors import ConfigError
from callctl.model.cluster import Cluster
from callctl.replay.from_capture import nodes_of
from callctl.replay.notes import SUFFIX, Notes, read_notes
from callctl.replay.notes_schema import INSERTED
from callctl.replay.outcome import VIRTUAL, Outcome, places_of
from callctl.replay.replay import replay
from callctl.replay.report import Report, report_of

if TYPE_CHECKING:
    from callctl.cli.replay_live import Where


@dataclass(frozen=True, slots=True)
class Manner:
    """How captures are played; what is None is as the notes say."""

    seed: int = 1
    tolerance_s: float | None = None
    sut: dict[str, list[str]] = field(default_factory=dict)  # by node; "" for the only one
    live: Where | None = None  # the server that is asked, instead of engines in virtual time
    truncated: bool = False  # play what there is of a capture that is cut short


def reports(notes: Sequence[Path], manner: Manner, jobs: int = 1) -> Generator[Report, None, None]:
    """Of each capture, in their order, as they come. To be closed if not all are wanted."""
    if jobs == 1 or len(notes) < 2:
        for path in notes:
            yield played(path, manner)
        return
    with ProcessPoolExecutor(min(jobs, len(notes))) as pool:
        waiting = [pool.submit(played, path, manner) for path in notes]
        try:
            for each in waiting:
                yield each.result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def played(path: Path, manner: Manner) -> Report:
    """One capture, by its notes. What keeps it from being played is told in the report."""
    began = monotonic_ns()
    try:
        notes = _as_wanted(read_notes(path), manner)
        outcome = _outcome(notes, manner)
        return report_of(replace(outcome, real_ns=monotonic_ns() - began), places_of(notes))
    except ConfigError as error:
        problems = tuple(map(str, error.findings))
    except (CaptureError, Refused) as error:
        problems = (str(error),)
    except Exception as error:
        # An engine that breaks down in one capture has failed in it; the others are still played.
        trace = "".join(format_exception(error, limit=-4)).rstrip("\n").split("\n")
        problems = (f"{path}: the play broke down: {trace[-1]}", *trace[:-1])
    name = path.name.removesuffix(SUFFIX)
    return Report(name, str(path), problems=problems, real_ns=monotonic_ns() - began)


def _outcome(notes: Notes, manner: Manner) -> Outcome:
    if manner.live is None:
        script, live, verdict = replay(notes, seed=manner.seed, truncated=manner.truncated)
        mode, hosts = VIRTUAL, _hosts(notes.cluster)
    else:
        from callctl.cli.replay_live import play_at

        script, live, verdict, hosts = play_at(notes, manner.live, truncated=manner.truncated)
        mode = f"live {manner.live}"
    return Outcome(
        notes.name,
        notes.path,
        notes.capture,
        notes.file,
        script,
        live,
        verdict,
        hosts,
        mode,
        manner.seed,
    )


def _hosts(cluster: Cluster) -> dict[str, str]:
    """The node at each address; none for an address that several have."""
    found: dict[str, set[str]] = {}
    for name, node in cluster.nodes.items():
        for listener in node.listeners:
            found.setdefault(listener.host, set()).add(name)
    return {host: names.pop() for host, names in found.items() if len(names) == 1}


def _as_wanted(notes: Notes, manner: Manner) -> Notes:
    """The notes as the command line changes them. Raises: Refused for a node there is not."""
    changes: dict[str, object] = {}
    if manner.tolerance_s is not None:
        changes["tolerance_s"] = manner.tolerance_s
    if manner.sut:
        changes["sut"] = nodes_of(notes) | _named(notes, manner.sut)
    return replace(notes, file=notes.file.model_copy(update=changes)) if changes else notes


def _named(notes: Notes, sut: dict[str, list[str]]) -> dict[str, list[str]]:
    nodes = list(notes.cluster.nodes)
    found = dict(sut)
    if "" in found:
        if len(nodes) != 1:
            raise Refused(
                f"{notes.path}: several nodes: --sut NODE=ADDRESS, for {nodes[0]} as well"
            )
        found[nodes[0]] = found.pop("")
    for node in found:
        if node not in nodes and node != INSERTED:
            raise Refused(f"{notes.path}: --sut {node}=...: the cluster has {', '.join(nodes)}")
    return found
