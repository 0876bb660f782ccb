"""What a node knows of devices, and how it learns it: REGISTER, sign-in, the other nodes.

Source: REG-01 to REG-11, OP-31; design I3 and I12.
"""

from __future__ import annotations

from callctl.cluster.event import (
    BindingRemoved,
    BindingStored,
    ClusterEvent,
    PushBindingRemoved,
    PushBindingStored,
    Snapshot,
    SnapshotRequested,
)
from callctl.cluster.membership import Publish
from callctl.engine.call_control import CallControl
from callctl.engine.context import NodeContext, Out
from callctl.engine.proxy import Proxy
from callctl.registration.binding import Binding
from callctl.registration.push_binding import PushBinding
from callctl.registration.registrar import Refused, Registrar
from sipstack.message.message import Request
from sipstack.timing import Instant
from sipstack.transaction.machine import ServerTransaction
from sipstack.transport.flow import Flow


class Registry:
    """Keeps bindings and push bindings of the cluster, and tells calls who has come."""

    __slots__ = ("_calls", "_context", "_proxy", "_registrar")

    def __init__(self, context: NodeContext, proxy: Proxy, calls: CallControl) -> None:
        self._context = context
        self._proxy = proxy
        self._calls = calls
        self._registrar = Registrar(context.cluster, context.name, context.table, context.entropy)

    def register(
        self,
        transaction: ServerTransaction,
        request: Request,
        user_id: str | None,
        flow: Flow,
        now: Instant,
        out: Out,
    ) -> None:
        """Serve a REGISTER whose sender is known; None where nobody is asked for a password."""
        answer = self._proxy.answer
        context = self._context
        outcome = self._registrar.register(request, user_id, flow, now)
        if isinstance(outcome, Refused):
            answer(transaction, request, outcome.status, outcome.headers, now, out)
            return
        for binding in outcome.removed:
            stamp = (now, context.name)
            context.table.remove(binding.binding_id, stamp)
            out.append(Publish(BindingRemoved(binding.binding_id, stamp)))
        for binding in outcome.stored:
            context.table.store(binding)
        if outcome.push_removed is not None:
            self.remove_push(outcome.push_removed, now, out)
        if outcome.push_stored is not None:
            self.store_push(outcome.push_stored, out)
        # The 200 first: a phone gets its INVITE after it, never before (I3).
        answer(transaction, request, 200, outcome.headers, now, out)
        for binding in outcome.stored:
            out.append(Publish(BindingStored(binding, fresh=True)))
            self._calls.device_registered(binding, now, out)

    def flow_ended(self, flow: Flow, now: Instant, out: Out) -> None:
        """A connection is gone: its contacts stay, but cannot be reached over it."""
        table = self._context.table
        for binding in table.on_connection(flow.connection):
            changed = binding.without_flow((now, self._context.name))
            if table.store(changed):
                out.append(Publish(BindingStored(changed, fresh=False)))

    def store_push(self, push_binding: PushBinding, out: Out) -> None:
        self._context.push_bindings[push_binding.device_name] = push_binding
        out.append(Publish(PushBindingStored(push_binding)))

    def remove_push(self, device_name: str, now: Instant, out: Out) -> None:
        if self._context.push_bindings.pop(device_name, None) is not None:
            out.append(Publish(PushBindingRemoved(device_name, (now, self._context.name))))

    def learn(self, event: ClusterEvent, now: Instant, out: Out) -> None:
        """Another node published something about devices."""
        context = self._context
        match event:
            case BindingStored(binding, fresh):
                if context.table.store(binding) and fresh:
                    self._calls.device_registered(binding, now, out)
            case BindingRemoved(binding_id, stamp):
                context.table.remove(binding_id, stamp)
            case PushBindingStored(push_binding):
                known = context.push_bindings.get(push_binding.device_name)
                if known is None or known.stamp < push_binding.stamp:
                    context.push_bindings[push_binding.device_name] = push_binding
            case PushBindingRemoved(device_name, stamp):
                known = context.push_bindings.get(device_name)
                if known is not None and known.stamp <= stamp:
                    del context.push_bindings[device_name]
            case SnapshotRequested(node):
                everything = Snapshot(
                    node, tuple(context.table), tuple(context.push_bindings.values())
                )
                out.append(Publish(everything))
            case Snapshot(to, bindings, push_bindings):
                if to == context.name:
                    self._merge(bindings, push_bindings)

    def _merge(self, bindings: tuple[Binding, ...], push_bindings: tuple[PushBinding, ...]) -> None:
        context = self._context
        for binding in bindings:
            context.table.store(binding)
        for push_binding in push_bindings:
            known = context.push_bindings.get(push_binding.device_name)
            if known is None or known.stamp < push_binding.stamp:
                context.push_bindings[push_binding.device_name] = push_binding
