"""The porter is reached whichever site is lost."""

import os
from pathlib import Path

import pytest

from callctl.testing import Cluster, DeskPhone, MobilePhone

PROJECT = Path(__file__).parent.parent


@pytest.fixture
def cluster_file() -> Path:
    return PROJECT / os.environ.get("CLUSTER", "cluster.yaml")


async def test_the_east_wakes_the_phones_of_the_west(
    cluster: Cluster, caller: DeskPhone, phone: MobilePhone
) -> None:
    west = cluster.node("west")
    await west.dies()
    await west.is_out_of_service()
    call = await caller.calls(phone)
    await phone.is_woken(node="east")
    await phone.rings()
    await caller.hears_ringing()
    await phone.answers()
    await call.is_answered_by(phone)
    await caller.hangs_up()
    await call.ends()
