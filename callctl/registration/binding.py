"""SIP bindings: which contact, over which flow, at which node, a device can be reached at.

Every node holds the bindings of the whole cluster, so that a call never waits for a store (OP-31).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from callctl.registration.push_binding import Stamp
from sipstack.timing import SECOND, Instant
from sipstack.transport.flow import UNCONNECTED, Flow

BindingKey = tuple[str, str, int | None]

SWEEP_NS: Final = 10 * SECOND  # expired bindings are looked for this often; look-ups never see them


@dataclass(slots=True, eq=False)
class Binding:
    """One contact of one device for one address of record. Never changed once made: replaced.

    Source: RFC 3261 §10, RFC 5626 §6, RFC 3327 §5.3.
    """

    key: BindingKey
    binding_id: str  # kept when the same instance registers again, wherever it does
    device_name: str
    dn: str  # user part of the address of record
    contact: str  # Contact URI without headers: the Request-URI of what is sent to the device
    contact_headers: str  # what followed "?" in it, echoed and never used (RFC 4475 §3.3.14)
    contact_params: str  # Contact header parameters without expires, as registered: ";q=0.5"
    instance: str | None  # +sip.instance without <>
    reg_id: int | None
    node: str  # where it registered
    incarnation: int  # of that node: a connection does not survive a restart
    flow: Flow | None  # None once the connection is gone
    path: tuple[str, ...]  # Path values, the topmost first
    call_id: str
    cseq: int
    expires_at: Instant
    outbound: bool  # RFC 5626: only ever reached over its flow
    gruu: str | None  # public GRUU handed out for it, RFC 5627
    stamp: Stamp
    asked_at: Instant  # when its phone first asked for it: before it was challenged

    def lives(self, now: Instant) -> bool:
        """True until the contact expires."""
        return self.expires_at > now

    def without_flow(self, stamp: Stamp) -> Binding:
        """The same contact after its connection closed."""
        return replace(self, flow=None, stamp=stamp)


def binding_key(
    device_name: str, instance: str | None, reg_id: int | None, contact: str
) -> BindingKey:
    """What makes two registrations one binding (RFC 5626 §6, RFC 3261 §10.3)."""
    if instance is not None:
        return device_name, instance.lower(), reg_id
    return device_name, contact, None


class BindingTable:
    """All bindings of a cluster as one node knows them."""

    __slots__ = (
        "_by_connection",
        "_by_dn",
        "_by_id",
        "_expiring",
        "_gone",
        "_last_node",
        "_next_sweep",
        "incarnation",
        "node",
    )

    def __init__(self, node: str, incarnation: int) -> None:
        self.node = node
        self.incarnation = incarnation
        self._by_id: dict[str, Binding] = {}
        self._by_dn: dict[str, tuple[Binding, ...]] = {}
        self._by_connection: dict[int, tuple[str, ...]] = {}  # own streams only
        # Moment of expiry to binding ids: a few lists instead of one timer a binding.
        self._expiring: dict[Instant, list[str]] = {}
        # Removed ids, so that an older "stored" which comes late cannot bring one back (I12).
        self._gone: dict[str, tuple[Stamp, Instant]] = {}
        self._last_node: dict[str, str] = {}
        self._next_sweep: Instant | None = None  # asked for after each message

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Binding]:
        return iter(tuple(self._by_id.values()))

    def get(self, binding_id: str) -> Binding | None:
        """The binding with this id."""
        return self._by_id.get(binding_id)

    def of_dn(self, dn: str, now: Instant) -> tuple[Binding, ...]:
        """Unexpired bindings of an address of record, oldest first."""
        found = self._by_dn.get(dn, ())
        for binding in found:
            if binding.expires_at <= now:
                return tuple(b for b in found if b.expires_at > now)
        return found

    def of_device(self, device_name: str, dn: str, now: Instant) -> tuple[Binding, ...]:
        """Unexpired bindings of one device for one line."""
        return tuple(b for b in self.of_dn(dn, now) if b.device_name == device_name)

    def on_connection(self, connection: int) -> tuple[Binding, ...]:
        """Bindings whose flow is this stream connection of this node."""
        ids = self._by_connection.get(connection, ())
        return tuple(self._by_id[i] for i in ids if i in self._by_id)

    def last_node(self, device_name: str) -> str | None:
        """The node at which the device registered last, even if it no longer is (CMG-07)."""
        return self._last_node.get(device_name)

    def store(self, binding: Binding) -> bool:
        """Keep a binding, in place of the one with its id. False if what is known is newer."""
        binding_id = binding.binding_id
        gone = self._gone.get(binding_id)
        if gone is not None and gone[0] >= binding.stamp:
            return False
        old = self._by_id.get(binding_id)
        if old is not None:
            if old.stamp >= binding.stamp:
                return False
            self._unlink_connection(old)
        self._by_id[binding_id] = binding
        others = self._by_dn.get(binding.dn, ())
        if old is not None:
            others = tuple(b for b in others if b is not old)
        self._by_dn[binding.dn] = (*others, binding)
        flow = binding.flow
        if flow is not None and flow.connection != UNCONNECTED and self._owns_flow(binding):
            ids = self._by_connection.get(flow.connection, ())
            self._by_connection[flow.connection] = (*ids, binding_id)
        if old is None or old.expires_at != binding.expires_at:
            slot = Instant(binding.expires_at // SWEEP_NS * SWEEP_NS + SWEEP_NS)
            self._expiring.setdefault(slot, []).append(binding_id)
            if self._next_sweep is None or slot < self._next_sweep:
                self._next_sweep = slot
        self._last_node[binding.device_name] = binding.node
        return True

    def remove(self, binding_id: str, stamp: Stamp) -> Binding | None:
        """Forget a binding, unless what is known of it is newer than `stamp`."""
        binding = self._by_id.get(binding_id)
        if binding is None or binding.stamp > stamp:
            return None
        self._drop(binding)
        self._gone[binding_id] = (stamp, binding.expires_at)
        return binding

    def removals(self) -> tuple[tuple[str, Stamp], ...]:
        """Bindings that were removed and would not have expired yet: for a node that was away."""
        return tuple((binding_id, stamp) for binding_id, (stamp, _) in self._gone.items())

    def sweep(self, now: Instant) -> tuple[Binding, ...]:
        """Forget what has expired, and the removals that no late message can concern any more."""
        expired: list[Binding] = []
        for slot in [slot for slot in self._expiring if slot <= now]:
            for binding_id in self._expiring.pop(slot):
                binding = self._by_id.get(binding_id)
                if binding is not None and binding.expires_at <= now:
                    self._drop(binding)
                    expired.append(binding)
        self._next_sweep = min(self._expiring, default=None)
        for binding_id in [i for i, (_, until) in self._gone.items() if until <= now]:
            del self._gone[binding_id]
        return tuple(expired)

    def next_sweep(self) -> Instant | None:
        """When `sweep` next has something to look at."""
        return self._next_sweep

    def _owns_flow(self, binding: Binding) -> bool:
        """True if the flow is one of this life of this node: numbers begin anew with each."""
        return binding.node == self.node and binding.incarnation == self.incarnation

    def _drop(self, binding: Binding) -> None:
        del self._by_id[binding.binding_id]
        rest = tuple(b for b in self._by_dn[binding.dn] if b is not binding)
        if rest:
            self._by_dn[binding.dn] = rest
        else:
            del self._by_dn[binding.dn]
        self._unlink_connection(binding)

    def _unlink_connection(self, binding: Binding) -> None:
        if binding.flow is None or not self._owns_flow(binding):
            return
        ids = self._by_connection.get(binding.flow.connection)
        if ids is None:
            return
        rest = tuple(i for i in ids if i != binding.binding_id)
        if rest:
            self._by_connection[binding.flow.connection] = rest
        else:
            del self._by_connection[binding.flow.connection]
