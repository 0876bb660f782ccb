"""The part of the admin API that is about running a cluster: what `Operations` holds, as routes."""

from __future__ import annotations

import time
from collections.abc import Iterator

from fastapi import APIRouter

from callctl.certificate.report import report
from callctl.io.alarm_api import alarm_router
from callctl.io.certificate_api import certificate_router
from callctl.io.cloud_api import cloud_router
from callctl.io.cluster_shell import ClusterShell
from callctl.io.counter_api import counter_router
from callctl.io.metrics_api import metrics_router
from callctl.io.node_cli_api import node_cli_router, services_router
from callctl.io.onboarding_api import OnboardingApi
from callctl.io.reachability_api import reachability_router
from callctl.io.repair_api import repair_router
from callctl.io.replay_api import replay_router
from callctl.io.trace_level_api import trace_level_router


def operation_routers(shell: ClusterShell) -> Iterator[APIRouter]:
    """All of them; whoever serves them sees to it that only those who may get in."""
    operations = shell.operations
    access = operations.access
    yield alarm_router(operations.alarms.board, shell.clock.wall, shell.cluster.release)
    yield counter_router(shell)
    yield metrics_router(operations.metrics)
    yield services_router(operations.services.table)
    yield node_cli_router(operations.node_cli)
    yield OnboardingApi(access.onboarding, support=operations.support).router
    yield certificate_router(
        access.trust,
        lambda: report(
            access.trust.store,
            access.own_certificates,
            time.time(),
            insecure=access.trust.insecure,
        ),
        [],
    )
    yield reachability_router(operations.check)
    yield repair_router(operations.repair)
    yield replay_router(shell)
    yield trace_level_router(operations.traces, list(shell.cluster.nodes))
    yield cloud_router(lambda: shell.cloud)
