"""Learns a capture, writes what was learned, and plays it once to see what differs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from os.path import relpath
from pathlib import Path

from ruamel.yaml import YAML

from callctl.capture.captured import CaptureRead
from callctl.errors import ConfigError
from callctl.replay.judge import Verdict
from callctl.replay.learn import learn
from callctl.replay.notes import CLUSTER_SUFFIX, SUFFIX, notes_text, read_notes
from callctl.replay.notes_schema import AcceptEntry, NotesFile
from callctl.replay.replay import replay
from callctl.replay.report import counted


@dataclass(frozen=True, slots=True)
class LearnedFiles:
    """What was written, and how the capture plays with it."""

    notes: Path
    cluster: Path
    file: NotesFile
    verdict: Verdict

    def lines(self) -> Iterator[str]:
        """For people."""
        for node, places in self.file.sut.items():
            yield f"{node}: {', '.join(places)}"
        for entry in self.file.registered:
            yield f"registered beforehand: {entry.line} at {entry.at}"
        yield f"notes: {self.notes}"
        yield f"cluster: {self.cluster}"
        count = len(self.verdict.differences)
        yield (
            f"{self.verdict.compared} messages compared, {counted(count, 'difference')}"
            + (": give each a reason in the notes, or mend the cluster" if count else "")
        )


def learn_files(
    read: CaptureRead,
    capture: Path,
    directory: Path,
    sut: Sequence[str] = (),
    *,
    force: bool = False,
) -> LearnedFiles:
    """Raises: NothingToPlay; FileExistsError unless `force`; ConfigError; OSError."""
    learned = learn(read, relpath(capture, directory), sut)
    notes = directory / f"{capture.stem}{SUFFIX}"
    cluster = directory / f"{capture.stem}{CLUSTER_SUFFIX}"
    for path in (notes, cluster):
        if path.exists() and not force:
            raise FileExistsError(f"{path} is there already: --force writes over it")
    directory.mkdir(parents=True, exist_ok=True)
    yaml = YAML()
    yaml.default_flow_style = False
    with cluster.open("w", encoding="utf-8") as out:
        yaml.dump(learned.cluster, out)
    notes.write_text(notes_text(learned.file), encoding="utf-8")
    try:
        verdict = replay(read_notes(notes))[2]
    except ConfigError:
        for path in (notes, cluster):
            path.unlink()  # nobody can use them, and the next try is not to need --force
        raise
    entries = {
        (it.kind, it.message, it.party, it.header): AcceptEntry(
            difference=it.kind, message=it.message, party=it.party, header=it.header
        )
        for it in verdict.differences
    }
    file = learned.file.model_copy(update={"accept": list(entries.values())})
    notes.write_text(notes_text(file), encoding="utf-8")
    return LearnedFiles(notes, cluster, file, verdict)
