"""How a partner cloud hands pushes to devices: at once, late, twice, never, or on their return."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeAlias

from callctl.cloud.faults import Fault
from callctl.cloud.partner import Partner
from sipstack.timing import SECOND, DeadlineQueue, Instant, Timed

STORED_MAX: Final = 100  # pushes kept for one absent device; FCM's documented limit
IGNORED_EXPIRY_NS: Final = 86_400 * SECOND  # how long a push lives whose expiration is ignored


@dataclass(frozen=True, slots=True)
class Delivery:
    """A push as the app gets it."""

    partner: Partner
    token: str
    message_id: str  # given by the partner cloud
    push_type: str  # APNs: "voip", "alert" or "background"; FCM: "data"
    topic: str  # APNs: topic; FCM: project id
    payload: Mapping[str, Any] = field(repr=False)
    collapse_id: str | None = None
    expires: Instant | None = None  # not delivered at or after it; None: now or never


@dataclass(frozen=True, slots=True)
class DeviceAttached:
    """A device holds a connection to its cloud, which makes its token known there."""

    token: str
    app: str  # APNs: topic the token is for; FCM: project id


@dataclass(frozen=True, slots=True)
class DeviceDetached:
    """The connection is gone; the token stays good."""

    token: str


@dataclass(frozen=True, slots=True)
class DeviceUnregistered:
    """The app was removed: its token is dead, and the sender is told so."""

    token: str


DeviceEvent: TypeAlias = DeviceAttached | DeviceDetached | DeviceUnregistered


@dataclass(frozen=True, slots=True)
class Deliver:
    """Hand this to the device that is attached under `delivery.token`."""

    delivery: Delivery


@dataclass(frozen=True, slots=True)
class Discard:
    """A push never reached its device; the cloud's sender does not learn of it."""

    delivery: Delivery
    reason: str  # "expired", "replaced", "lost", "store full"


DeliveryAction: TypeAlias = Deliver | Discard


@dataclass(slots=True)
class TokenState:
    """One device token."""

    app: str
    attached: bool = False
    unregistered_at: Instant | None = None

    def is_dead(self, fault: Fault, now: Instant) -> bool:
        """True if a sender is told so: some clouds learn of a removed app late."""
        since = self.unregistered_at
        return since is not None and now >= since + fault.late_410_ns


class _Late(Timed):
    """A delivery that a fault holds back."""

    __slots__ = ("delivery",)

    def __init__(self, delivery: Delivery) -> None:
        super().__init__()
        self.delivery = delivery


class _Store(Timed):
    """What waits for one absent device; its deadline is the first expiry."""

    __slots__ = ("deliveries", "token")

    def __init__(self, token: str) -> None:
        super().__init__()
        self.token = token
        self.deliveries: list[Delivery] = []


class DeliveryDesk:
    """Tokens of one partner cloud, and the pushes on their way to them.

    `stored_max`: pushes kept for one absent device; a newer one takes the place of the oldest.
    """

    def __init__(self, stored_max: int = STORED_MAX) -> None:
        self.tokens: dict[str, TokenState] = {}
        self._stored_max = stored_max
        self._stores: dict[str, _Store] = {}
        self._late = 0
        self._deadlines: DeadlineQueue[Timed] = DeadlineQueue()

    def receive(self, event: DeviceEvent, now: Instant) -> tuple[DeliveryAction, ...]:
        """A device came or went."""
        state = self.tokens.get(event.token)
        match event:
            case DeviceAttached(token, app):
                self.tokens[token] = TokenState(app, attached=True)
                return self._hand_over_stored(token, now)
            case DeviceDetached():
                if state is not None:
                    state.attached = False
            case DeviceUnregistered(token):
                if state is not None:
                    state.attached = False
                    state.unregistered_at = now
                return tuple(Discard(gone, "unregistered") for gone in self._drop_store(token))
        return ()

    def send(self, delivery: Delivery, fault: Fault, now: Instant) -> tuple[DeliveryAction, ...]:
        """Take a push that was accepted from its sender."""
        if fault.lose:
            return (Discard(delivery, "lost"),)
        if fault.ignore_expiry:
            delivery = replace(delivery, expires=Instant(now + IGNORED_EXPIRY_NS))
        out: list[DeliveryAction] = []
        for _ in range(2 if fault.duplicate else 1):
            if fault.delay_ns:
                late = _Late(delivery)
                self._late += 1
                self._deadlines.set(late, Instant(now + fault.delay_ns))
            else:
                out += self._hand_over(delivery, now)
        return tuple(out)

    def advance(self, now: Instant) -> tuple[DeliveryAction, ...]:
        """Deliver what was late, and discard what has expired."""
        out: list[DeliveryAction] = []
        for owner in self._deadlines.due(now):
            if isinstance(owner, _Late):
                self._late -= 1
                out += self._hand_over(owner.delivery, now)
            elif isinstance(owner, _Store):
                out += self._discard_expired(owner, now)
        return tuple(out)

    def next_deadline(self) -> Instant | None:
        """When `advance` has something to do."""
        return self._deadlines.next_deadline()

    def counts(self) -> dict[str, int]:
        """What is on its way; at rest each is 0."""
        stored = sum(len(store.deliveries) for store in self._stores.values())
        return {"late": self._late, "stored": stored}

    def _hand_over(self, delivery: Delivery, now: Instant) -> tuple[DeliveryAction, ...]:
        if delivery.expires is not None and now >= delivery.expires:
            return (Discard(delivery, "expired"),)
        state = self.tokens.get(delivery.token)
        if state is not None and state.attached:
            return (Deliver(delivery),)
        if delivery.expires is None or state is None or state.unregistered_at is not None:
            return (Discard(delivery, "expired" if delivery.expires is None else "unregistered"),)
        return self._keep(delivery)

    def _keep(self, delivery: Delivery) -> tuple[DeliveryAction, ...]:
        store = self._stores.setdefault(delivery.token, _Store(delivery.token))
        gone: list[Delivery] = []
        if delivery.collapse_id is not None:
            gone = [d for d in store.deliveries if d.collapse_id == delivery.collapse_id]
        elif len(store.deliveries) >= self._stored_max:
            gone = store.deliveries[:1]
        store.deliveries = [d for d in store.deliveries if d not in gone]
        store.deliveries.append(delivery)
        self._set_expiry(store)
        return tuple(Discard(old, "replaced") for old in gone)

    def _hand_over_stored(self, token: str, now: Instant) -> tuple[DeliveryAction, ...]:
        out: list[DeliveryAction] = []
        for delivery in self._drop_store(token):
            out += self._hand_over(delivery, now)
        return tuple(out)

    def _discard_expired(self, store: _Store, now: Instant) -> tuple[DeliveryAction, ...]:
        gone = [d for d in store.deliveries if d.expires is not None and d.expires <= now]
        store.deliveries = [d for d in store.deliveries if d not in gone]
        self._set_expiry(store)
        return tuple(Discard(old, "expired") for old in gone)

    def _drop_store(self, token: str) -> list[Delivery]:
        store = self._stores.pop(token, None)
        if store is None:
            return []
        self._deadlines.set(store, None)
        return store.deliveries

    def _set_expiry(self, store: _Store) -> None:
        ends = [d.expires for d in store.deliveries if d.expires is not None]
        self._deadlines.set(store, min(ends, default=None))
        if not ends:
            self._stores.pop(store.token, None)
