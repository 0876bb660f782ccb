"""Tests of failover routing and of push calls, for pytest.

    async def test_the_backup_node_wakes_the_phone(
        cluster: Cluster, caller: DeskPhone, phone: MobilePhone
    ) -> None:
        await cluster.node("ucm1").stops()
        call = await caller.calls(phone)
        await phone.is_woken(node="ucm2")
        await phone.rings()
        await caller.hears_ringing()
        await phone.answers()
        await call.is_answered_by(phone)
        await caller.hangs_up()
        await call.ends()

Nothing needs to be started or marked. The engine that takes real calls runs in virtual time, and
every await lets the world go on until what it says has come to pass, or fails with what happened
instead. The cookbook is docs/testing.md.
"""

from callctl.testing.call import Call
from callctl.testing.clock import Clock
from callctl.testing.cloud import Cloud
from callctl.testing.cluster import Cluster, Trunk
from callctl.testing.ladder import Ladder, Rung
from callctl.testing.network import Network
from callctl.testing.node import Node, PushService
from callctl.testing.party import DeskPhone, Party, TrunkPeer
from callctl.testing.phone import MobilePhone
from callctl.testing.play import SetUpError
from callctl.testing.running import InvariantBroken, NothingTested, Perform
from callctl.testing.stage import NotHere, Push, PushName
from callctl.testing.wishes import MakeCluster
from callctl.testing.word import NotAsExpected

__all__ = [
    "Call",
    "Clock",
    "Cloud",
    "Cluster",
    "DeskPhone",
    "InvariantBroken",
    "Ladder",
    "MakeCluster",
    "MobilePhone",
    "Network",
    "Node",
    "NotAsExpected",
    "NotHere",
    "NothingTested",
    "Party",
    "Perform",
    "Push",
    "PushName",
    "PushService",
    "Rung",
    "SetUpError",
    "Trunk",
    "TrunkPeer",
]
