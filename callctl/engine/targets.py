"""Whom a number stands for: the legs of a call, as its itinerary asks for them.

Source: REG-13, CALL-20, CMG-11, OP-06; RFC 3261 §16.5.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from callctl.call.call import Call
from callctl.call.called import KINDS, CalledDevice
from callctl.call.itinerary import Cause, Onward, Target
from callctl.call.leg import Leg, LegState
from callctl.engine.context import NodeContext
from callctl.engine.trunks import Trunks
from callctl.model.device import ClientType, Device, Platform
from callctl.model.hunt_pilot import Distribution, HuntPilot
from callctl.model.line import Line
from callctl.model.trunk import RoutePattern
from callctl.registration.binding import Binding
from callctl.registration.push_binding import PushBinding
from sipstack.timing import Instant

APNS: Final = "APNS"


class WaitingCalls:
    """Calls under way, by the devices whose REGISTER may matter to them."""

    __slots__ = ("_by_device", "_devices")

    def __init__(self) -> None:
        self._by_device: dict[str, dict[Call, None]] = {}
        self._devices: dict[Call, list[str]] = {}

    def __len__(self) -> int:
        return len(self._by_device)

    def add(self, call: Call, device_name: str) -> None:
        """A REGISTER of the device is of interest to the call."""
        calls = self._by_device.setdefault(device_name, {})
        if call not in calls:
            calls[call] = None
            self._devices.setdefault(call, []).append(device_name)

    def of(self, device_name: str) -> tuple[Call, ...]:
        """The calls that wait for a device, the oldest first (OP-06)."""
        return tuple(self._by_device.get(device_name, ()))

    def forget(self, call: Call) -> bool:
        """Nothing releases the call any more; False if nothing did before."""
        names = self._devices.pop(call, None)
        if names is None:
            return False
        for name in names:
            calls = self._by_device[name]
            del calls[call]
            if not calls:
                del self._by_device[name]
        return True


class TargetFinder:
    """Finds the parties of a number at one node."""

    __slots__ = ("_calls", "_context", "_trunks", "_waiting")

    def __init__(
        self,
        context: NodeContext,
        calls: Collection[Call],
        waiting: WaitingCalls,
        trunks: Trunks,
    ) -> None:
        self._context = context
        self._calls = calls
        self._waiting = waiting
        self._trunks = trunks

    def target(self, call: Call, onward: Onward, now: Instant) -> Target:
        """What a number leads to, for one call: parties it has not been offered to yet."""
        destination = self._context.cluster.destination(onward.number)
        match destination:
            case Line():
                return self._line(call, destination, onward, now)
            case HuntPilot():
                return self._hunt(call, destination, onward, now)
            case RoutePattern():
                return self._outside(destination, onward.number)
        call.record.note(now, "no-such-line", dn=onward.number)
        return Target(onward.number, [], refusal=404)

    def _line(self, call: Call, line: Line, onward: Onward, now: Instant) -> Target:
        # A mobility identity is one more way to the user: it rings there, and goes no further.
        hunted = onward.pilot is not None or onward.cause is Cause.MOBILITY
        if not hunted and line.forwarding.all is not None:
            return Target(line.dn, [], line.forwarding)  # its devices are left in peace
        legs, crowded = self._devices(call, line.dn, now, mobility=onward.cause in SENT_TO_LINE)
        refusal = self._refusal() if crowded and not legs else None
        if hunted:
            return Target(line.dn, legs, refusal=refusal)
        return Target(line.dn, legs, line.forwarding, refusal=refusal)

    def _hunt(self, call: Call, pilot: HuntPilot, onward: Onward, now: Instant) -> Target:
        legs: list[tuple[Leg, tuple[Binding, ...]]] = []
        mobility = onward.cause is Cause.MOBILITY  # beside the line's other devices: all at once
        if mobility or pilot.distribution is Distribution.SIMULTANEOUS:
            taken: set[str] = set()
            for dn in pilot.members:
                found, _ = self._devices(call, dn, now, mobility=False, taken=taken)
                legs += found
        return Target(pilot.dn, legs, pilot=None if mobility else pilot)

    def _outside(self, pattern: RoutePattern, number: str) -> Target:
        """One leg over the trunks of a pattern; each of their destinations is a way to try."""
        trunks = self._context.cluster.trunks
        names = " and ".join(pattern.trunks)
        leg = Leg(None, None, number, name=f"trunk {names}")
        for name in pattern.trunks:
            trunk = trunks[name]
            leg.ways.extend((trunk, destination) for destination in self._trunks.order(trunk))
        return Target(number, [(leg, ())])

    def _devices(
        self,
        call: Call,
        dn: str,
        now: Instant,
        *,
        mobility: bool,
        taken: set[str] | None = None,
    ) -> tuple[list[tuple[Leg, tuple[Binding, ...]]], bool]:
        """A leg for each device of a line that can be reached now or be woken.

        `taken`: devices that have a leg of this stage already, by another line of the hunt.
        Returns: the legs, and whether a device was left out because too many calls wait for it.
        """
        context = self._context
        known = {leg.name for leg in call.legs} | (taken or set())
        bindings = context.table.of_dn(dn, now)
        legs: list[tuple[Leg, tuple[Binding, ...]]] = []
        crowded = False
        for device in context.cluster.devices_of_line.get(dn, ()):
            name = device.name
            if name in known:
                continue  # one leg and one ring push per device and call (CALL-16)
            live = tuple(b for b in bindings if b.device_name == name and context.lives(b))
            push_binding = context.push_binding(device)
            no_node = push_binding is not None and context.active_node(device) is None
            if no_node:
                group = ", ".join(context.cluster.group_of(device).nodes)
                call.record.note(now, "no-node", name, group=group)
                push_binding = None
            called = call.record.called[name] = self._called(device, dn)
            other = self._mobility(device, push_binding) if mobility else None
            if not live and push_binding is None and other is None:
                if not no_node:
                    why = self._why_not_woken(device, called)
                    call.record.note(now, "unreachable", name, why=why)
                self._waiting.add(call, name)  # it may still register while the call rings
                continue
            if not live and self._full(name):
                call.record.note(now, "crowded", name)
                crowded = True
                continue
            if taken is not None:
                taken.add(name)
            self._waiting.add(call, name)
            leg = Leg(device, push_binding, dn, mobility=other)
            leg.told_end = called.second_push
            legs.append((leg, live))
        return legs, crowded

    def _called(self, device: Device, dn: str) -> CalledDevice:
        """The device as it is now, for whoever asks later why it rang or did not."""
        context = self._context
        binding = context.push_bindings.get(device.name)
        if binding is None:
            return CalledDevice.of(device, dn, None, None, "")
        capability = context.capabilities.of(binding)
        return CalledDevice.of(device, dn, binding, capability.features, capability.refused)

    def _why_not_woken(self, device: Device, called: CalledDevice) -> str:
        """In words: what a device lacks that has no push (GEN-09, REG-13)."""
        context = self._context
        if not device.mobile:
            return f"a {KINDS[device.platform]} gets no push"
        if not context.push_on or context.cluster.unrestricted:
            return "this cluster sends no push"
        if called.features is None:
            if device.client is ClientType.STANDARD:
                return "no registration of it has push parameters"
            known = context.push_bindings.stamp_of(device.name) is not None
            return "it has signed out, or lost its app" if known else "it has never signed in"
        return called.refused or "it has given no token for calls"

    def _mobility(self, device: Device, push_binding: PushBinding | None) -> str | None:
        """The number to call if the device does not come: of iPhones on APNS only (MOB-07)."""
        if device.platform is not Platform.IOS or device.owner is None:
            return None
        if push_binding is not None and not push_binding.subscriber_service.startswith(APNS):
            return None
        return self._context.cluster.users[device.owner].mobility_identity

    def _full(self, device_name: str) -> bool:
        """True if no more calls may be parked for the device, or at this node (OP-06)."""
        parameters = self._context.cluster.service_parameters
        waiting = len(self._waiting.of(device_name))
        return waiting >= parameters.parked_calls_per_callee_max or self._refusal() == 503

    def _refusal(self) -> int:
        """The answer where nobody can take one more: 503 for the node, 486 for the device."""
        most = self._context.cluster.service_parameters.parked_calls_max
        if len(self._calls) <= most:
            return 486
        parked = sum(leg.state is LegState.WAITING for call in self._calls for leg in call.legs)
        return 503 if parked >= most else 486


SENT_TO_LINE: Final = frozenset(
    {Cause.UNCONDITIONAL, Cause.BUSY, Cause.NO_ANSWER, Cause.UNREGISTERED}
)
"""Ways to a line on which its users' mobility identities are called too; a hunt calls none."""
