"""Clusters on ports that no other worker of xdist takes meanwhile."""

from __future__ import annotations

import os
from typing import Final

from callctl.io.ports import SLOTS, moved_where_free, offsets_of
from callctl.model.cluster import Cluster
from sipstack.io.entropy import OsEntropy

FIRST_PORT: Final = 20_000
"""Where a cluster is made that is to be moved.

With that all ports are below those of outgoing connections, also those of push services, which are
4,906 higher: one that has been taken for a connection would keep a service from starting again.
"""


def on_free_ports(cluster: Cluster) -> Cluster:
    """A cluster that was made at `FIRST_PORT`, where all its ports are free."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    return moved_where_free(cluster, offsets_of(worker, OsEntropy().below(SLOTS)))[0]
