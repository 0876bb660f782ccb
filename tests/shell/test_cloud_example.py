"""The example that is onboarded by hand: what it starts with, and that it speaks to no cloud."""

from __future__ import annotations

from pathlib import Path

import pytest

from callctl.cli.lab_file import LAB_FILE
from callctl.io.host import hosted
from callctl.io.ports import moved_where_free
from callctl.io.state_dir import StateDir
from callctl.model.load import load_cluster
from callctl.onboarding.page import PageChange
from callctl.onboarding.state import State


@pytest.mark.anyio
@pytest.mark.req("GEN-02", "PROXY-01", "ONB-05")
async def test_page_starts_with_the_proxy_of_the_cluster_file_and_push_off(tmp_path: Path) -> None:
    cluster, _ = moved_where_free(load_cluster(LAB_FILE.parent / "cloud.yaml"))
    async with hosted(cluster, StateDir(tmp_path)) as host:
        access = host.cluster.operations.access
        page = access.onboarding.onboarding
        assert page.state is State.NOT_ONBOARDED
        assert (page.page.push_enabled, page.pushing, access.pushes) == (False, False, False)
        assert page.page.proxy == cluster.cloud.proxy
        assert all(held.page == page.page for held in page.in_force.values())
        assert [access.route(node) for node in cluster.nodes] == [None, None]
        assert host.cluster.operations.alarms.board.active == ()
        # A Save that names another box leaves the proxy alone.
        await access.onboarding.save(PageChange(encrypted_pii=True))
        assert page.page.proxy == cluster.cloud.proxy
