"""A cluster moves to ports that are free."""

from __future__ import annotations

import socket

import pytest

from callctl.io.ports import SLOTS, WORKERS, NoFreePorts, moved, moved_where_free, offsets_of
from callctl.model.build import make_cluster, make_node
from callctl.model.cluster import Cluster
from helpers.free_ports import FIRST_PORT


def cluster_at(port: int) -> Cluster:
    return make_cluster(nodes=[make_node("ucm1", 1, host="127.0.0.1", port=port)])


def ports_of(cluster: Cluster) -> list[int]:
    return [listener.port for listener in cluster.nodes["ucm1"].listeners]


def test_every_listener_moves_by_the_offset() -> None:
    cluster = cluster_at(5060)
    assert ports_of(moved(cluster, 10_000)) == [15_060, 15_060, 15_061]
    assert ports_of(cluster) == [5060, 5060, 5061]
    assert moved(cluster, 0) is cluster


@pytest.mark.parametrize("offset", [60_475, -5060])
def test_port_out_of_range_is_a_mistake(offset: int) -> None:
    with pytest.raises(ValueError, match="ucm1"):
        moved(cluster_at(5060), offset)


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_offset_at_which_one_port_is_taken_is_passed_over(kind: socket.SocketKind) -> None:
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", 0))
        if kind is socket.SOCK_STREAM:
            taken.listen()
        port = taken.getsockname()[1]
        cluster, offset = moved_where_free(cluster_at(port), (0, -101, -202, -303))
        assert offset < 0
        assert ports_of(cluster)[0] == port + offset
        with pytest.raises(NoFreePorts):
            moved_where_free(cluster_at(port), (0,))


def test_no_offset_is_tried_by_two_workers_and_each_tries_all_of_its_own() -> None:
    tried = [offset for worker in range(WORKERS) for offset in offsets_of(worker, 7 * worker)]
    assert sorted(tried) == [100 * number for number in range(WORKERS * SLOTS)]
    assert offsets_of(3, 2)[:2] == (2_900, 3_000)


def test_clusters_of_tests_leave_alone_the_ports_of_outgoing_connections() -> None:
    """One that a connection has by chance would keep a push service from starting again."""
    highest = moved(cluster_at(FIRST_PORT), offsets_of(WORKERS - 1, SLOTS - 1)[0])
    node = highest.nodes["ucm1"]
    assert max(*ports_of(highest), node.cpns_port) + 20 < 32_768
