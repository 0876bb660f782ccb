"""`callctl check`: every mistake in a cluster file and in the files that it names."""

from __future__ import annotations

from dataclasses import asdict
from json import dumps
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.text import Text

from callctl.errors import ConfigError, Finding
from callctl.model.cluster import Cluster
from callctl.model.load import load_cluster

OK: Final = 0
FINDINGS: Final = 1
UNUSABLE: Final = 2  # the command line, not the file


def check(file: Path, *, json: bool = False) -> int:
    """Print what is wrong with the cluster file, for people or as one JSON object.

    Returns the exit code: 0 nothing wrong, 1 mistakes found, 2 there is no such file.
    """
    if not file.is_file():
        Console(stderr=True).print(Text(f"callctl check: {file} is not a file"), soft_wrap=True)
        return UNUSABLE
    findings: tuple[Finding, ...] = ()
    cluster = None
    try:
        cluster = load_cluster(file)
    except ConfigError as error:
        findings = error.findings
    console = Console()
    if json:
        report = {
            "file": str(file),
            "ok": not findings,
            "findings": [asdict(finding) for finding in findings],
            "counts": _counts(cluster) if cluster else {},
        }
        # Not through the console: it would wrap and colour.
        console.file.write(dumps(report, ensure_ascii=False) + "\n")
    else:
        _print(console, file, findings, cluster)
    return FINDINGS if findings else OK


def _print(
    console: Console, file: Path, findings: tuple[Finding, ...], cluster: Cluster | None
) -> None:
    for finding in findings:
        place = finding.file if finding.line is None else f"{finding.file}:{finding.line}"
        heading = Text.assemble((place, "bold"), "  ", (finding.key, "cyan"))
        console.print(heading, soft_wrap=True)
        console.print(Text(f"    {finding.problem}"), soft_wrap=True)
        console.print(Text(f"    expected {finding.expected}", "green"), soft_wrap=True)
    if cluster is not None:
        counts = ", ".join(f"{count} {noun}" for noun, count in _counts(cluster).items())
        summary = Text.assemble(f"{file}: ", ("ok", "bold green"), f", {counts}")
        console.print(summary, soft_wrap=True)
    else:
        noun = "mistake" if len(findings) == 1 else "mistakes"
        console.print(Text(f"{len(findings)} {noun}", "bold red"))


def _counts(cluster: Cluster) -> dict[str, int]:
    return {
        "nodes": len(cluster.nodes),
        "CM groups": len(cluster.cm_groups),
        "device pools": len(cluster.device_pools),
        "users": len(cluster.users),
        "lines": len(cluster.lines),
        "devices": len(cluster.devices),
    }
