"""The clouds in the simulated world: CI, Push REST, APNs and FCM, and the way there and on."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Final

from callctl.cloud.apns import Apns
from callctl.cloud.ci import FORM_TYPE, TOKEN_PATH, Ci
from callctl.cloud.delivery import (
    Deliver,
    DeliveryAction,
    DeviceAttached,
    DeviceDetached,
    DeviceUnregistered,
)
from callctl.cloud.faults import Fault
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
from callctl.model.machine_account import MachineAccount
from callctl.model.push_access import SigningKey
from callctl.push.events import FetchToken, PostPush
from callctl.sim.cloud_way import CloudWay
from callctl.sim.entropy import SeededEntropy, Streams
from callctl.sim.world import World
from sipstack.timing import Instant

if TYPE_CHECKING:
    from callctl.cloud.delivery import Delivery
    from callctl.sim.node_party import NodeParty
    from callctl.sim.watch import Watch

ACCOUNT: Final = MachineAccount(
    "6d1f6c0a-5b1e-4a57-9d43-1f0c2b7a9e10",
    "9a41c1de-7c53-4b7e-8a11-0e5f3c2d4b68",
    "3e7b2f90-1c64-4d2a-b5f8-6a90d1c3e527",
    f"https://idbroker.sim.example{TOKEN_PATH}",
    "simulated-refresh-token",
    "https://push.sim.example",
)
"""What onboarding gave the cluster before the run began."""

UNIX_MS_AT_ZERO: Final = 1_720_602_000_000  # 2024-07-10T09:00:00Z


@cache
def _signing_key() -> SigningKey:
    """The same in every run: making one costs more than a call."""
    return SigningKey.make(SeededEntropy(0, "provider key"))


class CloudParty:
    """Four clouds under one roof. A push that is delivered goes to `deliver` by its token."""

    __slots__ = (
        "_receivers",
        "_watch",
        "_world",
        "account",
        "apns",
        "ci",
        "fcm",
        "push_rest",
        "timer_at",
        "way",
    )

    def __init__(self, world: World, streams: Streams, watch: Watch) -> None:
        key = _signing_key()
        projects = {DEFAULT_PROJECT_ID: "simulated-fcm-token"}
        self.account = ACCOUNT
        self.ci = Ci(streams.entropy("ci"))
        self.ci.accounts.know(
            ACCOUNT.account_id, ACCOUNT.organisation_id, ACCOUNT.refresh_token, world.now
        )
        settings = PushRestSettings(
            (), key, projects, unix_ms_at_zero=UNIX_MS_AT_ZERO, access=self.ci.accounts
        )
        self.push_rest = PushRest(settings, streams.entropy("push rest"))
        verifier = ProviderTokenVerifier({(key.team_id, key.key_id): key.private.public_key()})
        self.apns = Apns(verifier, streams.entropy("apns"), UNIX_MS_AT_ZERO)
        self.fcm = Fcm(projects, streams.entropy("fcm"))
        self.way = CloudWay(world, streams.random("cloud network"), self._arrived)
        self.timer_at: Instant | None = None
        self._world = world
        self._watch = watch
        self._receivers: dict[str, Callable[[Delivery], None]] = {}  # by device token

    # From the nodes.

    def post(self, node: NodeParty, push: PostPush) -> None:
        """Carry a push to Push REST."""
        headers = tuple((name.lower(), value) for name, value in push.headers)
        self.way.post(node, push, HttpRequest("POST", PUSH_PATH, headers, push.body))

    def fetch(self, node: NodeParty, fetch: FetchToken) -> None:
        """Carry a request for a token to CI."""
        headers = (("content-type", FORM_TYPE),)
        self.way.fetch(node, fetch, HttpRequest("POST", TOKEN_PATH, headers, fetch.body))

    def suspend(self, suspended: bool) -> None:
        """The machine account may not push any more (403), or may again."""
        self.ci.accounts.suspend(ACCOUNT.account_id, suspended)

    def revoke(self) -> None:
        """No access token that was given out is good any more (401)."""
        self.ci.accounts.revoke()

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

    def unregister(self, partner: Partner, token: str) -> None:
        """The app that had this token is gone: from now on the answer is 410."""
        cloud = self.apns if partner is Partner.APNS else self.fcm
        self._deliver(cloud.receive(DeviceUnregistered(token), self._world.now))

    # Time.

    def advance(self, now: Instant) -> None:
        """Do what is due in any of the four."""
        self._from_ci(self.ci.advance(now))
        self._perform(self.push_rest.advance(now))
        self._deliver(self.apns.advance(now))
        self._deliver(self.fcm.advance(now))

    def next_deadline(self) -> Instant | None:
        """When `advance` has something to do."""
        times = (
            self.ci.next_deadline(),
            self.push_rest.next_deadline(),
            self.apns.next_deadline(),
            self.fcm.next_deadline(),
        )
        return min((at for at in times if at is not None), default=None)

    def spoil(self, *faults: Fault) -> None:
        """Faults of the partner clouds."""
        for fault in faults:
            self.apns.faults.add(fault)
            self.fcm.faults.add(fault)

    def clear_faults(self) -> None:
        """From now on all is well."""
        self.way.clear()
        self.suspend(False)
        for cloud in (self.ci, self.push_rest, self.apns, self.fcm):
            cloud.faults.clear()

    def counts(self) -> dict[str, int]:
        """What is on its way; all 0 at rest."""
        counts = {f"push_rest_{name}": count for name, count in self.push_rest.counts().items()}
        for name, cloud in (("apns", self.apns), ("fcm", self.fcm)):
            counts |= {f"{name}_{what}": count for what, count in cloud.desk.counts().items()}
        return counts

    # Inside.

    def _arrived(self, what: tuple[int, HttpRequest]) -> None:
        exchange, request = what
        received = RequestReceived(exchange, request)
        if request.path == TOKEN_PATH:
            self._from_ci(self.ci.receive(received, self._world.now))
        else:
            self._perform(self.push_rest.receive(received, self._world.now))
        self._world.watch(self)

    def _from_ci(self, actions: tuple[object, ...]) -> None:
        for action in actions:
            if isinstance(action, SendAnswer):
                self.way.answer(action.exchange, action.answer)
            elif isinstance(action, Ignored):
                self._watch.cloud(f"CI: {action.reason}")

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
        tracking_id = self.way.pushed_by(action.exchange)
        if tracking_id is not None:
            self._watch.answered(tracking_id, action.answer.status)
            self.way.answer(action.exchange, action.answer)

    def _deliver(self, actions: tuple[DeliveryAction | object, ...]) -> None:
        for action in actions:
            if isinstance(action, Deliver):
                receiver = self._receivers.get(action.delivery.token)
                if receiver is not None:
                    self._world.plan(self._world.now, receiver, action.delivery)
            else:
                self._watch.cloud(getattr(action, "reason", "?"))
