"""The push clouds in the simulated world: Push REST, APNs and FCM, and the way there and on."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from random import Random
from typing import TYPE_CHECKING, Final

from callctl.cloud.apns import Apns
from callctl.cloud.delivery import Deliver, DeliveryAction, DeviceAttached, DeviceDetached
from callctl.cloud.fcm import Fcm
from callctl.cloud.http import (
    Forward,
    ForwardAnswered,
    HttpRequest,
    Ignored,
    RequestReceived,
    SendAnswer,
)
from callctl.cloud.partner import DEFAULT_PROJECT_ID, Partner
from callctl.cloud.provider_token import ProviderTokenVerifier
from callctl.cloud.push_rest import PUSH_PATH, PushRest, PushRestAction, PushRestSettings
from callctl.model.push_access import SigningKey
from callctl.push.events import PostPush, PushAnswered, PushLost
from callctl.sim.entropy import SeededEntropy, Streams
from callctl.sim.weather import CALM, Weather
from callctl.sim.world import World
from sipstack.timing import Instant

if TYPE_CHECKING:
    from callctl.cloud.delivery import Delivery
    from callctl.sim.node_party import NodeParty
    from callctl.sim.watch import Watch

ACCESS_TOKEN: Final = "simulated-access-token"
UNIX_MS_AT_ZERO: Final = 1_720_602_000_000  # 2024-07-10T09:00:00Z


@cache
def _signing_key() -> SigningKey:
    """The same in every run: making one costs more than a call."""
    return SigningKey.make(SeededEntropy(0, "provider key"))


class CloudParty:
    """Three clouds under one roof. A push that is delivered goes to `deliver` by its token."""

    __slots__ = (
        "_exchanges",
        "_random",
        "_receivers",
        "_waiting",
        "_watch",
        "_world",
        "access_token",
        "apns",
        "fcm",
        "push_rest",
        "reachable",
        "timer_at",
        "weather",
    )

    def __init__(self, world: World, streams: Streams, watch: Watch) -> None:
        key = _signing_key()
        projects = {DEFAULT_PROJECT_ID: "simulated-fcm-token"}
        self.access_token = ACCESS_TOKEN
        settings = PushRestSettings((ACCESS_TOKEN,), key, projects, unix_ms_at_zero=UNIX_MS_AT_ZERO)
        self.push_rest = PushRest(settings, streams.entropy("push rest"))
        verifier = ProviderTokenVerifier({(key.team_id, key.key_id): key.private.public_key()})
        self.apns = Apns(verifier, streams.entropy("apns"), UNIX_MS_AT_ZERO)
        self.fcm = Fcm(projects, streams.entropy("fcm"))
        self.weather: Weather = CALM  # between the nodes and Push REST; its loss is a lost answer
        self.reachable = True
        self.timer_at: Instant | None = None
        self._world = world
        self._watch = watch
        self._random: Random = streams.random("cloud network")
        self._exchanges = 0
        self._waiting: dict[int, tuple[NodeParty, int, str]] = {}  # node, its life, tracking id
        self._receivers: dict[str, Callable[[Delivery], None]] = {}  # by device token

    # From the nodes.

    def post(self, node: NodeParty, push: PostPush) -> None:
        """Carry a push to Push REST."""
        world, random = self._world, self._random
        tracking_id = push.tracking_id
        if not self.reachable:
            at = min(Instant(world.now + self.weather.delay(random)), push.deadline)
            lost = (node.life, PushLost(tracking_id, "connect"))
            world.plan(at, node.hear, lost)
            return
        self._exchanges += 1
        exchange = self._exchanges
        self._waiting[exchange] = (node, node.life, tracking_id)
        headers = tuple((name.lower(), value) for name, value in push.headers)
        request = HttpRequest("POST", PUSH_PATH, headers, push.body)
        at = Instant(world.now + self.weather.stream_delay(random))
        world.plan(at, self._posted, (exchange, request))

    def abandon(self, node: NodeParty, tracking_id: str) -> None:
        """Nobody waits for this answer any more."""
        for exchange, (who, life, tracked) in tuple(self._waiting.items()):
            if who is node and life == node.life and tracked == tracking_id:
                del self._waiting[exchange]

    # From the phones.

    def attach(
        self, partner: Partner, token: str, app: str, receiver: Callable[[Delivery], None]
    ) -> None:
        """A phone's system is online under `token`, for an app."""
        self._receivers[token] = receiver
        cloud = self.apns if partner is Partner.APNS else self.fcm
        self._deliver(cloud.receive(DeviceAttached(token, app), self._world.now))
        self._world.watch(self)

    def detach(self, token: str) -> None:
        """A phone lets a token go."""
        for cloud in (self.apns, self.fcm):
            self._deliver(cloud.receive(DeviceDetached(token), self._world.now))

    # Time.

    def advance(self, now: Instant) -> None:
        """Do what is due in any of the three."""
        self._perform(self.push_rest.advance(now))
        self._deliver(self.apns.advance(now))
        self._deliver(self.fcm.advance(now))

    def next_deadline(self) -> Instant | None:
        """When `advance` has something to do."""
        times = (
            self.push_rest.next_deadline(),
            self.apns.next_deadline(),
            self.fcm.next_deadline(),
        )
        return min((at for at in times if at is not None), default=None)

    def clear_faults(self) -> None:
        """From now on all is well."""
        self.reachable = True
        self.weather = CALM
        for cloud in (self.push_rest, self.apns, self.fcm):
            cloud.faults.clear()

    def counts(self) -> dict[str, int]:
        """What is on its way; all 0 at rest."""
        counts = {f"push_rest_{name}": count for name, count in self.push_rest.counts().items()}
        for name, cloud in (("apns", self.apns), ("fcm", self.fcm)):
            counts |= {f"{name}_{what}": count for what, count in cloud.desk.counts().items()}
        return counts

    # Inside.

    def _posted(self, what: tuple[int, HttpRequest]) -> None:
        exchange, request = what
        received = RequestReceived(exchange, request)
        self._perform(self.push_rest.receive(received, self._world.now))
        self._world.watch(self)

    def _perform(self, actions: tuple[PushRestAction, ...]) -> None:
        for action in actions:
            if isinstance(action, SendAnswer):
                self._answer(action)
            elif isinstance(action, Forward):
                self._forward(action)
            elif isinstance(action, Ignored):
                self._watch.cloud(action.reason)

    def _forward(self, forward: Forward) -> None:
        """To a partner cloud, in the same instant: delays are faults of the clouds themselves."""
        self._watch.forwarded(forward.request)
        cloud = self.apns if forward.partner is Partner.APNS else self.fcm
        now = self._world.now
        for action in cloud.receive(RequestReceived(forward.forward, forward.request), now):
            if isinstance(action, SendAnswer):
                answered = ForwardAnswered(forward.forward, action.answer)
                self._perform(self.push_rest.receive(answered, now))
            elif isinstance(action, Ignored):
                self._watch.cloud(action.reason)
            else:
                self._deliver((action,))

    def _answer(self, action: SendAnswer) -> None:
        waiting = self._waiting.pop(action.exchange, None)
        if waiting is None:
            return
        node, life, tracking_id = waiting
        self._watch.answered(tracking_id, action.answer.status)
        if self.weather.loses(self._random):
            event: PushLost | PushAnswered = PushLost(tracking_id, "closed")
        else:
            event = PushAnswered(tracking_id, action.answer.status, action.answer.body)
        at = Instant(self._world.now + self.weather.delay(self._random))
        self._world.plan(at, node.hear, (life, event))

    def _deliver(self, actions: tuple[DeliveryAction | object, ...]) -> None:
        for action in actions:
            if isinstance(action, Deliver):
                receiver = self._receivers.get(action.delivery.token)
                if receiver is not None:
                    self._world.plan(self._world.now, receiver, action.delivery)
            else:
                self._watch.cloud(getattr(action, "reason", "?"))
