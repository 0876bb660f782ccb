"""Files to cluster: reads a cluster file and all that it names, reports every mistake at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from callctl.errors import ConfigError, Finding
from callctl.model.bulk import BulkReader
from callctl.model.cloud import CloudSettings
from callctl.model.cluster import Cluster
from callctl.model.consistency import DeviceCheck, Mistake, Spoiled, node_mistakes
from callctl.model.document import TEXT_MAX, Document, key_text
from callctl.model.draft import Draft
from callctl.model.explain import mistakes_of
from callctl.model.release import Release
from callctl.model.schema import ClusterFile
from callctl.model.service_parameter import ServiceParameters, contradictions

KEYED: Final = ("nodes", "cm_groups", "device_pools", "users", "lines", "devices")
"""Sections whose entries stand for themselves: a wrong one spoils no other."""

SETTINGS: Final = ("service_parameters", "cloud")
"""Sections of single settings, each with a default."""

PLACEHOLDERS: Final = {"id": "spoiled", "domain": "spoiled.invalid"}
"""Stand in for what is wrong and has no default, so that everything else is looked at too."""


def load_cluster(path: Path) -> Cluster:
    """Read the cluster file at `path`, the bulk files and password files that it names.

    Raises: ConfigError with every mistake in all of them.
    """
    loading = _Loading(path)
    cluster = loading.cluster()
    if cluster is None or loading.findings:
        raise ConfigError(tuple(loading.findings))
    return cluster


class _Loading:
    """One run over one cluster file."""

    __slots__ = ("_document", "_path", "_spoiled", "findings")

    def __init__(self, path: Path) -> None:
        self._path = path
        self._document = Document("")
        self._spoiled = Spoiled()
        self.findings: list[Finding] = []

    def cluster(self) -> Cluster | None:
        """The cluster as far as it could be made; None if the file is none at all."""
        text = self._text()
        if text is None:
            return None
        self._document = Document(text)
        for line, mistake in self._document.mistakes:
            self._report(mistake, line)
        tree = self._document.tree
        if tree is None and not self.findings:
            self._report(Mistake((), "is empty", "a cluster: id, domain, nodes and cm_groups"))
        elif tree is not None and not isinstance(tree, dict):
            self._report(Mistake((), "is no mapping", "keys and values: id, domain, nodes, ..."), 1)
        return self._assembled(self._validated(tree)) if isinstance(tree, dict) else None

    def _text(self) -> str | None:
        if not self._path.is_file():
            self._report(Mistake((), "is not a file", "a cluster file"))
            return None
        try:
            with self._path.open("rb") as file:
                octets = file.read(4 * TEXT_MAX + 1)
            return octets.decode()
        except OSError as error:
            problem = error.strerror or "cannot be read"
            self._report(Mistake((), problem, "a file that can be read"))
        except UnicodeDecodeError as error:
            line = octets.count(b"\n", 0, error.start) + 1
            self._report(
                Mistake((), f"octet 0x{octets[error.start]:02X} is not UTF-8", "UTF-8"), line
            )
        return None

    def _validated(self, tree: dict[str, Any]) -> ClusterFile:
        """The file without what is wrong in it, all of which is reported."""
        raw = {key: value for key, value in tree.items() if value is not None}
        for section in KEYED:
            entries = raw.get(section)
            if isinstance(entries, dict):  # an entry without anything below it takes the defaults
                raw[section] = {
                    name: {} if entry is None else entry for name, entry in entries.items()
                }
        while True:
            try:
                return ClusterFile.model_validate(raw)
            except ValidationError as error:
                for mistake in mistakes_of(error, ClusterFile):
                    self._report(mistake)
                    self._leave_out(raw, mistake)

    def _leave_out(self, raw: dict[str, Any], mistake: Mistake) -> None:
        section, *below = map(str, mistake.path)
        self._spoiled.add(section, below[0] if below else None)
        entries = raw.get(section)
        if below and section in KEYED + SETTINGS and isinstance(entries, dict):
            entries.pop(below[0], None)
        else:
            raw.pop(section, None)
            if section in PLACEHOLDERS:
                raw[section] = PLACEHOLDERS[section]

    def _assembled(self, file: ClusterFile) -> Cluster:
        draft = Draft()
        directory = self._path.parent
        for mistake in draft.fill(file, directory):
            self._report(mistake)
        for mistake in node_mistakes(
            draft.nodes, draft.cm_groups, draft.device_pools, self._spoiled
        ):
            self._report(mistake)
        if file.unrestricted and file.cloud.push_enabled:
            problem = "cannot be true on unrestricted software"
            self._report(Mistake(("cloud", "push_enabled"), problem, "false (GEN-07)"))
        parameters = self._parameters(file)
        # Devices of the file may refer to users and lines of bulk files, so these come first.
        check = DeviceCheck(draft.device_pools, draft.users, draft.lines, self._spoiled)
        own_devices = list(draft.devices.values())
        bulk = BulkReader(draft, check, self._spoiled)
        bulk_findings = [finding for name in file.bulk for finding in bulk.read(directory / name)]
        for device in own_devices:
            for mistake in check.mistakes(device):
                self._report(mistake._replace(path=("devices", device.name, *mistake.path)))
        self.findings.sort(key=lambda finding: finding.line or 0)
        self.findings += bulk_findings
        return Cluster(
            id=file.id,
            domain=file.domain,
            release=Release.parse(file.release),
            nodes=draft.nodes,
            cm_groups=draft.cm_groups,
            device_pools=draft.device_pools,
            users=draft.users,
            lines=draft.lines,
            devices=draft.devices,
            service_parameters=parameters,
            cloud=CloudSettings(**file.cloud.model_dump()),
            unrestricted=file.unrestricted,
        )

    def _parameters(self, file: ClusterFile) -> ServiceParameters:
        values = file.service_parameters.model_dump()
        if self._spoiled.touches("service_parameters"):
            return ServiceParameters()  # what contradicts what is not known yet
        mistakes = list(contradictions(values))
        for name, problem, expected in mistakes:
            self._report(Mistake(("service_parameters", name), problem, expected))
        return ServiceParameters() if mistakes else ServiceParameters(**values)

    def _report(self, mistake: Mistake, line: int | None = None) -> None:
        line = line or self._document.line_of(mistake.path)
        key = key_text(mistake.path)
        self.findings.append(Finding(str(self._path), line, key, mistake.problem, mistake.expected))
