"""What nodes tell one another over the bus. Plain frozen data: it travels between processes later.

Source: REG-11, OP-31, CMG-10.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from callctl.registration.binding import Binding
from callctl.registration.push_binding import PushBinding, Stamp


@dataclass(frozen=True, slots=True)
class BindingStored:
    """A device registered or refreshed, or its flow closed. `fresh`: an authenticated REGISTER."""

    binding: Binding
    fresh: bool


@dataclass(frozen=True, slots=True)
class BindingRemoved:
    """A contact was removed by its owner."""

    binding_id: str
    stamp: Stamp


@dataclass(frozen=True, slots=True)
class PushBindingStored:
    """A client signed in, renewed its key or gave a new push target."""

    push_binding: PushBinding


@dataclass(frozen=True, slots=True)
class PushBindingRemoved:
    """A client signed out, or its push target turned out invalid (REG-06, REG-08)."""

    device_name: str
    stamp: Stamp
    refused_mark: str = ""  # of the target that was refused; see `mark_of`


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """This node is in service; `cpns` tells whether its push service is too."""

    node: str
    incarnation: int  # grows with each start, so that a node that came back is seen as new
    cpns: bool


@dataclass(frozen=True, slots=True)
class NodeLeaving:
    """This node stops in order: nobody needs to wait for missing heartbeats."""

    node: str


@dataclass(frozen=True, slots=True)
class SnapshotRequested:
    """A node that just started, or was cut off, asks for everything the others know.

    `of` names the one who is to answer, None means every node.
    """

    node: str
    of: str | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All a node knows, for `to`. Merged record by record: the newest wins."""

    to: str
    bindings: tuple[Binding, ...]
    push_bindings: tuple[PushBinding, ...]
    removed: tuple[tuple[str, Stamp], ...] = ()  # binding ids
    push_removed: tuple[tuple[str, Stamp], ...] = ()  # device names
    push_refused: tuple[tuple[str, str], ...] = ()  # device names, marks of refused targets


ClusterEvent: TypeAlias = (
    BindingStored
    | BindingRemoved
    | PushBindingStored
    | PushBindingRemoved
    | Heartbeat
    | NodeLeaving
    | SnapshotRequested
    | Snapshot
)
