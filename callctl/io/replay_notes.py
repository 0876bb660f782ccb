"""What notes need to know of a running cluster: before a capture of it begins, and afterwards."""

from __future__ import annotations

from typing import Final

from callctl.capture.captured import CapturedMessage
from callctl.io.cluster_shell import ClusterShell
from callctl.model.device import ClientType
from callctl.push.events import Outcome
from callctl.push.history import PushEntry as SentPush
from callctl.registration.push_binding import Stamp
from callctl.replay.happened import Beginning, Happened, notes_of
from callctl.replay.notes_schema import NotesFile, PushEntry, RegisteredEntry, SignedEntry
from sipstack.timing import SECOND, Instant

LOST: Final = {"connect", "tls", "proxy", "closed", "bad answer"}
"""Why a push may be lost on its way."""


def beginning_of(shell: ClusterShell) -> Beginning:
    """Who is registered over which flow, who signed in, which nodes are out of service.

    Raises: Conflict if no node is in service.
    """
    now, engine = shell.clock(), shell.view.engine
    registered = []
    for binding in engine.bindings:
        if binding.flow is None or not binding.lives(now):
            continue
        host, port = binding.flow.remote_host, binding.flow.remote_port
        owner = shell.cluster.devices[binding.device_name].owner
        instance = "" if binding.instance is None else f';+sip.instance="<{binding.instance}>"'
        reg_id = "" if binding.reg_id is None else f";reg-id={binding.reg_id}"
        registered.append(
            RegisteredEntry(
                line=binding.dn,
                at=f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
                contact=f"<{binding.contact}>{binding.contact_params}{instance}{reg_id}",
                user=owner or "",
            )
        )
    return Beginning(
        at_unix_ns=shell.clock.unix_ns(now),
        registered=registered,
        signed_in=[it.device_name for it in engine.push_bindings if it.managed],
        down=[it for it in shell.node_names if shell.running_node(it) is None],
    )


def happened_since(shell: ClusterShell, begun_unix_ns: int) -> Happened:
    """Pushes, sign-ins and sign-outs; of those of one device the last. Raises: Conflict if no node
    is in service."""
    begun_at = Instant(begun_unix_ns - shell.clock.unix_ns(Instant(0)))
    engine, devices = shell.view.engine, shell.cluster.devices

    def signed(device_name: str, stamp: Stamp) -> list[SignedEntry]:
        managed = devices[device_name].client is not ClientType.STANDARD
        if not managed or stamp[0] < begun_at:
            return []
        return [SignedEntry(at=(stamp[0] - begun_at) / SECOND, device=device_name)]

    return Happened(
        pushes=[
            _push(node, entry, begun_at)
            for node, entry in shell.pushes()
            if entry.posted_at is not None and entry.posted_at >= begun_at
        ],
        sign_ins=[
            entry
            for it in engine.push_bindings
            if it.managed
            for entry in signed(it.device_name, it.stamp)
        ],
        sign_outs=[entry for name, stamp in engine.push_removals for entry in signed(name, stamp)],
    )


def notes_since(
    begun: Beginning,
    shell: ClusterShell,
    messages: tuple[CapturedMessage, ...],
    *,
    title: str = "",
    origin: str = "",
) -> NotesFile:
    """`messages`: what the capture holds; its first one is when the recording begins."""
    zero = messages[0].at_ns if messages else begun.at_unix_ns
    happened = happened_since(shell, begun.at_unix_ns)
    return notes_of(begun, happened, messages, shell.cluster, zero, title=title, origin=origin)


def _push(node: str, entry: SentPush, begun_at: Instant) -> PushEntry:
    assert entry.posted_at is not None
    ended = entry.ended_at is not None
    lost = entry.reason if ended and entry.reason in LOST else ""
    return PushEntry(
        at=(entry.posted_at - begun_at) / SECOND,
        node=node,
        device=entry.device_name,
        kind=entry.kind.value,
        answer=None if lost or not ended else entry.status or _status(entry.outcome),
        lost=lost,
        after_s=0 if entry.ended_at is None else (entry.ended_at - entry.posted_at) / SECOND,
    )


def _status(outcome: Outcome | None) -> int | None:
    return 200 if outcome is Outcome.ACCEPTED else None
