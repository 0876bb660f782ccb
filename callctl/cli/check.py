"""`callctl check`: every mistake in a cluster file and in the files it names, and warnings."""

from __future__ import annotations

import time
from dataclasses import asdict
from json import dumps
from pathlib import Path
from typing import Annotated, Final

from cyclopts import Parameter
from rich.console import Console
from rich.text import Text

from callctl.errors import ConfigError, Finding
from callctl.io.certificate_check import certificate_mistakes, certificate_warnings
from callctl.model.backup_check import backup_warnings
from callctl.model.cluster import Cluster
from callctl.model.load import read_cluster
from callctl.push.capability.deployment_check import deployment_warnings

OK: Final = 0
FINDINGS: Final = 1
UNUSABLE: Final = 2  # the command line, not the file


def check(
    file: Path,
    *,
    json: bool = False,
    strict: Annotated[bool, Parameter(negative="", help="Warnings count as mistakes.")] = False,
) -> int:
    """Print what is wrong with the cluster file, for people or as one JSON object.

    A warning is about what works and should not stay so: phones without a backup node, releases
    below a minimum, or such as do not go together, certificates that are missing or end soon.
    Returns the exit code: 0 nothing wrong, 1 mistakes found (with `strict`, or warnings), 2 there
    is no such file.
    """
    if not file.is_file():
        Console(stderr=True).print(Text(f"callctl check: {file} is not a file"), soft_wrap=True)
        return UNUSABLE
    findings: tuple[Finding, ...] = ()
    warnings: list[Finding] = []
    cluster = None
    try:
        read = read_cluster(file)
        unusable = tuple(map(read.finding, certificate_mistakes(read.cluster.certificate_files)))
        if unusable:
            raise ConfigError(unusable)
        cluster = read.cluster
        mistakes = (
            *backup_warnings(cluster),
            *deployment_warnings(cluster),
            *certificate_warnings(cluster.certificate_files, time.time()),
        )
        warnings = sorted(map(read.finding, mistakes), key=_line)
    except ConfigError as error:
        findings = error.findings
    console = Console()
    if json:
        report = {
            "file": str(file),
            "ok": not findings,
            "findings": [asdict(finding) for finding in findings],
            "warnings": [asdict(warning) for warning in warnings],
            "counts": _counts(cluster) if cluster else {},
        }
        # Not through the console: it would wrap and colour.
        console.file.write(dumps(report, ensure_ascii=False) + "\n")
    else:
        for finding in findings:
            _print(console, finding)
        for warning in warnings:
            _print(console, warning, "warning")
        if cluster is not None:
            _print_summary(console, file, cluster, warnings)
        else:
            console.print(Text(_counted(len(findings), "mistake"), "bold red"))
    return FINDINGS if findings or (strict and warnings) else OK


def _line(finding: Finding) -> int:
    return finding.line or 0


def _print(console: Console, finding: Finding, label: str = "") -> None:
    place = finding.file if finding.line is None else f"{finding.file}:{finding.line}"
    heading = Text.assemble((place, "bold"), "  ", (finding.key, "cyan"))
    if label:
        heading.append(f"  {label}", "yellow")
    console.print(heading, soft_wrap=True)
    console.print(Text(f"    {finding.problem}"), soft_wrap=True)
    console.print(Text(f"    expected {finding.expected}", "green"), soft_wrap=True)


def _print_summary(console: Console, file: Path, cluster: Cluster, warnings: list[Finding]) -> None:
    counts = ", ".join(f"{count} {noun}" for noun, count in _counts(cluster).items())
    summary = Text.assemble(f"{file}: ", ("ok", "bold green"), f", {counts}")
    if warnings:
        summary.append(", ").append(_counted(len(warnings), "warning"), "yellow")
    console.print(summary, soft_wrap=True)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _counts(cluster: Cluster) -> dict[str, int]:
    return {
        "nodes": len(cluster.nodes),
        "CM groups": len(cluster.cm_groups),
        "device pools": len(cluster.device_pools),
        "users": len(cluster.users),
        "lines": len(cluster.lines),
        "devices": len(cluster.devices),
    }
