"""The other end: how an app reads a push (used by simulated phones)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from callctl.push.content import CONTENT_VERSION, UNIX_EPOCH, ActiveNode, CallContent
from callctl.push.envelope import EnvelopeError, open_envelope, parse_payload
from callctl.push.kind import PushKind

STALE_AFTER_MS: Final = 60_000
"""A push that is older than this is not acted on: its call is long over."""

_ENVELOPE: Final = ("enc", "kid", "iv", "ct", "tag")


_NAMES: Final = {
    "call_uuid": "callUUID",
    "display_name": "displayName",
    "display_number": "displayNumber",
    "hunt_pilot_dn": "huntPilotDn",
    "active_node": "activeNode",
    "sent_at": "sentAt",
}


class _Node(msgspec.Struct):
    fqdn: str
    ip: str
    port: int
    transport: str
    role: str


class _Content(msgspec.Struct, rename=_NAMES):
    v: int
    event: PushKind
    call_uuid: str
    display_name: str | None = None
    display_number: str | None = None
    hunt_pilot_dn: str | None = None
    video: bool = False
    active_node: _Node | None = None
    sent_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ReadPush:
    """What an app knows once it has read a push."""

    tracking_id: str
    content: CallContent | None = None  # None: content-free, register and see (RFC 8599)
    sent_at_unix_ms: int | None = None

    def is_stale(self, now_unix_ms: int) -> bool:
        """True if it was sent too long ago to be acted on."""
        sent = self.sent_at_unix_ms
        return sent is not None and now_unix_ms - sent > STALE_AFTER_MS


def read_push(payload: Mapping[str, Any], target: str, keys: Mapping[str, bytes]) -> ReadPush:
    """Read a push that came to the token `target`; `keys` are the app's keys by key id.

    Takes the form of APNs, where the envelope is a member, and that of FCM, whose data is flat.
    Raises: EnvelopeError if no key opens it, or it is no push of ours.
    """
    tracking_id = payload.get("trackingId")
    if not isinstance(tracking_id, str):
        raise EnvelopeError("no tracking id")
    flat = {name: payload[name] for name in _ENVELOPE if name in payload}
    envelope = parse_payload(payload.get("payload", flat))
    if envelope is None:
        return ReadPush(tracking_id)
    key = keys.get(envelope.key_id)
    if key is None:
        raise EnvelopeError("sealed with a key that is not ours any more")
    plaintext = open_envelope(envelope, key=key, tracking_id=tracking_id, target=target)
    try:
        read = msgspec.json.decode(plaintext, type=_Content)
    except msgspec.DecodeError as error:
        raise EnvelopeError("content of an unknown form") from error
    if read.v != CONTENT_VERSION:
        raise EnvelopeError("content of an unknown version")
    node = read.active_node
    content = CallContent(
        read.event,
        read.call_uuid,
        read.display_name,
        read.display_number,
        read.hunt_pilot_dn,
        read.video,
        None
        if node is None
        else ActiveNode(node.fqdn, node.ip, node.port, node.transport, node.role),
    )
    sent_ms = None
    if read.sent_at is not None:
        if read.sent_at.tzinfo is None:
            raise EnvelopeError("sentAt without a time zone")
        sent_ms = (read.sent_at - UNIX_EPOCH) // timedelta(milliseconds=1)
    return ReadPush(tracking_id, content, sent_ms)
