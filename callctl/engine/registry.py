"""What a node knows of devices, and how it learns it: REGISTER, sign-in, the other nodes.

Source: REG-01 to REG-11, OP-31; design I3 and I12.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

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
from callctl.registration.push_binding import PushBinding, stamp_after
from callctl.registration.registrar import Refused, Registrar
from callctl.serviceability.condition import ConditionEntered, ConditionLeft
from callctl.serviceability.subject import device_subject
from sipstack.message.message import Request
from sipstack.timing import Instant
from sipstack.transaction.machine import ServerTransaction
from sipstack.transport.flow import Flow

INVALID_TARGET: Final = "PushNotificationInvalidDeviceTokenResponse"


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
        asked_at: Instant,
    ) -> None:
        """Serve a REGISTER whose sender is known; None where nobody is asked for a password.

        `asked_at`: when the sender first asked, before it was challenged.
        """
        answer = self._proxy.answer
        context = self._context
        outcome = self._registrar.register(request, user_id, flow, now, asked_at)
        if isinstance(outcome, Refused):
            answer(transaction, request, outcome.status, outcome.headers, now, out)
            return
        for binding in outcome.removed:
            stamp = stamp_after(binding.stamp, now, context.name)
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
            stamp = stamp_after(binding.stamp, now, self._context.name)
            changed = binding.without_flow(stamp)
            if table.store(changed):
                out.append(Publish(BindingStored(changed, fresh=False)))

    def store_push(self, push_binding: PushBinding, out: Out) -> None:
        """A client gave a target or a key, newer than what was known.

        The region is what the client says, unless the administrator has put the device into the
        custom region (OP-18, CHN-10).
        """
        device = self._context.cluster.devices.get(push_binding.device_name)
        if device is not None and device.custom_region and not push_binding.custom_region:
            push_binding = replace(push_binding, custom_region=True)
        table = self._context.push_bindings
        refused = table.refused_of(push_binding.device_name)
        if refused and not push_binding.managed:
            without = push_binding.without_targets(refused)
            if without is None or table.brings_nothing_new(push_binding):
                self._context.ignore("push target that was refused", "", out)
                return
            push_binding = without
        known = table.stamp_of(push_binding.device_name)
        stamp = stamp_after(known, push_binding.stamp[0], self._context.name)
        push_binding = replace(push_binding, stamp=stamp)
        before = table.get(push_binding.device_name)
        if self._store_push(push_binding, out):
            out.append(Publish(PushBindingStored(push_binding)))
            if before is None:
                # The alarm may be older than what any node remembers.
                name = push_binding.device_name
                out.append(ConditionLeft(INVALID_TARGET, self._context.name, name))

    def remove_push(self, device_name: str, now: Instant, out: Out) -> None:
        """No push reaches this device until its client signs in again."""
        push_bindings = self._context.push_bindings
        stamp = stamp_after(push_bindings.stamp_of(device_name), now, self._context.name)
        stopped = push_bindings.is_stopped(device_name)
        if stopped:
            out.append(ConditionLeft(INVALID_TARGET, self._context.name, device_name))
        if push_bindings.remove(device_name, stamp) or stopped:
            out.append(Publish(PushBindingRemoved(device_name, stamp)))

    def refuse_target(self, device_name: str, mark: str, out: Out) -> None:
        """The cloud calls a device token invalid: no push until there is another (CLOUD-06).

        Late news of a token that was replaced meanwhile stop nothing.
        """
        push_bindings = self._context.push_bindings
        binding = push_bindings.get(device_name)
        if binding is None or not binding.has_target(mark):
            self._context.ignore("late refusal of a push target", "", out)
            return
        # As old as the binding it is about: a sign-in at another node that we have not heard of
        # yet is newer, whatever the clock there says, and stands.
        push_bindings.remove(device_name, binding.stamp)
        push_bindings.refuse(device_name, mark, binding.marks)
        out.append(Publish(PushBindingRemoved(device_name, binding.stamp, mark)))
        subject = device_subject(device_name, mark)
        out.append(ConditionEntered(INVALID_TARGET, self._context.name, subject))

    def _refused_elsewhere(
        self, device_name: str, mark: str, before: PushBinding | None, out: Out
    ) -> None:
        """Another node knows that the cloud calls this target invalid; `before`: what was known."""
        push_bindings = self._context.push_bindings
        binding = push_bindings.get(device_name)
        if binding is None:
            push_bindings.refuse(device_name, mark, () if before is None else before.marks)
        elif not binding.managed and binding.has_target(mark):
            # Said again in a REGISTER that came before the news.
            self.refuse_target(device_name, mark, out)

    def _store_push(self, push_binding: PushBinding, out: Out) -> bool:
        """Keep a push binding; it ends the alarm about the target before it, if there is one."""
        table, name = self._context.push_bindings, push_binding.device_name
        stopped = table.is_stopped(name)
        if not table.store(push_binding):
            return False
        if stopped:
            out.append(ConditionLeft(INVALID_TARGET, self._context.name, name))
        return True

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
                self._store_push(push_binding, out)
            case PushBindingRemoved(device_name, stamp, mark):
                before = context.push_bindings.get(device_name)
                context.push_bindings.remove(device_name, stamp)
                if mark:
                    self._refused_elsewhere(device_name, mark, before, out)
            case SnapshotRequested(node, of):
                if of is None or of == context.name:
                    out.append(Publish(self._snapshot(node)))
            case Snapshot(to) if to == context.name:
                self._merge(event, now, out)

    def _snapshot(self, to: str) -> Snapshot:
        context = self._context
        return Snapshot(
            to,
            tuple(context.table),
            tuple(context.push_bindings),
            context.table.removals(),
            context.push_bindings.removals(),
            context.push_bindings.refusals(),
        )

    def _merge(self, snapshot: Snapshot, now: Instant, out: Out) -> None:
        """Take over what another node knows better. A device that came meanwhile is expected."""
        context = self._context
        for binding_id, stamp in snapshot.removed:
            context.table.remove(binding_id, stamp)
        for device_name, stamp in snapshot.push_removed:
            context.push_bindings.remove(device_name, stamp)
        for push_binding in snapshot.push_bindings:
            self._store_push(push_binding, out)
        for device_name, mark in snapshot.push_refused:
            self._refused_elsewhere(device_name, mark, context.push_bindings.get(device_name), out)
        for binding in snapshot.bindings:
            if context.table.store(binding):
                self._calls.device_registered(binding, now, out)
