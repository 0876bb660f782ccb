"""Files to cluster: reads a cluster file and all that it names, reports every mistake at once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from callctl.errors import ConfigError, Finding
from callctl.model.alarm_settings import NOBODY_TOLD, AlarmSettings
from callctl.model.bulk import BulkReader
from callctl.model.certificate_schema import certificate_files
from callctl.model.cloud_draft import cloud_settings
from callctl.model.cluster import Cluster
from callctl.model.consistency import DeviceCheck, Mistake, Spoiled, node_mistakes
from callctl.model.direct_draft import way_mistakes
from callctl.model.document import TEXT_MAX, Document, key_text
from callctl.model.draft import Draft
from callctl.model.explain import mistakes_of
from callctl.model.release import Release
from callctl.model.routing_check import routing_mistakes
from callctl.model.schema import ClusterFile
from callctl.model.service_parameter import ServiceParameters, contradictions
from callctl.model.trunk import best_first
from sipstack.transport.websocket import OriginPolicy

KEYED: Final = (
    "nodes",
    "cm_groups",
    "device_pools",
    "users",
    "lines",
    "devices",
    "hunt_pilots",
    "trunks",
    "route_patterns",
    "sip_profiles",
)
"""Sections whose entries stand for themselves: a wrong one spoils no other."""

SETTINGS: Final = (
    "service_parameters",
    "cloud",
    "certificates",
    "alarms",
    "websocket",
    "deployment",
    "jabber_client_configuration",
)
"""Sections of single settings, each with a default."""

PLACEHOLDERS: Final = {"id": "spoiled", "domain": "spoiled.invalid"}
"""Stand in for what is wrong and has no default, so that everything else is looked at too."""


def load_cluster(path: Path) -> Cluster:
    """Read the cluster file at `path`, the bulk files and password files that it names.

    Raises: ConfigError with every mistake in all of them.
    """
    return read_cluster(path).cluster


@dataclass(frozen=True, slots=True)
class ClusterRead:
    """A cluster, and the file that it stands in."""

    cluster: Cluster
    _path: Path
    _document: Document

    def finding(self, remark: Mistake) -> Finding:
        """A remark about the file with its place, as mistakes have it."""
        line = self._document.line_of(remark.path)
        key = key_text(remark.path)
        return Finding(str(self._path), line, key, remark.problem, remark.expected)


def read_cluster(path: Path) -> ClusterRead:
    """As `load_cluster`, for those who have remarks of their own."""
    loading = Loading(path)
    cluster = loading.cluster()
    if cluster is None or loading.findings:
        raise ConfigError(tuple(loading.findings))
    return ClusterRead(cluster, path, loading.document)


class Loading:
    """One run over one cluster file, or over what stands for it."""

    __slots__ = ("_path", "_spoiled", "document", "findings")

    def __init__(self, path: Path) -> None:
        self._path = path
        self.document = Document("")
        self._spoiled = Spoiled()
        self.findings: list[Finding] = []

    def cluster(self) -> Cluster | None:
        """The cluster as far as it could be made; None if the file is none at all."""
        text = self._text()
        if text is None:
            return None
        self.document = Document(text)
        for line, mistake in self.document.mistakes:
            self.report(mistake, line)
        tree = self.document.tree
        if tree is None and not self.findings:
            self.report(Mistake((), "is empty", "a cluster: id, domain, nodes and cm_groups"))
        elif tree is not None and not isinstance(tree, dict):
            self.report(Mistake((), "is no mapping", "keys and values: id, domain, nodes, ..."), 1)
        return self.assembled(self.validated(tree)) if isinstance(tree, dict) else None

    def _text(self) -> str | None:
        if not self._path.is_file():
            self.report(Mistake((), "is not a file", "a cluster file"))
            return None
        try:
            with self._path.open("rb") as file:
                octets = file.read(4 * TEXT_MAX + 1)
            return octets.decode()
        except OSError as error:
            problem = error.strerror or "cannot be read"
            self.report(Mistake((), problem, "a file that can be read"))
        except UnicodeDecodeError as error:
            line = octets.count(b"\n", 0, error.start) + 1
            self.report(
                Mistake((), f"octet 0x{octets[error.start]:02X} is not UTF-8", "UTF-8"), line
            )
        return None

    def validated(self, tree: dict[str, Any]) -> ClusterFile:
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
                    self.report(mistake)
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

    def assembled(self, file: ClusterFile) -> Cluster:
        """The cluster of what is well in a file; what does not go together is reported."""
        draft = Draft()
        directory = self._path.parent
        for mistake in draft.fill(file, directory):
            self.report(mistake)
        for mistake in node_mistakes(
            draft.nodes, draft.cm_groups, draft.device_pools, self._spoiled
        ):
            self.report(mistake)
        if file.unrestricted and file.cloud.push_enabled:
            problem = "cannot be true on unrestricted software"
            self.report(Mistake(("cloud", "push_enabled"), problem, "false (GEN-07)"))
        parameters = self._parameters(file)
        mistakes: list[Mistake] = []
        cloud = cloud_settings(file.cloud, directory, mistakes)
        if not self._spoiled.touches("cloud"):
            mistakes += way_mistakes(draft.devices.values(), file.cloud.direct)
        for mistake in mistakes:
            self.report(mistake)
        # Devices of the file may refer to users and lines of bulk files, so these come first.
        check = DeviceCheck(
            draft.device_pools, draft.users, draft.lines, self._spoiled, draft.sip_profiles
        )
        own_devices = list(draft.devices.values())
        bulk = BulkReader(draft, check, self._spoiled)
        bulk_findings = [finding for name in file.bulk for finding in bulk.read(directory / name)]
        for device in own_devices:
            for mistake in check.mistakes(device):
                self.report(mistake._replace(path=("devices", device.name, *mistake.path)))
        cluster = Cluster(
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
            cloud=cloud,
            certificate_files=certificate_files(
                file.certificates, file.deployment.certificates, directory
            ),
            alarms=self._alarms(file, directory),
            unrestricted=file.unrestricted,
            websocket=OriginPolicy(
                tuple(file.websocket.origins), required=file.websocket.origin_required
            ),
            deployment=file.deployment.record(),
            jabber_client_configuration=file.jabber_client_configuration,
            hunt_pilots=draft.hunt_pilots,
            trunks=draft.trunks,
            route_patterns=best_first(draft.route_patterns),
            sip_profiles=draft.sip_profiles,
        )
        for mistake in routing_mistakes(cluster, self._spoiled):
            section, name, *key = mistake.path
            row = bulk.mobility_rows.get(str(name)) if section == "users" else None
            if row is None:
                self.report(mistake)
            else:
                bulk_findings.append(Finding(*row, key_text(tuple(key)), *mistake[1:]))
        self.findings.sort(key=lambda finding: finding.line or 0)
        self.findings += bulk_findings
        return cluster

    def _alarms(self, file: ClusterFile, directory: Path) -> AlarmSettings:
        try:
            return file.alarms.record(directory)
        except ValueError as error:  # settings of a collector that do not go together
            mistake = Mistake(("alarms", "syslog"), str(error), "transport: tls, or no ca_file")
            self.report(mistake)
            return NOBODY_TOLD

    def _parameters(self, file: ClusterFile) -> ServiceParameters:
        values = file.service_parameters.model_dump()
        if self._spoiled.touches("service_parameters"):
            return ServiceParameters()  # what contradicts what is not known yet
        mistakes = list(contradictions(values))
        for name, problem, expected in mistakes:
            self.report(Mistake(("service_parameters", name), problem, expected))
        return ServiceParameters() if mistakes else ServiceParameters(**values)

    def report(self, mistake: Mistake, line: int | None = None) -> None:
        """Note a mistake, with its line."""
        line = line or self.document.line_of(mistake.path)
        key = key_text(mistake.path)
        self.findings.append(Finding(str(self._path), line, key, mistake.problem, mistake.expected))
