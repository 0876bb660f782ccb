"""Reads and writes the notes beside a capture; every mistake is told with file, line and key."""

from __future__ import annotations

from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from ruamel.yaml import YAML

from callctl.errors import ConfigError, Finding
from callctl.model.cluster import Cluster
from callctl.model.document import TEXT_MAX, Document, key_text
from callctl.model.explain import mistakes_of
from callctl.model.load import load_cluster
from callctl.replay.notes_schema import INSERTED, NotesFile

SUFFIX: Final = ".notes.yaml"
CLUSTER_SUFFIX: Final = ".cluster.yaml"
CAPTURE_SUFFIXES: Final = (".pcapng", ".pcap", ".cap")


@dataclass(frozen=True, slots=True)
class Notes:
    """Notes, and the files that they name."""

    path: Path
    file: NotesFile
    capture: Path
    cluster: Cluster

    @property
    def name(self) -> str:
        """Of the capture, without what ends its file's name."""
        return self.path.name.removesuffix(SUFFIX)

    @property
    def key_log(self) -> Path | None:
        """TLS secrets beside the capture, if there are any."""
        return None if self.file.key_log is None else self.path.parent / self.file.key_log

    @property
    def inserted(self) -> bool:
        """True if the engine is put between parties that spoke to one another."""
        return INSERTED in self.file.sut


def read_notes(path: Path, *, captures: Path | None = None) -> Notes:
    """`captures`: where captures are, if not beside their notes.

    Raises: ConfigError with every mistake in the notes, or in the cluster file they name.
    """
    file, document = _read(path)
    stem = path.name.removesuffix(SUFFIX)
    findings: list[Finding] = []
    capture = _capture(path, stem, file, document, findings, captures or path.parent)
    cluster_file = path.parent / (file.cluster or f"{stem}{CLUSTER_SUFFIX}")
    if not cluster_file.is_file():
        findings.append(_finding(path, document, ("cluster",), f"{cluster_file} is not a file"))
    if findings or capture is None:
        raise ConfigError(tuple(findings))
    notes = Notes(path, file, capture, load_cluster(cluster_file))
    findings += _references(notes, document)
    if findings:
        raise ConfigError(tuple(findings))
    return notes


def notes_text(file: NotesFile) -> str:
    """YAML that is read as the same notes; what is as by default is left out."""
    out = StringIO()
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.width = 10_000  # folded lines would end in blanks
    tree: dict[str, Any] = file.model_dump(mode="json", exclude_defaults=True)
    yaml.dump(tree, out)
    return out.getvalue()


def _read(path: Path) -> tuple[NotesFile, Document]:
    try:
        with path.open("rb") as stream:
            text = stream.read(4 * TEXT_MAX + 1).decode()
    except OSError as error:
        problem = error.strerror or "cannot be read"
        raise ConfigError((Finding(str(path), None, "", problem, "a notes file"),)) from error
    except UnicodeDecodeError as error:
        raise ConfigError((Finding(str(path), None, "", "is not UTF-8", "UTF-8"),)) from error
    document = Document(text)
    findings = [
        Finding(str(path), line, key_text(it.path), it.problem, it.expected)
        for line, it in document.mistakes
    ]
    tree = {} if document.tree is None else document.tree
    if not isinstance(tree, dict):
        raise ConfigError((Finding(str(path), 1, "", "is no mapping", "keys and values"),))
    if not findings:
        try:
            return NotesFile.model_validate(tree), document
        except ValidationError as error:
            findings = [
                Finding(
                    str(path),
                    document.line_of(it.path),
                    key_text(it.path),
                    it.problem,
                    it.expected,
                )
                for it in mistakes_of(error, NotesFile)
            ]
    raise ConfigError(tuple(findings))


def _capture(
    path: Path,
    stem: str,
    file: NotesFile,
    document: Document,
    findings: list[Finding],
    directory: Path,
) -> Path | None:
    named = file.capture
    candidates = (named,) if named else tuple(f"{stem}{suffix}" for suffix in CAPTURE_SUFFIXES)
    for candidate in candidates:
        if (directory / candidate).is_file():
            return directory / candidate
    what = f"{named or stem} is not a file"
    findings.append(_finding(path, document, ("capture",), what))
    return None


def _finding(path: Path, document: Document, key: tuple[str | int, ...], what: str) -> Finding:
    return Finding(str(path), document.line_of(key), key_text(key), what, "a file that is there")


def _references(notes: Notes, document: Document) -> list[Finding]:
    """Nodes and devices that the cluster does not have."""
    cluster, file = notes.cluster, notes.file
    named: list[tuple[tuple[str | int, ...], str, str]] = []
    named += [(("sut", node), node, "node") for node in file.sut if node != INSERTED]
    for section, entries in (("sign_ins", file.sign_ins), ("sign_outs", file.sign_outs)):
        for at, signed in enumerate(entries):
            named.append(((section, at, "device"), signed.device, "device"))
    for at, event in enumerate(file.node_events):
        named.append((("node_events", at, "node"), event.node, "node"))
    for at, push in enumerate(file.pushes or ()):
        named.append((("pushes", at, "node"), push.node, "node"))
        named.append((("pushes", at, "device"), push.device, "device"))
    known = {"node": set(cluster.nodes), "device": set(cluster.devices)}
    return [
        Finding(
            str(notes.path),
            document.line_of(key),
            key_text(key),
            f"is {name!r}, which the cluster does not have",
            f"a {kind} of the cluster",
        )
        for key, name, kind in named
        if name not in known[kind]
    ]
