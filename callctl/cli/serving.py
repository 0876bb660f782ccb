"""What the commands that run a cluster have in common."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from callctl.cli.errors import CommandError, Refused, Usage
from callctl.cli.lab_file import LAB_FILE as LAB_FILE
from callctl.cli.output import print_error
from callctl.errors import ConfigError
from callctl.io.certificate_check import certificate_mistakes
from callctl.io.cluster_shell import CannotStart, NotFound
from callctl.io.host import first_of
from callctl.io.ports import NoFreePorts, moved, moved_where_free
from callctl.io.process import run_loop
from callctl.io.trust import INSECURE_WARNING
from callctl.model.cluster import Cluster
from callctl.model.load import read_cluster
from callctl.push.capability.deployment_check import deployment_warnings


def load(file: Path) -> Cluster:
    """The cluster of a file; what it is to be warned of goes to stderr, a line each.

    Raises: Usage if there is no file; Refused if it has mistakes.
    """
    if not file.is_file():
        raise Usage(f"{file} is not a file")
    try:
        read = read_cluster(file)
        unusable = tuple(map(read.finding, certificate_mistakes(read.cluster.certificate_files)))
        if unusable:
            raise ConfigError(unusable)
    except ConfigError as error:
        count = len(error.findings)
        more = f" (and {count - 1} more: callctl check {file})" if count > 1 else ""
        raise Refused(f"{error.findings[0]}{more}") from error
    for warning in deployment_warnings(read.cluster):
        print_error(f"warning: {read.finding(warning)}")
    if read.cluster.cloud.insecure_skip_tls_verification:
        print_error(f"warning: {INSECURE_WARNING}")
    return read.cluster


def placed(cluster: Cluster, offset: int | None) -> tuple[Cluster, int]:
    """The cluster at an offset, None being the first that is free. Returns: it and the offset."""
    try:
        if offset is None:
            return moved_where_free(cluster)
        return moved(cluster, offset), offset
    except NoFreePorts as error:
        raise Refused(f"{error}; choose others with --offset") from error
    except ValueError as error:
        raise Usage(str(error)) from error


def run_async(main: Callable[[], Coroutine[Any, Any, int]]) -> int:
    """Run in an event loop, uvloop where it is installed; what the system refuses is one line."""
    try:
        return run_loop(main)
    except (CommandError, CannotStart, NotFound, OSError, BaseExceptionGroup) as error:
        known = first_of(error, CommandError)
        if known is not None:
            raise known from error
        unfit = first_of(error, CannotStart)
        if unfit is not None:
            raise CommandError(str(unfit)) from error
        missing = first_of(error, NotFound)
        if missing is not None:
            raise Usage(str(missing)) from error
        refused = first_of(error, OSError)
        if refused is not None:
            raise CommandError(refused.strerror or str(refused)) from error
        raise
