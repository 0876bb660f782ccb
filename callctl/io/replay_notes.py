"""Notes for what a running cluster was captured doing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from callctl.capture.captured import CapturedMessage
from callctl.io.cluster_shell import ClusterShell
from callctl.push.events import Outcome
from callctl.push.history import PushEntry as SentPush
from callctl.replay.notes_schema import (
    NodeEvent,
    NodeEventEntry,
    NotesFile,
    PushEntry,
    RegisteredEntry,
    SignedEntry,
)
from callctl.replay.parties import parties_of
from sipstack.timing import SECOND, Instant

LOST: Final = {"connect", "tls", "proxy", "closed", "bad answer"}
"""Why a push may be lost on its way."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """What the cluster knew when the capture began."""

    at: Instant
    registered: tuple[RegisteredEntry, ...]
    signed_in: tuple[str, ...]
    down: tuple[str, ...]


def beginning_of(shell: ClusterShell) -> Beginning:
    """Who is registered over which flow, who signed in, which nodes are out of service."""
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
        now,
        tuple(registered),
        tuple(it.device_name for it in engine.push_bindings if it.managed),
        tuple(it for it in shell.node_names if shell.running_node(it) is None),
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
    zero = messages[0].at_ns if messages else shell.clock.unix_ns(begun.at)
    seen = {place for it in messages for place in (it.source, it.target)}
    places = {f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in seen}
    pushes = [
        _push(node, entry, shell, zero)
        for node, entry in shell.pushes()
        if entry.posted_at is not None and entry.posted_at >= begun.at
    ]
    parties = parties_of(messages, shell.cluster)
    return NotesFile(
        title=title,
        origin=origin,
        parties=parties,
        registered=[entry for entry in begun.registered if entry.at in places],
        sign_ins=[SignedEntry(at=0, device=name) for name in begun.signed_in],
        node_events=[NodeEventEntry(at=0, node=name, event=NodeEvent.DIES) for name in begun.down],
        pushes=pushes,
    )


def _push(node: str, entry: SentPush, shell: ClusterShell, zero: int) -> PushEntry:
    assert entry.posted_at is not None
    at = max(0, shell.clock.unix_ns(entry.posted_at) - zero)
    ended = entry.ended_at is not None
    lost = entry.reason if ended and entry.reason in LOST else ""
    return PushEntry(
        at=at / SECOND,
        node=node,
        device=entry.device_name,
        kind=entry.kind.value,
        answer=None if lost or not ended else entry.status or _status(entry.outcome),
        lost=lost,
        after_s=0 if entry.ended_at is None else (entry.ended_at - entry.posted_at) / SECOND,
    )


def _status(outcome: Outcome | None) -> int | None:
    return 200 if outcome is Outcome.ACCEPTED else None
