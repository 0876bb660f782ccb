"""The push binding of a device: how to wake it. It outlives every SIP contact (REG-03)."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Final

from callctl.model.device import ClientType, Platform
from sipstack.timing import Instant

MARK_HEX: Final = 16
REFUSED_MAX: Final = 4  # marks of a device that are kept; no client has more than two tokens

Stamp = tuple[Instant, str]
"""When and at which node a record was written. The newest wins where two nodes differ (I12)."""


def stamp_after(known: Stamp | None, now: Instant, node: str) -> Stamp:
    """A stamp for what is written now, newer than `known` even if this node's clock is behind.

    What was answered 200 may not be dropped because another node has a faster clock (I12).
    """
    stamp = (now, node)
    return stamp if known is None else max(stamp, (Instant(known[0] + 1), node))


@dataclass(frozen=True, slots=True)
class PushBinding:
    """What is needed to push to one device, as its client last gave it.

    It comes from the sign-in of a managed client, or from the RFC 8599 parameters of a REGISTER;
    then there is no key, and only content-free pushes are possible (OP-01).
    Source: REG-03, REG-04, REG-05, REG-07.
    """

    device_name: str
    platform: Platform
    os_version: str
    client: ClientType
    client_version: str
    subscriber_service: str  # "APNS", "APNS:dev", "FCM", ...: chosen by the client (CLOUD-10)
    voip_token: str | None  # target of the VoIP channel; Android has one token for both
    message_token: str | None  # target of the Message channel
    key_id: str | None = None
    key: bytes | None = field(default=None, repr=False)  # AES, 32 octets, made by the client
    custom_region: bool = False  # mainland China: message pushes only, CHN-01
    local_push: bool = False  # may be woken by local push, LPNS-04
    topic: str | None = None  # app identifier the provider wants, from `pn-param`
    managed: bool = True  # False: from RFC 8599, ends when its contact is removed
    stamp: Stamp = (Instant(0), "")  # newest wins when nodes differ

    def has_target(self, mark: str) -> bool:
        """True if one of its device tokens has this mark."""
        tokens = (self.voip_token, self.message_token)
        return any(token is not None and mark_of(token) == mark for token in tokens)

    @property
    def marks(self) -> frozenset[str]:
        """Of its device tokens."""
        tokens = (self.voip_token, self.message_token)
        return frozenset(mark_of(token) for token in tokens if token is not None)

    def without_targets(self, marks: Collection[str]) -> PushBinding | None:
        """The same without the device tokens that have these marks; None if none is left."""
        kept = [
            None if token is not None and mark_of(token) in marks else token
            for token in (self.voip_token, self.message_token)
        ]
        if kept == [None, None]:
            return None
        return replace(self, voip_token=kept[0], message_token=kept[1])


def mark_of(device_token: str) -> str:
    """What tells one device token from another without showing it."""
    return sha256(device_token.encode()).hexdigest()[:MARK_HEX]


class PushBindingTable:
    """The newest push binding of every device of the cluster, as one node knows them."""

    __slots__ = ("_by_device", "_gone", "_refused", "_stopped")

    def __init__(self) -> None:
        self._by_device: dict[str, PushBinding] = {}
        # When a device was signed out, so that what was said before cannot bring it back (I12).
        self._gone: dict[str, Stamp] = {}
        # By device name: marks of targets that the cloud called invalid (CLOUD-06). A standard
        # client says its token again with each REGISTER; that does not make it valid.
        self._refused: dict[str, tuple[str, ...]] = {}
        self._stopped: dict[str, frozenset[str]] = {}  # marks of all it had, while it is stopped

    def __contains__(self, device_name: str) -> bool:
        return device_name in self._by_device

    def __iter__(self) -> Iterator[PushBinding]:
        return iter(tuple(self._by_device.values()))

    def get(self, device_name: str) -> PushBinding | None:
        """The push binding of a device, None if it has none or has signed out."""
        return self._by_device.get(device_name)

    def store(self, binding: PushBinding) -> bool:
        """Keep a push binding; False if what is known of the device is newer (REG-04, REG-05)."""
        name = binding.device_name
        known = self._by_device.get(name)
        if known is not None and known.stamp >= binding.stamp:
            return False
        gone = self._gone.get(name)
        if gone is not None and gone >= binding.stamp:
            return False
        self._gone.pop(name, None)
        self._stopped.pop(name, None)
        if binding.managed:
            self._refused.pop(name, None)  # whoever signs in knows what it gives
        self._by_device[name] = binding
        return True

    def remove(self, device_name: str, stamp: Stamp) -> bool:
        """The device has signed out, or its target is invalid (REG-06, REG-08)."""
        known = self._by_device.get(device_name)
        if known is not None and known.stamp > stamp:
            return False
        if self._gone.get(device_name, stamp) <= stamp:
            self._gone[device_name] = stamp
        return self._by_device.pop(device_name, None) is not None

    def refuse(self, device_name: str, mark: str, all_marks: Collection[str] = ()) -> None:
        """The cloud has called the target with this mark invalid (CLOUD-06).

        `all_marks`: of the targets that the device had then.
        """
        self._stopped[device_name] = frozenset((mark, *all_marks))
        others = [it for it in self.refused_of(device_name) if it != mark]
        self._refused[device_name] = (*others, mark)[-REFUSED_MAX:]

    def refused_of(self, device_name: str) -> tuple[str, ...]:
        """The marks of a device's invalid targets, as far as they are remembered."""
        return self._refused.get(device_name, ())

    def brings_nothing_new(self, binding: PushBinding) -> bool:
        """True if the device is stopped, and had each of these targets when it was.

        A standard client says its tokens again with each REGISTER; that does not make them valid.
        """
        stopped = self._stopped.get(binding.device_name)
        return stopped is not None and binding.marks <= stopped

    def is_stopped(self, device_name: str) -> bool:
        """True if nothing can be pushed to the device since its target was refused (REG-06)."""
        return device_name in self._refused and device_name not in self._by_device

    def refusals(self) -> tuple[tuple[str, str], ...]:
        """Devices and marks of their invalid targets: for a node that was away."""
        return tuple((name, mark) for name, marks in self._refused.items() for mark in marks)

    def stamp_of(self, device_name: str) -> Stamp | None:
        """When a device last signed in or out; None if neither is known."""
        known = self._by_device.get(device_name)
        stamps = [known.stamp] if known is not None else []
        gone = self._gone.get(device_name)
        return max([*stamps, gone] if gone is not None else stamps, default=None)

    def removals(self) -> tuple[tuple[str, Stamp], ...]:
        """Devices that have signed out, and when: for a node that was away."""
        return tuple(self._gone.items())
