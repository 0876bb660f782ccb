"""The clouds of a play in virtual time, and who sees pushes leave for them."""

from __future__ import annotations

from collections.abc import Callable

from callctl.push.events import PostPush, PushWritten
from callctl.sim.cloud_party import CloudParty
from callctl.sim.cloud_way import CloudNews
from callctl.sim.entropy import Streams
from callctl.sim.node_party import NodeParty
from callctl.sim.party import Party
from callctl.sim.push_eye import SeenPush
from callctl.sim.watch import Judge, Watch
from callctl.sim.world import World


class PlayedCloud(CloudParty):
    """CI as ever; pushes are answered as the notes say."""

    __slots__ = ("_open",)

    def __init__(self, world: World, streams: Streams, watch: Watch) -> None:
        super().__init__(world, streams, watch)
        self._open: dict[str, tuple[NodeParty, tuple[int, int]]] = {}

    def post(self, node: NodeParty, push: PostPush) -> None:
        """A push sets out: `PushLeft` tells of it."""
        self._open[push.tracking_id] = (node, node.service_life)
        self._world.plan(self._world.now, self._written, push.tracking_id)

    def _written(self, tracking_id: str) -> None:
        self._tell(tracking_id, PushWritten(tracking_id))

    def hear(self, tracking_id: str, news: CloudNews) -> None:
        """The answer to a push, or its loss."""
        self._tell(tracking_id, news)
        self._open.pop(tracking_id, None)

    def _tell(self, tracking_id: str, news: CloudNews) -> None:
        waits = self._open.get(tracking_id)
        if waits is not None and waits[0].service_life == waits[1]:
            waits[0].hear_from_cloud(news)


class PushEye(Judge):
    """Sees pushes leave."""

    __slots__ = ("_seen",)

    def __init__(self, seen: Callable[[Party, SeenPush], None]) -> None:
        self._seen = seen

    def pushed(self, who: Party, push: SeenPush) -> None:
        """One leaves."""
        self._seen(who, push)
